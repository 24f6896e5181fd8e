#!/bin/sh
# Removes the chain sallyport_edge, and the chains and sets that begin with
# sallyport_edge.; nothing else.
set -eu

remove() {
	command -v "$1" >/dev/null || return 0
	for h in FORWARD OUTPUT; do
		while "$1" -w -D "$h" -j sallyport_edge 2>/dev/null; do :; done
	done
	chains=$("$1" -w -S | sed -n -e 's/^-N \(sallyport_edge\)$/\1/p' -e 's/^-N \(sallyport_edge\..*\)$/\1/p')
	[ -n "$chains" ] || return 0
	{
		echo '*filter'
		for c in $chains; do echo ":$c - [0:0]"; done
		for c in $chains; do echo "-X $c"; done
		echo COMMIT
	} | "$1-restore" -w --noflush
}

# nf_tables lets go of sets a moment after the rules are gone.
destroy() {
	for pause in 0 1 1 2; do
		sleep "$pause"
		ipset destroy "$1" 2>/dev/null && return
	done
	ipset destroy "$1"
}

remove iptables
remove ip6tables
command -v ipset >/dev/null || exit 0
for s in $(ipset list -name); do
	case $s in
	sallyport_edge.*) destroy "$s" ;;
	esac
done
