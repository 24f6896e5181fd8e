#!/bin/sh
# Removes the chain sallyport_edge, and the chains and sets that begin with
# sallyport_edge.; nothing else.
# Delete your jump first: iptables -D FORWARD -j sallyport_edge, and with ip6tables.
# While something jumps there, the chains are refused and stay as they are.
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

# drop_jumps PROGRAM HOOK takes away the jump that a standalone load put there.
drop_jumps() {
	while "$1" -w -D "$2" -m comment --comment sallyport_edge -j sallyport_edge 2>/dev/null; do :; done
}

# destroy SET. nf_tables lets go of sets a moment after the rules are gone.
destroy() {
	for pause in 0 1 1 2; do
		sleep "$pause"
		ipset destroy "$1" 2>/dev/null && return
	done
	ipset destroy "$1"
}

# clear PROGRAM [KEEP] takes away all chains of ours but KEEP, which it empties.
clear() {
	command -v "$1" >/dev/null || return 0
	drop_jumps "$1" FORWARD
	drop_jumps "$1" OUTPUT
	chains=$("$1" -w -S 2>/dev/null | sed -n -e 's/^-N \(sallyport_edge\)$/\1/p' -e 's/^-N \(sallyport_edge\..*\)$/\1/p')
	[ -n "$chains" ] || return 0
	{
		echo '*filter'
		for c in $chains; do echo ":$c - [0:0]"; done
		for c in $chains; do [ "$c" = "${2-}" ] || echo "-X $c"; done
		echo COMMIT
	} | "$1-restore" -w --noflush
}

take_turn
clear iptables
clear ip6tables
command -v ipset >/dev/null || exit 0
for s in $(ipset list -name); do
	case $s in
	sallyport_edge.*) destroy "$s" ;;
	esac
done
exit 0
}
