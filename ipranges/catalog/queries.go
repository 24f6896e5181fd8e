package catalog

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"sort"

	"sallyport/ipranges"
)

// queries are prefixes that are looked up together, by their first address and the widest
// first, so that a prefix stands before all that are in it.
type queries struct {
	list   []prefixQuery
	around []int // by query: the nearest one before it that holds it, or -1
	all    ipranges.Set
}

type prefixQuery struct {
	number int // among the prefixes as they came
	prefix netip.Prefix
	set    ipranges.Set
}

// newQueries leaves out invalid prefixes.
func newQueries(prefixes []netip.Prefix) *queries {
	qs := new(queries)
	var all ipranges.Builder
	for i, p := range prefixes {
		p = plain(p)
		if set, err := ipranges.FromPrefixes(p); err == nil {
			qs.list = append(qs.list, prefixQuery{i, p, set})
			all.AddSet(set)
		}
	}
	qs.all = all.Set()
	slices.SortFunc(qs.list, func(a, b prefixQuery) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	for i, q := range qs.list {
		before := i - 1
		for before >= 0 && !qs.list[before].prefix.Overlaps(q.prefix) {
			before = qs.around[before]
		}
		qs.around = append(qs.around, before)
	}
	return qs
}

// overlapping yields the queries that have an address in common with set, each once.
func (qs *queries) overlapping(set ipranges.Set) iter.Seq[prefixQuery] {
	return func(yield func(prefixQuery) bool) {
		next := 0 // those before are done
		for r := range set.Intersect(qs.all).All() {
			i := sort.Search(len(qs.list), func(i int) bool { return !qs.list[i].prefix.Addr().Less(r.From()) })
			// Prefixes are apart or one in the other: those that begin before the range and
			// reach into it are around the last that begins before it, or that one.
			for k := i - 1; k >= next; k = qs.around[k] {
				if qs.list[k].prefix.Contains(r.From()) && !yield(qs.list[k]) {
					return
				}
			}
			for ; i < len(qs.list) && !r.To().Less(qs.list[i].prefix.Addr()); i++ {
				if i >= next && !yield(qs.list[i]) {
					return
				}
			}
			next = max(next, i)
		}
	}
}
