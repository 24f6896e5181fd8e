package cover

import (
	"math/rand/v2"
	"slices"
	"testing"

	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
)

// infeasible is a price above every other.
const infeasible = 1 << 20

// cheapest returns, for each k up to the world's size, the fewest blocks in
// which one of the candidates with at most k prefixes differs from set.
func (w world) cheapest(num []int, set int, candidates func(visit func(int))) []int {
	best := make([]int, w.size()+1)
	for k := range best {
		best[k] = infeasible
	}
	candidates(func(u int) { best[num[u]] = min(best[num[u]], ones(u^set)) })
	for k := 1; k < len(best); k++ {
		best[k] = min(best[k], best[k-1])
	}
	return best
}

func (w world) numPrefixes() []int {
	num := make([]int, w.full()+1)
	for mask := range num {
		num[mask] = numPrefixes(mask, w.size())
	}
	return num
}

// checkPrices compares a curve with the cheapest price of every k.
func (w world) checkPrices(t *testing.T, c *Curve, set ipranges.Set, want []int, bound ipranges.Set) {
	t.Helper()
	for k, blocks := range want {
		price, ok := c.Price(k)
		if ok != (blocks < infeasible) || ok != (k >= c.Least()) || ok && price != w.price(blocks) {
			t.Fatalf("%v of %v, protected or kept %v: price %v (%v) for k = %d, want %d blocks of %v",
				w.base, set, bound, price, ok, k, blocks, w.unit())
		}
	}
}

// checkCovers compares a curve's covers with its prices, and with the addresses that
// they must neither add nor leave out.
func (w world) checkCovers(t *testing.T, c *Curve, set ipranges.Set, over bool, want []int, bound ipranges.Set) {
	t.Helper()
	for k, blocks := range want {
		p, ok := c.Cover(k)
		if ok != (blocks < infeasible) {
			t.Fatalf("%v: a cover for k = %d: %v", set, k, ok)
		}
		if !ok {
			continue
		}
		if lost := checkCover(t, set, w.family(), over, p, k, w.price(blocks)); lost.Overlaps(bound) {
			t.Fatalf("%v: for k = %d it adds or leaves out %v, of %v nothing may be", set, k, lost, bound)
		}
		if i := len(p) - 1; i >= 0 && want[i] == blocks {
			t.Fatalf("%v: %d prefixes for k = %d where %d do", set, len(p), k, i)
		}
	}
}

// TestOverSmallWorlds compares every curve with exhaustive search over all
// sets of blocks that hold the set and nothing protected: the whole world of 8
// blocks, for all sets and all protected space, and random ones of 16.
func TestOverSmallWorlds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for depth := 3; depth <= 4; depth++ {
		for i, w := range worlds(depth) {
			num, masks := w.numPrefixes(), w.full()+1
			check := func(s, protected int, covers bool) {
				want := w.cheapest(num, s, func(visit func(int)) { supersets(s, protected&^s, w.full(), visit) })
				set, barred := w.set(t, s), w.set(t, protected)
				c := OverCurve(set, w.family(), w.size(), barred)
				w.checkPrices(t, c, set, want, barred)
				if covers {
					w.checkCovers(t, c, set, true, want, barred)
				}
			}
			if depth == 3 && i == 0 && !testing.Short() {
				for s := range masks {
					for protected := range masks {
						check(s, protected, (s+protected)%8 == 0)
					}
				}
				continue
			}
			for range 250 {
				check(rnd.IntN(masks), rnd.IntN(masks)&rnd.IntN(masks), true)
				check(rnd.IntN(masks)&rnd.IntN(masks), 0, true)
			}
		}
	}
}

// TestOverWorldOfFourBits is about every set of 16 blocks, its prices only.
func TestOverWorldOfFourBits(t *testing.T) {
	need.Time(t, "65,536 sets")
	w := worlds(4)[0]
	num := w.numPrefixes()
	for s := range w.full() + 1 {
		want := w.cheapest(num, s, func(visit func(int)) { supersets(s, 0, w.full(), visit) })
		set := w.set(t, s)
		w.checkPrices(t, OverCurve(set, w.family(), w.size(), ipranges.Set{}), set, want, ipranges.Set{})
	}
}

// TestUnderSmallWorlds compares every curve with exhaustive search over all
// sets of blocks inside the set that hold what must be kept.
func TestUnderSmallWorlds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	for depth := 3; depth <= 4; depth++ {
		for i, w := range worlds(depth) {
			num, masks := w.numPrefixes(), w.full()+1
			check := func(s, must int) {
				want := w.cheapest(num, s, func(visit func(int)) { supersets(must, w.full()&^s, w.full(), visit) })
				set, kept := w.set(t, s), w.set(t, must)
				c, err := UnderCurve(set, w.family(), kept)
				if err != nil {
					t.Fatal(err)
				}
				w.checkPrices(t, c, set, want, kept)
				w.checkCovers(t, c, set, false, want, kept)
			}
			if depth == 3 && i == 0 && !testing.Short() {
				for s := range masks {
					supersets(0, w.full()&^s, w.full(), func(must int) { check(s, must) })
				}
				continue
			}
			for range 200 {
				s := rnd.IntN(masks)
				check(s, s&rnd.IntN(masks)&rnd.IntN(masks))
				check(s, 0)
			}
		}
	}
}

// TestTruncatedCurve: a curve up to maxK is the beginning of the whole one.
func TestTruncatedCurve(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for range 500 {
		f := families[rnd.IntN(2)]
		set, protected := randomSet(t, rnd, f, 40), randomSet(t, rnd, f, 3)
		whole := OverCurve(set, f, 1<<30, protected)
		if whole.Top() != whole.Exact() {
			t.Fatalf("the curve of %d prefixes ends at %d", whole.Exact(), whole.Top())
		}
		maxK := rnd.IntN(45) - 2
		part := OverCurve(set, f, maxK, protected)
		top := max(min(maxK, whole.Exact()), whole.Least()-1)
		if whole.Exact() == 0 {
			top = 0
		}
		if part.Top() != top || part.Least() != whole.Least() || part.Exact() != whole.Exact() {
			t.Fatalf("maxK = %d: %d..%d of %d, the whole curve %d..%d", maxK, part.Least(), part.Top(), part.Exact(), whole.Least(), whole.Exact())
		}
		for k := -1; k <= whole.Exact()+1; k++ {
			same := k
			if k > part.Top() && k < part.Exact() {
				same = part.Top()
			}
			price, ok := part.Price(k)
			want, wantOK := whole.Price(same)
			p, okP := part.Cover(k)
			q, okQ := whole.Cover(same)
			if okP != ok || okQ != wantOK || price != want || ok != wantOK || !slices.Equal(p, q) {
				t.Fatalf("maxK = %d, k = %d: price %v (%v) of %v, the whole curve %v (%v) of %v", maxK, k, price, ok, p, want, wantOK, q)
			}
		}
	}
}
