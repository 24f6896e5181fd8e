package cover

import (
	"net/netip"
	"slices"

	"sallyport/ipranges"
)

// Route sends a prefix one of two ways. Of routes that hold an address the
// longest decides.
type Route struct {
	Prefix netip.Prefix
	In     bool // the way of the set; otherwise the way of all else
}

// TwoHop returns the fewest routes that send exactly the family's part of set
// one way, and every other address the way that the default route already
// goes. That default stands: it is not counted, and no route of length 0 takes
// its place, so that the whole family is two routes. They come in ascending
// order, a prefix before those inside it.
//
// Against the set's minimal prefixes it saves where holes are cheaper to cut out
// of a block than to go around: 0-7 without 3 is 0-7 in and 3 out, where the
// minimal prefixes are 0-1, 2 and 4-7. The device must be able to name the way
// out.
//
// This is ORTC (Draves, King, Venkatachary, Zill: Constructing Optimal IP
// Routing Tables, Microsoft Research MSR-TR-98-59, 1998) for two next hops and
// a given default, computed on the compressed trie. Of equally small tables it
// takes one with long prefixes: they depend on the fewest addresses.
func TwoHop(set ipranges.Set, f ipranges.Family) []Route {
	h := &twoHop{trie: newTrie(set, f)}
	if len(h.nodes) == 0 {
		return nil
	}
	h.fewest = make([][2]int32, len(h.nodes))
	for v := range h.nodes {
		h.fewest[v] = [2]int32{min(h.inside(v, out), 1+h.inside(v, in)), min(h.inside(v, in), 1+h.inside(v, out))}
	}
	h.walk(h.root(), out)
	slices.SortFunc(h.routes, func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
	return h.routes
}

// The ways that a route in force can send a node's addresses.
const (
	out = 0
	in  = 1
)

type twoHop struct {
	*trie
	// fewest has, for each node and each way that the routes around it send its
	// addresses, the fewest routes that it takes in and below the node. The two
	// differ by 1 at most: one route turns one case into the other.
	fewest [][2]int32
	routes []Route
}

// inside returns the fewest routes strictly inside node v when its addresses go
// the given way.
func (h *twoHop) inside(v, way int) int32 {
	if h.isLeaf(v) {
		return 2 * int32(in-way) // its two halves, the worse choice but for length 0
	}
	left, right := h.children(v)
	l, _ := h.half(v, left, way)
	r, _ := h.half(v, right, way)
	return l + r
}

// detour is how routes in one half of a node, of which the set has only what is in
// child c, keep the rest of it out.
type detour int

const (
	none   detour = iota // the half goes out, or is the child itself
	beside               // a route out for the block beside the child, all else that the half has
	whole                // a route out for the half
)

// half returns the fewest routes in the half of node v around its child c, when
// it goes the given way, and the detour they begin with. Once there is more
// than one block beside the child, a route out for each is never better than one
// for the half: that costs the child one more route at most.
func (h *twoHop) half(v, c, way int) (int32, detour) {
	f, blocks := h.fewest[c], h.nodes[c].length-h.nodes[v].length-1
	switch {
	case way == out || blocks == 0:
		return f[way], none
	case blocks == 1 && f[in] <= f[out]:
		return 1 + f[in], beside
	}
	return 1 + f[out], whole
}

// walk collects the routes in and below node v, when its addresses go the given
// way.
func (h *twoHop) walk(v, way int) {
	n := h.nodes[v]
	if n.length > 0 && h.inside(v, way) > h.fewest[v][way] {
		way = in - way
		h.add(h.key(v), n.length, way)
	}
	if h.isLeaf(v) {
		if way == out {
			h.add(h.key(v), n.length+1, in)
			h.add(h.key(v).beside(n.length+1), n.length+1, in)
		}
		return
	}
	left, right := h.children(v)
	for _, c := range []int{left, right} {
		way, length := way, h.nodes[c].length
		switch _, d := h.half(v, c, way); d {
		case beside:
			h.add(h.key(c).beside(length), length, out)
		case whole:
			h.add(h.key(c), n.length+1, out)
			way = out
		}
		h.walk(c, way)
	}
}

func (h *twoHop) add(a wide, length uint8, way int) {
	p := netip.PrefixFrom(a.first(int(length)).addr(h.family), int(length))
	h.routes = append(h.routes, Route{p, way == in})
}
