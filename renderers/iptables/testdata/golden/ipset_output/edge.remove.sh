#!/bin/sh
# Removes the chain sallyport_edge, and the chains and sets that begin with
# sallyport_edge.; nothing else.
# Delete your jump first: iptables -D OUTPUT -j sallyport_edge, and with ip6tables.
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

# drop_jumps PROGRAM HOOK FOUND takes away the jump that a standalone load put there.
drop_jumps() {
	drop_jump "$1" "$2" "-m comment --comment sallyport_edge -j sallyport_edge" "$3"
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

# clear PROGRAM [KEEP] takes away all chains of ours but KEEP, which it empties.
clear() {
	command -v "$1" >/dev/null || return 0
	rules=$("$1" -w -S 2>/dev/null | sed "s/^/$1 /")
	case $rules in *'-N sallyport_edge'*) ;; *) return 0 ;; esac
	drop_jumps "$1" FORWARD "$rules"
	drop_jumps "$1" OUTPUT "$rules"
	chains=$(echo "$rules" | sed -n -e 's/^[^ ]* -N \(sallyport_edge\)$/\1/p' -e 's/^[^ ]* -N \(sallyport_edge\..*\)$/\1/p')
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
drop_sets ""
exit 0
}
