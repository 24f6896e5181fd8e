#!/bin/sh
# Runs every check and every test. As root on Debian it installs the programs that
# the tests load rendered output into; otherwise it says what is skipped, and why.
#
#   ./test.sh           everything
#   ./test.sh -short    without the longest loops; other arguments go to go test, too
set -eu
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }

# gcc is what the race detector needs; the rest is loaded for real.
packages="gcc libc6-dev nftables iptables ipset strace openvpn iproute2 wireguard-tools wireguard-go procps"
programs="gcc nft iptables ipset strace openvpn ip wg-quick wireguard-go sysctl"
missing=""
for p in $programs; do
	PATH="$PATH:/usr/sbin:/sbin" command -v "$p" >/dev/null || missing="$missing $p"
done
export PATH="$PATH:/usr/sbin:/sbin"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	say "installing:$missing"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
	missing=""
fi

race=-race
command -v gcc >/dev/null || { race=""; say "no gcc: tests run without the race detector"; }
if [ "$(id -u)" = 0 ] && [ -z "$missing" ]; then
	export SALLYPORT_MUST_RUN=1 # no test may be skipped for want of rights or programs
else
	say "tests that make network namespaces are skipped: they need root and nft, and others strace"
fi
[ -d "${SALLYPORT_DATA:-../shared/data}" ] || say "tests on real feeds are skipped: SALLYPORT_DATA names no folder that holds them"

say "format"
unformatted=$(gofmt -l $(find . -name '*.go' -not -path './tools/*'))
[ -z "$unformatted" ] || { printf 'not formatted, run gofmt -w:\n%s\n' "$unformatted"; exit 1; }

say "vet and linters"
go vet ./...
go tool -modfile=tools/go.mod staticcheck ./...
go tool -modfile=tools/go.mod depguard ./...

say "builds for other systems"
for os in linux darwin windows; do
	CGO_ENABLED=0 GOOS=$os go build -o /dev/null ./cmd/sallyport
	CGO_ENABLED=0 GOOS=$os go vet ./...
done

say "tests"
go tool -modfile=tools/go.mod gotestsum --format pkgname -- $race -timeout 12m "$@" ./...
