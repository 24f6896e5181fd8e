package ipranges

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"go4.org/netipx"
)

func TestZeroSet(t *testing.T) {
	var s Set
	if !s.IsEmpty() || s.Has(IPv4) || s.Has(IPv6) || s.Contains(netip.IPv4Unspecified()) || s.Contains(netip.Addr{}) ||
		s.Count4() != 0 || s.Count(IPv6).Sign() != 0 || s.String() != "" || !s.Equal(MustParse()) || !s.Equal(Union()) {
		t.Error("the zero Set is not the empty set")
	}
	full := Full(IPv4)
	if !s.Complement(IPv4).Equal(full) || !full.Complement(IPv4).IsEmpty() || !full.Covers(s) || s.Overlaps(full) || !s.Covers(s) {
		t.Error("the empty set's relation to the full one is wrong")
	}
}

func TestFamilies(t *testing.T) {
	s := MustParse("10.0.0.0/8", "2603::/16")
	for _, c := range []struct {
		f     Family
		name  string
		part  Set
		count string
	}{
		{IPv4, "IPv4", MustParse("10.0.0.0/8"), "16777216"},
		{IPv6, "IPv6", MustParse("2603::/16"), "5192296858534827628530496329220096"},
		{0, "no address family", Set{}, "0"},
	} {
		if c.f.String() != c.name || !s.Only(c.f).Equal(c.part) || s.Count(c.f).String() != c.count ||
			s.Has(c.f) == c.part.IsEmpty() || s.NumPrefixes(c.f) != s.NumRanges(c.f) {
			t.Errorf("%v: %v, %v addresses", c.f, s.Only(c.f), s.Count(c.f))
		}
	}
	if got := Full(IPv6).Count(IPv6).String(); got != "340282366920938463463374607431768211456" {
		t.Errorf("::/0 has %s addresses", got)
	}
	if got := Full(IPv4).Count4(); got != 1<<32 {
		t.Errorf("0.0.0.0/0 has %d addresses", got)
	}
	for a, want := range map[string]Family{"1.2.3.4": IPv4, "::ffff:1.2.3.4": IPv6, "::1": IPv6, "fe80::1%a": IPv6} {
		if got := FamilyOf(netip.MustParseAddr(a)); got != want {
			t.Errorf("FamilyOf(%s) = %v", a, got)
		}
	}
	if FamilyOf(netip.Addr{}) != 0 {
		t.Error("the zero Addr has a family")
	}
}

