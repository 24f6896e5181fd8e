package cover

import (
	"fmt"
	"net/netip"

	"sallyport/ipranges"
)

// menu lists what may be chosen at each node of a trie, and what it costs. A
// choice for a node is one of its own options, or a choice for each of its
// children; a cover is a choice for the root. Over-covers and under-covers differ
// in their options only.
type menu struct {
	*trie
	all   []option
	start []int32 // node v's options are all[start[v]:start[v+1]]
}

type option struct {
	bytes int
	price Count // with pointBits behind the point
	// length is that of the prefix taken, which holds the node; -1 takes none.
	length int
}

// pointBits are the bits behind the point in the prices of a menu, which are
// weighed against fractions of an address for a byte.
const pointBits = 16

// options returns what may be taken for node v as a whole: what costs most bytes,
// and has the lowest price, first.
func (m *menu) options(v int) []option { return m.all[m.start[v]:m.start[v+1]] }

func newMenu(t *trie) *menu { return &menu{trie: t, start: make([]int32, 1, len(t.nodes)+1)} }

// add adds an option for the node after the last one that is done.
func (m *menu) add(bytes int, price Count, length int) {
	m.all = append(m.all, option{bytes, price.shift(pointBits), length})
}

// done ends the options of a node.
func (m *menu) done() { m.start = append(m.start, int32(len(m.all))) }

// overMenu offers, for each node, its prefix and those around it as far as
// its parent's: they hold the same addresses of the set, and the shorter ones
// are of use when they cost less. A leaf is covered by itself or by one around
// it: parts of it together would cost more and save nothing.
func overMenu(t *trie, cost func(netip.Prefix) int, barred spans) (*menu, error) {
	m := newMenu(t)
	covered := make([]Count, len(t.nodes))
	shortest := make([]int, len(t.nodes)) // by node: the length after its parent's
	for v := t.root(); v >= 0; v-- {
		if !t.isLeaf(v) {
			left, right := t.children(v)
			shortest[left], shortest[right] = int(t.nodes[v].length)+1, int(t.nodes[v].length)+1
		}
	}
	for v, n := range t.nodes {
		if t.isLeaf(v) {
			covered[v] = sizeOf(t.prefix(v))
		} else {
			left, right := t.children(v)
			covered[v] = covered[left].Add(covered[right])
		}
		cheapest := maxCost + 1
		for length := int(n.length); length >= shortest[v] && !barred.meet(t.key(v), length); length-- {
			p := t.around(v, length)
			bytes, err := costOf(cost, p)
			if err != nil {
				return nil, err
			}
			if bytes < cheapest {
				m.add(bytes, sizeOf(p).minus(covered[v]), length)
				cheapest = bytes
			}
		}
		m.done()
	}
	return m, nil
}

// underMenu offers, for each leaf, to take it, or to leave it out unless it
// holds an address of must.
func underMenu(t *trie, cost func(netip.Prefix) int, must ipranges.Set) (*menu, error) {
	m := newMenu(t)
	forced := newSpans(must, t.family)
	for v, n := range t.nodes {
		if t.isLeaf(v) {
			p := t.prefix(v)
			bytes, err := costOf(cost, p)
			if err != nil {
				return nil, err
			}
			m.add(bytes, Count{}, int(n.length))
			if !forced.meet(t.key(v), int(n.length)) {
				m.add(0, sizeOf(p), -1)
			}
		}
		m.done()
	}
	return m, nil
}

func costOf(cost func(netip.Prefix) int, p netip.Prefix) (int, error) {
	n := cost(p)
	if n < 1 || n > maxCost {
		return 0, fmt.Errorf("%v costs %d bytes: the cost of a prefix must be 1 to %d", p, n, maxCost)
	}
	return n, nil
}
