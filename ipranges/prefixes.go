package ipranges

import (
	"iter"
	"math/bits"
	"net/netip"
)

// A range falls into its minimal prefixes by one rule: from the lowest
// address take the largest block that starts there, is aligned, and fits. In
//
//	. . . 3 4 5 6 7 8 9 a . .
//	      |-|-------|---|-|
//
// the blocks grow up to the address with the roundest number, then shrink.

// cut4 cuts the first block off r: its length, and what is left. last says
// that nothing is left.
func cut4(r span4) (length int, rest span4, last bool) {
	free := bits.TrailingZeros32(uint32(r.lo))          // alignment allows 2^free
	fits := bits.Len64(uint64(r.hi)-uint64(r.lo)+1) - 1 // size allows 2^fits
	length = 32 - min(free, fits)
	end := r.lo | hostMask4(length)
	return length, span4{end + 1, r.hi}, end == r.hi
}

// cut6 is cut4 for IPv6.
func cut6(r span6) (length int, rest span6, last bool) {
	length = 128 - min(trailingZeros6(r.lo), log6(r))
	m := hostMask6(length)
	end := word6{r.lo.hi | m.hi, r.lo.lo | m.lo}
	return length, span6{end.next(), r.hi}, end == r.hi
}

func trailingZeros6(a word6) int {
	if a.lo == 0 {
		return 64 + bits.TrailingZeros64(a.hi)
	}
	return bits.TrailingZeros64(a.lo)
}

// log6 returns the largest n for which r has at least 2^n addresses.
func log6(r span6) int {
	lo, borrow := bits.Sub64(r.hi.lo, r.lo.lo, 0)
	hi, _ := bits.Sub64(r.hi.hi, r.lo.hi, borrow)
	lo, carry := bits.Add64(lo, 1, 0)
	hi, carry = bits.Add64(hi, 0, carry)
	switch {
	case carry == 1:
		return 128
	case hi > 0:
		return 64 + bits.Len64(hi) - 1
	}
	return bits.Len64(lo) - 1
}

// Prefixes yields the fewest prefixes that together hold exactly the
// addresses of family f, in ascending order.
func (s Set) Prefixes(f Family) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		if f == IPv4 {
			for _, r := range s.v4 {
				for last := false; !last; {
					lo, length := r.lo, 0
					length, r, last = cut4(r)
					if !yield(netip.PrefixFrom(lo.addr(), length)) {
						return
					}
				}
			}
		}
		if f == IPv6 {
			for _, r := range s.v6 {
				for last := false; !last; {
					lo, length := r.lo, 0
					length, r, last = cut6(r)
					if !yield(netip.PrefixFrom(lo.addr(), length)) {
						return
					}
				}
			}
		}
	}
}

// NumPrefixes returns how many prefixes [Set.Prefixes] yields, without making
// them.
func (s Set) NumPrefixes(f Family) int {
	n := 0
	switch f {
	case IPv4:
		for _, r := range s.v4 {
			n += numPrefixes6(span6{word6{0, uint64(r.lo)}, word6{0, uint64(r.hi)}})
		}
	case IPv6:
		for _, r := range s.v6 {
			n += numPrefixes6(r)
		}
	}
	return n
}

// numPrefixes6 counts the minimal prefixes of a range. With end the address
// after it, and mid the roundest number in lo+1..end (all bits that lo and
// end share, then the first one in which they differ), the blocks that grow
// up to mid are the one bits of mid-lo, and those that shrink from there the
// one bits of end-mid.
func numPrefixes6(r span6) int {
	end := r.hi.next()
	var mid word6 // stays 0, standing for 2^128, when end does
	if d := (word6{r.lo.hi ^ end.hi, r.lo.lo ^ end.lo}); end == (word6{}) {
		if r.lo == end {
			return 1
		}
	} else if d.hi != 0 {
		mid = word6{end.hi &^ (1<<(bits.Len64(d.hi)-1) - 1), 0}
	} else {
		mid = word6{end.hi, end.lo &^ (1<<(bits.Len64(d.lo)-1) - 1)}
	}
	return ones6(mid, r.lo) + ones6(end, mid)
}

// ones6 counts the one bits of a-b.
func ones6(a, b word6) int {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return bits.OnesCount64(lo) + bits.OnesCount64(hi)
}
