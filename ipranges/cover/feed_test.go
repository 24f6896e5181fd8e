package cover

import (
	"net/netip"
	"slices"
	"testing"

	"sallyport/ipranges"
)

// shifts are the units in which 64 bits hold all prices of the real feed.
var shifts = map[ipranges.Family]uint{ipranges.IPv4: 0, ipranges.IPv6: 64}

// checkPrices compares a whole curve with an oracle's prices.
func checkPrices(t *testing.T, c *Curve, want []int64) {
	t.Helper()
	if len(want) != c.Exact()+1 || want[c.Exact()] != 0 || c.Top() != c.Exact() {
		t.Fatalf("the curve ends at %d of %d with %d", c.Top(), c.Exact(), want[len(want)-1])
	}
	for k, units := range want {
		price, ok := c.Price(k)
		if ok != (units >= 0) || ok && price != NewCount(uint64(units)).shift(int(shifts[c.family])) {
			t.Fatalf("the price is %v (%v) for k = %d, want %d units", price, ok, k, units)
		}
	}
}

// TestAzureCloudOver compares every price of the real feed with the oracle's,
// with special-use space protected and without.
func TestAzureCloudOver(t *testing.T) {
	set := azureCloud(t, change398)
	for _, f := range families {
		for name, protected := range map[string]ipranges.Set{"free": {}, "special": ipranges.SpecialUse()} {
			t.Run(f.String()+"/"+name, func(t *testing.T) {
				c := OverCurve(set, f, 2500, protected)
				want, ok := shortest(steps(set, f, protected), c.Exact(), shifts[f])
				if !ok {
					t.Fatal("the prices do not fit 64 bits")
				}
				checkPrices(t, c, want)
				for _, k := range []int{1000, 500, 300, 200, 100, c.Least(), c.Exact()} {
					price, _ := c.Price(k)
					p, _ := c.Cover(k)
					if lost := checkCover(t, set, f, true, p, k, price); lost.Overlaps(protected) {
						t.Errorf("k = %d: it adds protected %v", k, lost.Intersect(protected))
					}
					t.Logf("k = %4d: %v added, %.4f %%", k, price, price.Percent(c.Size()))
				}
				t.Logf("least %d, knee %d, exact %d", c.Least(), c.Knee(), c.Exact())
			})
		}
	}
}

// mediaRanges are documented ranges of calls, as far as a set has them.
func mediaRanges(set ipranges.Set) ipranges.Set {
	return set.Intersect(ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"))
}

func TestAzureCloudUnder(t *testing.T) {
	set := azureCloud(t, change398)
	one := func(netip.Prefix) int { return 1 }
	for _, f := range families {
		for name, must := range map[string]ipranges.Set{"free": {}, "media": mediaRanges(set)} {
			t.Run(f.String()+"/"+name, func(t *testing.T) {
				c, err := UnderCurve(set, f, must)
				if err != nil {
					t.Fatal(err)
				}
				checkPrices(t, c, fewestLeft(set, f, must, one, c.Exact(), shifts[f]))
				for _, k := range []int{1000, 500, 300, 200, 100, c.Least(), c.Exact()} {
					price, ok := c.Price(k)
					if !ok {
						t.Logf("k = %4d: not feasible", k)
						continue
					}
					p, _ := c.Cover(k)
					if lost := checkCover(t, set, f, false, p, k, price); lost.Overlaps(must) {
						t.Errorf("k = %d: it leaves out %v, which must be kept", k, lost.Intersect(must))
					}
					t.Logf("k = %4d: %v left out, %.4f %%", k, price, price.Percent(c.Size()))
				}
				t.Logf("least %d, knee %d, exact %d", c.Least(), c.Knee(), c.Exact())
			})
		}
	}
}

// line is what a prefix costs as a line of its own.
func line(p netip.Prefix) int { return len(p.String()) + 1 }

// TestAzureCloudBytes compares budgets in bytes with the oracles': small ones
// over, as that oracle needs the square of the time, and all kinds under.
func TestAzureCloudBytes(t *testing.T) {
	set := azureCloud(t, change398)
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			over, err := OverBytes(set, f, line, ipranges.SpecialUse())
			if err != nil {
				t.Fatal(err)
			}
			under, err := UnderBytes(set, f, line, mediaRanges(set))
			if err != nil {
				t.Fatal(err)
			}
			small := shortestBytes(steps(set, f, ipranges.SpecialUse()), line, 1000, shifts[f])
			all := fewestLeft(set, f, mediaRanges(set), line, 8000, shifts[f])
			for budget := 1; budget < len(all); budget += 1 + budget/10 {
				if budget < len(small) {
					checkChoice(t, set, f, over, true, budget, small[budget])
				}
				checkChoice(t, set, f, under, false, budget, all[budget])
			}
		})
	}
}

