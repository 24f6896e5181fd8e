package cover

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"sallyport/ipranges"
)

// tree is every prefix of a world, as a mask of its blocks, with a cost. Node i
// has the halves 2i+1 and 2i+2.
type tree struct {
	masks, costs []int
	index        map[netip.Prefix]int
	top          int // what prefixes around the world cost
}

func (w world) tree() *tree {
	t := &tree{index: make(map[netip.Prefix]int)}
	for up := w.depth; up >= 0; up-- {
		for i := 0; i < w.size(); i += 1 << up {
			t.index[w.block(i, up)] = len(t.masks)
			t.masks = append(t.masks, (1<<(1<<up)-1)<<i)
		}
	}
	t.costs = make([]int, len(t.masks))
	return t
}

// setCosts gives random costs: none above those of its halves together, and with
// rising, none above that of a single half.
func (t *tree) setCosts(rnd *rand.Rand, rising bool) {
	for i := len(t.costs) - 1; i >= 0; i-- {
		if t.costs[i] = 1 + rnd.IntN(9); 2*i+2 < len(t.costs) {
			a, b := t.costs[2*i+1], t.costs[2*i+2]
			if t.costs[i] = min(t.costs[i], a+b); rising {
				t.costs[i] = min(t.costs[i], a, b)
			}
		}
	}
	t.top = 1 + rnd.IntN(t.costs[0])
}

func (t *tree) cost(p netip.Prefix) int {
	if i, ok := t.index[p]; ok {
		return t.costs[i]
	}
	return t.top
}

// list is what some disjoint prefixes hold and cost together.
type list struct{ mask, bytes int }

// lists returns all lists of disjoint prefixes in the world, 677 for 8 blocks,
// but for those with one that no list of use can have.
func (t *tree) lists(i int, use func(mask int) bool) []list {
	out := []list{{}}
	if 2*i+2 < len(t.masks) {
		out = nil
		right := t.lists(2*i+2, use)
		for _, l := range t.lists(2*i+1, use) {
			for _, r := range right {
				out = append(out, list{l.mask | r.mask, l.bytes + r.bytes})
			}
		}
	}
	if use(t.masks[i]) {
		out = append(out, list{t.masks[i], t.costs[i]})
	}
	return out
}

// checkBytes compares every budget with the cheapest of the lists that fit.
func (w world) checkBytes(t *testing.T, b *Bytes, tr *tree, set int, lists []list, fits func(list) bool) {
	t.Helper()
	want := make([]int, b.Exact()+2) // by budget
	for i := range want {
		want[i] = infeasible
	}
	for _, l := range lists {
		if l.bytes < len(want) && fits(l) {
			want[l.bytes] = min(want[l.bytes], ones(l.mask^set))
		}
	}
	for budget := range want {
		if budget > 0 {
			want[budget] = min(want[budget], want[budget-1])
		}
		blocks := want[budget]
		c, ok := b.At(budget)
		if ok != (blocks < infeasible) || ok != (budget >= b.Least()) || ok && c.Price != w.price(blocks) {
			t.Fatalf("%v, set %b, costs %v: price %v (%v) for %d bytes, want %d blocks of %v; least %d, exact %d",
				w.base, set, tr.costs, c.Price, ok, budget, blocks, w.unit(), b.Least(), b.Exact())
		}
		if !ok {
			continue
		}
		bytes, mask := 0, 0
		for _, p := range c.Prefixes {
			bytes += tr.cost(p)
			if i, ok := tr.index[p]; ok {
				mask |= tr.masks[i]
			}
		}
		if bytes != c.Bytes || bytes > budget || !fits(list{mask, bytes}) || ones(mask^set) != blocks {
			t.Fatalf("%v, set %b: %v cost %d bytes, said to be %d, for %d", w.base, set, c.Prefixes, bytes, c.Bytes, budget)
		}
		if bytes > 0 && want[bytes-1] == blocks {
			t.Fatalf("%v, set %b: %d bytes for %d where fewer do", w.base, set, bytes, budget)
		}
	}
}

