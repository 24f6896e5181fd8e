package cover

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
)

// inOf returns the addresses that routes send in, by their definition: of the
// routes that hold an address the longest decides, without one it goes out.
// Longer ones overrule shorter ones, so these are applied first.
func inOf(routes []Route) ipranges.Set {
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(a, b Route) int { return a.Prefix.Bits() - b.Prefix.Bits() })
	var in ipranges.Set
	for _, r := range routes {
		if r.In {
			in = in.Union(onePrefix(r.Prefix))
		} else {
			in = in.Minus(onePrefix(r.Prefix))
		}
	}
	return in
}

func checkRoutes(t *testing.T, set ipranges.Set, f ipranges.Family, want int) {
	t.Helper()
	routes := TwoHop(set, f)
	if got := inOf(routes); !got.Equal(set.Only(f)) || len(routes) != want {
		t.Fatalf("%d routes %v send %v in; want %d routes for %v", len(routes), routes, got, want, set)
	}
	ascending := slices.IsSortedFunc(routes, func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
	seen := make(map[netip.Prefix]bool)
	for _, r := range routes {
		if r.Prefix.Bits() == 0 || r.Prefix != r.Prefix.Masked() || seen[r.Prefix] || !ascending {
			t.Fatalf("%v, twice, in no order, or in the place of the default route: %v", r.Prefix, routes)
		}
		seen[r.Prefix] = true
	}
}

// tables returns, for each set of 2^depth blocks, the size of the smallest
// table that makes it, by going through every table there is: each prefix of
// the world but the world itself has no route, one in, or one out.
func tables(depth int, start int) []int {
	size := 1 << depth
	best := make([]int, 1<<size)
	for i := range best {
		best[i] = infeasible
	}
	var blocks []int // the prefixes as masks, the longest last
	for length := 1; length <= depth; length++ {
		width := size >> length
		for i := 0; i < size; i += width {
			blocks = append(blocks, (1<<width-1)<<i)
		}
	}
	var try func(i, in, routes int)
	try = func(i, in, routes int) {
		if i == len(blocks) {
			best[in] = min(best[in], routes)
			return
		}
		try(i+1, in, routes)
		try(i+1, in|blocks[i], routes+1)
		try(i+1, in&^blocks[i], routes+1)
	}
	try(0, start, 0)
	return best
}

// TestTwoHopEveryTable compares with all 3^14 tables over 8 blocks.
func TestTwoHopEveryTable(t *testing.T) {
	need.Time(t, "five million tables, twice")
	out, in := tables(3, 0), tables(3, 255)
	for _, w := range worlds(3) {
		for mask, want := range out {
			if w.base.Bits() > 0 { // then the world itself may have a route
				want = min(want, 1+in[mask])
			}
			checkRoutes(t, w.set(t, mask), w.family(), want)
		}
	}
}

// fewestRoutes is the same by recursion over all prefixes, for the blocks of mask
// when addresses arrive there the given way.
func fewestRoutes(mask, size int, in bool) int {
	if size == 1 {
		if in == (mask == 1) {
			return 0
		}
		return 1
	}
	return min(halves(mask, size, in), 1+halves(mask, size, !in))
}

func halves(mask, size int, in bool) int {
	half := size / 2
	return fewestRoutes(mask>>half, half, in) + fewestRoutes(mask&(1<<half-1), half, in)
}

// TestTwoHopFourBits is about random sets of 16 blocks.
func TestTwoHopFourBits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for _, w := range worlds(4) {
		for range 2000 {
			mask := rnd.IntN(w.full() + 1)
			if rnd.IntN(2) == 0 {
				mask &= rnd.IntN(w.full() + 1)
			}
			want := fewestRoutes(mask, w.size(), false)
			if w.base.Bits() == 0 {
				want = halves(mask, w.size(), false)
			}
			checkRoutes(t, w.set(t, mask), w.family(), want)
		}
	}
}

// fewestFor returns the same by recursion over the halves of p, the prefix
// around a whole set, for addresses that arrive out and in. It knows of no
// trie, and goes down to where p is all in the set, or all not.
func fewestFor(set ipranges.Set, p netip.Prefix) (out, in int) {
	all := onePrefix(p)
	switch {
	case set.IsEmpty():
		return 0, 1
	case set.Equal(all) && p.Bits() > 0:
		return 1, 0
	}
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	var high netip.Prefix
	for high = range all.Minus(onePrefix(low)).Prefixes(ipranges.FamilyOf(p.Addr())) {
	}
	lowOut, lowIn := fewestFor(set.Intersect(onePrefix(low)), low)
	highOut, highIn := fewestFor(set.Intersect(onePrefix(high)), high)
	out, in = lowOut+highOut, lowIn+highIn
	if p.Bits() == 0 {
		return out, in
	}
	return min(out, in+1), min(in, out+1)
}

func wholeOf(f ipranges.Family) netip.Prefix {
	if f == ipranges.IPv4 {
		return netip.MustParsePrefix("0.0.0.0/0")
	}
	return netip.MustParsePrefix("::/0")
}

// TestTwoHopRandomSets has blocks in and cut out of each other, of all sizes, with
// children far below their parents.
func TestTwoHopRandomSets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	for range 400 {
		bits := 12
		f := families[rnd.IntN(2)]
		base := netip.MustParsePrefix([]string{"0.0.0.0/0", "20.0.0.0/8", "::/0", "2603:1030::/56"}[rnd.IntN(2)+2*int(f/ipranges.IPv6)])
		w := world{base: base, depth: bits}
		var set ipranges.Set
		at := 0
		for range rnd.IntN(40) {
			at ^= rnd.IntN(1 << rnd.IntN(bits+1))
			up := rnd.IntN(min(bits, 1+rnd.IntN(bits)))
			p := onePrefix(w.block(at>>up<<up, up))
			set = set.Union(p).Minus(set.Intersect(p)) // what is in goes out
		}
		want, _ := fewestFor(set, wholeOf(f))
		checkRoutes(t, set, f, want)
	}
}

func TestTwoHopWholeFamily(t *testing.T) {
	for _, f := range families {
		checkRoutes(t, ipranges.Full(f), f, 2)
		checkRoutes(t, ipranges.Set{}, f, 0)
	}
}

func TestTwoHopAzureCloud(t *testing.T) {
	set := azureCloud(t, change398)
	for f, want := range map[ipranges.Family]int{ipranges.IPv4: 1217, ipranges.IPv6: 1256} {
		checkRoutes(t, set, f, want)
		if n, _ := fewestFor(set.Only(f), wholeOf(f)); n != want {
			t.Errorf("%v: %d routes by recursion over all prefixes, want %d", f, n, want)
		}
		in := 0
		routes := TwoHop(set, f)
		for _, r := range routes {
			if r.In {
				in++
			}
		}
		t.Logf("%v: %d in and %d out, %d minimal prefixes", f, in, len(routes)-in, set.NumPrefixes(f))
	}
}
