package cover

import (
	"math"
	"net/netip"
	"slices"
)

// Choosing for a budget B is a knapsack on a tree. Dynamic programming over
// every number of bytes would take B*B/2 steps: seconds for 64 KiB. A bound
// leaves few of them.
//
// Put a price on the byte, lambda, and forget the budget. What then minimises price +
// lambda*bytes is found node by node, in one walk; call it lower(v). Every cover within
// B has
//
//	price >= lower(root) - lambda*B,
//
// and the best lambda, a slope of the convex hull of all (bytes, price), takes a few
// walks to find. A cover's distance from the bound is made of how far each choice is
// from the best at its node, terms that only add up on the way to the root. So a choice
// for one node that is already farther away than the best cover can be no part of it.
// That distance is not known beforehand: try a small one; what is found within it is
// the optimum; else try more. The last try takes the distance of a cover that is known,
// and must succeed.
//
// Numbers are exact throughout: prices have 16 bits behind the point, lambda is
// rounded to one of them (any lambda gives a bound), and 192 bits hold all.

// fewestBytes is a lambda above every price, so that bytes come first.
var fewestBytes = NewCount(1).shift(129 + pointBits)

// relaxed is the best choice without a budget, at one lambda.
type relaxed struct {
	lambda Count
	lower  []Count // by node: price + lambda*bytes
	bytes  int     // for the root, as is price
	price  Count
}

// relax solves every node for one lambda. Of equal choices it takes the one
// with the fewest bytes.
func (m *menu) relax(lambda Count) *relaxed {
	r := &relaxed{lambda: lambda, lower: make([]Count, len(m.nodes))}
	bytes := make([]int, len(m.nodes))
	for v := range m.nodes {
		best, size := Count{^uint64(0), ^uint64(0), ^uint64(0)}, math.MaxInt
		if !m.isLeaf(v) {
			left, right := m.children(v)
			best, size = r.lower[left].Add(r.lower[right]), bytes[left]+bytes[right]
		}
		for _, o := range m.options(v) {
			value := o.price.Add(lambda.times(uint64(o.bytes)))
			if value.less(best) || value == best && o.bytes < size {
				best, size = value, o.bytes
			}
		}
		r.lower[v], bytes[v] = best, size
	}
	root := m.root()
	r.bytes = bytes[root]
	r.price = r.lower[root].minus(lambda.times(uint64(r.bytes)))
	return r
}

// bound returns the lower bound of the price within the budget: 0 where lambda
// gives none above.
func (r *relaxed) bound(budget int) Count {
	top, paid := r.lower[len(r.lower)-1], r.lambda.times(uint64(budget))
	if top.less(paid) {
		return Count{}
	}
	return top.minus(paid)
}

// choose returns the best choice for a budget from Least to below Exact.
func (m *menu) choose(budget int) Choice {
	// Two corners of the convex hull, one on each side of the budget, are moved
	// together until they are neighbours. Only a bound above 0 takes the place of
	// the first one, which is exactly 0: so the best is never a rounded up one.
	inside, outside := m.relax(fewestBytes), m.relax(Count{})
	best := outside
	for {
		slope := inside.price.minus(outside.price).over(uint64(outside.bytes - inside.bytes))
		r := m.relax(slope)
		if best.bound(budget).less(r.bound(budget)) {
			best = r
		}
		if r.bytes <= budget && r.price.less(inside.price) {
			inside = r
		} else if r.bytes > budget && r.bytes < outside.bytes {
			outside = r
		} else {
			break
		}
	}
	s := newSearch(m, best, budget)
	known := inside.price.minus(best.bound(budget))
	for within := known.over(1 << 8); ; within = within.Add(within).Add(within).Add(NewCount(1)) {
		if known.less(within) {
			within = known
		}
		if found, ok := s.run(within); ok || within == known {
			return found
		}
	}
}

