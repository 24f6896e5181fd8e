#!/bin/sh
# made by sallyport test for target edge: edits are lost at the next run
# policy: policy.hcl, sha256 abababababababab
# feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
# counts: 1 rule, 1 set, 3 IPv4 and 1 IPv6 ranges
# routes: bypass of IPv4 and IPv6: the addresses of cloud go past the VPN, the rest through it
# on every protocol and port: routes cannot tell ports apart
#
# For openconnect, or vpnc, with everything else in the tunnel.
# Load:   openconnect --script /etc/vpnc/edge.sh SERVER
#         Options for vpn-slice may follow:   --script '/etc/vpnc/edge.sh --banner'
# Remove: leave --script out, and reconnect.

case ${reason-} in
connect | disconnect) ;;
*) exec vpn-slice "$@" ;;
esac

kept=/var/run/sallyport_edge.routes

# withdraw takes out the routes past the tunnel of the last connection: vpn-slice
# leaves them.
withdraw() {
	[ -e "$kept" ] || return 0
	sed -n 's/^%/route del /p' "$kept" | ip -force -batch - 2>/dev/null
	rm -f "$kept"
}
withdraw
[ "$reason" = connect ] || exec vpn-slice "$@"

list4() { cat <<'END'
%20.202.0.0/16
%52.112.0.0/14
%52.122.0.0/15
END
}

list6() { cat <<'END'
%2603:1063::/38
END
}

# vpn-slice stops, before it sets any route, at an IPv6 address that the tunnel's device
# does not take: IPv6 is off (Linux), or the MTU is below IPv6's least.
ipv6=yes
if [ -d /proc/sys/net ] && [ "$(cat "/proc/sys/net/ipv6/conf/${TUNDEV-}/disable_ipv6" 2>/dev/null)" != 0 ]; then
	ipv6="" why="IPv6 is off here"
elif [ "${INTERNAL_IP4_MTU:-1280}" -lt 1280 ]; then
	ipv6="" why="the tunnel's MTU is $INTERNAL_IP4_MTU, and IPv6 needs 1280"
fi
if [ -z "$ipv6" ]; then
	[ -z "${INTERNAL_IP6_ADDRESS-}${INTERNAL_IP6_NETMASK-}" ] || echo "edge: $why: the tunnel carries none of it" >&2
	unset INTERNAL_IP6_ADDRESS INTERNAL_IP6_NETMASK INTERNAL_IP6_DNS CISCO_IPV6_SPLIT_INC CISCO_IPV6_SPLIT_EXC
fi

# outside ADDRESS FAMILY: whether there is a way to it outside of the tunnel. Where there
# is none to what it should leave alone, vpn-slice ends half-way.
outside() {
	if command -v ip; then ip route get "$1"; else route -n get "$2" "$1"; fi >/dev/null 2>&1
}

set -- "$@" 0.0.0.0/1 128.0.0.0/1
if outside 20.202.0.0 -inet; then
	# shellcheck disable=SC2046 # a prefix is a word
	set -- "$@" $(list4)
else
	echo "edge: there is no IPv4 past the tunnel, and what the list has of it goes through the tunnel" >&2
fi

# Where the VPN gives no IPv6 there is nothing to tunnel of it.
if [ -n "${INTERNAL_IP6_ADDRESS-}${INTERNAL_IP6_NETMASK-}" ]; then
	set -- "$@" ::/1 8000::/1
	if outside 2603:1063:: -inet6; then
		# shellcheck disable=SC2046 # a prefix is a word
		set -- "$@" $(list6)
	else
		echo "edge: there is no IPv6 past the tunnel, and what the list has of it goes through the tunnel" >&2
	fi
fi

printf '%s\n' "$@" >"$kept"
exec vpn-slice "$@"
