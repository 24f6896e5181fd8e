package rules

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math/bits"
	"net/netip"
	"slices"

	"sallyport/ipranges"
)

// ruleBits is a set of rules by their numbers: words of 64 bits each, from number 64*base
// on. Neither the first nor the last word is 0, so that a few rules among thousands take a
// word or two.
type ruleBits struct {
	base  int
	words []uint64
}

// bitsOf is the set of rules with these numbers, which ascend.
func bitsOf(numbers ...int) ruleBits {
	if len(numbers) == 0 {
		return ruleBits{}
	}
	base := numbers[0] / 64
	s := ruleBits{base, make([]uint64, numbers[len(numbers)-1]/64-base+1)}
	for _, n := range numbers {
		s.words[n/64-base] |= 1 << (n % 64)
	}
	return s
}

func (s ruleBits) empty() bool { return len(s.words) == 0 }

// cut removes the words of 0 at both ends.
func (s ruleBits) cut() ruleBits {
	for len(s.words) > 0 && s.words[0] == 0 {
		s.base, s.words = s.base+1, s.words[1:]
	}
	for len(s.words) > 0 && s.words[len(s.words)-1] == 0 {
		s.words = s.words[:len(s.words)-1]
	}
	return s
}

// or returns the rules of both.
func (s ruleBits) or(t ruleBits) ruleBits {
	switch {
	case s.empty():
		return t
	case t.empty():
		return s
	}
	base, end := min(s.base, t.base), max(s.base+len(s.words), t.base+len(t.words))
	out := ruleBits{base, make([]uint64, end-base)}
	copy(out.words[s.base-base:], s.words)
	for w, word := range t.words {
		out.words[t.base-base+w] |= word
	}
	return out
}

// and makes s what x and y share, in the memory that s has.
func (s *ruleBits) and(x, y ruleBits) {
	s.base, s.words = max(x.base, y.base), s.words[:0]
	for w := s.base; w < min(x.base+len(x.words), y.base+len(y.words)); w++ {
		s.words = append(s.words, x.words[w-x.base]&y.words[w-y.base])
	}
	*s = s.cut()
}

// appendKey appends what is equal for equal sets alone.
func (s ruleBits) appendKey(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.base))
	for _, w := range s.words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// everyRule is a mask for first.
const everyRule = ^uint64(0)

// first is the lowest number from lo on, of those in mask, that all sets share; -1 if none.
func first(lo int, mask uint64, sets ...ruleBits) int {
	from, end := lo/64, sets[0].base+len(sets[0].words)
	for _, s := range sets {
		from, end = max(from, s.base), min(end, s.base+len(s.words))
	}
	for w := from; w < end; w++ {
		all := mask
		if w == lo/64 {
			all &= everyRule << (lo % 64)
		}
		for _, s := range sets {
			all &= s.words[w-s.base]
		}
		if all != 0 {
			return w*64 + bits.TrailingZeros64(all)
		}
	}
	return -1
}

// axis is one thing that rules tell flows apart by: sources, destinations, or protocol and
// port. It is cut into stretches, in each of which the same rules match.
type axis[P any] struct {
	compare  func(a, b P) int
	cuts     []stretch[P]
	classes  []class[P]
	numWords int // of all classes
}

// stretch is the part of an axis from a place up to that of the next.
type stretch[P any] struct {
	from  P
	class int
}

// class stands for all places at which the same rules match, and has the first of them.
type class[P any] struct {
	at    P
	rules ruleBits
}

// edge is a place at which each of its rules begins or ceases to match.
type edge[P any] struct {
	at    P
	rules ruleBits
}

// newAxis cuts an axis at the edges of rules with numbers below n.
func newAxis[P any](n int, edges []edge[P], compare func(a, b P) int) *axis[P] {
	slices.SortFunc(edges, func(a, b edge[P]) int { return compare(a.at, b.at) })
	x := &axis[P]{compare: compare}
	held := make([]uint64, (n+63)/64)
	seen := map[string]int{}
	var key []byte
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && compare(edges[i].at, at) == 0; i++ {
			for w, word := range edges[i].rules.words {
				held[edges[i].rules.base+w] ^= word
			}
		}
		here := ruleBits{0, held}.cut()
		key = here.appendKey(key[:0])
		n, known := seen[string(key)]
		if !known {
			n = len(x.classes)
			seen[string(key)] = n
			x.classes = append(x.classes, class[P]{at, ruleBits{here.base, slices.Clone(here.words)}})
			x.numWords += len(here.words)
		}
		x.cuts = append(x.cuts, stretch[P]{at, n})
	}
	return x
}