// search is the dynamic programming within a distance from the bound.
type search struct {
	*menu
	r      *relaxed
	budget int
	above  []Count   // by node: how far the best cover is that does not go above the node
	states [][]state // by node: what is near enough, more bytes and a lower price last
	table  []state   // by bytes: the best for the node at hand
}

// state is a choice for a node.
type state struct {
	bytes       int
	extra       Count // price + lambda*bytes, above the node's lower
	left, right int32 // the children's states, or ^i and 0 for the node's own option i
}

var vacant = state{bytes: -1}

func newSearch(m *menu, r *relaxed, budget int) *search {
	s := &search{menu: m, r: r, budget: budget}
	s.above = make([]Count, len(m.nodes))
	for v := m.root(); v >= 0; v-- {
		if !m.isLeaf(v) {
			left, right := m.children(v)
			s.above[left] = s.above[v].Add(s.split(v))
			s.above[right] = s.above[left]
		}
	}
	s.states = make([][]state, len(m.nodes))
	s.table = slices.Repeat([]state{vacant}, budget+1)
	return s
}

// split returns how far the best choices for both children are above the best
// for inner node v.
func (s *search) split(v int) Count {
	left, right := s.children(v)
	return s.r.lower[left].Add(s.r.lower[right]).minus(s.r.lower[v])
}

// run returns the best cover, or false when none is within the distance.
func (s *search) run(within Count) (Choice, bool) {
	for v := range s.nodes {
		s.states[v] = s.states[v][:0]
		if !within.less(s.above[v]) {
			s.solve(v, within.minus(s.above[v]))
		}
	}
	root := s.root()
	last := len(s.states[root]) - 1
	if last < 0 {
		return Choice{}, false
	}
	best := s.states[root][last]
	price := s.price(root, best)
	if within.less(price.minus(s.r.bound(s.budget))) {
		return Choice{}, false
	}
	c := Choice{Bytes: best.bytes, Price: price.over(1 << pointBits)}
	s.collect(&c.Prefixes, root, last)
	return c, true
}

// price returns the price of a state of node v.
func (s *search) price(v int, t state) Count {
	return t.extra.Add(s.r.lower[v]).minus(s.r.lambda.times(uint64(t.bytes)))
}

// solve fills the states of node v that are within the distance.
func (s *search) solve(v int, within Count) {
	lo, hi := s.budget+1, -1
	offer := func(t state) {
		if t.bytes > s.budget || within.less(t.extra) {
			return
		}
		lo, hi = min(lo, t.bytes), max(hi, t.bytes)
		if old := &s.table[t.bytes]; *old == vacant || t.extra.less(old.extra) {
			*old = t
		}
	}
	for i, o := range s.options(v) {
		extra := o.price.Add(s.r.lambda.times(uint64(o.bytes))).minus(s.r.lower[v])
		offer(state{bytes: o.bytes, extra: extra, left: ^int32(i)})
	}
	if !s.isLeaf(v) {
		left, right := s.children(v)
		split := s.split(v)
		for i, l := range s.states[left] {
			extra := l.extra.Add(split)
			for j, r := range s.states[right] {
				offer(state{l.bytes + r.bytes, extra.Add(r.extra), int32(i), int32(j)})
			}
		}
	}
	var least Count
	for bytes := lo; bytes <= hi; bytes++ {
		t := s.table[bytes]
		s.table[bytes] = vacant
		if t == vacant {
			continue
		}
		if price := s.price(v, t); len(s.states[v]) == 0 || price.less(least) {
			s.states[v] = append(s.states[v], t)
			least = price
		}
	}
}

// collect appends the prefixes of state i of node v.
func (s *search) collect(dst *[]netip.Prefix, v, i int) {
	t := s.states[v][i]
	if t.left >= 0 {
		left, right := s.children(v)
		s.collect(dst, left, int(t.left))
		s.collect(dst, right, int(t.right))
	} else if o := s.options(v)[^t.left]; o.length >= 0 {
		*dst = append(*dst, s.around(v, o.length))
	}
}
