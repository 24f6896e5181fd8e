#!/bin/sh
# Loads the files beside this script in their order; safe to repeat. Loads take turns, and
# one that was cut short, in whatever way, is put right by the next.
# The chain sallyport_edge and what begins with sallyport_edge. is ours; nothing else is touched.
# The jump stands first in FORWARD.
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

# has LINE TEXT: the text has this line.
newline='
'
has() {
	case "$newline$2$newline" in
	*"$newline$1$newline"*) ;;
	*) return 1 ;;
	esac
}

# drop_jump PROGRAM HOOK JUMP FOUND takes away a jump, however often it is there.
drop_jump() {
	has "$1 -A $2 $3" "$4" || return 0
	# shellcheck disable=SC2086 # several words
	while "$1" -w -D "$2" $3 2>/dev/null; do :; done
}

# drop_jumps PROGRAM HOOK FOUND takes away the jump that a standalone load put there,
# and others to our chain.
drop_jumps() {
	drop_jump "$1" "$2" "-m comment --comment sallyport_edge -j sallyport_edge" "$3"
	drop_jump "$1" "$2" "-j sallyport_edge" "$3"
}

# drop_sets KEEP takes away all sets of ours but these. nf_tables lets go of sets a moment
# after the rules are gone.
drop_sets() {
	command -v ipset >/dev/null || return 0
	for pause in 1 1 2 0; do
		sets=
		all=$(ipset list -name)
		for s in $all; do
			case " $1 " in *" $s "*) continue ;; esac
			case $s in sallyport_edge.*) sets="${sets}destroy $s$newline" ;; esac
		done
		[ -n "$sets" ] || return 0
		ipset restore 2>/dev/null <<END && return
$sets
END
		sleep "$pause"
	done
	say "rules that are not ours use some of these sets:$(echo "$sets" | sed 's/^destroy//' | tr -d '\n')"
	echo "$sets" | ipset restore
}

# whole SUM FILE...: the files have the commands that this script was made for, all of them.
whole() {
	command -v sha256sum >/dev/null || return 0
	sum=$1
	shift
	[ "$(sed '/^#/d' "$@" | sha256sum)" = "$sum  -" ]
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
whole 693d42436d0e44f77578d5a58b9743e15e6931e20ccb4eff3e37e104c60981b3 /proc/self/fd/3 /proc/self/fd/4 /proc/self/fd/5 || again

# What is in force, read once: nothing else of ours changes it during our turn.
v4=$(iptables -w -S)
v6=$(ip6tables -w -S)

# What matters of it, a line each after the program (p): jumps to our chain; "same" where our
# chains are those of the file, which has one set at most; otherwise "copies" where they name
# sets of ours; and the chains of ours that the file does not name.
found=$(awk -v main='sallyport_edge' -v ours='sallyport_edge.' '
	/^in force: / { in_force = 1; p = $3 }
	!in_force && /^:/ { named[p, substr($1, 2)]; missing[p]++ }
	!in_force && /^-X/ { retired[p, $2]; missing[p]-- }
	!in_force && /^-A/ { rule[p, $2, ++rules[p, $2]] = $0; missing[p]++ }
	!in_force { sets[p] = n; next }
	/^-A/ && $NF == main { print p, $0 }
	$2 != main && index($2, ours) != 1 { next }
	{ missing[p]-- }
	/^-N/ && !((p, $2) in named) { stale[p] = stale[p] " " $2 }
	/^-N/ && ((p, $2) in retired || !((p, $2) in named)) { differs[p] }
	/^-A/ && rule[p, $2, ++seen[p, $2]] != $0 { differs[p] }
	/ --match-set sallyport_edge\.[^ ]*_v[46] / { in_use[p] }
	END {
		for (p in sets) {
			if (!missing[p] && !(p in differs) && sets[p] < 2) print p, "same"
			else if (p in in_use) print p, "copies"
			print p, "stale:" stale[p]
		}
	}' p=iptables n=3 /proc/self/fd/4 p=ip6tables n=3 /proc/self/fd/5 - <<END
in force: iptables
$v4
in force: ip6tables
$v6
END
)

drop_jumps iptables OUTPUT "$found"
drop_jumps ip6tables OUTPUT "$found"

# Sets change one by one, and not together with the rules that name them. So where rules
# in force name sets of ours, the new rules come first with copies of the new sets, and the
# sets change while nothing names them. Under rules that stay, one set changes at once.
copies=
if has "iptables copies" "$found"; then copies="$copies|v4"; fi
if has "ip6tables copies" "$found"; then copies="$copies|v6"; fi
if [ -n "$copies" ]; then # the copy of the set NAME_v4 is NAME.v4
	awk -v of="(${copies#|})\$" '$2 ~ of {
		while (match($0, /_v[46]( |$)/)) $0 = substr($0, 1, RSTART - 1) "." substr($0, RSTART + 1)
		print
	}' /proc/self/fd/3 | ipset restore
fi
if has "iptables copies" "$found"; then
	sed 's/\( sallyport_edge\.[^ ]*\)_v4 /\1.v4 /g' /proc/self/fd/4 | iptables-restore -w --noflush
fi
if has "ip6tables copies" "$found"; then
	sed 's/\( sallyport_edge\.[^ ]*\)_v6 /\1.v6 /g' /proc/self/fd/5 | ip6tables-restore -w --noflush
fi
ipset restore </proc/self/fd/3
has "iptables same" "$found" || iptables-restore -w --noflush </proc/self/fd/4
has "ip6tables same" "$found" || ip6tables-restore -w --noflush </proc/self/fd/5

# jump PROGRAM puts the jump first, where it is not there yet.
jump() {
	has "$1 -A FORWARD -m comment --comment sallyport_edge -j sallyport_edge" "$found" ||
		"$1" -w -C FORWARD -m comment --comment sallyport_edge -j sallyport_edge 2>/dev/null ||
		"$1" -w -I FORWARD -m comment --comment sallyport_edge -j sallyport_edge
	drop_jump "$1" FORWARD "-j sallyport_edge" "$found"
}
jump iptables
jump ip6tables

# sweep PROGRAM takes away chains of a version before the last one.
sweep() {
	stale=${found##*"$1 stale:"}
	stale=${stale%%"$newline"*}
	[ -n "$stale" ] || return 0
	{
		echo '*filter'
		for c in $stale; do echo ":$c - [0:0]"; done
		for c in $stale; do echo "-X $c"; done
		echo COMMIT
	} | "$1-restore" -w --noflush
}
sweep iptables
sweep ip6tables
drop_sets "sallyport_edge.lan_v4 sallyport_edge.inner_v4 sallyport_edge.cloud_v4 sallyport_edge.lan_v6 sallyport_edge.inner_v6 sallyport_edge.cloud_v6"
exit 0
}
