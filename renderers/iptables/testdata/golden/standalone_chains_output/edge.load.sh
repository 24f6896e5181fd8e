#!/bin/sh
# Loads the files beside this script in their order; safe to repeat. Loads take turns, and
# one that was cut short, in whatever way, is put right by the next.
# The chain sallyport_edge and what begins with sallyport_edge. is ours; nothing else is touched.
# The jump stands first in OUTPUT.
set -eu
{ # a script that was cut short does nothing
base=${0%.load.sh}
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

# drop_jumps PROGRAM HOOK takes away the jump that a standalone load put there,
# and others to our chain.
drop_jumps() {
	while "$1" -w -D "$2" -m comment --comment sallyport_edge -j sallyport_edge 2>/dev/null; do :; done
	while "$1" -w -D "$2" -j sallyport_edge 2>/dev/null; do :; done
}

# destroy SET. nf_tables lets go of sets a moment after the rules are gone.
destroy() {
	for pause in 0 1 1 2; do
		sleep "$pause"
		ipset destroy "$1" 2>/dev/null && return
	done
	ipset destroy "$1"
}

# whole SUM NUMBER...: the files that are open under these numbers have the commands that
# this script was made for, all of them.
whole() {
	command -v sha256sum >/dev/null || return 0
	sum=$1
	shift
	[ "$(for n; do grep -v '^#' "/proc/self/fd/$n"; done | sha256sum)" = "$sum  -" ]
}

# again begins anew where the files are not those of this script: a run of sallyport may
# be publishing at this moment, this script among them.
again() {
	tries=$((${SALLYPORT_TRIES:-0} + 1))
	if [ "$tries" -gt 20 ]; then
		say "the files beside $0 are not those that it was made for: run sallyport generate, or copy all of them from one run"
		exit 1
	fi
	sleep 0.2 2>/dev/null || sleep 1
	SALLYPORT_TRIES=$tries exec sh "$0"
}

take_turn

# The files, opened once: what is published over them meanwhile does not mix with them.
exec 3<"$base.v4.rules"
exec 4<"$base.v6.rules"
whole 29bad54f7d00b3bdc6d1e6ad858bc91419ee81c9a8d9696adc31087bc4208cc9 3 4 || again

drop_jumps iptables FORWARD
drop_jumps ip6tables FORWARD
iptables-restore -w --noflush </proc/self/fd/3
ip6tables-restore -w --noflush </proc/self/fd/4

# jump PROGRAM puts the jump first, where it is not there yet.
jump() {
	"$1" -w -C OUTPUT -m comment --comment sallyport_edge -j sallyport_edge 2>/dev/null || "$1" -w -I OUTPUT -m comment --comment sallyport_edge -j sallyport_edge
	while "$1" -w -D OUTPUT -j sallyport_edge 2>/dev/null; do :; done
}
jump iptables
jump ip6tables

# Chains of ours that the files do not name: of a version before the last one.
sweep() {
	stale=$("$1" -w -S | awk -v ours='sallyport_edge.' '
		FNR == NR { if (/^:/) named[substr($1, 2)] = 1; next }
		$1 == "-N" && index($2, ours) == 1 && !($2 in named) { print $2 }' "/proc/self/fd/$2" -)
	[ -n "$stale" ] || return 0
	{
		echo '*filter'
		for c in $stale; do echo ":$c - [0:0]"; done
		for c in $stale; do echo "-X $c"; done
		echo COMMIT
	} | "$1-restore" -w --noflush
}
sweep iptables 3
sweep ip6tables 4
command -v ipset >/dev/null || exit 0

# Sets that no rule needs any more.
for s in $(ipset list -name); do
	case $s in
	sallyport_edge.*) destroy "$s" ;;
	esac
done
exit 0
}
