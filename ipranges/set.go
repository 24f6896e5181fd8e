// Package ipranges holds immutable sets of IPv4 and IPv6 addresses: their
// algebra, their ranges, their minimal prefixes, their text and binary forms.
//
// A [Set] is two sorted lists of closed ranges, one for each family, disjoint and with
// a gap between neighbours, so that equal sets have equal lists. The ranges are machine
// words (a uint32, a pair of uint64): sorting, merging and cutting cost a few
// nanoseconds an element, and most cloud lists are half as many ranges as prefixes. The
// API uses types of net/netip and netipx.
//
// Sets come from [FromPrefixes], [FromRanges], [ReadSet] (text) or a
// [Builder], and from each other by [Set.Union], [Set.Minus], [Set.Intersect]
// and [Set.Complement].
//
// An IPv4 address has one form here. IPv4-mapped IPv6 addresses stand for IPv4 and are
// refused where sets are built; their whole block, ::ffff:0:0/96, is IPv6 as any other.
// To look one up as IPv4, call [netip.Addr.Unmap] first. Zones are refused.
package ipranges

import (
	"iter"
	"math/big"
	"math/bits"
	"net/netip"
	"slices"

	"go4.org/netipx"
)

// Family is an address family.
type Family uint8

// The two families. No other value is valid: methods that take a Family treat any other
// as a family without addresses.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// String returns "IPv4" or "IPv6".
func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	}
	return "no address family"
}

// FamilyOf returns the family of a. An IPv4-mapped IPv6 address is IPv6, and
// the zero Addr has family 0.
func FamilyOf(a netip.Addr) Family {
	switch {
	case a.Is4():
		return IPv4
	case a.Is6():
		return IPv6
	}
	return 0
}

// Set is a set of IP addresses. The zero value is the empty set. A Set never
// changes: copy it freely and use it from many goroutines at once. Compare
// with [Set.Equal]. Sets may share memory with the sets they were made from.
type Set struct {
	v4 []span4
	v6 []span6
}

// FromPrefixes returns the set of all addresses in the prefixes, which may
// come in any order and overlap. The first prefix that is invalid, has host
// bits set, or is IPv4-mapped is an error.
func FromPrefixes(p ...netip.Prefix) (Set, error) {
	var b Builder
	for _, p := range p {
		if err := b.AddPrefix(p); err != nil {
			return Set{}, err
		}
	}
	return b.Set(), nil
}

// FromRanges returns the set of all addresses in the ranges, which may come
// in any order and overlap. The first range that is invalid or IPv4-mapped is
// an error.
func FromRanges(r ...netipx.IPRange) (Set, error) {
	var b Builder
	for _, r := range r {
		if err := b.AddRange(r); err != nil {
			return Set{}, err
		}
	}
	return b.Set(), nil
}

// Parse returns the set of what [ParseRange] reads in each of s.
func Parse(s ...string) (Set, error) {
	var b Builder
	for _, s := range s {
		r, err := ParseRange(s)
		if err == nil {
			err = b.AddRange(r)
		}
		if err != nil {
			return Set{}, err
		}
	}
	return b.Set(), nil
}

// MustParse returns the set of all addresses in s: prefixes, ranges "a-b" or
// addresses. It panics on a mistake and is meant for tests and built-in
// tables; see [ParseRange] for input.
func MustParse(s ...string) Set {
	set, err := Parse(s...)
	if err != nil {
		panic("ipranges: " + err.Error())
	}
	return set
}

// Full returns the set of all addresses of family f.
func Full(f Family) Set {
	switch f {
	case IPv4:
		return Set{v4: []span4{{0, max4}}}
	case IPv6:
		return Set{v6: []span6{{word6{}, max6}}}
	}
	return Set{}
}

// Union returns the addresses that are in at least one of the sets.
func Union(sets ...Set) Set {
	switch len(sets) {
	case 0:
		return Set{}
	case 1:
		return sets[0]
	case 2:
		return sets[0].Union(sets[1])
	}
	var b Builder
	for _, s := range sets {
		b.AddSet(s)
	}
	return b.Set()
}

// Union returns the addresses in s or t.
func (s Set) Union(t Set) Set { return Set{unite(s.v4, t.v4), unite(s.v6, t.v6)} }

// Minus returns the addresses in s that are not in t.
func (s Set) Minus(t Set) Set { return Set{subtract(s.v4, t.v4), subtract(s.v6, t.v6)} }

// Intersect returns the addresses in both s and t.
func (s Set) Intersect(t Set) Set { return Set{intersect(s.v4, t.v4), intersect(s.v6, t.v6)} }

// Complement returns the addresses of family f that are not in s. Addresses
// of the other family are in neither s's complement nor the result.
func (s Set) Complement(f Family) Set { return Full(f).Minus(s) }

