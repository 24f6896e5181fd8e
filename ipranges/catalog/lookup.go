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
func (c *Catalog) Lookup(p netip.Prefix) []Match { return c.LookupAll(p)[0] }

// LookupAll returns what [Catalog.Lookup] does for each prefix, in one pass over the tags.
// Of a catalog from an index only sets that hold something that is asked for are decoded.
func (c *Catalog) LookupAll(prefixes ...netip.Prefix) [][]Match {
	found := make([][]hit, len(prefixes))
	asked := newQueries(prefixes)
	for i := range c.Len() {
		if !c.store.mayOverlap(i, asked.all) {
			continue
		}
		set, ok := c.store.set(i)
		if !ok {
			continue
		}
		sizes := map[ipranges.Family]*big.Int{ipranges.IPv4: set.Count(ipranges.IPv4), ipranges.IPv6: set.Count(ipranges.IPv6)}
		tag := c.store.tag(i)
		for q := range asked.overlapping(set) {
			m := matchOf(set, q.prefix, q.set)
			m.Tag = tag
			found[q.number] = append(found[q.number], hit{m, sizes[ipranges.FamilyOf(q.prefix.Addr())]})
		}
	}
	out := make([][]Match, len(prefixes))
	for i, hits := range found {
		out[i] = specificFirst(hits)
	}
	return out
}

type hit struct {
	Match
	count *big.Int // addresses of the tag, in the family asked for
}

func specificFirst(hits []hit) []Match {
	slices.SortFunc(hits, func(a, b hit) int {
		if a.Whole != b.Whole {
			if a.Whole {
				return -1
			}
			return 1
		}
		return cmp.Or(a.count.Cmp(b.count), cmp.Compare(a.Name, b.Name))
	})
	var matches []Match
	for _, h := range hits {
		matches = append(matches, h.Match)
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
