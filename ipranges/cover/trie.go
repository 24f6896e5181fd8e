package cover

import (
	"net/netip"
	"sort"

	"sallyport/ipranges"
)

// trie is the compressed binary trie of a set's minimal prefixes: these are its leaves,
// and its inner nodes are the prefixes whose halves both hold addresses of the set. A
// set of n prefixes has 2n-1 nodes. No cover needs another prefix: of all prefixes that
// hold the same leaves, the node is the smallest.
//
//	           0.0.0.0/1
//	           /       \
//	     10.0.0.0/9     \
//	      /       \      \
//	10.0.0.0/16    \   100.99.0.0/24
//	         10.64.0.0/16
//
// Nodes stand in post-order: the left child with all below it, then the
// right one with all below it, then their parent.
type trie struct {
	family  ipranges.Family
	width   int    // bits of an address
	longest int    // prefix length of the longest leaf; every size divides by its size
	keys    []wide // first address of each leaf, ascending
	nodes   []node
}

type node struct {
	first  int32 // its first leaf
	leaves int32 // how many leaves it has; 1: it is one
	length uint8 // of its prefix
}

// newTrie returns the trie of the family's part of set. It has no nodes when
// that is empty.
func newTrie(set ipranges.Set, f ipranges.Family) *trie {
	t := &trie{family: f, width: 32}
	if f == ipranges.IPv6 {
		t.width = 128
	}
	n := set.NumPrefixes(f)
	if n == 0 {
		return t
	}
	t.keys = make([]wide, 0, n)
	t.nodes = make([]node, 0, 2*n-1)
	// Between two neighbouring leaves lies the inner node whose halves part
	// them; its length is the number of bits that they share. It is complete,
	// and stands behind its children, when a leaf comes that shares fewer bits
	// with its neighbour. open holds the lengths of those that are not.
	var open []int
	for p := range set.Prefixes(f) {
		key := wideOf(p.Addr())
		if len(t.keys) > 0 {
			shared := common(t.keys[len(t.keys)-1], key)
			open = append(t.close(open, shared), shared)
		}
		t.nodes = append(t.nodes, node{int32(len(t.keys)), 1, uint8(p.Bits())})
		t.keys = append(t.keys, key)
		t.longest = max(t.longest, p.Bits())
	}
	t.close(open, -1)
	return t
}

// close adds the open inner nodes that are longer than shared, and returns
// the lengths of the others.
func (t *trie) close(open []int, shared int) []int {
	for len(open) > 0 && open[len(open)-1] > shared {
		left, right := t.children(len(t.nodes))
		l, r := t.nodes[left], t.nodes[right]
		t.nodes = append(t.nodes, node{l.first, l.leaves + r.leaves, uint8(open[len(open)-1])})
		open = open[:len(open)-1]
	}
	return open
}

// root returns the index of the root, -1 in a trie without nodes.
func (t *trie) root() int { return len(t.nodes) - 1 }

// children returns the children of inner node v: what ends just before it,
// and what ends before the 2n-1 nodes of that.
func (t *trie) children(v int) (left, right int) {
	right = v - 1
	return right - 2*int(t.nodes[right].leaves) + 1, right
}

// isLeaf reports whether node v is a leaf.
func (t *trie) isLeaf(v int) bool { return t.nodes[v].leaves == 1 }

// key returns the first address of node v's first leaf.
func (t *trie) key(v int) wide { return t.keys[t.nodes[v].first] }

// prefix returns the prefix of node v.
func (t *trie) prefix(v int) netip.Prefix { return t.around(v, int(t.nodes[v].length)) }

// around returns the prefix of the given length that holds node v; it is not
// longer than the node's own.
func (t *trie) around(v, length int) netip.Prefix {
	return netip.PrefixFrom(t.key(v).first(length).addr(t.family), length)
}

// prefixes returns the leaves.
func (t *trie) prefixes() []netip.Prefix {
	out := make([]netip.Prefix, 0, len(t.keys))
	for v := range t.nodes {
		if t.isLeaf(v) {
			out = append(out, t.prefix(v))
		}
	}
	return out
}

// spans are the ranges of a set, ascending.
type spans [][2]wide

func newSpans(set ipranges.Set, f ipranges.Family) spans {
	var s spans
	for r := range set.Ranges(f) {
		s = append(s, [2]wide{wideOf(r.From()), wideOf(r.To())})
	}
	return s
}

// meet reports whether an address of s is in the block of the given prefix
// length around a.
func (s spans) meet(a wide, length int) bool {
	first, last := a.first(length), a.last(length)
	i := sort.Search(len(s), func(i int) bool { return !s[i][1].less(first) })
	return i < len(s) && !last.less(s[i][0])
}
