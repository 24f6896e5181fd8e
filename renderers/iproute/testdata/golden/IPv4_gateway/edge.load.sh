#!/bin/sh
# Loads the files beside this script; safe to repeat. Loads take turns, and one that was
# cut short, in whatever way, is put right by the next. Routes of protocol numbers 213
# and 214 in table 100 are ours; nothing else is touched.
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
exec 3<"$base".v4.batch
whole fdd57a9c2d6eeffd3d75eb0284e921d76e71cc460a800bc9281644f1ea0bd817 /proc/self/fd/3 || again

# load FAMILY NUMBER puts the list in place under the next number, so that the flush in the
# file takes only what the list has no more, and no packet meets a gap.
load() {
	sed -n '/^route replace/s/ proto 213 / proto 214 /p' "/proc/self/fd/$2" | ip -"$1" -batch -
	ip -"$1" -batch "/proc/self/fd/$2"
}
load 4 3
exit 0
}
