package rules

import (
	"fmt"
	"iter"
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
	if a.sameAs(b) {
		return nil
	}
	c := newComparison(a, b)
	for _, fam := range BothFamilies.List() {
		srcs := c.addressClasses(fam, func(r Rule) Addresses { return r.From })
		dsts := c.withNames(c.addressClasses(fam, func(r Rule) Addresses { return r.To }))
		points := c.pointClasses(fam)
		var pair ruleBits
		var key []byte
		agree := c.sameDefaults(fam)
		alike := agree && a.Families.Has(fam) == b.Families.Has(fam)
		done := map[string]bool{}
		for _, src := range srcs {
			for _, dst := range dsts {
				pair.and(src.rules, dst.rules)
				if pair.empty() && agree {
					continue // no rule matches, and the defaults agree
				}
				if alike && c.sameRules(pair) {
					continue
				}
				if key = pair.appendKey(key[:0]); done[string(key)] {
					continue // other addresses have left the same rules
				}
				done[string(key)] = true
				for _, pt := range points {
					va, vb := c.verdicts(fam, pair, pt)
					if va != vb {
						return &Difference{Flow{src.at, dst.at, pt.match.Proto, pt.match.Lo, dst.name}, va, vb}
					}
				}
			}
		}
	}
	return nil
}

// sameAs reports whether both plans have the same rules, one by one, as most plans that
// are read back do. It takes no memory for their addresses.
func (p *Plan) sameAs(q *Plan) bool {
	side := func(a, b Addresses) bool {
		a, b = a.only(p.Families), b.only(p.Families)
		return a.any == b.any && a.set.Equal(b.set) && slices.Equal(a.patterns, b.patterns)
	}
	return p.Families == q.Families && p.Default == q.Default && slices.EqualFunc(p.Rules, q.Rules, func(a, b Rule) bool {
		return a.Verdict == b.Verdict && side(a.From, b.From) && side(a.To, b.To) && slices.Equal(a.Matches(), b.Matches())
	})
}

// comparison numbers the rules of two plans, in order: a's are even, and b's odd.
type comparison struct {
	a, b  *Plan
	rules []Rule // without any service where a plan has fewer
	kinds []int  // equal for rules that decide the same protocols and ports alike
}

// Masks for first.
const (
	rulesOfA = everyRule / 3
	rulesOfB = rulesOfA << 1
)

func newComparison(a, b *Plan) *comparison {
	c := &comparison{a: a, b: b}
	c.rules = make([]Rule, 2*max(len(a.Rules), len(b.Rules)))
	c.kinds = make([]int, len(c.rules))
	for side, p := range []*Plan{a, b} {
		for i := range p.Rules {
			c.rules[2*i+side] = p.Rules[i]
		}
	}
	known := map[string]int{}
	for i, r := range c.rules {
		key := r.Verdict.String()
		if !r.AnyService() {
			key += fmt.Sprint(r.Matches())
		}
		if _, ok := known[key]; !ok {
			known[key] = len(known)
		}
		c.kinds[i] = known[key]
	}
	return c
}

// sameRules reports whether the rules in pair are the same for both plans: each of a's,
// in order, of the kind of b's. They are decided alike then, where the defaults agree.
func (c *comparison) sameRules(pair ruleBits) bool {
	i, k := first(0, rulesOfA, pair), first(0, rulesOfB, pair)
	for i >= 0 && k >= 0 && c.kinds[i] == c.kinds[k] {
		i, k = first(i+1, rulesOfA, pair), first(k+1, rulesOfB, pair)
	}
	return i < 0 && k < 0
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
	one := func(p *Plan, mask uint64) Verdict {
		switch i := first(0, mask, pair, pt.rules); {
		case !p.Families.Has(fam):
			return Continue
		case p.Default == Deny && pt.essential:
			return Allow
		case i >= 0:
			return c.rules[i].Verdict
		}
		return p.Default
	}
	return one(c.a, rulesOfA), one(c.b, rulesOfB)
}

// possible reports whether packets of fam carry p: ICMP belongs to IPv4 and
// ICMPv6 to IPv6 alone (RFC 792, RFC 4443), and targets rely on it.
func possible(fam ipranges.Family, p Protocol) bool {
	return !(p == ICMP && fam == ipranges.IPv6) && !(p == ICMPv6 && fam == ipranges.IPv4)
}

// addressClass is a class of addresses with, for a destination, one host name.
type addressClass struct {
	class[netip.Addr]
	name string
}

func (c *comparison) addressClasses(fam ipranges.Family, side func(Rule) Addresses) []addressClass {
	var groups sameSets
	for i, r := range c.rules {
		a := side(r)
		groups.add(a.IsAny(), a.set.Only(fam), i)
	}
	var classes []addressClass
	for _, class := range addressAxis(len(c.rules), fam, &groups).classes {
		classes = append(classes, addressClass{class: class})
	}
	return classes
}

// withNames adds to the classes of destinations without a name those with one: each
// address with each class of names.
func (c *comparison) withNames(classes []addressClass) []addressClass {
	out := classes
	for name, rules := range c.nameClasses() {
		for _, cl := range classes {
			out = append(out, addressClass{class[netip.Addr]{cl.at, cl.rules.or(rules)}, name})
		}
	}
	return out
}

// nameClasses yields one host name, and the rules that match it, for all names that the
// same rules match. Names that no rule matches are decided like no name at all.
func (c *comparison) nameClasses() iter.Seq2[string, ruleBits] {
	return func(yield func(string, ruleBits) bool) {
		holders := holdersOf(c.rules)
		seen := map[string]bool{}
		for _, r := range c.rules {
			for _, pattern := range r.To.patterns {
				name := sampleName(pattern)
				rules := holders.of(name)
				if key := string(rules.appendKey(nil)); !seen[key] {
					seen[key] = true
					if !yield(name, rules) {
						return
					}
				}
			}
		}
	}
}

// pointClass is a class of points of protocol and port that fam carries.
type pointClass struct {
	match     Match // a single point
	rules     ruleBits
	essential bool
}

func (c *comparison) pointClasses(fam ipranges.Family) []pointClass {
	essential := Essential(fam)
	edges := appendEdges(nil, essential, ruleBits{})
	var always []int
	for i, r := range c.rules {
		if r.AnyService() {
			always = append(always, i)
		} else {
			edges = appendEdges(edges, r.Matches(), bitsOf(i))
		}
	}
	edges = append(edges, edge[uint32]{rules: bitsOf(always...)})
	axis := pointAxis(len(c.rules), edges)
	type kind struct {
		class     int
		essential bool
	}
	seen := map[kind]bool{}
	var classes []pointClass
	for _, s := range axis.cuts {
		p, point := Protocol(s.from>>16), uint16(s.from)
		if s.from>>16 > 255 || !possible(fam, p) {
			continue
		}
		let := essential.Has(p, point)
		if key := (kind{s.class, let}); !seen[key] {
			seen[key] = true
			classes = append(classes, pointClass{Match{p, point, point}, axis.classes[s.class].rules, let})
		}
	}
	return classes
}
