package conformance

import (
	"math/rand/v2"
	"net/netip"
	"strings"

	"sallyport/rules"
)

// Flows returns flows that probe every boundary of p's destinations (the first
// and last address of each range and those just outside), with the sources and
// services that p tells apart, and random ones on top. It shares no code with
// rules.Compare.
func Flows(p *rules.Plan, random int) []rules.Flow {
	rng := rand.New(rand.NewPCG(1, 2))
	sources := []netip.Addr{netip.MustParseAddr("10.20.0.5"), netip.MustParseAddr("10.21.0.5"), netip.MustParseAddr("fd20::5"), netip.MustParseAddr("fd21::5")}
	dests := []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2001:4860::8888")}
	points := []rules.Match{{Proto: rules.TCP, Lo: 3478}, {Proto: rules.UDP, Lo: 443}, {Proto: rules.GRE}, {Proto: rules.ICMP, Lo: 8 << 8}, {Proto: rules.ICMPv6, Lo: 128 << 8}}
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.To.IsAny() {
			for rg := range r.To.Set().All() {
				for _, a := range []netip.Addr{rg.From(), rg.To(), rg.From().Prev(), rg.To().Next()} {
					if a.IsValid() {
						dests = append(dests, a)
					}
				}
			}
		}
		for _, s := range r.Services {
			if s.IsAny() {
				continue
			}
			for _, m := range s.Matches() {
				points = append(points, m, rules.Match{Proto: m.Proto, Lo: m.Hi}, rules.Match{Proto: m.Proto, Lo: m.Hi + 1}, rules.Match{Proto: m.Proto, Lo: m.Lo - 1})
			}
		}
	}
	for range random {
		v := rng.Uint32()
		dests = append(dests, netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}))
	}
	if len(dests) > 400 { // the boundaries of a long list, a sample of their pairs
		points = points[:min(len(points), 8)]
	}
	flows := nameFlows(p, sources)
	for _, d := range dests {
		for _, s := range sources {
			if d.Is4() != s.Is4() {
				continue
			}
			for _, m := range points {
				if m.Proto == rules.ICMP && d.Is6() || m.Proto == rules.ICMPv6 && d.Is4() {
					continue
				}
				flows = append(flows, rules.Flow{Src: s, Dst: d, Proto: m.Proto, Point: m.Lo})
			}
		}
	}
	return flows
}

// nameFlows are flows to the host names of p, to names beside them, and to names that
// end as they do.
func nameFlows(p *rules.Plan, sources []netip.Addr) []rules.Flow {
	var names []string
	for i := range p.Rules {
		for _, pattern := range p.Rules[i].To.Patterns() {
			ending := strings.TrimPrefix(pattern, "*")
			names = append(names, ending, "a"+ending, "a.b"+ending, strings.TrimPrefix(ending, "."), "x"+strings.TrimPrefix(ending, "."), ending+".org")
		}
	}
	var flows []rules.Flow
	for _, name := range names {
		for _, s := range sources {
			dst := netip.MustParseAddr("203.0.113.9")
			if s.Is6() {
				dst = netip.MustParseAddr("2001:db8:9::9")
			}
			for _, port := range []uint16{80, 443, 444} {
				flows = append(flows, rules.Flow{Src: s, Dst: dst, Proto: rules.TCP, Point: port, Name: name})
			}
			flows = append(flows, rules.Flow{Src: s, Dst: dst, Proto: rules.UDP, Point: 443, Name: name})
		}
	}
	return flows
}
