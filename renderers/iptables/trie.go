package iptables

import (
	"math/bits"
	"net/netip"
	"slices"

	"sallyport/ipranges"
)

// Without sets, addresses are found by a trie of chains. Each chain has at most
// eight lines: a prefix with its target, or a wider prefix that goes to the next
// chain. A packet walks one path, so it meets a few lines of a few chains instead
// of one line a prefix.
//
//	root:        -d 13.64.0.0/11  -g a     a:  -d 13.64.0.0/16  -j ACCEPT
//	             -d 20.0.0.0/8    -g b         -d 13.65.16.0/20 -j ACCEPT
//	             -d 52.112.0.0/14 -j ACCEPT    ...
//
// Going ("-g") rather than jumping leaves nothing to come back to: siblings hold
// other addresses, so a packet that a chain lets fall through has missed the set.
//
// Chains are cut out of the binary trie of the prefixes, from the leaves up: two
// halves join in one chain while they are small, and otherwise the shallower one
// becomes a chain of its own, so that the paths stay short. What is cut depends on
// the addresses below alone, and a chain is named after the prefix that leads to
// it. So a change of one prefix touches the chains on its own path, and few of
// those: cutting from the root down changed a third of all lines when one prefix
// in an empty corner was added.
const (
	fewLines  = 3 // from here on a chain of its own is worth it
	mostLines = 8
)

// branch is a line of a chain: a prefix of the set, or a wider one that holds
// several and leads to the lines below it.
type branch struct {
	cover    netip.Prefix
	prefixes []netip.Prefix // of the set, within cover
	below    []branch       // nil for a prefix of the set
}

// subtree is neighbouring prefixes as lines of one chain, and how many chains follow
// each other below them.
type subtree struct {
	branch
	height int
}

// trieMaker makes the lines of a trie, and allocates them in large pieces.
type trieMaker struct{ spare []branch }

func (m *trieMaker) alloc() []branch {
	if len(m.spare) < mostLines {
		m.spare = make([]branch, 128*mostLines)
	}
	list := m.spare[:0:mostLines]
	m.spare = m.spare[mostLines:]
	return list
}

// build makes the lines of prefixes, which are sorted and disjoint.
func (m *trieMaker) build(cover netip.Prefix, prefixes []netip.Prefix) subtree {
	if len(prefixes) == 1 {
		return subtree{branch: branch{cover: prefixes[0], prefixes: prefixes}}
	}
	a, b := halve(prefixes)
	low, high := m.build(a.cover, a.prefixes), m.build(b.cover, b.prefixes)
	cutLow := low.size() >= fewLines && low.height <= high.height
	cutHigh := high.size() >= fewLines && high.height <= low.height
	if remaining(low, cutLow)+remaining(high, cutHigh) > mostLines {
		// The higher one is full: even so, keep it if it has room for one line.
		cutLow = low.height <= high.height || low.size() >= mostLines
		cutHigh = high.height <= low.height || high.size() >= mostLines
	}
	out := subtree{branch: branch{cover: cover, prefixes: prefixes}}
	if low.below != nil && !cutLow {
		out.below = low.below[:0] // nobody else holds these lines, and there is room for all
	} else {
		out.below = m.alloc()
	}
	out.take(low, cutLow)
	out.take(high, cutHigh)
	return out
}

// size is how many lines s has.
func (s *subtree) size() int { return max(1, len(s.below)) }

func remaining(s subtree, cut bool) int {
	if cut {
		return 1
	}
	return s.size()
}

// take appends the lines of half, or one line that leads to them.
func (s *subtree) take(half subtree, cut bool) {
	switch {
	case half.below == nil:
		s.below = append(s.below, half.branch)
	case cut:
		s.below = append(s.below, half.branch)
		half.height++
	default:
		s.below = append(s.below, half.below...)
	}
	s.height = max(s.height, half.height)
}

// part is the prefixes on one side of a bit, and the prefix that ends in that bit.
type part struct {
	cover    netip.Prefix
	prefixes []netip.Prefix
}

