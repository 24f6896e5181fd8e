package iptables

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/rules"
)

// maxElements is the size limit that every set is made with. It costs nothing, and
// it never changes: ipset create -exist fails where it differs.
const maxElements = 1 << 20

// set is one hash:net set of a family.
type set struct {
	name string
	fam  dialect
	all  ipranges.Set
}

// setMatch matches one side of a rule, and notes the set that it needs.
func (t *table) setMatch(a rules.Addresses, side string) string {
	if a.IsAny() {
		return ""
	}
	name := t.names.set(a.Name(), t.fam.suffix)
	known := false
	for i := range t.sets {
		known = known || t.sets[i].name == name
	}
	if !known {
		t.sets = append(t.sets, set{name, t.fam, a.Set()})
	}
	return fmt.Sprintf("-m set --match-set %s %s ", name, side)
}

// appendTo fills a fresh set and swaps it in: rules that use the set see the old
// addresses or the new ones.
func (s *set) appendTo(b []byte, n names) []byte {
	fresh := n.fresh(s.fam.suffix)
	for _, name := range []string{s.name, fresh} {
		b = fmt.Appendf(b, "create %s hash:net family %s maxelem %d -exist\n", name, s.fam.inet, maxElements)
	}
	b = fmt.Appendf(b, "flush %s\n", fresh)
	prefixes := prefixesOf(s.all, s.fam.family)
	const usual = 48 // bytes of a line
	b = slices.Grow(b, usual*len(prefixes))
	for _, p := range prefixes {
		b = append(append(append(b, "add "...), fresh...), ' ')
		b = append(ipranges.AppendPrefix(b, p), '\n')
	}
	return fmt.Appendf(b, "swap %s %s\ndestroy %s\n", fresh, s.name, fresh)
}

// setNames are the sets that one of our files leaves, in its order.
func setNames(file []byte, n names) []string {
	var list []string
	for line := range strings.Lines(string(file)) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "create" && words[1] != n.fresh("v4") && words[1] != n.fresh("v6") {
			list = append(list, words[1])
		}
	}
	return list
}
