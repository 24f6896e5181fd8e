#!/bin/sh
# Loads the list beside this script into FRR; safe to repeat. Loads take turns, and one that
# was cut short is put right by the next. Static routes under tag 213 are ours; nothing
# else is touched.
set -eu
{ # a script that was cut short does nothing
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

take_turn
# The list, opened once: what is published over it meanwhile does not mix with it.
exec 3<"${0%.load.sh}".conf
list=/proc/self/fd/3

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
more=$(ours | grep -cvxFf "$list" || true)
if [ "$loaded" -ne "$wanted" ] || [ "$more" -ne 0 ]; then
	echo "FRR has $loaded of the $wanted routes of the list, and $more others under tag 213: is staticd running?" >&2
	exit 1
fi
exit 0
}