// halve splits two or more prefixes at the first bit in which any two differ.
// Disjoint prefixes differ within the shorter of them.
func halve(prefixes []netip.Prefix) (low, high part) {
	first := prefixes[0].Addr()
	same := commonBits(first, prefixes[len(prefixes)-1].Addr())
	lo, hi := 1, len(prefixes)-1 // the first prefix of the upper half is among these
	for lo < hi {
		mid := (lo + hi) / 2
		if commonBits(first, prefixes[mid].Addr()) > same {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	cover := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, same+1).Masked() }
	return part{cover(first), prefixes[:lo]}, part{cover(prefixes[lo].Addr()), prefixes[lo:]}
}

// commonBits is how many leading bits a and b, of one family, share.
func commonBits(a, b netip.Addr) int {
	if a.Is4() {
		x, y := a.As4(), b.As4()
		for i := range x {
			if d := x[i] ^ y[i]; d != 0 {
				return i*8 + bits.LeadingZeros8(d)
			}
		}
		return 32
	}
	x, y := a.As16(), b.As16()
	for i := range x {
		if d := x[i] ^ y[i]; d != 0 {
			return i*8 + bits.LeadingZeros8(d)
		}
	}
	return 128
}

// tree makes the chains that send packets with an address of set to target, and
// returns the first of them. side is -s or -d. Below depth chains, the last one
// holds what is left, however long: nf_tables refuses more than 16 in a row.
func (t *table) tree(side, name string, set ipranges.Set, target dest, depth int) dest {
	key := side + " " + name + " " + target.goTo()
	if root, ok := t.trees[key]; ok {
		return dest{chain: root}
	}
	prefixes := prefixesOf(set, t.fam.family)
	const usual = 130 // bytes for a prefix, with its share of the lines that lead there
	t.nodeRules = slices.Grow(t.nodeRules, usual*len(prefixes))
	top := new(trieMaker).build(netip.Prefix{}, prefixes)
	lines := top.below
	if lines == nil {
		lines = []branch{top.branch}
	}
	b := builder{t, key, side, target, nil}
	root := b.name(netip.Prefix{})
	b.chain(root, branch{prefixes: top.prefixes, below: lines}, depth)
	t.trees[key] = root
	return dest{chain: root}
}

// builder makes the chains of one trie.
type builder struct {
	t         *table
	key, side string
	target    dest
	id        []byte // scratch
}

// name is a name for the chain of the prefixes within cover.
func (b *builder) name(cover netip.Prefix) string {
	b.id = append(append(b.id[:0], b.key...), ' ')
	b.id = ipranges.AppendPrefix(b.id, cover)
	name := b.t.names.chain(b.id, b.t.used)
	b.t.nodes = append(b.t.nodes, name)
	return name
}

// chain writes the chain of the lines below at, and then those that it leads to.
func (b *builder) chain(name string, at branch, depth int) {
	if depth <= 1 {
		for _, p := range at.prefixes {
			b.line(name, p, b.target)
		}
		return
	}
	var next [mostLines]string
	for i, line := range at.below {
		if line.below == nil {
			b.line(name, line.cover, b.target)
			continue
		}
		next[i] = b.name(line.cover)
		b.line(name, line.cover, dest{chain: next[i]})
	}
	for i, line := range at.below {
		if line.below != nil {
			b.chain(next[i], line, depth-1)
		}
	}
}

// line is the rule for one prefix: the most frequent one, so it allocates nothing
// of its own.
func (b *builder) line(chain string, p netip.Prefix, target dest) {
	out := append(append(b.t.nodeRules, "-A "...), chain...)
	out = append(append(append(out, ' '), b.side...), ' ')
	out = ipranges.AppendPrefix(out, p)
	if target.chain != "" {
		out = append(append(out, " -g "...), target.chain...)
	} else {
		out = append(append(out, " -j "...), target.verdict...)
	}
	b.t.nodeRules = append(out, '\n')
}

// prefixesOf is the prefixes of set in family f. The whole space becomes two
// halves: hash:net takes no /0, and iptables-save leaves a match on it out.
func prefixesOf(set ipranges.Set, f ipranges.Family) []netip.Prefix {
	list := make([]netip.Prefix, 0, set.NumPrefixes(f)+1)
	for p := range set.Prefixes(f) {
		if p.Bits() > 0 {
			list = append(list, p)
			continue
		}
		low := netip.PrefixFrom(p.Addr(), 1)
		high := netip.PrefixFrom(netip.MustParseAddr(map[ipranges.Family]string{ipranges.IPv4: "128.0.0.0", ipranges.IPv6: "8000::"}[f]), 1)
		list = append(list, low, high)
	}
	return list
}
