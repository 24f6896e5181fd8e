#!/bin/sh
# Runs every check and every test. As root on Debian it installs the programs that
# the tests load rendered output into; otherwise it says what is skipped, and why.
#
#   ./test.sh           everything
#   ./test.sh -short    without the longest loops; other arguments go to go test, too
set -eu
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }

# What the tests need, and the Debian packages that have it. gcc is for the race detector;
# the rest is loaded with rendered output, or answers the verifier.
needs="
gcc                     gcc libc6-dev
nft                     nftables
iptables                iptables
ipset                   ipset
iprange                 iprange
strace                  strace
sysctl                  procps
cron                    cron
systemd-analyze         systemd
unshare                 util-linux
ip                      iproute2
openvpn                 openvpn
wg-quick                wireguard-tools
wireguard-go            wireguard-go
swanctl                 strongswan-swanctl
charon-systemd          charon-systemd
NetworkManager          network-manager
dbus-daemon             dbus-daemon
birdc                   bird2
vtysh                   frr
ocserv                  ocserv
openconnect             openconnect vpnc-scripts
turnserver              coturn
openssl                 openssl
tshark                  tshark
xmllint                 libxml2-utils
shellcheck              shellcheck
valgrind                valgrind
busybox                 busybox
dash                    dash
aws                     awscli
node                    nodejs
jq                      jq
duk                     duktape
mujs                    mujs
npm                     npm
python3                 python3 python3-venv
"
export PATH="$PATH:/usr/sbin:/sbin:/usr/lib/frr"
missing="" packages=""
while read -r program list; do
	if [ -n "$program" ] && ! command -v "$program" >/dev/null; then
		missing="$missing $program" packages="$packages $list"
	fi
done <<EOF
$needs
EOF
if [ ! -e /usr/lib/python3/dist-packages/pacparser ]; then
	missing="$missing pacparser" packages="$packages python3-pacparser"
fi

# install installs packages and starts none of the services that come with them: the
# tests run those programs themselves, in namespaces of their own.
install() {
	policy=/usr/sbin/policy-rc.d
	own=""
	if [ ! -e "$policy" ]; then
		own=yes
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	fi
	status=0
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; } || status=$?
	[ -z "$own" ] || rm -f "$policy"
	return $status
}
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	say "installing:$missing"
	# shellcheck disable=SC2086 # a list of words
	install $packages
	missing=""
fi

# What Debian lacks comes from PyPI and npm, in pinned versions, into a folder of its own
# (package internal/testkit/need).
tools=${SALLYPORT_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/sallyport-tests}
vpnslice="vpn-slice==0.16.1 dnspython==2.9.2 setproctitle==1.3.8"
pac=renderers/pac/testdata/npm
if [ -z "$missing" ]; then
	if [ "$(cat "$tools/python/pinned" 2>/dev/null)" != "$vpnslice" ]; then
		say "installing vpn-slice"
		rm -rf "$tools/python"
		# shellcheck disable=SC2086 # a list of words
		if python3 -m venv "$tools/python" && "$tools/python/bin/pip" install -q --disable-pip-version-check $vpnslice; then
			echo "$vpnslice" >"$tools/python/pinned"
		else
			missing="$missing vpn-slice"
		fi
	fi
	if ! cmp -s "$pac/package-lock.json" "$tools/npm/pinned"; then
		say "installing pac-resolver"
		rm -rf "$tools/npm"
		mkdir -p "$tools/npm"
		cp "$pac"/package*.json "$tools/npm"
		if (cd "$tools/npm" && npm ci --silent --no-audit --no-fund --ignore-scripts); then
			cp "$pac/package-lock.json" "$tools/npm/pinned"
		else
			missing="$missing pac-resolver"
		fi
	fi
fi

race=-race
command -v gcc >/dev/null || { race=""; say "no gcc: tests run without the race detector"; }
if [ "$(id -u)" = 0 ] && [ -z "$missing" ]; then
	export SALLYPORT_MUST_RUN=1 # no test may be skipped for want of rights or programs
else
	say "tests that need root, or one of these programs, are skipped:${missing:- none is missing}"
fi
[ -d "${SALLYPORT_DATA:-../shared/data}" ] || say "tests on real feeds are skipped: SALLYPORT_DATA names no folder that holds them"

say "format"
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { printf 'not formatted, run gofmt -w:\n%s\n' "$unformatted"; exit 1; }

say "vet and linters"
go vet ./...
go tool -modfile=tools/go.mod staticcheck ./...
go tool -modfile=tools/go.mod depguard ./...
tools/deadcode.sh

say "builds for other systems"
for os in linux darwin windows; do
	CGO_ENABLED=0 GOOS=$os go build -o /dev/null ./cmd/sallyport
	CGO_ENABLED=0 GOOS=$os go vet ./...
done

# The time-out is for what hangs: a machine ten times slower needs a part of it.
tests() { go tool -modfile=tools/go.mod gotestsum --format pkgname -- -timeout 60m "$@"; }
pure="./ipranges/... ./rules/... ./renderers/paloalto ./renderers/pfsense"
others=$(go list ./... | grep -v -e '^sallyport/ipranges' -e '^sallyport/rules' -e '^sallyport/renderers/paloalto$' -e '^sallyport/renderers/pfsense$')

# What is tried in all combinations shows nothing more with the race detector, and takes
# ten times as long, or forty where XML is read byte by byte. Of sets, rules and those
# targets the loops run without it, and with it the short ones.
# shellcheck disable=SC2086 # lists of words
{
	say "tests of sets, rules and targets in XML"
	tests "$@" $pure
	[ -z "$race" ] || tests $race -short "$@" $pure
	say "tests of everything else"
	tests $race "$@" $others
}
