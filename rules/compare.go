package rules

import (
	"fmt"
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
// flow of every class that any of their rules tells apart. What does not decide
// flows (names, places, logging, how a denial is answered) is not compared.
func Compare(a, b *Plan) *Difference {
	for _, fam := range BothFamilies.List() {
		srcs := addressClasses(fam, a, b, func(r *Rule) Addresses { return r.From })
		dsts := addressClasses(fam, a, b, func(r *Rule) Addresses { return r.To })
		points := pointClasses(a, b)
		for _, src := range srcs {
			for _, dst := range dsts {
				for _, pt := range points {
					if !possible(fam, pt.Proto) {
						continue
					}
					f := Flow{Src: src, Dst: dst, Proto: pt.Proto, Point: pt.Lo}
					va, _ := a.Decide(f)
					vb, _ := b.Decide(f)
					if va != vb {
						return &Difference{f, va, vb}
					}
				}
			}
		}
	}
	return nil
}

// possible reports whether packets of fam carry p: ICMP belongs to IPv4 and
// ICMPv6 to IPv6 alone (RFC 792, RFC 4443), and targets rely on it.
func possible(fam ipranges.Family, p Protocol) bool {
	return !(p == ICMP && fam == ipranges.IPv6) && !(p == ICMPv6 && fam == ipranges.IPv4)
}

// addressClasses returns one address for each class of addresses that the rules
// tell apart: addresses are in one class when the same rules hold them.
func addressClasses(fam ipranges.Family, a, b *Plan, side func(*Rule) Addresses) []netip.Addr {
	var sets []ipranges.Set
	for _, p := range []*Plan{a, b} {
		for i := range p.Rules {
			if s := side(&p.Rules[i]); !s.IsAny() {
				sets = append(sets, s.set.Only(fam))
			}
		}
	}
	seen := map[string]bool{}
	var classes []netip.Addr
	for _, addr := range boundaries(fam, sets) {
		key := make([]byte, len(sets))
		for i, s := range sets {
			if s.Contains(addr) {
				key[i] = 1
			}
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			classes = append(classes, addr)
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

// pointClasses returns one single-point match for every stretch of protocol and
// port space that no rule divides.
func pointClasses(a, b *Plan) []Match {
	starts := []uint32{}
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
	for _, p := range []*Plan{a, b} {
		for i := range p.Rules {
			for _, s := range p.Rules[i].Services {
				add(s.matches)
			}
		}
	}
	slices.Sort(starts)
	var out []Match
	for _, s := range slices.Compact(starts) {
		out = append(out, Match{Protocol(s >> 16), uint16(s), uint16(s)})
	}
	return out
}
