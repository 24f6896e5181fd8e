// Package ifname says what is wrong with a name that is meant to be that of a network
// interface of Linux, and what was most likely meant.
//
// The kernel takes almost any 15 bytes (dev_valid_name), so that a name copied from the
// wrong place would be taken, and match nothing: a rule that denies would deny nothing.
// What programs print beside a name, and what other programs' wildcards are, is refused.
package ifname

import (
	"fmt"
	"strings"
)

// Most is how many bytes a name has at most: IFNAMSIZ with the final zero.
const Most = 15

// Problem returns what is wrong with name, or an empty cause. Where wildcard says so,
// a trailing * is fine. refused are further characters that the reader of the output
// gives a meaning of its own.
func Problem(name string, wildcard bool, refused string) (cause, fix string) {
	const asShown = "write it as ip link shows it, up to a colon or an @"
	base, many := strings.CutSuffix(name, "*")
	switch {
	case name == "":
		return "a name of an interface is empty", "name the interface as ip link shows it, or leave it out"
	case name == "any" || name == "all" || name == "*" || name == "+":
		return fmt.Sprintf("%q is no interface name: a rule would wait for an interface that is called so", name),
			"name the interfaces one by one; where an option may be absent, that means any"
	case strings.ContainsAny(name, "\"'`"):
		return fmt.Sprintf("%q has quotes in it", name), fmt.Sprintf("write %q", strings.Trim(name, "\"'` "))
	case strings.ContainsAny(name, ", \t"):
		return fmt.Sprintf("%q is not one interface name", name), "write each name by itself, without blanks and commas"
	case strings.Contains(name, "@"):
		before, _, _ := strings.Cut(name, "@")
		return fmt.Sprintf("%q is what ip link shows for an interface with its other end, and no interface is called so", name), fmt.Sprintf("write %q", before)
	case strings.Contains(name, ":"):
		before, _, _ := strings.Cut(name, ":")
		return fmt.Sprintf("%q is a label of an address: traffic goes by the interface", name), fmt.Sprintf("write %q", before)
	case strings.HasSuffix(name, "+") && wildcard:
		return fmt.Sprintf("%q is iptables' way to say several interfaces", name), fmt.Sprintf("write %q", strings.TrimRight(name, "+")+"*")
	case strings.HasSuffix(name, "+") || many && !wildcard:
		return fmt.Sprintf("%q is several interfaces, and one is wanted", name), asShown
	case len(name) > Most:
		return fmt.Sprintf("%q has %d characters, and the name of an interface has %d at most", name, len(name), Most),
			"write the name that ip link shows first; an alternative name (altname) is not what rules and routes know it by"
	}
	if !many {
		base = name
	}
	if base == "." || base == ".." || strings.IndexByte("-!", base[0]) >= 0 || strings.ContainsFunc(base, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune("/\\;{}*"+refused, c)
	}) {
		return fmt.Sprintf("%q is no interface name", name), asShown
	}
	return "", ""
}
