package cover

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"sallyport/ipranges"
)

// UnderCurve returns the price of at most k prefixes that lie wholly inside the
// family's part of set: the fewest addresses left out, for every k. No address of must
// is ever left out, which may make small k infeasible. It is an error if must holds an
// address of the family that is not in the set.
//
// Of prefixes with the same size those with the lowest addresses are left out
// first.
//
// The optimum: every prefix inside the set lies inside exactly one of the set's
// minimal prefixes, which are the largest ones inside it, and disjoint. To
// replace it by that one leaves out no more and takes no more of k. So only
// minimal prefixes need be looked at. Those that hold an address of must have to
// be taken, for no other holds it. Of the rest, any may be taken up to k, each
// saves its own size, and the largest save most.
func UnderCurve(set ipranges.Set, f ipranges.Family, must ipranges.Set) (*Curve, error) {
	if err := checkMust(set, f, must); err != nil {
		return nil, err
	}
	bySize := slices.SortedFunc(set.Prefixes(f), func(p, q netip.Prefix) int {
		return cmp.Or(cmp.Compare(p.Bits(), q.Bits()), q.Addr().Compare(p.Addr()))
	})
	var order, rest []netip.Prefix // in which they are taken
	forced := newSpans(must, f)
	for _, p := range bySize {
		if forced.meet(wideOf(p.Addr()), p.Bits()) {
			order = append(order, p)
		} else {
			rest = append(rest, p)
		}
	}
	c := &Curve{family: f, size: CountOf(set, f), least: len(order), exact: len(bySize)}
	order = append(order, rest...)
	left := c.size
	for k := range len(order) + 1 {
		if k > 0 {
			left = left.minus(sizeOf(order[k-1]))
		}
		if k >= c.least {
			c.prices = append(c.prices, left)
		}
	}
	c.cover = func(k int) []netip.Prefix {
		out := slices.Clone(order[:k])
		slices.SortFunc(out, func(p, q netip.Prefix) int { return p.Addr().Compare(q.Addr()) })
		return out
	}
	return c, nil
}

// checkMust reports addresses of must that are not in set.
func checkMust(set ipranges.Set, f ipranges.Family, must ipranges.Set) error {
	for r := range must.Minus(set).Ranges(f) {
		return fmt.Errorf("%v must be kept but is not in the set: add it to the set, or keep less", r)
	}
	return nil
}
