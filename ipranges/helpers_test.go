package ipranges

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"go4.org/netipx"
)

// naive is the slow oracle: ranges in any order, overlapping or not, as big
// numbers. It has no algebra: a point is in it when one of its ranges holds
// it. It shares no code with the package.
type naive struct{ ranges [][2]*big.Int }

func (n naive) has(a *big.Int) bool {
	for _, r := range n.ranges {
		if r[0].Cmp(a) <= 0 && a.Cmp(r[1]) <= 0 {
			return true
		}
	}
	return false
}

func bigOf(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// addrOf returns the address with number n, and whether the family has one.
func addrOf(f Family, n *big.Int) (netip.Addr, bool) {
	size := 4
	if f == IPv6 {
		size = 16
	}
	if n.Sign() < 0 || n.BitLen() > 8*size {
		return netip.Addr{}, false
	}
	a, ok := netip.AddrFromSlice(n.FillBytes(make([]byte, size)))
	return a, ok
}

func naiveOf(ranges []netipx.IPRange) naive {
	var n naive
	for _, r := range ranges {
		n.ranges = append(n.ranges, [2]*big.Int{bigOf(r.From()), bigOf(r.To())})
	}
	return n
}

// edges returns, ascending and without doubles, every number of the family
// that is the end of a range or next to one: between two of them, membership
// in no set changes.
func edges(f Family, sets ...naive) []*big.Int {
	one := big.NewInt(1)
	var out []*big.Int
	for _, n := range sets {
		for _, r := range n.ranges {
			for _, e := range r {
				out = append(out, new(big.Int).Sub(e, one), e, new(big.Int).Add(e, one))
			}
		}
	}
	out = slices.DeleteFunc(out, func(e *big.Int) bool { _, ok := addrOf(f, e); return !ok })
	slices.SortFunc(out, (*big.Int).Cmp)
	return slices.CompactFunc(out, func(a, b *big.Int) bool { return a.Cmp(b) == 0 })
}

// checkSet verifies that s holds exactly what want says of every edge, and
// that its inside is as documented.
func checkSet(t *testing.T, f Family, what string, s Set, points []*big.Int, want func(*big.Int) bool) {
	t.Helper()
	checkInvariant(t, s)
	own := edges(f, naiveOf(slices.Collect(s.Ranges(f))))
	for _, e := range slices.Concat(points, own) {
		a, _ := addrOf(f, e)
		if got := s.Contains(a); got != want(e) {
			t.Fatalf("%s: Contains(%s) = %v, want %v\nset: %s", what, a, got, !got, s)
		}
	}
}

// checkInvariant fails t unless s is sorted, disjoint, and without neighbours.
// It looks through the public methods and counts in big numbers.
func checkInvariant(t *testing.T, s Set) {
	t.Helper()
	for _, f := range []Family{IPv4, IPv6} {
		var last *big.Int
		for r := range s.Ranges(f) {
			if !r.IsValid() || FamilyOf(r.From()) != f && !r.From().Is4In6() {
				t.Fatalf("%v range %v in %s", f, r, s)
			}
			from, to := bigOf(r.From()), bigOf(r.To())
			if last != nil && new(big.Int).Sub(from, last).Cmp(big.NewInt(1)) <= 0 {
				t.Fatalf("%v overlaps or touches the range before it in %s", r, s)
			}
			last = to
		}
	}
}

// randomRange returns a range in one of the places where mistakes live: a
// prefix of any length, a few addresses, the neighbourhood of an end of the
// space. Few distinct high bits make overlaps and touches common.
func randomRange(rnd *rand.Rand, f Family) netipx.IPRange {
	size := 32
	if f == IPv6 {
		size = 128
	}
	limit := new(big.Int).Lsh(big.NewInt(1), uint(size))
	base := new(big.Int).Lsh(big.NewInt(rnd.Int64N(16)), uint(size-4))
	small := big.NewInt(rnd.Int64N(64))
	switch rnd.IntN(4) {
	case 0:
		base.Add(base, small)
	case 1: // just below a round number, or the end of the space
		base.Sub(base, small)
	case 2:
		base.Add(base, small.Lsh(small, uint(rnd.IntN(size-8))))
	case 3:
		base.SetInt64(rnd.Int64N(64))
	}
	base.Mod(base, limit)
	from, _ := addrOf(f, base)
	if rnd.IntN(2) == 0 {
		p, _ := from.Prefix(rnd.IntN(size-3) + 4)
		if rnd.IntN(50) == 0 {
			p, _ = from.Prefix(0)
		}
		return netipx.RangeOfPrefix(p)
	}
	end := new(big.Int).Add(base, big.NewInt(rnd.Int64N(40)))
	if end.Cmp(limit) >= 0 {
		end.Sub(limit, big.NewInt(1))
	}
	to, _ := addrOf(f, end)
	return netipx.IPRangeFrom(from, to)
}

// isMapped reports whether one end of r is IPv4-mapped, which sets refuse.
func isMapped(r netipx.IPRange) bool { return r.From().Is4In6() || r.To().Is4In6() }

func randomRanges(rnd *rand.Rand, f Family, n int) []netipx.IPRange {
	var out []netipx.IPRange
	for len(out) < n {
		if r := randomRange(rnd, f); !isMapped(r) {
			out = append(out, r)
		}
	}
	return out
}

func mustSet(t testing.TB, ranges []netipx.IPRange) Set {
	t.Helper()
	s, err := FromRanges(ranges...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
