package cover

import (
	"math"
	"net/netip"
	"sort"

	"sallyport/ipranges"
)

// Curve is the price of every number of prefixes: how many addresses the best
// cover with at most k prefixes adds ([OverCurve]) or leaves out
// ([UnderCurve]). A Curve never changes and is safe for concurrent use.
type Curve struct {
	family ipranges.Family
	size   Count
	least  int
	exact  int
	known  int                        // for how many k, from least up, price is
	price  func(i int) Count          // for k = least+i
	cover  func(k int) []netip.Prefix // for a k with a known price, or exact
}

// know makes prices those of the curve.
func (c *Curve) know(prices []Count) {
	c.known, c.price = len(prices), func(i int) Count { return prices[i] }
}

// Size returns how many addresses of the family the set has: what prices are
// a percentage of.
func (c *Curve) Size() Count { return c.size }

// Least returns the smallest feasible k. Above 1 it comes from protected space
// or from addresses that must be kept.
func (c *Curve) Least() int { return c.least }

// Of returns the curve with its prices as shares of another whole: for the curve of a
// complement, for example, the set itself. Size, Knee and Joint then use that whole.
func (c *Curve) Of(whole Count) *Curve {
	out := *c
	out.size = whole
	return &out
}

// Exact returns the number of the set's minimal prefixes: from there on the
// cover is the set itself and the price 0.
func (c *Curve) Exact() int { return c.exact }

// Top returns the largest k up to Exact of which the curve knows the price,
// or less than Least when it knows none but Exact's.
func (c *Curve) Top() int { return c.least + c.known - 1 }

// Price returns the price of at most k prefixes. Between Top and Exact it is that
// of Top, which more prefixes might better. It returns false when k is below
// Least, or when the curve knows no price for so few.
func (c *Curve) Price(k int) (Count, bool) {
	if k >= c.exact {
		return Count{}, true
	}
	if k = min(k, c.Top()); k < c.least {
		return Count{}, false
	}
	return c.price(k - c.least), true
}

// Cover returns the prefixes of the best cover with at most k, ascending and
// disjoint; false as Price does. Of several covers of one price it has the
// fewest prefixes, and the losses at the lowest addresses: [OverCurve] and
// [UnderCurve] say it exactly. The slice is the caller's.
func (c *Curve) Cover(k int) ([]netip.Prefix, bool) {
	switch {
	case c.exact == 0:
		return nil, k >= 0
	case k >= c.exact:
		return c.cover(c.exact), true
	}
	if k = min(k, c.Top()); k < c.least {
		return nil, false
	}
	for k > c.least && c.price(k-1-c.least) == c.price(k-c.least) {
		k--
	}
	return c.cover(k), true
}

// Nearest returns the smallest k whose price is at most limit; [Count.Part] of
// Size makes a limit of a percentage. When the curve ends before one it
// returns Exact, which surely is cheap enough, and false.
func (c *Curve) Nearest(limit Count) (k int, ok bool) {
	i := sort.Search(c.known, func(i int) bool { return !limit.less(c.price(i)) })
	if i == c.known {
		return c.exact, false
	}
	return c.least + i, true
}

// Knee returns the k where the curve bends: below it a prefix buys much, above it
// little. Draw log(1 + 1000*price/Size) over k, which is the logarithm of the
// price but flat below a thousandth of the set, where it no longer matters;
// the knee is the point farthest below the chord from Least to Top, of several
// the first. A curve that is nowhere below its chord bends at Top, and one
// without prices at Exact.
func (c *Curve) Knee() int {
	height := func(i int) float64 { return math.Log1p(10 * c.price(i).Percent(c.size)) }
	n := c.known - 1
	if n < 0 {
		return c.exact
	}
	best, depth := c.Top(), 1e-9 // far above rounding, far below what can be seen
	first, last := height(0), height(n)
	for i := 1; i < n; i++ {
		x := float64(i) / float64(n)
		if d := first*(1-x) + last*x - height(i); d > depth {
			best, depth = c.least+i, d
		}
	}
	return best
}
