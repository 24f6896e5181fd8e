package ipranges

import (
	"math/big"
	"math/bits"
	"net/netip"
	"testing"

	"go4.org/netipx"
)

// A world is a handful of neighbouring addresses. A subset of it is a bit
// mask, on which every operation is one instruction: the oracle of the tests
// that go through all subsets.
type world struct {
	name   string
	family Family
	first  netip.Addr
	size   int
	sets   []Set // by mask
}

// Worlds sit at both ends of each family's space, where a bound has no
// neighbour, and across the middle, where carries run through all bits.
func worlds(size int) []*world {
	last := func(a string) netip.Addr {
		n := bigOf(netip.MustParseAddr(a))
		out, _ := addrOf(FamilyOf(netip.MustParseAddr(a)), n.Sub(n, big.NewInt(int64(size-1))))
		return out
	}
	at := netip.MustParseAddr
	return []*world{
		{name: "bottom4", family: IPv4, first: at("0.0.0.0"), size: size},
		{name: "middle4", family: IPv4, first: at("127.255.255.253"), size: size},
		{name: "top4", family: IPv4, first: last("255.255.255.255"), size: size},
		{name: "bottom6", family: IPv6, first: at("::"), size: size},
		{name: "carry6", family: IPv6, first: at("2603:1030::ffff:ffff:ffff:fffd"), size: size},
		{name: "middle6", family: IPv6, first: at("7fff:ffff:ffff:ffff:ffff:ffff:ffff:fffb"), size: size},
		{name: "top6", family: IPv6, first: last("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), size: size},
	}
}

func (w *world) addr(i int) netip.Addr {
	n := bigOf(w.first)
	a, _ := addrOf(w.family, n.Add(n, big.NewInt(int64(i))))
	return a
}

// build makes the set of every mask, from single addresses in an order that
// depends on the mask.
func (w *world) build(t *testing.T) {
	addrs := make([]netip.Addr, w.size)
	for i := range addrs {
		addrs[i] = w.addr(i)
	}
	w.sets = make([]Set, 1<<w.size)
	for mask := range w.sets {
		var b Builder
		for i := range w.size {
			if i = (i*5 + mask) % w.size; mask>>i&1 == 1 { // 5 and size have no common factor
				if err := b.AddAddr(addrs[i]); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.sets[mask] = b.Set()
	}
}

// TestSmallWorldPairs tries every operation on every pair of subsets.
func TestSmallWorldPairs(t *testing.T) {
	size := 8
	if testing.Short() {
		size = 6
	}
	for _, w := range worlds(size) {
		t.Run(w.name, func(t *testing.T) {
			w.build(t)
			for a, s := range w.sets {
				for b, u := range w.sets {
					added, removed := Diff(s, u)
					if !s.Union(u).Equal(w.sets[a|b]) || !s.Minus(u).Equal(w.sets[a&^b]) ||
						!s.Intersect(u).Equal(w.sets[a&b]) || s.Equal(u) != (a == b) ||
						s.Covers(u) != (b&^a == 0) || s.Overlaps(u) != (a&b != 0) ||
						!added.Equal(w.sets[b&^a]) || !removed.Equal(w.sets[a&^b]) {
						t.Fatalf("wrong result for %0*b and %0*b: %s and %s", size, a, size, b, s, u)
					}
				}
			}
		})
	}
}

// TestSmallWorldSets checks every subset by itself. Together with the test of
// pairs, which compares sets with sets, it anchors them to addresses.
func TestSmallWorldSets(t *testing.T) {
	size := 13
	if testing.Short() {
		size = 8
	}
	for _, w := range worlds(size) {
		t.Run(w.name, func(t *testing.T) {
			w.build(t)
			for mask, s := range w.sets {
				w.checkMembers(t, mask, s)
				w.checkPrefixes(t, mask, s)
				w.checkForms(t, s)
			}
		})
	}
}

func (w *world) checkMembers(t *testing.T, mask int, s Set) {
	t.Helper()
	not := s.Complement(w.family)
	for i := -1; i <= w.size; i++ {
		a := w.addr(i)
		if !a.IsValid() {
			continue // beyond an end of the space
		}
		in := i >= 0 && i < w.size && mask>>i&1 == 1
		if s.Contains(a) != in || not.Contains(a) == in {
			t.Fatalf("%s: %v in %s: %v, in complement: %v, want %v and %v", w.name, a, s, s.Contains(a), not.Contains(a), in, !in)
		}
	}
	space := new(big.Int).Lsh(big.NewInt(1), uint(w.first.BitLen()))
	if n := s.Count(w.family); n.Cmp(big.NewInt(int64(bits.OnesCount(uint(mask))))) != 0 || n.Add(n, not.Count(w.family)).Cmp(space) != 0 {
		t.Fatalf("%s: count %v of %s, complement %v", w.name, s.Count(w.family), s, not.Count(w.family))
	}
	runs := bits.OnesCount(uint(mask &^ (mask << 1))) // ones whose lower neighbour is a zero
	if s.NumRanges(w.family) != runs || s.Has(w.family) != (mask != 0) || s.IsEmpty() != (mask == 0) {
		t.Fatalf("%s: %d ranges in %s, want %d", w.name, s.NumRanges(w.family), s, runs)
	}
}

// checkPrefixes: the minimal prefixes are the aligned blocks that are wholly
// in the set while the block twice as large around them is not.
func (w *world) checkPrefixes(t *testing.T, mask int, s Set) {
	t.Helper()
	start := new(big.Int).Mod(bigOf(w.first), big.NewInt(64))
	offset := int(start.Int64())
	full := func(at, size int) bool { // at counts from the world's first address
		if at < 0 || at+size > w.size {
			return false
		}
		ones := 1<<size - 1
		return mask>>at&ones == ones
	}
	var want []netip.Prefix
	for i := range w.size {
		for log := 0; log <= 4; log++ {
			size := 1 << log
			round := (offset + i) &^ (2*size - 1)
			if (offset+i)%size == 0 && full(i, size) && !full(round-offset, 2*size) {
				want = append(want, netip.PrefixFrom(w.addr(i), w.first.BitLen()-log))
			}
		}
	}
	i := 0
	for p := range s.Prefixes(w.family) {
		if i >= len(want) || p != want[i] {
			t.Fatalf("%s: prefix %d of %s is %v, want %v", w.name, i, s, p, want)
		}
		i++
	}
	if i != len(want) || s.NumPrefixes(w.family) != len(want) {
		t.Fatalf("%s: %d prefixes of %s, NumPrefixes %d, want %v", w.name, i, s, s.NumPrefixes(w.family), want)
	}
}

// checkForms: the binary and the text form read back as the same set.
func (w *world) checkForms(t *testing.T, s Set) {
	t.Helper()
	data, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Set
	if err := back.UnmarshalBinary(data); err != nil || !back.Equal(s) {
		t.Fatalf("%s: binary form of %s reads back as %s, %v", w.name, s, back, err)
	}
	var b Builder
	for r := range s.All() {
		text := string(AppendRange(nil, r))
		got, err := ParseRange(text)
		if err != nil || got != r {
			t.Fatalf("%s: %v is written %s and read %v, %v", w.name, r, text, got, err)
		}
		if err := b.AddRange(netipx.IPRangeFrom(r.From(), r.To())); err != nil {
			t.Fatal(err)
		}
	}
	if back = b.Set(); !back.Equal(s) || back.Hash() != s.Hash() {
		t.Fatalf("%s: ranges of %s give %s", w.name, s, back)
	}
}
