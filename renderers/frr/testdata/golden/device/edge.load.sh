#!/bin/sh
# Loads the list beside this script into FRR; safe to repeat. Static routes under tag
# 213 are ours; nothing else is touched.
set -eu
list=${0%.load.sh}.conf

ours() { vtysh -c 'show running-config' | sed -nE '/^ip(v6)? route .* tag 213( |$)/p'; }

# FRR keeps one route for a prefix and a next hop, and would take one of yours for ours.
theirs() { vtysh -c 'show running-config' | sed -nE '/ tag 213( |$)/d; s/^(ip route [^ ]+ tun0)( tag [0-9]+)?( [0-9]+)?$/\1/p; s/^(ipv6 route [^ ]+ tun0)( tag [0-9]+)?( [0-9]+)?$/\1/p'; }
listed() { sed -n '/^ip/s/ tag .*//p' "$list"; }
both=$({ theirs; listed; } | sort | uniq -d)
if [ -n "$both" ]; then
	echo "FRR has these routes already, and not under tag 213: take them out, or out of the list" >&2
	echo "$both" >&2
	exit 1
fi

# New routes first, withdrawn ones last and the longest of them at the end: what both
# lists hold is never away.
ours | grep -vxFf - "$list" | vtysh -f /dev/stdin
ours | grep -vxFf "$list" | sort -t/ -k2n | sed 's/^/no /' | vtysh -f /dev/stdin

# vtysh says nothing where staticd is not there to take routes.
loaded=$(ours | grep -cxFf "$list" || true)
wanted=$(grep -c '^ip' "$list")
if [ "$loaded" -ne "$wanted" ]; then
	echo "FRR has $loaded of the $wanted routes of $list: is staticd running?" >&2
	exit 1
fi