// find is the number of the stretch that p is in.
func (x *axis[P]) find(p P) int {
	i, exact := slices.BinarySearchFunc(x.cuts, p, func(s stretch[P], p P) int { return x.compare(s.from, p) })
	if !exact {
		i--
	}
	return i
}

// holding is the rules that match at p.
func (x *axis[P]) holding(p P) ruleBits { return x.classes[x.cuts[x.find(p)].class].rules }

// atEnds is the rules that match at the ends of the first of stretches.
func (x *axis[P]) atEnds(stretches iter.Seq2[P, P]) (rules [2]ruleBits) {
	for lo, hi := range stretches {
		return [2]ruleBits{x.holding(lo), x.holding(hi)}
	}
	return rules
}

// meeting is the rules that match somewhere in stretches. It takes its steps from work.
func (x *axis[P]) meeting(work *int, stretches iter.Seq2[P, P]) ruleBits {
	var all []uint64
	for lo, hi := range stretches {
		for i := x.find(lo); i < len(x.cuts) && x.compare(x.cuts[i].from, hi) <= 0; i++ {
			rules := x.classes[x.cuts[i].class].rules
			*work -= 1 + len(rules.words)/16
			if need := rules.base + len(rules.words); need > len(all) {
				all = append(all, make([]uint64, need-len(all))...)
			}
			for w, word := range rules.words {
				all[rules.base+w] |= word
			}
		}
	}
	return ruleBits{0, all}.cut()
}

// addressAxis is the axis of the addresses of fam.
func addressAxis(rules int, fam ipranges.Family, groups *sameSets) *axis[netip.Addr] {
	start := netip.IPv4Unspecified()
	if fam == ipranges.IPv6 {
		start = netip.IPv6Unspecified()
	}
	n := 1
	for _, g := range groups.list {
		n += 2 * g.set.NumRanges(fam)
	}
	edges := append(make([]edge[netip.Addr], 0, n), edge[netip.Addr]{start, bitsOf(groups.always...)})
	for _, g := range groups.list {
		held := bitsOf(g.rules...)
		for rg := range g.set.Ranges(fam) {
			edges = append(edges, edge[netip.Addr]{rg.From(), held})
			if next := rg.To().Next(); next.IsValid() {
				edges = append(edges, edge[netip.Addr]{next, held})
			}
		}
	}
	return newAxis(rules, edges, netip.Addr.Compare)
}

// sameSets brings rules together that go to the same addresses: their edges are the same.
// Most sets stand in both plans, or in many rules.
type sameSets struct {
	always []int // rules that go to all addresses
	list   []sameSet
	at     map[setEnds][]int // places in list
}

// setEnds are equal for equal sets, and seldom for others.
type setEnds struct {
	first, last netip.Addr
	ranges      int
}

type sameSet struct {
	set   ipranges.Set
	rules []int
}

// add takes the rules in order.
func (s *sameSets) add(any bool, set ipranges.Set, rule int) {
	if any {
		s.always = append(s.always, rule)
		return
	}
	var ends setEnds
	for rg := range set.All() {
		if ends.ranges++; ends.ranges == 1 {
			ends.first = rg.From()
		}
		ends.last = rg.To()
	}
	for _, i := range s.at[ends] {
		if s.list[i].set.Equal(set) {
			s.list[i].rules = append(s.list[i].rules, rule)
			return
		}
	}
	if s.at == nil {
		s.at = map[setEnds][]int{}
	}
	s.at[ends] = append(s.at[ends], len(s.list))
	s.list = append(s.list, sameSet{set, []int{rule}})
}

// pointAxis is the axis of protocol and port, cut at each protocol too.
func pointAxis(n int, edges []edge[uint32]) *axis[uint32] {
	for proto := range uint32(256) {
		edges = append(edges, edge[uint32]{at: proto << 16})
	}
	return newAxis(n, edges, cmp.Compare[uint32])
}

// appendEdges appends the edges of rules that match list.
func appendEdges(edges []edge[uint32], list Matches, rules ruleBits) []edge[uint32] {
	for lo, hi := range list.stretches() {
		edges = append(edges, edge[uint32]{lo, rules}, edge[uint32]{hi + 1, rules})
	}
	return edges
}
