package cover

import (
	"net/netip"

	"sallyport/ipranges"
)

// OverCurve returns the price of covering all of the family's part of set with at most
// k prefixes: the fewest addresses added, for every k up to maxK. No address of
// protected is ever added; protected addresses that are in the set already do not
// matter. Protected space may make small k infeasible, and with maxK below
// [Curve.Least] the curve has the exact list only.
//
// Of covers with equal price and number it takes the one with the fewest
// prefixes in the lower half of their common prefix, and so on in each half. In
// other words, of joins at the same price those at the lowest addresses are made
// first, whatever k: when the set changes a little, the last few of them are
// undone or added, and the others stay.
//
// Time grows with n*maxK for a set of n minimal prefixes, memory with n times
// the depth of their tree: some seconds and 180 MiB for n = 1,000,000 and
// maxK = 2,000.
func OverCurve(set ipranges.Set, f ipranges.Family, maxK int, protected ipranges.Set) *Curve {
	return overCurve(set, f, maxK, protected, true)
}

// OverPrices is [OverCurve] for the prices alone: its Cover computes all of them again. It
// takes a small part of the memory, and several processors share the work.
func OverPrices(set ipranges.Set, f ipranges.Family, maxK int, protected ipranges.Set) *Curve {
	return overCurve(set, f, maxK, protected, false)
}

func overCurve(set ipranges.Set, f ipranges.Family, maxK int, protected ipranges.Set, covers bool) *Curve {
	t := newTrie(set, f)
	c := &Curve{family: f, size: CountOf(set, f), exact: len(t.keys)}
	if c.exact == 0 {
		c.know([]Count{{}})
		return c
	}
	least := t.leastPrefixes(newSpans(protected.Minus(set), f))
	c.least = int(least[t.root()])
	if maxK = min(maxK, c.exact); maxK < c.least {
		c.cover = func(int) []netip.Prefix { return t.prefixes() } // only for Exact
		return c
	}
	if !covers {
		c.cover = func(k int) []netip.Prefix { return OverCurve(set, f, maxK, protected).cover(k) }
	}
	// Prices are in units of the smallest leaf. Every one is below the size of
	// the root's prefix, and so fits 64 bits for most sets of either family.
	if t.longest-int(t.nodes[t.root()].length) <= 64 {
		solve(c, &problem[narrow]{t, least, maxK, power64, convolve64}, covers, func(p narrow) Count { return NewCount(uint64(p)) })
	} else {
		solve(c, &problem[wide]{t, least, maxK, power128, convolve128}, covers, func(p wide) Count { return Count{0, p.hi, p.lo} })
	}
	return c
}

// solve gives c its prices, and its covers if they are asked for.
func solve[N number[N]](c *Curve, p *problem[N], covers bool, count func(N) Count) {
	var root []N
	if covers {
		s := newKnapsack(p)
		root, c.cover = s.of(p.root()), s.cover
	} else {
		root = p.prices()
	}
	prices := make([]Count, len(root))
	for i, price := range root {
		prices[i] = count(price).shift(p.width - p.longest)
	}
	c.know(prices)
}

// leastPrefixes returns, for each node, the fewest prefixes that cover it: one,
// or where its own would add barred addresses those of its children.
func (t *trie) leastPrefixes(barred spans) []int32 {
	least := make([]int32, len(t.nodes))
	for v, n := range t.nodes {
		least[v] = 1
		if n.leaves > 1 && barred.meet(t.key(v), int(n.length)) {
			left, right := t.children(v)
			least[v] = least[left] + least[right]
		}
	}
	return least
}

// problem is what has to be solved: for each node v of the trie and each k, the price
// f(v, k) of covering what the set has in v with exactly k prefixes:
//
//	f(leaf, 1) = 0
//	f(v, 1) = size(v) - what the set has of it, unless v holds barred space
//	f(v, k) = min over i of f(left, i) + f(right, k-i), for k > 1
//
// A cover of k prefixes can be split into one of k+1, at no greater price,
// until it is exact: so the prices fall, and "exactly k" is "at most k". The
// feasible k of a node are all from its least to its number of leaves, and no
// price need stand for infinity.
//
// Lay i leaves back from the border between the halves and j forward: each sum
// f(left, i) + f(right, j) is a pair of leaves less than maxK apart, and no
// pair belongs to two nodes. So there are less than n*maxK sums.
type problem[N number[N]] struct {
	*trie
	least    []int32
	maxK     int               // not below the root's least
	power    func(n int) N     // 2^n, or 0 where that is just too large: the price computed from it by subtraction fits and comes out right
	convolve func(c, a, b []N) // c[k] = min over i+j=k of a[i] + b[j]
}

// number is an unsigned number that wraps around.
type number[N any] interface {
	comparable
	plus(N) N
	minus(N) N
}

// size returns how many addresses node v's prefix has.
func (p *problem[N]) size(v int) N { return p.power(p.longest - int(p.nodes[v].length)) }

// known returns for how many k, from its least up, node v has a price.
func (p *problem[N]) known(v int) int {
	return min(p.maxK, int(p.nodes[v].leaves)) - int(p.least[v]) + 1
}

// solve computes the prices of inner node v, in which the set has so many addresses, from
// those of its halves.
func (p *problem[N]) solve(v int, prices, left, right []N, has N) {
	if p.least[v] == 1 {
		prices[0] = p.size(v).minus(has)
		prices = prices[1:]
	}
	p.convolve(prices, left, right)
}

// knapsack is a solved problem, with the prices of every node.
type knapsack[N number[N]] struct {
	*problem[N]
	start []int // node v's prices, for k = least[v] and up, are all[start[v]:start[v+1]]
	all   []N
}

func newKnapsack[N number[N]](p *problem[N]) *knapsack[N] {
	s := &knapsack[N]{problem: p, start: make([]int, len(p.nodes)+1)}
	for v := range p.nodes {
		s.start[v+1] = s.start[v] + p.known(v)
	}
	s.all = make([]N, s.start[len(p.nodes)])
	held := make([]N, len(p.keys)+1) // by leaf: what all before it hold
	for v, n := range p.nodes {
		if p.isLeaf(v) {
			held[n.first+1] = held[n.first].plus(p.size(v)) // its price is 0
			continue
		}
		left, right := p.children(v)
		p.solve(v, s.of(v), s.of(left), s.of(right), held[n.first+n.leaves].minus(held[n.first]))
	}
	return s
}

// of returns the prices of node v, for k from its least up.
func (s *knapsack[N]) of(v int) []N { return s.all[s.start[v]:s.start[v+1]] }

// cover returns the prefixes of the best cover of exactly k.
func (s *knapsack[N]) cover(k int) []netip.Prefix {
	if k == len(s.keys) {
		return s.prefixes()
	}
	return s.appendCover(make([]netip.Prefix, 0, k), s.root(), k)
}

// appendCover appends the cover of node v by k prefixes. The left child gets the
// fewest that give the price.
func (s *knapsack[N]) appendCover(dst []netip.Prefix, v, k int) []netip.Prefix {
	if k == 1 {
		return append(dst, s.prefix(v))
	}
	left, right := s.children(v)
	price, a, b := s.of(v)[k-int(s.least[v])], s.of(left), s.of(right)
	spare := k - int(s.least[left]+s.least[right]) // to be split above what both must have
	i := max(0, spare-len(b)+1)
	for a[i].plus(b[spare-i]) != price {
		i++
	}
	dst = s.appendCover(dst, left, int(s.least[left])+i)
	return s.appendCover(dst, right, int(s.least[right])+spare-i)
}
