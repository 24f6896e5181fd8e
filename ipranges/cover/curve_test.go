package cover

import (
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"sallyport/ipranges"
)

// curveOf is a curve with given prices, which start at least and may end before
// 0, at exact = least + len(prices).
func curveOf(size uint64, least int, prices ...uint64) *Curve {
	c := &Curve{family: ipranges.IPv4, size: NewCount(size), least: least, exact: least + len(prices)}
	var counts []Count
	for _, p := range prices {
		counts = append(counts, NewCount(p))
		if c.know(counts); p == 0 {
			c.exact = c.Top()
		}
	}
	c.cover = func(k int) []netip.Prefix { return make([]netip.Prefix, k) }
	return c
}

func TestNearest(t *testing.T) {
	c := curveOf(1000, 3, 500, 200, 200, 10, 0)
	for limit, want := range map[uint64]int{1000: 3, 500: 3, 499: 4, 200: 4, 199: 6, 10: 6, 9: 7, 0: 7} {
		if k, ok := c.Nearest(NewCount(limit)); k != want || !ok {
			t.Errorf("limit %d: %d (%v), want %d", limit, k, ok, want)
		}
	}
	if k, ok := c.Nearest(c.Size().Part(20)); k != 4 || !ok {
		t.Errorf("20 %%: %d (%v), want 4", k, ok)
	}
	short := curveOf(1000, 3, 500, 200)
	if k, ok := short.Nearest(NewCount(199)); k != short.Exact() || ok {
		t.Errorf("beyond the end: %d (%v)", k, ok)
	}
}

func TestCoverHasFewest(t *testing.T) {
	c := curveOf(1000, 3, 500, 200, 200, 200, 0)
	for k, want := range map[int]int{3: 3, 4: 4, 5: 4, 6: 4, 7: 7, 99: 7} {
		if p, ok := c.Cover(k); len(p) != want || !ok {
			t.Errorf("k = %d: %d prefixes, want %d", k, len(p), want)
		}
	}
}

func TestKnee(t *testing.T) {
	for name, c := range map[string]struct {
		*Curve
		want int
	}{
		"bend":          {curveOf(1000, 1, 100000, 3000, 30, 25, 20, 15, 10, 5, 0), 3},
		"straight":      {curveOf(1000, 1, 0), 1},
		"two":           {curveOf(1000, 5, 7, 0), 6},
		"no bend":       {curveOf(1000, 1, 1000, 999, 998, 997, 0), 5},
		"flat below":    {curveOf(1<<40, 1, 1<<40, 1<<39, 3, 2, 1, 0), 3},
		"before exact":  {curveOf(1000, 2, 900, 10, 9, 8, 7, 6), 3},
		"nothing there": {OverCurve(ipranges.Set{}, ipranges.IPv4, 10, ipranges.Set{}), 0},
	} {
		if got := c.Knee(); got != c.want {
			t.Errorf("%s: the knee is at %d, want %d", name, got, c.want)
		}
	}
}

// TestJoint compares with every split of every budget, in fractions.
func TestJoint(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	share := func(c *Curve, k int) *big.Rat {
		price, _ := c.Price(k)
		if price.IsZero() {
			return new(big.Rat)
		}
		return new(big.Rat).SetFrac(price.Big(), c.Size().Big())
	}
	for range 300 {
		a := OverCurve(randomSet(t, rnd, ipranges.IPv4, 12), ipranges.IPv4, 99, randomSet(t, rnd, ipranges.IPv4, 2))
		b := OverCurve(randomSet(t, rnd, ipranges.IPv6, 12), ipranges.IPv6, 99, randomSet(t, rnd, ipranges.IPv6, 2))
		for k := -1; k <= a.Exact()+b.Exact()+2; k++ {
			ka, kb, ok := Joint(Side{Curve: a}, Side{Curve: b}, k)
			if ok != (k >= a.Least()+b.Least()) {
				t.Fatalf("k = %d of at least %d and %d: %v", k, a.Least(), b.Least(), ok)
			}
			if !ok {
				continue
			}
			if ka+kb > k || ka < a.Least() || kb < b.Least() || ka > a.Exact() || kb > b.Exact() {
				t.Fatalf("k = %d is split into %d and %d", k, ka, kb)
			}
			got := new(big.Rat).Add(share(a, ka), share(b, kb))
			for i := a.Least(); i <= k-b.Least(); i++ {
				other := new(big.Rat).Add(share(a, i), share(b, k-i))
				if c := other.Cmp(got); c < 0 || c == 0 && i < ka {
					t.Fatalf("k = %d: %d and %d cost %v, %d and %d cost %v", k, ka, kb, got, i, k-i, other)
				}
			}
		}
	}
}