// TestBytesSmallWorlds compares every budget with exhaustive search over all
// lists of disjoint prefixes, for random costs.
func TestBytesSmallWorlds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for _, w := range worlds(3) {
		tr, masks := w.tree(), w.full()+1
		for range 150 {
			s := rnd.IntN(masks)
			protected := rnd.IntN(masks) & rnd.IntN(masks) & rnd.IntN(masks)
			tr.setCosts(rnd, false)
			if w.base.Bits() > 0 {
				tr.top = tr.costs[0] // no cheaper, or the lists would have to reach around the world
			}
			over, err := OverBytes(w.set(t, s), w.family(), tr.cost, w.set(t, protected))
			if err != nil {
				t.Fatal(err)
			}
			lists := tr.lists(0, func(mask int) bool { return mask&protected&^s == 0 })
			w.checkBytes(t, over, tr, s, lists, func(l list) bool { return s&^l.mask == 0 && l.mask&protected&^s == 0 })

			must := s & rnd.IntN(masks) & rnd.IntN(masks)
			tr.setCosts(rnd, true)
			under, err := UnderBytes(w.set(t, s), w.family(), tr.cost, w.set(t, must))
			if err != nil {
				t.Fatal(err)
			}
			lists = tr.lists(0, func(mask int) bool { return mask&^s == 0 })
			w.checkBytes(t, under, tr, s, lists, func(l list) bool { return l.mask&^s == 0 && must&^l.mask == 0 })
		}
	}
}

// TestBytesOfEqualGaps has nothing but ties: every other /24.
func TestBytesOfEqualGaps(t *testing.T) {
	var p []netip.Prefix
	for i := range 128 {
		p = append(p, netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 7), byte(2 * i), 0}), 24))
	}
	set := mustSet(t, p)
	b, err := OverBytes(set, ipranges.IPv4, line, ipranges.Set{})
	if err != nil {
		t.Fatal(err)
	}
	want := shortestBytes(steps(set, ipranges.IPv4, ipranges.Set{}), line, b.Exact(), 0)
	for budget := 1; budget <= b.Exact(); budget += 7 {
		if c, ok := b.At(budget); ok != (want[budget] >= 0) || ok && c.Price != NewCount(uint64(want[budget])) {
			t.Fatalf("%v (%v) for %d bytes, want %d", c.Price, ok, budget, want[budget])
		}
	}
}

// TestBytesAroundTheSet: a shorter prefix around one of the set's is taken when
// it is cheaper, and never across protected space.
func TestBytesAroundTheSet(t *testing.T) {
	set := ipranges.MustParse("20.33.0.0/16")
	for protected, want := range map[string]string{
		"10.0.0.0/8":   "20.0.0.0/10", // 20.32.0.0/11 is as long as the exact one
		"20.64.0.0/16": "20.0.0.0/10",
		"20.0.0.0/16":  "", // and so is what does not reach down to it
	} {
		b, err := OverBytes(set, ipranges.IPv4, line, ipranges.MustParse(protected))
		if err != nil {
			t.Fatal(err)
		}
		c, ok := b.At(b.Exact() - 1)
		if ok != (want != "") || ok && (len(c.Prefixes) != 1 || c.Prefixes[0] != netip.MustParsePrefix(want) || c.Price != NewCount(1<<22-1<<16)) {
			t.Errorf("%s protected: %v (%v), want %s", protected, c, ok, want)
		}
	}
}

func TestBytesEdges(t *testing.T) {
	for _, f := range families {
		over, err := OverBytes(ipranges.Set{}, f, line, ipranges.Set{})
		if err != nil {
			t.Fatal(err)
		}
		under, err := UnderBytes(ipranges.Set{}, f, line, ipranges.Set{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range []*Bytes{over, under} {
			if _, ok := b.At(-1); ok {
				t.Error("a negative budget is feasible")
			}
			if c, ok := b.At(0); !ok || len(c.Prefixes) > 0 || c.Bytes > 0 || !c.Price.IsZero() {
				t.Errorf("the empty set: %v, %v", c, ok)
			}
		}
		for _, cost := range []int{0, -1, maxCost + 1} {
			bad := func(netip.Prefix) int { return cost }
			if _, err := OverBytes(ipranges.Full(f), f, bad, ipranges.Set{}); err == nil || !strings.Contains(err.Error(), "65536") {
				t.Errorf("over, cost %d: %v", cost, err)
			}
			if _, err := UnderBytes(ipranges.Full(f), f, bad, ipranges.Set{}); err == nil || !strings.Contains(err.Error(), "65536") {
				t.Errorf("under, cost %d: %v", cost, err)
			}
		}
		big := func(netip.Prefix) int { return maxCost }
		whole, err := UnderBytes(ipranges.Full(f), f, big, ipranges.Set{})
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := whole.At(maxCost - 1); !ok || c.Price != CountOf(ipranges.Full(f), f) {
			t.Errorf("nothing of the whole family leaves out %v", c.Price)
		}
	}
}
