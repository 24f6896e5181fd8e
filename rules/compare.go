package rules

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"

	"sallyport/ipranges"
)

// Difference is a flow that two plans decide differently.
type Difference struct {
	Flow Flow
	A, B Verdict
}

func (d *Difference) String() string {
	return fmt.Sprintf("%s: %s against %s", d.Flow, d.A, d.B)
}

// Compare returns nil when a and b decide every flow alike, and otherwise one
// flow that they decide differently. It is exact: it asks both plans about one
// flow of every class that any of their rules tells apart. A destination's name
// and its address say nothing of each other, so every pair of them is asked about. What does not decide
// flows (names, places, logging, how a denial is answered) is not compared.
//
// A class of sources is one address and the rules that hold it, as bits; so are
// classes of destinations and of protocol and port. The rules that match a flow
// are the bits that all three have, and each plan's first of them decides. Where both
// plans have the same rules for a pair of addresses, in the same order, no port needs to
// be asked about.
func Compare(a, b *Plan) *Difference {
	c := newComparison(a, b)
	for _, fam := range BothFamilies.List() {
		srcs := c.addressClasses(fam, func(r *Rule) Addresses { return r.From })
		dsts := c.withNames(c.addressClasses(fam, func(r *Rule) Addresses { return r.To }))
		points := c.pointClasses(fam)
		pair := c.none()
		agree := c.sameDefaults(fam)
		alike := agree && a.Families.Has(fam) == b.Families.Has(fam)
		done := map[string]bool{}
		for _, src := range srcs {
			for _, dst := range dsts {
				if !pair.and(src.rules, dst.rules) && agree {
					continue // no rule matches, and the defaults agree
				}
				if alike && c.sameRules(pair) {
					continue
				}
				if key := pair.key(); done[key] {
					continue // other addresses have left the same rules
				} else {
					done[key] = true
				}
				for _, pt := range points {
					va, vb := c.verdicts(fam, pair, pt)
					if va != vb {
						return &Difference{Flow{src.addr, dst.addr, pt.match.Proto, pt.match.Lo, dst.name}, va, vb}
					}
				}
			}
		}
	}
	return nil
}

// comparison numbers the rules of two plans, a's first.
type comparison struct {
	a, b  *Plan
	rules []*Rule
	kinds []int // equal for rules that decide the same protocols and ports alike
}

func newComparison(a, b *Plan) *comparison {
	c := &comparison{a: a, b: b}
	for _, p := range []*Plan{a, b} {
		for i := range p.Rules {
			c.rules = append(c.rules, &p.Rules[i])
		}
	}
	known := map[string]int{}
	for _, r := range c.rules {
		key := r.Verdict.String()
		if !r.AnyService() {
			key += fmt.Sprint(r.Matches())
		}
		if _, ok := known[key]; !ok {
			known[key] = len(known)
		}
		c.kinds = append(c.kinds, known[key])
	}
	return c
}

// sameRules reports whether the rules in pair are the same for both plans: each of a's,
// in order, of the kind of b's. They are decided alike then, where the defaults agree.
func (c *comparison) sameRules(pair ruleBits) bool {
	n, end := len(c.a.Rules), len(c.rules)
	i, k := first(pair, pair, 0, n), first(pair, pair, n, end)
	for i >= 0 && k >= 0 && c.kinds[i] == c.kinds[k] {
		i, k = first(pair, pair, i+1, n), first(pair, pair, k+1, end)
	}
	return i < 0 && k < 0
}

// ruleBits is a set of rules by their numbers.
type ruleBits []uint64

func (c *comparison) none() ruleBits { return make(ruleBits, (len(c.rules)+63)/64) }

func (s ruleBits) add(i int) { s[i/64] |= 1 << (i % 64) }

// and makes s what x and y share, and reports whether that is anything.
func (s ruleBits) and(x, y ruleBits) bool {
	some := uint64(0)
	for i := range s {
		s[i] = x[i] & y[i]
		some |= s[i]
	}
	return some != 0
}

