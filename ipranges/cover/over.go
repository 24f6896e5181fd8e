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
	t := newTrie(set, f)
	c := &Curve{family: f, size: CountOf(set, f), exact: len(t.keys)}
	if c.exact == 0 {
		c.prices = []Count{{}}
		return c
	}
	least := t.leastPrefixes(newSpans(protected.Minus(set), f))
	c.least = int(least[t.root()])
	if maxK = min(maxK, c.exact); maxK < c.least {
		c.cover = func(int) []netip.Prefix { return t.prefixes() } // only for Exact
		return c
	}
	// Prices are in units of the smallest leaf. Every one is below the size of
	// the root's prefix, and so fits 64 bits for most sets of either family.
	unit := t.width - t.longest
	if t.longest-int(t.nodes[t.root()].length) <= 64 {
		s := newKnapsack(t, least, maxK, power64, convolve64)
		for _, p := range s.of(t.root()) {
			c.prices = append(c.prices, NewCount(uint64(p)).shift(unit))
		}
		c.cover = s.cover
	} else {
		s := newKnapsack(t, least, maxK, power128, convolve128)
		for _, p := range s.of(t.root()) {
			c.prices = append(c.prices, Count{0, p.hi, p.lo}.shift(unit))
		}
		c.cover = s.cover
	}
	return c
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

// knapsack holds, for each node v of the trie and each k, the price f(v, k) of
// covering what the set has in v with exactly k prefixes:
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
type knapsack[N number[N]] struct {
	*trie
	least  []int32
	start  []int // node v's prices, for k = least[v] and up, are prices[start[v]:start[v+1]]
	prices []N
}

// number is an unsigned number that wraps around.
type number[N any] interface {
	comparable
	plus(N) N
	minus(N) N
}

// newKnapsack solves every node for all k up to maxK, which is not below the
// root's least. power returns 2^n, or 0 where that is just too large for N: the
// price computed from it by subtraction fits and comes out right.
func newKnapsack[N number[N]](t *trie, least []int32, maxK int, power func(n int) N, convolve func(c, a, b []N)) *knapsack[N] {
	s := &knapsack[N]{trie: t, least: least, start: make([]int, len(t.nodes)+1)}
	for v, n := range t.nodes {
		s.start[v+1] = s.start[v] + min(maxK, int(n.leaves)) - int(least[v]) + 1
	}
	s.prices = make([]N, s.start[len(t.nodes)])
	held := make([]N, len(t.keys)+1) // by leaf: what all before it hold
	for v, n := range t.nodes {
		size := power(t.longest - int(n.length))
		if t.isLeaf(v) {
			held[n.first+1] = held[n.first].plus(size) // its price is 0
			continue
		}
		split := s.of(v)
		if least[v] == 1 {
			split[0] = size.minus(held[n.first+n.leaves].minus(held[n.first]))
			split = split[1:]
		}
		left, right := t.children(v)
		convolve(split, s.of(left), s.of(right))
	}
	return s
}

// of returns the prices of node v, for k from its least up.
func (s *knapsack[N]) of(v int) []N { return s.prices[s.start[v]:s.start[v+1]] }

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