// TestJointBounds compares with every split within the bounds of the sides.
func TestJointBounds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(18, 8))
	relative := func(c *Curve, k int) float64 {
		price, _ := c.Price(k)
		return price.Percent(c.Size())
	}
	for range 300 {
		a := OverCurve(randomSet(t, rnd, ipranges.IPv4, 12), ipranges.IPv4, 99, ipranges.Set{})
		b := OverCurve(randomSet(t, rnd, ipranges.IPv6, 12), ipranges.IPv6, 99, ipranges.Set{})
		lowA, highA, lowB, highB := rnd.IntN(6), 1+rnd.IntN(9), rnd.IntN(6), 1+rnd.IntN(9)
		k := rnd.IntN(16)
		ka, kb, ok := Joint(Side{a, lowA, highA}, Side{b, lowB, highB}, k)
		best := math.Inf(1)
		for i := max(lowA, a.Least()); i <= min(highA, k); i++ {
			for j := max(lowB, b.Least()); j <= min(highB, k-i); j++ {
				best = min(best, relative(a, i)+relative(b, j))
			}
		}
		if ok == math.IsInf(best, 1) {
			t.Fatalf("k = %d, %d-%d and %d-%d: %v, and the best is %v", k, lowA, highA, lowB, highB, ok, best)
		}
		if ok && (ka < lowA || ka > highA || kb < lowB || kb > highB || ka+kb > k || relative(a, ka)+relative(b, kb) > best*(1+1e-9)) {
			t.Fatalf("k = %d is split into %d and %d, which cost more than %v", k, ka, kb, best)
		}
	}
}

func TestMustOutsideTheSet(t *testing.T) {
	set := ipranges.MustParse("192.0.2.0/24", "2001:db8::/32")
	must := ipranges.MustParse("192.0.2.128/25", "198.51.100.0-198.51.100.9")
	if _, err := UnderCurve(set, ipranges.IPv4, must); err == nil || !strings.Contains(err.Error(), "198.51.100.0-198.51.100.9") {
		t.Errorf("UnderCurve: %v", err)
	}
	if _, err := UnderBytes(set, ipranges.IPv4, line, must); err == nil || !strings.Contains(err.Error(), "198.51.100.0-198.51.100.9") {
		t.Errorf("UnderBytes: %v", err)
	}
	if _, err := UnderCurve(set, ipranges.IPv6, must); err != nil {
		t.Errorf("the other family: %v", err)
	}
}

// TestMustIsMapped: sets made of others may hold IPv4-mapped addresses, of
// which no set can be built from a prefix.
func TestMustIsMapped(t *testing.T) {
	set := ipranges.SpecialUse()
	must := ipranges.Full(ipranges.IPv6).Minus(ipranges.MustParse("::/81", "::8000:0:0/82", "::1:0:0:0-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")).Intersect(set)
	if must.NumPrefixes(ipranges.IPv6) != 1 {
		t.Fatalf("%v was to be ::ffff:0:0/96", must)
	}
	c, err := UnderCurve(set, ipranges.IPv6, must)
	if err != nil {
		t.Fatal(err)
	}
	b, err := UnderBytes(set, ipranges.IPv6, line, must)
	if err != nil {
		t.Fatal(err)
	}
	if c.Least() != 1 || b.Least() != len("::ffff:0.0.0.0/96\n") {
		t.Errorf("least %d prefixes and %d bytes", c.Least(), b.Least())
	}
}

func TestNoFamily(t *testing.T) {
	set := ipranges.MustParse("192.0.2.0/24", "2001:db8::/32")
	c := OverCurve(set, 0, 5, ipranges.SpecialUse())
	if p, ok := c.Cover(5); !ok || len(p) > 0 || c.Exact() > 0 {
		t.Errorf("%v (%v) of no family", p, ok)
	}
	if len(TwoHop(set, 0)) > 0 {
		t.Error("there is something of no family")
	}
}

// TestConcurrent: one Curve and one Bytes answer many at once, always the same.
func TestConcurrent(t *testing.T) {
	rnd := rand.New(rand.NewPCG(10, 10))
	set := randomSet(t, rnd, ipranges.IPv6, 200)
	c := OverCurve(set, ipranges.IPv6, 200, ipranges.Set{})
	u, err := UnderCurve(set, ipranges.IPv6, ipranges.Set{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := OverBytes(set, ipranges.IPv6, line, ipranges.Set{})
	if err != nil {
		t.Fatal(err)
	}
	answer := func() (out []netip.Prefix) {
		for k := 1; k < c.Exact(); k += 3 {
			p, _ := c.Cover(k)
			q, _ := u.Cover(k)
			r, _ := b.At(b.Least() + 20*k)
			out = slices.Concat(out, p, q, r.Prefixes)
		}
		return out
	}
	want := answer()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if !slices.Equal(answer(), want) {
				t.Error("another answer")
			}
		})
	}
	wg.Wait()
}
