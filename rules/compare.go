package rules

import (
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
// are the bits that all three have, and each plan's first of them decides.
func Compare(a, b *Plan) *Difference {
	c := newComparison(a, b)
	for _, fam := range BothFamilies.List() {
		srcs := c.addressClasses(fam, func(r *Rule) Addresses { return r.From })
		dsts := c.withNames(c.addressClasses(fam, func(r *Rule) Addresses { return r.To }))
		points := c.pointClasses(fam)
		pair := make(ruleBits, len(c.none()))
		for _, src := range srcs {
			done := map[string]bool{}
			for _, dst := range dsts {
				if !pair.and(src.rules, dst.rules) && c.sameDefaults(fam) {
					continue // no rule matches, and the defaults agree
				}
				if key := pair.key(); done[key] {
					continue // another destination has left the same rules
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
}

func newComparison(a, b *Plan) *comparison {
	c := &comparison{a: a, b: b}
	for _, p := range []*Plan{a, b} {
		for i := range p.Rules {
			c.rules = append(c.rules, &p.Rules[i])
		}
	}
	return c
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
	for w := lo / 64; w*64 < hi; w++ {
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

// addressClass is one address, and one host name for a destination, for all that the
// same rules hold.
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

// nameClasses is one host name for all that the same rules match. Names that no rule
// matches are decided as those that nobody knows.
func (c *comparison) nameClasses() []addressClass {
	seen := map[string]bool{fmt.Sprint(c.none()): true}
	var classes []addressClass
	for _, r := range c.rules {
		for _, pattern := range r.To.patterns {
			name, held := sampleName(pattern), c.none()
			for i, other := range c.rules {
				if other.To.fits(name) {
					held.add(i)
				}
			}
			if key := fmt.Sprint(held); !seen[key] {
				seen[key] = true
				classes = append(classes, addressClass{rules: held, name: name})
			}
		}
	}
	return classes
}

func (c *comparison) addressClasses(fam ipranges.Family, side func(*Rule) Addresses) []addressClass {
	sets := make([]ipranges.Set, len(c.rules))
	for i, r := range c.rules {
		if s := side(r); !s.IsAny() {
			sets[i] = s.set.Only(fam)
		}
	}
	seen := map[string]bool{}
	var classes []addressClass
	for _, addr := range boundaries(fam, sets) {
		held := c.none()
		for i, r := range c.rules {
			if side(r).IsAny() || sets[i].Contains(addr) {
				held.add(i)
			}
		}
		if key := fmt.Sprint(held); !seen[key] {
			seen[key] = true
			classes = append(classes, addressClass{addr: addr, rules: held})
		}
	}
	return classes
}

// boundaries is every address at which membership in one of sets can change: the
// first address of the family, of each range, and the one after each range.
func boundaries(fam ipranges.Family, sets []ipranges.Set) []netip.Addr {
	first := netip.IPv4Unspecified()
	if fam == ipranges.IPv6 {
		first = netip.IPv6Unspecified()
	}
	addrs := []netip.Addr{first}
	for _, s := range sets {
		for r := range s.Ranges(fam) {
			addrs = append(addrs, r.From())
			if next := r.To().Next(); next.IsValid() {
				addrs = append(addrs, next)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// pointClass is one point of protocol and port space for all that the same rules
// match.
type pointClass struct {
	match     Match // a single point
	rules     ruleBits
	essential bool
}

func (c *comparison) pointClasses(fam ipranges.Family) []pointClass {
	seen := map[string]bool{}
	var classes []pointClass
	for _, start := range c.pointStarts() {
		p, point := Protocol(start>>16), uint16(start)
		if !possible(fam, p) {
			continue
		}
		held := c.none()
		for i, r := range c.rules {
			if slices.ContainsFunc(r.Services, func(s Service) bool { return s.Has(p, point) }) {
				held.add(i)
			}
		}
		essential := Essential(fam).Has(p, point)
		if key := fmt.Sprint(held, essential); !seen[key] {
			seen[key] = true
			classes = append(classes, pointClass{Match{p, point, point}, held, essential})
		}
	}
	return classes
}

// pointStarts is the first point of every stretch of protocol and port space that
// no rule divides.
func (c *comparison) pointStarts() []uint32 {
	var starts []uint32
	for proto := range uint32(256) {
		starts = append(starts, proto<<16)
	}
	add := func(list Matches) {
		for _, m := range list {
			lo, hi := m.points()
			starts = append(starts, lo)
			if m.Hi < 65535 {
				starts = append(starts, hi+1)
			}
		}
	}
	for _, f := range BothFamilies.List() {
		add(Essential(f))
	}
	for _, r := range c.rules {
		for _, s := range r.Services {
			add(s.matches)
		}
	}
	slices.Sort(starts)
	return slices.Compact(starts)
}
