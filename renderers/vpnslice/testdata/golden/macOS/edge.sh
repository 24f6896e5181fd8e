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

set -- "$@" 0.0.0.0/1 128.0.0.0/1 $(list4)

# Where the VPN gives no IPv6 there is nothing to tunnel of it.
if [ -n "${INTERNAL_IP6_ADDRESS-}${INTERNAL_IP6_NETMASK-}" ]; then
	set -- "$@" ::/1 8000::/1
	# vpn-slice ends half-way where there is no route to what it should leave alone.
	if { command -v ip && ip -6 route get 2603:1063:: || ! command -v ip && route -n get -inet6 2603:1063::; } >/dev/null 2>&1; then
		set -- "$@" $(list6)
	else
		echo "edge: there is no IPv6 past the tunnel, and what the list has of it goes through the tunnel" >&2
	fi
fi

printf '%s\n' "$@" >"$kept"
exec vpn-slice "$@"
