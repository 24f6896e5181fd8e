#!/bin/sh
# made by sallyport test for target edge: edits are lost at the next run
# policy: policy.hcl, sha256 abababababababab
# feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
# counts: 1 rule, 1 set, 3 IPv4 and 1 IPv6 ranges
# routes: bypass of IPv4 and IPv6: the addresses of cloud go past the VPN, the rest through it
# on every protocol and port: routes cannot tell ports apart
#
# Keeps the addresses below on the uplink of this machine, past the tunnel: it
# finds gateway and device of each family when it runs, and leaves out, aloud, a family
# that has no default route. Its routes carry protocol number 213 and metric 13.
#   sh /etc/wireguard/edge.sh up [TUNNEL]     load, again, or over an earlier list
#   sh /etc/wireguard/edge.sh down            take them away
#   sh /etc/wireguard/edge.sh watch TUNNEL    load, and again whenever a default route changes,
#                                as long as the device TUNNEL is there

protocol=213 next=214 metric=13
ours="4 6" listed="4 6" # families: all that this file keeps, and those with a list

list4() {
	cat <<'END'
20.202.0.0/16
52.112.0.0/14
52.122.0.0/15
END
}

list6() {
	cat <<'END'
2603:1063::/38
END
}

# take_turn waits until no other load or removal is running, for a minute at most. The
# lock is on the network namespace, where rules and routes live: it is gone with the last
# program of a run, however that ended. Where there is no flock, it is a link that names
# the run, and that of a run which has died is taken away.
take_turn() {
	flock=no
	if command -v flock >/dev/null && [ -r /proc/self/ns/net ]; then
		exec 9</proc/self/ns/net
		flock=yes
	fi
	tenths=0
	until try_turn; do
		if [ "$tenths" -ge 600 ]; then
			say "another load or removal has been running for 60 seconds: nothing was changed"
			exit 1
		fi
		if sleep 0.1 2>/dev/null; then
			tenths=$((tenths + 1))
		else
			sleep 1
			tenths=$((tenths + 10))
		fi
	done
}

try_turn() {
	if [ $flock = yes ]; then
		flock -n 9
		return
	fi
	link=/run/sallyport.lock
	[ -d /run ] || link=/var/run/sallyport.lock
	if ln -sn "$$" "$link" 2>/dev/null; then
		trap 'rm -f "$link"' EXIT
		return 0
	fi
	if [ ! -w "${link%/*}" ]; then
		say "there is no flock here, and ${link%/*} is not writable: nothing was changed"
		exit 1
	fi
	holder=$(readlink "$link") || return 1
	# Of several that find it dead, the one that makes the folder takes it away.
	if ! kill -0 "$holder" 2>/dev/null && mkdir "$link.$holder" 2>/dev/null; then
		[ "$(readlink "$link")" != "$holder" ] || rm -f "$link"
		rmdir "$link.$holder"
	fi
	return 1
}

say() { echo "edge: $*" >&2; }

# flush FAMILY PROTOCOL. Without any route there is nothing to find, which is no mistake.
flush() {
	root=::/0
	[ "$1" = 6 ] || root=0.0.0.0/0
	ip -"$1" route flush root $root table main proto "$2" 2>/dev/null || :
}

# tables FAMILY prints the tables in which any packet is looked up, in their order.
tables() {
	ip -"$1" rule show 2>/dev/null | while read -r _ from all lookup table rest; do
		case "$from $all $lookup $rest" in
		"from all lookup " | "from all lookup proto "*) echo "$table" ;;
		esac
	done
}

# hop FAMILY TUNNEL prints the way of the first default route that is not the tunnel's.
hop() {
	for table in $(tables "$1"); do
		ip -o -"$1" route show table "$table" default 2>/dev/null
	done | while read -r kind rest; do
		[ "$kind" = default ] || continue
		set -f
		# shellcheck disable=SC2086 # the words of a route
		way "$2" $rest && break
	done
}

# way TUNNEL WORD... prints the first next hop among the words of a route.
way() {
	tunnel=$1 via="" dev="" flags=""
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		via)
			[ -z "$dev" ] || break # the next hop of another path
			via="via $2 "
			[ "$2" != inet6 ] || via="via inet6 $3 "
			shift ;;
		dev)
			[ -z "$dev" ] || break
			dev=$2
			shift ;;
		onlink) flags=" onlink" ;;
		dead | linkdown) return 1 ;;
		esac
		shift
	done
	[ -n "$dev" ] && [ "$dev" != lo ] && [ "$dev" != "$tunnel" ] && echo "${via}dev $dev$flags"
}

# routes HOP PROTOCOL makes commands of prefixes.
routes() {
	while read -r prefix; do
		echo "route replace $prefix $1 table main proto $2 metric $metric"
	done
}

# batch FAMILY HOP puts the list in place under the next number, so that the flush
# takes only what the list has no more, and no packet meets a gap.
batch() {
	root=::/0
	[ "$1" = 6 ] || root=0.0.0.0/0
	list"$1" | routes "$2" $next
	echo "route flush root $root table main proto $protocol"
	list"$1" | routes "$2" $protocol
	echo "route flush root $root table main proto $next"
}

# load FAMILY TUNNEL
load() {
	hop=$(hop "$1" "$2")
	if [ -z "$hop" ]; then
		say "no default route of IPv$1 outside of the tunnel: its list is not loaded"
		flush "$1" $protocol
		flush "$1" $next
	elif ! batch "$1" "$hop" | ip -"$1" -batch -; then
		say "the IPv$1 routes $hop are not loaded, and what they list stays in the tunnel"
		return 1
	fi
}

# killswitch TUNNEL looks for rules that let nothing past the tunnel.
killswitch() {
	[ -n "$1" ] || return 0
	if { iptables -S OUTPUT; ip6tables -S OUTPUT; nft -t list ruleset; } 2>/dev/null |
		grep -qF -e "! -o $1 " -e "oifname != \"$1\"" -e "oif != \"$1\""; then
		say "a firewall rule here stops what does not leave by $1 (a kill switch), and with it what is listed"
	fi
}

# up TUNNEL
up() (
	take_turn
	status=0
	for f in $ours; do
		case " $listed " in
		*" $f "*) load "$f" "$1" || status=1 ;;
		*)
			flush "$f" $protocol
			flush "$f" $next ;;
		esac
	done
	killswitch "$1"
	exit $status
)

down() (
	take_turn
	for f in $ours; do
		flush "$f" $protocol
		flush "$f" $next
	done
)

# watch TUNNEL. Routes that are not default are mostly our own: they are not looked at.
watch() {
	{
		ip -o monitor link route rule &
		echo $!
		wait
	} | {
		read -r monitor
		last=""
		while ip link show dev "$1" >/dev/null 2>&1; do
			now="$(hop 4 "$1") and $(hop 6 "$1")"
			[ "$now" = "$last" ] || up "$1" || { sleep 2 && up "$1"; }
			last=$now
			while :; do
				read -r line || break 2
				case $line in
				*default* | *lookup* | Deleted*" $1: "* | Deleted*" $1@"*) break ;;
				esac
			done
		done
		kill "$monitor"
	}
}

case ${1-} in
up) up "${2-${dev-}}" ;;
down) down ;;
watch)
	[ -n "${2-}" ] || {
		echo "watch what? sh $0 watch TUNNEL" >&2
		exit 2
	}
	watch "$2" ;;
*)
	echo "usage: sh $0 up [TUNNEL] | down | watch TUNNEL" >&2
	exit 2 ;;
esac
