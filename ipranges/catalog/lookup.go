package catalog

import (
	"cmp"
	"math/big"
	"net/netip"
	"slices"

	"sallyport/ipranges"
)

// Match is a tag that holds the addresses asked for, or some of them.
type Match struct {
	Tag
	// Whole says that the tag holds every address asked for.
	Whole bool
	// Prefix is one of the tag's minimal prefixes. When Whole, it is the one
	// that holds the addresses asked for (a prefix that is in a set is always
	// in one of its minimal prefixes). Otherwise it is the widest of those
	// inside the prefix asked for, the lowest among equals.
	Prefix netip.Prefix
	// More counts the tag's other minimal prefixes inside the prefix asked
	// for; 0 when Whole.
	More int
}

// Lookup returns every tag that holds p or overlaps it, most specific first:
// tags that hold all of p before those that hold a part; among these the tag
// with the fewest addresses of p's family first, since it says most about p;
// then by name. Host bits of p are ignored, an IPv4-mapped prefix is looked up
// as IPv4, and an invalid prefix is in no tag.
func (c *Catalog) Lookup(p netip.Prefix) []Match {
	p = plain(p)
	query, err := ipranges.FromPrefixes(p)
	if err != nil {
		return nil
	}
	type hit struct {
		Match
		count *big.Int
	}
	family := ipranges.FamilyOf(p.Addr())
	var hits []hit
	for i := range c.Len() {
		set, ok := c.store.set(i)
		if !ok || !set.Overlaps(query) {
			continue
		}
		m := matchOf(set, p, query)
		m.Tag = c.store.tag(i)
		hits = append(hits, hit{m, set.Count(family)})
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.Whole != b.Whole {
			if a.Whole {
				return -1
			}
			return 1
		}
		return cmp.Or(a.count.Cmp(b.count), cmp.Compare(a.Name, b.Name))
	})
	matches := make([]Match, len(hits))
	for i, h := range hits {
		matches[i] = h.Match
	}
	return matches
}

// plain returns p without host bits, and as IPv4 when it is IPv4-mapped.
func plain(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// matchOf says how set, which overlaps p, holds it. query is p as a set.
func matchOf(set ipranges.Set, p netip.Prefix, query ipranges.Set) Match {
	if set.ContainsPrefix(p) {
		// Widen p for as long as the set holds it: minimal prefixes are the
		// widest that the set holds.
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked()
			if !set.ContainsPrefix(wider) {
				break
			}
			p = wider
		}
		return Match{Whole: true, Prefix: p}
	}
	// p is a prefix and not in the set as a whole, so it cuts none of the
	// set's minimal prefixes in two.
	var m Match
	n := 0
	for q := range set.Intersect(query).Prefixes(ipranges.FamilyOf(p.Addr())) {
		if n == 0 || q.Bits() < m.Prefix.Bits() {
			m.Prefix = q
		}
		n++
	}
	m.More = n - 1
	return m
}