// Diff returns what a step from one set to another adds and removes.
func Diff(from, to Set) (added, removed Set) { return to.Minus(from), from.Minus(to) }

// Only returns the part of s in family f. It copies nothing.
func (s Set) Only(f Family) Set {
	switch f {
	case IPv4:
		return Set{v4: s.v4}
	case IPv6:
		return Set{v6: s.v6}
	}
	return Set{}
}

// Has reports whether s holds an address of family f.
func (s Set) Has(f Family) bool { return s.NumRanges(f) > 0 }

// IsEmpty reports whether s holds no address.
func (s Set) IsEmpty() bool { return len(s.v4) == 0 && len(s.v6) == 0 }

// Equal reports whether s and t hold the same addresses.
func (s Set) Equal(t Set) bool { return slices.Equal(s.v4, t.v4) && slices.Equal(s.v6, t.v6) }

// Contains reports whether a is in s. An address with a zone, or the zero Addr, is
// in no set.
func (s Set) Contains(a netip.Addr) bool {
	switch {
	case a.Is4():
		w := wordOf4(a)
		lo, hi := 0, len(s.v4)
		for lo < hi {
			if mid := int(uint(lo+hi) >> 1); s.v4[mid].hi < w {
				lo = mid + 1
			} else {
				hi = mid
			}
		}
		return lo < len(s.v4) && s.v4[lo].lo <= w
	case a.Is6() && a.Zone() == "":
		w := wordOf6(a)
		i := firstFrom(s.v6, w)
		return i < len(s.v6) && !w.less(s.v6[i].lo)
	}
	return false
}

// ContainsPrefix reports whether every address of p is in s. Host bits are
// ignored; an invalid prefix is in no set.
func (s Set) ContainsPrefix(p netip.Prefix) bool {
	return p.IsValid() && s.ContainsRange(netipx.RangeOfPrefix(p))
}

// ContainsRange reports whether every address of r is in s. An invalid range
// is in no set.
func (s Set) ContainsRange(r netipx.IPRange) bool {
	switch {
	case !r.IsValid():
		return false
	case r.From().Is4():
		return covers(s.v4, []span4{spanOf4(r)})
	}
	return covers(s.v6, []span6{spanOf6(r)})
}

// Covers reports whether every address of t is in s.
func (s Set) Covers(t Set) bool { return covers(s.v4, t.v4) && covers(s.v6, t.v6) }

// Overlaps reports whether s and t have an address in common.
func (s Set) Overlaps(t Set) bool { return overlaps(s.v4, t.v4) || overlaps(s.v6, t.v6) }

// NumRanges returns how many ranges the addresses of family f form.
func (s Set) NumRanges(f Family) int {
	switch f {
	case IPv4:
		return len(s.v4)
	case IPv6:
		return len(s.v6)
	}
	return 0
}

// Count4 returns the number of IPv4 addresses in s.
func (s Set) Count4() uint64 {
	n := uint64(len(s.v4))
	for _, r := range s.v4 {
		n += uint64(r.hi - r.lo)
	}
	return n
}

// Count returns the number of addresses of family f in s.
func (s Set) Count(f Family) *big.Int {
	if f == IPv4 {
		return new(big.Int).SetUint64(s.Count4())
	}
	// Only ::/0 has 2^128 addresses; every smaller sum fits 128 bits.
	var hi, lo, carry uint64
	if f == IPv6 {
		for _, r := range s.v6 {
			dlo, borrow := bits.Sub64(r.hi.lo, r.lo.lo, 0)
			dhi, _ := bits.Sub64(r.hi.hi, r.lo.hi, borrow)
			lo, carry = bits.Add64(lo, dlo, 0)
			hi, _ = bits.Add64(hi, dhi, carry)
		}
	}
	n := new(big.Int).SetUint64(hi)
	n.Lsh(n, 64)
	n.Add(n, new(big.Int).SetUint64(lo))
	return n.Add(n, big.NewInt(int64(s.NumRanges(f)))) // a closed range holds one more than hi-lo
}

// Ranges yields the ranges of family f in ascending order. No two of them
// overlap or touch.
func (s Set) Ranges(f Family) iter.Seq[netipx.IPRange] {
	return func(yield func(netipx.IPRange) bool) {
		if f == IPv4 {
			for _, r := range s.v4 {
				if !yield(range4(r)) {
					return
				}
			}
		}
		if f == IPv6 {
			for _, r := range s.v6 {
				if !yield(range6(r)) {
					return
				}
			}
		}
	}
}

// All yields every range: IPv4 first, then IPv6, each ascending.
func (s Set) All() iter.Seq[netipx.IPRange] {
	return func(yield func(netipx.IPRange) bool) {
		for _, f := range []Family{IPv4, IPv6} {
			for r := range s.Ranges(f) {
				if !yield(r) {
					return
				}
			}
		}
	}
}
