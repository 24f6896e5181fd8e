package cover

import (
	"fmt"
	"net/netip"

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
	u := &under{set: set, family: f, forced: newSpans(must, f)}
	c := &Curve{family: f, size: CountOf(set, f)}
	left := c.size // out, of what is taken so far
	for p := range set.Prefixes(f) {
		c.exact++
		if u.isForced(p) {
			c.least++
			left = left.minus(sizeOf(p))
		} else {
			u.free[p.Bits()]++
		}
	}
	u.least = c.least
	width := 32
	if f == ipranges.IPv6 {
		width = 128
	}
	for bits, n := range u.free {
		u.left[bits] = left
		if n > 0 {
			left = left.minus(NewCount(1).shift(width - bits).times(uint64(n)))
		}
	}
	u.width = width
	c.known, c.price, c.cover = c.exact-c.least+1, u.price, u.cover
	return c, nil
}

// under is a set's minimal prefixes, counted by length: those of a length have one size,
// so that nothing else is needed to say what any number of them saves.
type under struct {
	set    ipranges.Set
	family ipranges.Family
	width  int
	forced spans
	least  int
	free   [129]int   // by length: the prefixes that may be left out
	left   [129]Count // by length: what is left out when all shorter ones are taken
}

func (u *under) isForced(p netip.Prefix) bool { return u.forced.meet(wideOf(p.Addr()), p.Bits()) }

// last returns the length of the last of n free prefixes in the order in which they are
// taken, the shortest first, and how many of that length are taken.
func (u *under) last(n int) (bits, taken int) {
	for bits = range u.free {
		if n <= u.free[bits] {
			break
		}
		n -= u.free[bits]
	}
	return bits, n
}

func (u *under) price(i int) Count {
	bits, taken := u.last(i)
	return u.left[bits].minus(NewCount(1).shift(u.width - bits).times(uint64(taken)))
}

// cover takes, of prefixes of one size, those with the highest addresses.
func (u *under) cover(k int) []netip.Prefix {
	longest, taken := u.last(k - u.least)
	skip := u.free[longest] - taken
	out := make([]netip.Prefix, 0, k)
	for p := range u.set.Prefixes(u.family) {
		switch {
		case u.isForced(p), p.Bits() < longest:
		case p.Bits() > longest:
			continue
		case skip > 0:
			skip--
			continue
		}
		out = append(out, p)
	}
	return out
}

// checkMust reports addresses of must that are not in set.
func checkMust(set ipranges.Set, f ipranges.Family, must ipranges.Set) error {
	for r := range must.Minus(set).Ranges(f) {
		return fmt.Errorf("%v must be kept but is not in the set: add it to the set, or keep less", r)
	}
	return nil
}
