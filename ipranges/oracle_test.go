package ipranges

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"go4.org/netipx"
)

func rounds(full int) int {
	if testing.Short() {
		return full / 10
	}
	return full
}

// TestNaiveOracle compares every operation on random sets with the slow
// oracle, at every address where membership can change.
func TestNaiveOracle(t *testing.T) {
	for _, f := range []Family{IPv4, IPv6} {
		t.Run(f.String(), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, uint64(f)))
			for range rounds(1500) {
				ra, rb := randomRanges(rnd, f, rnd.IntN(14)), randomRanges(rnd, f, rnd.IntN(14))
				compareWithNaive(t, f, ra, rb)
			}
		})
	}
}

func compareWithNaive(t *testing.T, f Family, ra, rb []netipx.IPRange) {
	t.Helper()
	a, b := mustSet(t, ra), mustSet(t, rb)
	na, nb := naiveOf(ra), naiveOf(rb)
	points := edges(f, na, nb)
	check := func(what string, s Set, want func(*big.Int) bool) {
		t.Helper()
		checkSet(t, f, what, s, points, want)
	}
	check("a", a, na.has)
	check("union", a.Union(b), func(e *big.Int) bool { return na.has(e) || nb.has(e) })
	check("union of three", Union(a, b, a), func(e *big.Int) bool { return na.has(e) || nb.has(e) })
	check("minus", a.Minus(b), func(e *big.Int) bool { return na.has(e) && !nb.has(e) })
	check("intersect", a.Intersect(b), func(e *big.Int) bool { return na.has(e) && nb.has(e) })
	check("complement", a.Complement(f), func(e *big.Int) bool { return !na.has(e) })
	added, removed := Diff(a, b)
	check("added", added, func(e *big.Int) bool { return nb.has(e) && !na.has(e) })
	check("removed", removed, func(e *big.Int) bool { return na.has(e) && !nb.has(e) })

	overlap, covered, equal := false, true, true
	for _, e := range points {
		ina, inb := na.has(e), nb.has(e)
		overlap = overlap || ina && inb
		covered = covered && (ina || !inb)
		equal = equal && ina == inb
	}
	if a.Overlaps(b) != overlap || a.Covers(b) != covered || a.Equal(b) != equal {
		t.Fatalf("Overlaps %v want %v, Covers %v want %v, Equal %v want %v\na: %s\nb: %s",
			a.Overlaps(b), overlap, a.Covers(b), covered, a.Equal(b), equal, a, b)
	}
	for _, r := range rb {
		want := !slices.ContainsFunc(edges(f, naiveOf([]netipx.IPRange{r}), na), func(e *big.Int) bool {
			at, _ := addrOf(f, e)
			return r.Contains(at) && !na.has(e)
		})
		if got := a.ContainsRange(r); got != want {
			t.Fatalf("ContainsRange(%v) = %v in %s", r, got, a)
		}
		if p, ok := r.Prefix(); ok && a.ContainsPrefix(p) != want {
			t.Fatalf("ContainsPrefix(%v) = %v in %s", p, !want, a)
		}
	}
	if got, want := a.Count(f), na.count(f); got.Cmp(want) != 0 {
		t.Fatalf("Count = %v, want %v in %s", got, want, a)
	}
}

// count adds up the stretches between neighbouring edges.
func (n naive) count(f Family) *big.Int {
	sum := new(big.Int)
	points := edges(f, n)
	for i, e := range points {
		if !n.has(e) {
			continue
		}
		sum.Add(sum, big.NewInt(1))
		if i+1 < len(points) && n.has(points[i+1]) {
			gap := new(big.Int).Sub(points[i+1], e)
			sum.Add(sum, gap.Sub(gap, big.NewInt(1)))
		}
	}
	return sum
}

// TestNetipxOracle compares large random sets of both families with
// netipx.IPSet: ranges, minimal prefixes, and what is derived from them.
func TestNetipxOracle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for range rounds(200) {
		ranges := slices.Concat(randomRanges(rnd, IPv4, rnd.IntN(300)), randomRanges(rnd, IPv6, rnd.IntN(300)))
		less := slices.Concat(randomRanges(rnd, IPv4, rnd.IntN(60)), randomRanges(rnd, IPv6, rnd.IntN(60)))
		rnd.Shuffle(len(ranges), func(i, j int) { ranges[i], ranges[j] = ranges[j], ranges[i] })
		var ob netipx.IPSetBuilder
		for _, r := range ranges {
			ob.AddRange(r)
		}
		for _, r := range less {
			ob.RemoveRange(r)
		}
		want, err := ob.IPSet()
		if err != nil {
			t.Fatal(err)
		}
		compareWithNetipx(t, mustSet(t, ranges).Minus(mustSet(t, less)), want)
	}
}

// TestNetipxLarge is the same for sets of many chunks, read from text.
func TestNetipxLarge(t *testing.T) {
	n := 5 * spareLen // so many that several goroutines sort
	if testing.Short() {
		n = 4*spareLen + 1
	}
	prefixes := slices.Concat(randomPrefixes(IPv4, n, 10, 32), randomPrefixes(IPv6, n, 20, 128), randomPrefixes(IPv6, n, 32, 48))
	var ob netipx.IPSetBuilder
	for _, p := range prefixes {
		ob.AddPrefix(p)
	}
	want, err := ob.IPSet()
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromPrefixes(prefixes...)
	if err != nil {
		t.Fatal(err)
	}
	compareWithNetipx(t, got, want)
	text := prefixText(prefixes)
	for _, size := range []int{0, 1000, len(text), 100 * len(text)} {
		read, _, err := ReadSet(bytes.NewReader(text), ReadOptions{Size: int64(size)})
		if err != nil || !read.Equal(got) {
			t.Errorf("read from text that is said to have %d bytes, the set differs (%v)", size, err)
		}
	}
}

func compareWithNetipx(t *testing.T, got Set, want *netipx.IPSet) {
	t.Helper()
	if !slices.Equal(slices.Collect(got.All()), want.Ranges()) {
		t.Fatalf("ranges differ:\n got %v\nwant %v", got, want.Ranges())
	}
	var prefixes []netip.Prefix
	var text []byte
	for _, f := range []Family{IPv4, IPv6} {
		mine := slices.Collect(got.Prefixes(f))
		if n := got.NumPrefixes(f); n != len(mine) {
			t.Fatalf("NumPrefixes(%v) = %d, Prefixes yields %d", f, n, len(mine))
		}
		prefixes = append(prefixes, mine...)
		text = got.AppendPrefixes(text, f, "<", ">\n")
	}
	if !slices.Equal(prefixes, want.Prefixes()) {
		t.Fatalf("prefixes differ:\n got %v\nwant %v", prefixes, want.Prefixes())
	}
	var wantText bytes.Buffer
	for _, p := range prefixes {
		wantText.WriteString("<" + p.String() + ">\n")
	}
	if !bytes.Equal(text, wantText.Bytes()) {
		t.Fatalf("AppendPrefixes gives\n%s\nwant\n%s", text, wantText.Bytes())
	}
}
