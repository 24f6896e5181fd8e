#!/bin/sh
# Loads the files beside this script in their order; safe to repeat.
# The chain sallyport_edge and what begins with sallyport_edge. is ours; nothing else is touched.
# Your own chain jumps to ours; put the jump there once, where it should take effect:
#   iptables -w -C OUTPUT -j sallyport_edge 2>/dev/null || iptables -w -I OUTPUT -j sallyport_edge
#   ip6tables -w -C OUTPUT -j sallyport_edge 2>/dev/null || ip6tables -w -I OUTPUT -j sallyport_edge
set -eu
base=${0%.load.sh}
# A jump from another hook would take in the chain without its gates.
for h in FORWARD OUTPUT; do
	[ "$h" = OUTPUT ] && continue
	if iptables -w -C "$h" -j sallyport_edge 2>/dev/null; then
		echo "$h still jumps to sallyport_edge, from when the hook was another: iptables -w -D $h -j sallyport_edge, then run this again" >&2
		exit 1
	fi
done
for h in FORWARD OUTPUT; do
	[ "$h" = OUTPUT ] && continue
	if ip6tables -w -C "$h" -j sallyport_edge 2>/dev/null; then
		echo "$h still jumps to sallyport_edge, from when the hook was another: ip6tables -w -D $h -j sallyport_edge, then run this again" >&2
		exit 1
	fi
done
cat "$base.ipset" "$base.v4.rules" "$base.v6.rules" >/dev/null

# named FAMILY MARK: the set NAME_v4 is called NAME, the mark, and v4.
named() { sed "s/\( sallyport_edge\.[^ ]*\)_$1/\1$2$1/g"; }

# pass PROGRAM FAMILY MARK: the sets of the family, then its rules.
pass() {
	awk -v end="$2\$" '$2 ~ end' "$base.ipset" | named "$2" "$3" | ipset restore
	named "$2" "$3" <"$base.$2.rules" | "$1-restore" -w --noflush
}

# Sets change one by one, and not together with the rules that name them. So where
# rules in force name our sets, the new rules come first with copies of the new sets,
# and the sets change while nothing names them.
load() {
	if "$1" -w -S | grep -q -e "--match-set sallyport_edge\.[^ ]*_$2 "; then
		pass "$1" "$2" .
	fi
	pass "$1" "$2" _
}
load iptables v4
load ip6tables v6

# Chains of ours that the files do not name: of a version before the last one.
sweep() {
	stale=$("$1" -w -S | awk -v ours='sallyport_edge.' '
		FNR == NR { if (/^:/) named[substr($1, 2)] = 1; next }
		$1 == "-N" && index($2, ours) == 1 && !($2 in named) { print $2 }' "$2" -)
	[ -n "$stale" ] || return 0
	{
		echo '*filter'
		for c in $stale; do echo ":$c - [0:0]"; done
		for c in $stale; do echo "-X $c"; done
		echo COMMIT
	} | "$1-restore" -w --noflush
}
sweep iptables "$base.v4.rules"
sweep ip6tables "$base.v6.rules"
command -v ipset >/dev/null || exit 0

# Sets that no rule needs any more. nf_tables lets go of them a moment after the
# rules are gone.
destroy() {
	for pause in 0 1 1 2; do
		sleep "$pause"
		ipset destroy "$1" 2>/dev/null && return
	done
	ipset destroy "$1"
}

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
