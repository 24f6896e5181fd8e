#!/bin/sh
# Loads the files beside this script in their order; safe to repeat. Loads take turns, and
# one that was cut short, in whatever way, is put right by the next.
# The chain sallyport_edge and what begins with sallyport_edge. is ours; nothing else is touched.
# Your own chain jumps to ours; put the jump there once, where it should take effect:
#   iptables -w -C OUTPUT -j sallyport_edge 2>/dev/null || iptables -w -I OUTPUT -j sallyport_edge
#   ip6tables -w -C OUTPUT -j sallyport_edge 2>/dev/null || ip6tables -w -I OUTPUT -j sallyport_edge
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
exec 3<"$base.ipset"
exec 4<"$base.v4.rules"
exec 5<"$base.v6.rules"
whole dbdff30889579b8c8b05bb1f3dba556ebe5a4f3aa12a211deef261756cd1cc4f 3 4 5 || again

# A jump from another hook would take in the chain without its gates.
if iptables -w -C FORWARD -j sallyport_edge 2>/dev/null; then
	say "FORWARD still jumps to sallyport_edge, from when the hook was another: iptables -w -D FORWARD -j sallyport_edge, then run this again"
	exit 1
fi
if ip6tables -w -C FORWARD -j sallyport_edge 2>/dev/null; then
	say "FORWARD still jumps to sallyport_edge, from when the hook was another: ip6tables -w -D FORWARD -j sallyport_edge, then run this again"
	exit 1
fi
drop_jumps iptables FORWARD
drop_jumps iptables OUTPUT
drop_jumps ip6tables FORWARD
drop_jumps ip6tables OUTPUT

# named FAMILY MARK: the set NAME_v4 is called NAME, the mark, and v4.
named() { sed "s/\( sallyport_edge\.[^ ]*\)_$1/\1$2$1/g"; }

# pass PROGRAM FAMILY MARK: the sets of the family, then its rules.
pass() {
	awk -v end="$2\$" '$2 ~ end' /proc/self/fd/3 | named "$2" "$3" | ipset restore
	named "$2" "$3" <"/proc/self/fd/$4" | "$1-restore" -w --noflush
}

# Sets change one by one, and not together with the rules that name them. So where
# rules in force name our sets, the new rules come first with copies of the new sets,
# and the sets change while nothing names them.
load() {
	if "$1" -w -S | grep -q -e "--match-set sallyport_edge\.[^ ]*_$2 "; then
		pass "$1" "$2" . "$3"
	fi
	pass "$1" "$2" _ "$3"
}
load iptables v4 4
load ip6tables v6 5

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
sweep iptables 4
sweep ip6tables 5
command -v ipset >/dev/null || exit 0

# Sets that no rule needs any more.
for s in $(ipset list -name); do
	case $s in
	sallyport_edge.lan_v4) ;;
	sallyport_edge.inner_v4) ;;
	sallyport_edge.cloud_v4) ;;
	sallyport_edge.lan_v6) ;;
	sallyport_edge.inner_v6) ;;
	sallyport_edge.cloud_v6) ;;
	sallyport_edge.*) destroy "$s" ;;
	esac
done
exit 0
}