// TestMapped: an IPv4-mapped address is an error where a set is built. The block of
// them is IPv6, whole or not at all.
func TestMapped(t *testing.T) {
	in := netip.MustParseAddr("::ffff:1.2.3.4")
	if MustParse("1.2.3.0/24").Contains(in) || !Full(IPv6).Contains(in) || !MustParse("1.2.3.0/24").Contains(in.Unmap()) {
		t.Error("a mapped address is not looked up as it stands")
	}
	block := netip.MustParsePrefix("::ffff:0:0/96")
	for _, s := range []Set{
		MustParse("::/80"), MustParse("::/64").Minus(MustParse("::1:0:0:0/80")), MustParse("::/80").Minus(MustParse("::fffe:0:0/96")),
		MustParse("::/80").Minus(MustParse("::-::fffe:ffff:ffff")), MustParse("::ffff:0:0-::1:0:0:0"), MustParse("::ffff:0:0/96"),
	} {
		if !s.ContainsPrefix(block) || !s.Contains(in) || s.Minus(MustParse("::ffff:0:0/96")).Contains(in) {
			t.Errorf("%v does not hold the block", s)
		}
		var ranges, prefixes Builder
		for r := range s.Ranges(IPv6) {
			again, err := ParseRange(string(AppendRange(nil, r)))
			if err := errors.Join(err, ranges.AddRange(again)); err != nil || FamilyOf(again.From()) != IPv6 {
				t.Errorf("%v: %v", r, err)
			}
		}
		for p := range s.Prefixes(IPv6) {
			again, err := ParsePrefix(string(AppendPrefix(nil, p)))
			if err := errors.Join(err, prefixes.AddPrefix(again)); err != nil || FamilyOf(again.Addr()) != IPv6 {
				t.Errorf("%v: %v", p, err)
			}
		}
		if !ranges.Set().Equal(s) || !prefixes.Set().Equal(s) {
			t.Errorf("%v is written and read as %v and %v", s, ranges.Set(), prefixes.Set())
		}
	}
	for _, text := range []string{"::ffff:1.2.3.0/120", "::ffff:1.2.3.4", "::ffff:1.2.3.4-::ffff:1.2.3.9", "::ffff:0:0-::ffff:1.2.3.4", "::-::ffff:1.2.3.4",
		"::ffff:1.2.3.4-::1:0:0:0", "::ffff:0:1-::ffff:255.255.255.255"} {
		if r, err := ParseRange(text); err == nil {
			t.Errorf("%s is read as %v", text, r)
		}
	}
	zoned := netip.MustParseAddr("fe80::1%eth0")
	if full := Full(IPv6); full.Contains(zoned) {
		t.Error("an address with a zone is in a set")
	}
	var b Builder
	for name, err := range map[string]error{
		"mapped prefix":   b.AddPrefix(netip.PrefixFrom(in, 128)),
		"mapped address":  b.AddAddr(in),
		"mapped range":    b.AddRange(netipx.IPRangeFrom(in, in.Next())),
		"half mapped":     b.AddRange(netipx.IPRangeFrom(netip.MustParseAddr("::1"), in)),
		"part of mapped":  b.AddRange(netipx.IPRangeFrom(netip.MustParseAddr("::ffff:0:0"), in)),
		"zone":            b.AddAddr(zoned),
		"host bits":       b.AddPrefix(netip.MustParsePrefix("10.0.0.1/8")),
		"zero prefix":     b.AddPrefix(netip.Prefix{}),
		"zero address":    b.AddAddr(netip.Addr{}),
		"zero range":      b.AddRange(netipx.IPRange{}),
		"bad length":      b.AddPrefix(netip.PrefixFrom(netip.IPv4Unspecified(), 33)),
		"backwards range": b.AddRange(netipx.IPRangeFrom(netip.MustParseAddr("::2"), netip.MustParseAddr("::1"))),
		"mixed range":     b.AddRange(netipx.IPRangeFrom(netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("::1"))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if !b.Set().IsEmpty() {
		t.Errorf("refused input was added: %v", b.Set())
	}
}

// TestBuilder: the order and chunking of input make no difference, a Builder
// goes on after Set, and the sets it gave do not change.
func TestBuilder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	for _, n := range []int{10, 1000, 3 * chunkLen} {
		for _, f := range []Family{IPv4, IPv6} {
			ranges := slices.Clone(randomRanges(rnd, f, min(n, 500)))
			for _, p := range randomPrefixes(f, n, 20, 32) {
				ranges = append(ranges, netipx.RangeOfPrefix(p))
			}
			shuffled := mustSet(t, ranges)
			checkInvariant(t, shuffled)
			slices.SortFunc(ranges, func(a, b netipx.IPRange) int { return a.From().Compare(b.From()) })
			sorted := mustSet(t, ranges)
			if !sorted.Equal(shuffled) {
				t.Fatalf("%d %v ranges: the order of input matters", n, f)
			}
			var b Builder
			var before []Set
			half := len(ranges) / 2
			for i, r := range ranges {
				if i%(half+1) == half {
					before = append(before, b.Set())
				}
				if err := b.AddRange(r); err != nil {
					t.Fatal(err)
				}
			}
			if got := b.Set(); !got.Equal(sorted) || !before[0].Equal(mustSet(t, ranges[:half])) {
				t.Fatalf("%d %v ranges: a set taken half way, or the one after it, is wrong", n, f)
			}
			b.Reset()
			b.AddSet(before[0])
			if !b.Set().Equal(before[0]) {
				t.Fatalf("%d %v ranges: a Builder is not as new after Reset", n, f)
			}
		}
	}
}

// TestBuilderChunks: order is watched where one chunk ends and the next begins.
func TestBuilderChunks(t *testing.T) {
	for _, n := range []int{1, 8, 16, chunkLen - 1, chunkLen, chunkLen + 1, 2*chunkLen - 1, 2 * chunkLen} {
		var b Builder
		add := func(i uint64) {
			b.add4(span4{word4(4 * i), word4(4*i + 1)})
			b.add6(span6{word6{i, 4}, word6{i, 5}})
		}
		for i := range uint64(n) {
			add(i + 10)
		}
		add(uint64(n) / 2) // before the last one, and for small n before all
		s := b.Set()
		checkInvariant(t, s)
		if i := uint64(n) / 2; !s.Contains(word4(4*i).addr()) || !s.Contains(word6{i, 4}.addr()) {
			t.Errorf("after %d spans in order, one out of order is lost", n)
		}
	}
}

// TestSortSkewed sorts inputs that are hard on a radix sort: all alike but
// for a few low bits, in few places, or in reverse.
func TestSortSkewed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for name, next := range map[string]func(i int) word6{
		"one":       func(int) word6 { return word6{1 << 61, 7} },
		"low bits":  func(int) word6 { return word6{1 << 61, uint64(rnd.IntN(4096)) * 2} },
		"high bits": func(int) word6 { return word6{rnd.Uint64() << 50, 0} },
		"mixed":     func(int) word6 { return word6{rnd.Uint64() >> 62 << 40, rnd.Uint64() >> rnd.IntN(64)} },
		"reverse":   func(i int) word6 { return word6{0, uint64(3 * (1 << 20) / (i + 1))} },
		"one away":  func(i int) word6 { return word6{uint64(min(i, 1)) << 63, uint64(i * 3)} },
	} {
		var b Builder
		var addrs []netip.Addr
		for i := range 5000 {
			w := next(i)
			for _, a := range []netip.Addr{w.addr(), word4(w.lo ^ w.hi>>32).addr()} {
				if a.Is4In6() {
					continue
				}
				addrs = append(addrs, a)
				if err := b.AddAddr(a); err != nil {
					t.Fatal(err)
				}
			}
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		addrs = slices.Compact(addrs)
		s := b.Set()
		checkInvariant(t, s)
		for _, a := range addrs {
			if !s.Contains(a) {
				t.Fatalf("%s: %v is missing", name, a)
			}
		}
		if n := s.Count4() + s.Count(IPv6).Uint64(); n != uint64(len(addrs)) {
			t.Fatalf("%s: %d addresses, want %d", name, n, len(addrs))
		}
	}
}

// TestSortInPlace sorts with little to spare, so that buckets are split again and again.
func TestSortInPlace(t *testing.T) {
	rnd := rand.New(rand.NewPCG(12, 12))
	for _, bits := range []int{0, 1, 9, 17, 32, 64, 70, 128} { // in which addresses differ
		s4, s6 := make([]span4, 5000), make([]span6, 5000)
		for i := range s4 {
			a := word4(rnd.Uint32()) & hostMask4(max(0, 32-bits))
			s4[i] = span4{0xa<<28 | a, 0xa<<28 | a}
			m := hostMask6(128 - bits)
			b := word6{rnd.Uint64() & m.hi, rnd.Uint64() & m.lo}
			s6[i] = span6{b, b}
		}
		want4, want6 := slices.Clone(s4), slices.Clone(s6)
		slices.SortFunc(want4, func(a, b span4) int { return cmp.Compare(a.lo, b.lo) })
		slices.SortFunc(want6, func(a, b span6) int { return cmp.Or(cmp.Compare(a.lo.hi, b.lo.hi), cmp.Compare(a.lo.lo, b.lo.lo)) })
		sort4(s4, make([]span4, 50))
		sort6(s6, make([]span6, 50))
		if !slices.Equal(s4, want4) || !slices.Equal(s6, want6) {
			t.Errorf("addresses that differ in %d bits are not sorted", bits)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	s := MustParse("10.0.0.0/8", "20.0.0.0/8", "2603::/16", "2a01::/16")
	addrs := []netip.Addr{
		netip.MustParseAddr("20.1.2.3"), netip.MustParseAddr("::ffff:20.1.2.3"),
		netip.MustParseAddr("2a01::1"), netip.MustParseAddr("fe80::1%eth0"),
	}
	p := netip.MustParsePrefix("2a01:1::/32")
	buf := make([]byte, 0, 1024)
	for name, f := range map[string]func(){
		"Contains": func() {
			for _, a := range addrs {
				s.Contains(a)
			}
		},
		"ContainsPrefix": func() { s.ContainsPrefix(p) },
		"Covers":         func() { s.Covers(s) },
		"Overlaps":       func() { s.Overlaps(s) },
		"Only":           func() { s.Only(IPv6) },
		"NumPrefixes":    func() { s.NumPrefixes(IPv6) },
		"AppendRanges":   func() { s.AppendRanges(buf, IPv6, "\t", ",\n") },
		"AppendPrefix":   func() { AppendPrefix(buf, p) },
		"FindSpecial":    func() { FindSpecial(p) },
		"ParsePrefix":    func() { _, _ = ParsePrefix("2a01:1::/32") },
		"Prefixes": func() {
			for range s.Prefixes(IPv4) {
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s takes %v allocations", name, n)
		}
	}
}

// TestIteratorsStop: a loop may leave an iterator early.
func TestIteratorsStop(t *testing.T) {
	s := MustParse("10.0.0.1-10.0.0.9", "20.0.0.0/8", "2603::1-2603::9", "2a01::/16")
	for _, f := range []Family{IPv4, IPv6} {
		n := 0
		for range s.Ranges(f) {
			n++
			break
		}
		for range s.Prefixes(f) {
			n++
			break
		}
		if n != 2 {
			t.Errorf("%v: %d steps", f, n)
		}
	}
	for range s.All() {
		break
	}
}

// FuzzAlgebra takes two sets from the input and compares every operation with
// the slow oracle; the laws that hold between operations follow from that.
func FuzzAlgebra(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 9, 1, 4, 0, 3, 0, 8, 255, 255}, true)
	f.Add([]byte{255, 255, 0, 1, 255, 250, 1, 9, 0, 0, 0, 255}, false)
	f.Fuzz(func(t *testing.T, data []byte, wide bool) {
		f := IPv4
		if wide {
			f = IPv6
		}
		var ranges [2][]netipx.IPRange
		for i := 0; i+4 <= len(data) && i < 80; i += 4 {
			r := smallRange(f, data[i], data[i+1], data[i+2], data[i+3])
			if !isMapped(r) {
				ranges[i/4%2] = append(ranges[i/4%2], r)
			}
		}
		compareWithNaive(t, f, ranges[0], ranges[1])
	})
}

// smallRange makes a range of four bytes: two of its first address's end, one
// that is spread over the rest, and its length.
func smallRange(f Family, hi, lo, rest, length byte) netipx.IPRange {
	fill := uint64(0)
	if rest&1 == 1 {
		fill = ^uint64(0)
	}
	if f == IPv4 {
		from := word4(fill)<<16 | word4(hi)<<8 | word4(lo)
		to := from + word4(length)
		if to < from {
			to = max4
		}
		return range4(span4{from, to})
	}
	from := word6{fill ^ uint64(rest>>2), fill<<16 | uint64(hi)<<8 | uint64(lo)}
	to := from
	if to.lo += uint64(length); to.lo < from.lo {
		if to.hi++; to.hi == 0 {
			to = max6
		}
	}
	return range6(span6{from, to})
}