// key is equal for equal sets.
func (s ruleBits) key() string {
	b := make([]byte, 0, 8*len(s))
	for _, w := range s {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return string(b)
}

// first is the lowest number from lo on, below hi, that x and y share; -1 if none.
func first(x, y ruleBits, lo, hi int) int {
	for w := lo / 64; lo < hi && w*64 < hi; w++ {
		both := x[w] & y[w]
		if w == lo/64 {
			both &= ^uint64(0) << (lo % 64)
		}
		if both != 0 {
			if i := w*64 + bits.TrailingZeros64(both); i < hi {
				return i
			}
			return -1
		}
	}
	return -1
}

// sameDefaults reports whether both plans do the same with what no rule of theirs
// matches in fam.
func (c *comparison) sameDefaults(fam ipranges.Family) bool {
	def := func(p *Plan) Verdict {
		if !p.Families.Has(fam) {
			return Continue
		}
		return p.Default
	}
	return def(c.a) == def(c.b)
}

func (c *comparison) verdicts(fam ipranges.Family, pair ruleBits, pt pointClass) (va, vb Verdict) {
	one := func(p *Plan, lo, hi int) Verdict {
		switch i := first(pair, pt.rules, lo, hi); {
		case !p.Families.Has(fam):
			return Continue
		case p.Default == Deny && pt.essential:
			return Allow
		case i >= 0:
			return c.rules[i].Verdict
		}
		return p.Default
	}
	n := len(c.a.Rules)
	return one(c.a, 0, n), one(c.b, n, len(c.rules))
}

// possible reports whether packets of fam carry p: ICMP belongs to IPv4 and
// ICMPv6 to IPv6 alone (RFC 792, RFC 4443), and targets rely on it.
func possible(fam ipranges.Family, p Protocol) bool {
	return !(p == ICMP && fam == ipranges.IPv6) && !(p == ICMPv6 && fam == ipranges.IPv4)
}

// addressClass stands for all addresses that the same rules hold: it has one of them and,
// for a destination, one host name.
type addressClass struct {
	addr  netip.Addr
	rules ruleBits
	name  string
}

// withNames adds to the classes of destinations without a name those with one: each
// address with each class of names.
func (c *comparison) withNames(classes []addressClass) []addressClass {
	out := classes
	for _, name := range c.nameClasses() {
		for _, class := range classes {
			held := slices.Clone(class.rules)
			for w := range held {
				held[w] |= name.rules[w]
			}
			out = append(out, addressClass{class.addr, held, name.name})
		}
	}
	return out
}

// nameClasses has a class, with one host name, for all names that the same rules match.
// Names that no rule matches are decided like no name at all.
func (c *comparison) nameClasses() []addressClass {
	seen := map[string]bool{c.none().key(): true}
	var classes []addressClass
	held := make([]nameIndex, len(c.rules))
	for i, r := range c.rules {
		held[i] = r.To.nameIndex()
	}
	for _, r := range c.rules {
		for _, pattern := range r.To.patterns {
			name, rules := sampleName(pattern), c.none()
			for i := range c.rules {
				if held[i].fits(name) {
					rules.add(i)
				}
			}
			if key := rules.key(); !seen[key] {
				seen[key] = true
				classes = append(classes, addressClass{rules: rules, name: name})
			}
		}
	}
	return classes
}

// edge is a place at which each of its rules begins or ceases to match.
type edge[P any] struct {
	at    P
	rules []int
}

// sameSets brings rules together that go to the same addresses: their edges are the same.
// Most sets stand in both plans.
type sameSets struct {
	list []sameSet
	at   map[netip.Addr][]int // places in list, by the first address of the set
}

type sameSet struct {
	set   ipranges.Set
	rules []int
}

func (s *sameSets) add(set ipranges.Set, rule int) {
	var begins netip.Addr
	for rg := range set.All() {
		begins = rg.From()
		break
	}
	for _, i := range s.at[begins] {
		if s.list[i].set.Equal(set) {
			s.list[i].rules = append(s.list[i].rules, rule)
			return
		}
	}
	if s.at == nil {
		s.at = map[netip.Addr][]int{}
	}
	s.at[begins] = append(s.at[begins], len(s.list))
	s.list = append(s.list, sameSet{set, []int{rule}})
}

// sweep walks the edges in order, and calls visit at each place with the rules that match
// from there on, of which it keeps the bits. Those in always match everywhere.
func sweep[P any](edges []edge[P], compare func(a, b P) int, always ruleBits, visit func(at P, held ruleBits)) {
	slices.SortFunc(edges, func(a, b edge[P]) int { return compare(a.at, b.at) })
	held := slices.Clone(always)
	for i := 0; i < len(edges); {
		at := edges[i].at
		for ; i < len(edges) && compare(edges[i].at, at) == 0; i++ {
			for _, k := range edges[i].rules {
				held[k/64] ^= 1 << (k % 64)
			}
		}
		visit(at, held)
	}
}

// noRule are the rules of an edge at which none begins or ends.
var noRule []int

func (c *comparison) addressClasses(fam ipranges.Family, side func(*Rule) Addresses) []addressClass {
	start := netip.IPv4Unspecified()
	if fam == ipranges.IPv6 {
		start = netip.IPv6Unspecified()
	}
	edges := []edge[netip.Addr]{{start, noRule}}
	always := c.none()
	var groups sameSets
	for i, r := range c.rules {
		if a := side(r); a.IsAny() {
			always.add(i)
		} else {
			groups.add(a.set.Only(fam), i)
		}
	}
	for _, g := range groups.list {
		for rg := range g.set.Ranges(fam) {
			edges = append(edges, edge[netip.Addr]{rg.From(), g.rules})
			if next := rg.To().Next(); next.IsValid() {
				edges = append(edges, edge[netip.Addr]{next, g.rules})
			}
		}
	}
	seen := map[string]bool{}
	var classes []addressClass
	sweep(edges, netip.Addr.Compare, always, func(at netip.Addr, held ruleBits) {
		if key := held.key(); !seen[key] {
			seen[key] = true
			classes = append(classes, addressClass{addr: at, rules: slices.Clone(held)})
		}
	})
	return classes
}

// pointClass stands for all points of protocol and port space that the same rules match:
// it has one of them.
type pointClass struct {
	match     Match // a single point
	rules     ruleBits
	essential bool
}

func (c *comparison) pointClasses(fam ipranges.Family) []pointClass {
	var edges []edge[uint32]
	add := func(rules []int, list Matches) {
		for _, m := range list {
			lo, hi := m.points()
			edges = append(edges, edge[uint32]{lo, rules}, edge[uint32]{hi + 1, rules})
		}
	}
	for proto := range uint32(256) {
		edges = append(edges, edge[uint32]{proto << 16, noRule})
	}
	essential := Essential(fam)
	add(noRule, essential)
	always := c.none()
	for i, r := range c.rules {
		if r.AnyService() {
			always.add(i)
		} else {
			add([]int{i}, r.Matches())
		}
	}
	seen := map[string]bool{}
	var classes []pointClass
	sweep(edges, cmp.Compare[uint32], always, func(at uint32, held ruleBits) {
		p, point := Protocol(at>>16), uint16(at)
		if at>>16 > 255 || !possible(fam, p) {
			return
		}
		let := essential.Has(p, point)
		if key := fmt.Sprint(let) + held.key(); !seen[key] {
			seen[key] = true
			classes = append(classes, pointClass{Match{p, point, point}, slices.Clone(held), let})
		}
	})
	return classes
}