// TestAzureCloudBytesToTheEnd has costs so small that the oracle gets to budgets
// in the middle of the list, and curves know all of those of one byte each.
func TestAzureCloudBytesToTheEnd(t *testing.T) {
	set := azureCloud(t, change398)
	for _, f := range families {
		uneven := func(p netip.Prefix) int { return 1 + len(p.String())%2 }
		b, err := OverBytes(set, f, uneven, ipranges.SpecialUse())
		if err != nil {
			t.Fatal(err)
		}
		want := shortestBytes(steps(set, f, ipranges.SpecialUse()), uneven, 1200, shifts[f])
		for budget := 1; budget < len(want); budget += 61 {
			c, ok := b.At(budget)
			if ok != (want[budget] >= 0) || ok && c.Price != NewCount(uint64(want[budget])).shift(int(shifts[f])) {
				t.Errorf("%v: %v (%v) for %d bytes, want %d units", f, c.Price, ok, budget, want[budget])
			}
		}
		ones, err := OverBytes(set, f, func(netip.Prefix) int { return 1 }, ipranges.SpecialUse())
		if err != nil {
			t.Fatal(err)
		}
		curve := OverCurve(set, f, 2500, ipranges.SpecialUse())
		for k := 1; k <= curve.Exact(); k += 97 {
			c, ok := ones.At(k)
			if price, okCurve := curve.Price(k); ok != okCurve || c.Price != price {
				t.Errorf("%v: %v (%v) for %d bytes, %v (%v) for as many prefixes", f, c.Price, ok, k, price, okCurve)
			}
		}
	}
}

func checkChoice(t *testing.T, set ipranges.Set, f ipranges.Family, b *Bytes, over bool, budget int, units int64) {
	t.Helper()
	c, ok := b.At(budget)
	if ok != (units >= 0) || ok != (budget >= b.Least()) || ok && c.Price != NewCount(uint64(units)).shift(int(shifts[f])) {
		t.Fatalf("the price is %v (%v) for %d bytes, want %d units", c.Price, ok, budget, units)
	}
	if !ok {
		return
	}
	bytes := 0
	for _, p := range c.Prefixes {
		bytes += line(p)
	}
	if bytes != c.Bytes || bytes > budget {
		t.Fatalf("%d bytes, said to be %d, for %d", bytes, c.Bytes, budget)
	}
	lost := checkCover(t, set, f, over, c.Prefixes, len(c.Prefixes), c.Price)
	if over && lost.Overlaps(ipranges.SpecialUse()) || !over && lost.Overlaps(mediaRanges(set)) {
		t.Fatalf("%d bytes: lost %v", budget, lost)
	}
}

// TestAzureCloudRefresh: from one change of the feed to the next, covers change
// by little more prefixes than the exact list does.
func TestAzureCloudRefresh(t *testing.T) {
	old, set := azureCloud(t, change396), azureCloud(t, change398)
	for _, f := range families {
		exact := changed(slices.Collect(old.Prefixes(f)), slices.Collect(set.Prefixes(f)))
		for _, k := range []int{1000, 500, 300, 200, 100} {
			a, _ := OverCurve(old, f, k, ipranges.SpecialUse()).Cover(k)
			b, _ := OverCurve(set, f, k, ipranges.SpecialUse()).Cover(k)
			u, err := UnderCurve(old, f, ipranges.Set{})
			if err != nil {
				t.Fatal(err)
			}
			v, err := UnderCurve(set, f, ipranges.Set{})
			if err != nil {
				t.Fatal(err)
			}
			c, _ := u.Cover(k)
			d, _ := v.Cover(k)
			over, under := changed(a, b), changed(c, d)
			if over > exact || under > exact {
				t.Errorf("%v, k = %d: %d and %d changed, of the exact list %d", f, k, over, under, exact)
			}
			t.Logf("%v, k = %d: %d over and %d under changed, of the exact list %d", f, k, over, under, exact)
		}
	}
}

// changed counts the prefixes that are in one list only.
func changed(a, b []netip.Prefix) int {
	in := make(map[netip.Prefix]int)
	for _, p := range a {
		in[p]++
	}
	for _, p := range b {
		in[p]--
	}
	n := 0
	for _, d := range in {
		n += max(d, -d)
	}
	return n
}
