package probe

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"

	"sallyport/internal/errqueue"
	"sallyport/ipranges"
	"sallyport/verifier"
)

// probeRoute looks up the way of every prefix of a set, at its first and its last
// address and wherever a routing table has a narrower route inside it. Nothing is sent
// for that. Where a host of the set answered by STUN, its view of our address is
// compared with the view by the ordinary way.
func probeRoute(ctx context.Context, e *env, t target) []verifier.Finding {
	set := e.plan.SetNamed(t.way.Set)
	if set == nil {
		return nil
	}
	table, err := e.net.Table()
	if err != nil {
		e.note(fmt.Sprintf("the routing tables are not known: %v", err))
	}
	var list []verifier.Finding
	for _, family := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if set.To.Has(family) {
			list = append(list, e.wayOf(t.way, set.To.Only(family), table))
		}
	}
	return append(list, e.egress(ctx, t.way, set)...)
}

// tunnels are the interfaces that are VPNs: those named, and those recognised.
func (e *env) tunnels() map[string]bool {
	m := map[string]bool{}
	for _, name := range e.plan.VPN {
		m[name] = true
	}
	for _, l := range e.links {
		if l.Tunnel {
			m[l.Name] = true
		}
	}
	return m
}

// samples are addresses whose ways stand for the whole set, in order: the bounds of
// each prefix, and of each route inside one.
func samples(set ipranges.Set, table []netip.Prefix) []netip.Addr {
	var list []netip.Addr
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		for p := range set.Prefixes(f) {
			list = append(list, p.Addr(), netipx.PrefixLastIP(p))
		}
	}
	for _, p := range table {
		p = p.Masked()
		first, last := p.Addr(), netipx.PrefixLastIP(p)
		for _, a := range []netip.Addr{first.Prev(), first, last, last.Next()} {
			if a.IsValid() && set.Contains(a) {
				list = append(list, a)
			}
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// group is the addresses that leave one way.
type group struct {
	name  string // the interface; empty: no route
	addrs []netip.Addr
	from  []netip.Addr // source addresses
}

// wayOf judges one family of a set.
func (e *env) wayOf(way *verifier.Way, set ipranges.Set, table []netip.Prefix) verifier.Finding {
	addrs := samples(set, table)
	f := verifier.Finding{Kind: verifier.Route, Check: verifier.CheckWay, Rule: "", Set: way.Set, Place: way.Place,
		Probe: way.Name, Family: verifier.FamilyOf(addrs[0])}
	leave, err := e.net.Leave(addrs)
	if err != nil {
		f.Outcome, f.Verdict, f.Summary = verifier.Undecided, verifier.Inconclusive, fmt.Sprintf("routes are not known: %v", err)
		return f
	}
	groups := byInterface(addrs, leave)
	tunnels := e.tunnels()
	var wrong, none []netip.Addr
	for _, g := range groups {
		what := "leave by " + g.name
		switch {
		case g.name == "":
			none, what = g.addrs, "have no route"
		case tunnels[g.name] != (way.Direction == verifier.Tunnel):
			wrong = append(wrong, g.addrs...)
		}
		if tunnels[g.name] {
			what += ", a tunnel"
		}
		if len(g.from) > 0 {
			what += ", from " + joined(g.from[:min(len(g.from), 3)])
		}
		f.Note("%d of %d addresses looked up %s, such as %s", len(g.addrs), len(addrs), what, g.addrs[0])
	}
	e.judgeWay(&f, way, set, tunnels, wrong, none, len(addrs))
	return f
}

func (e *env) judgeWay(f *verifier.Finding, way *verifier.Way, set ipranges.Set, tunnels map[string]bool, wrong, none []netip.Addr, total int) {
	up := slices.ContainsFunc(e.links, func(l Interface) bool { return tunnels[l.Name] })
	bad := prefixesOf(set, wrong)
	switch {
	case len(none) == total:
		f.Verdict, f.Outcome = verifier.NoRoute, verifier.Warn
		f.Summary = fmt.Sprintf("there is no route to any prefix of set %s, in the tunnel or beside it", way.Set)
	case !up:
		f.Verdict, f.Outcome = verifier.NotProbed, verifier.Skipped
		f.Summary = "no VPN was found, so nothing shows about what bypasses it"
		f.Remedy = "connect the VPN, or name its interface with --vpn-interface"
	case len(wrong) > 0:
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("%d prefixes of set %s go through the tunnel that should bypass it: %s", len(bad), way.Set, shortList(bad))
		if way.Direction == verifier.Tunnel {
			f.Summary = fmt.Sprintf("%d prefixes of set %s bypass the tunnel that should go through it: %s", len(bad), way.Set, shortList(bad))
		}
		f.Remedy = fmt.Sprintf("load the routes of target %s again: %s", way.Name, way.Place)
	case len(none) > 0:
		f.Verdict, f.Outcome = verifier.NoRoute, verifier.Fail
		f.Summary = fmt.Sprintf("there is no route to some prefixes of set %s: %s", way.Set, shortList(prefixesOf(set, none)))
		f.Remedy = fmt.Sprintf("load the routes of target %s again: %s", way.Name, way.Place)
	default:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("every prefix of set %s leaves beside the tunnel", way.Set)
		if way.Direction == verifier.Tunnel {
			f.Summary = fmt.Sprintf("every prefix of set %s goes through the tunnel", way.Set)
		}
		f.Note("routes alone are no proof: a filter driver can steer traffic past them")
	}
}

// byInterface groups addresses by the interface that they leave by.
func byInterface(addrs []netip.Addr, leave []Leave) []group {
	var list []group
	for i, l := range leave {
		name := l.Interface
		if l.Err != nil {
			name = ""
		}
		at := slices.IndexFunc(list, func(g group) bool { return g.name == name })
		if at < 0 {
			at = len(list)
			list = append(list, group{name: name})
		}
		g := &list[at]
		g.addrs = append(g.addrs, addrs[i])
		if l.Err == nil && l.Source.IsValid() && !slices.Contains(g.from, l.Source) {
			g.from = append(g.from, l.Source)
		}
	}
	slices.SortFunc(list, func(a, b group) int { return cmp.Compare(a.name, b.name) })
	return list
}

// prefixesOf are the prefixes of set that hold addresses of list, which is in order.
func prefixesOf(set ipranges.Set, list []netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	slices.SortFunc(list, netip.Addr.Compare)
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		for p := range set.Prefixes(f) {
			at, _ := slices.BinarySearchFunc(list, p.Addr(), netip.Addr.Compare)
			if at < len(list) && p.Contains(list[at]) {
				out = append(out, p)
			}
		}
	}
	return out
}

func shortList(list []netip.Prefix) string {
	words := make([]string, 0, 6)
	for i, p := range list {
		if i == 5 {
			words = append(words, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		words = append(words, p.String())
	}
	return strings.Join(words, ", ")
}

// egress compares, for one host of the set, the address that it sees us under with the
// one it sees when the packet is made to leave by the ordinary interface. Routes do not
// show what a filter driver does; this does.
func (e *env) egress(ctx context.Context, way *verifier.Way, set *verifier.Set) []verifier.Finding {
	tunnels := e.tunnels()
	if !slices.ContainsFunc(e.links, func(l Interface) bool { return tunnels[l.Name] }) {
		return nil
	}
	e.enough(ctx)
	var list []verifier.Finding
	for _, v4 := range []bool{true, false} {
		known := e.asked.list()
		at := slices.IndexFunc(known, func(a answered) bool {
			return a.to.Addr().Is4() == v4 && a.mapped.IsValid() && set.To.Contains(a.to.Addr())
		})
		ordinary := e.ordinary(v4, tunnels)
		if at < 0 || ordinary == "" {
			continue
		}
		list = append(list, e.egressBy(ctx, way, known[at], ordinary))
	}
	return list
}

// ordinary is an interface that is no tunnel and has an address of the family that is
// good beyond the link.
func (e *env) ordinary(v4 bool, tunnels map[string]bool) string {
	for _, l := range e.links {
		for _, a := range l.Addrs {
			if !tunnels[l.Name] && a.Is4() == v4 && !a.IsLoopback() && !a.IsLinkLocalUnicast() {
				return l.Name
			}
		}
	}
	return ""
}

func (e *env) egressBy(ctx context.Context, way *verifier.Way, a answered, ordinary string) verifier.Finding {
	f := verifier.Finding{Kind: verifier.Route, Check: verifier.CheckEgress, Probe: way.Name, Set: way.Set, Place: way.Place,
		Family: verifier.FamilyOf(a.to.Addr()), Address: a.to.Addr(), Protocol: "udp", Port: a.to.Port()}
	undecided := func(format string, args ...any) verifier.Finding {
		f.Outcome, f.Verdict, f.Summary = verifier.Skipped, verifier.NotProbed, fmt.Sprintf(format, args...)
		return f
	}
	conn, err := e.net.DialUDP(ctx, a.to, errqueue.Options{Interface: ordinary})
	if err != nil {
		return undecided("the ordinary way out is not known: %v", err)
	}
	defer conn.Close()
	mapped, ok := e.mappedNow(ctx, conn, a.to)
	if !ok {
		return undecided("%s does not answer by %s, so that ways out cannot be compared", a.to, ordinary)
	}
	f.Mapped = a.mapped
	f.Note("%s sees us as %s, and by %s as %s", a.to, a.mapped.Addr(), ordinary, mapped.Addr())
	same := a.mapped.Addr() == mapped.Addr()
	switch {
	case same == (way.Direction == verifier.Bypass):
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%s sees us as a %s should look", a.to.Addr(), way.Direction)
	default:
		f.Outcome = verifier.Warn
		f.Summary = fmt.Sprintf("%s sees us as a %s should not look: a filter driver may steer past the routes, or a NAT has several addresses", a.to.Addr(), way.Direction)
		f.Remedy = "compare the two addresses with those of the VPN's way out"
	}
	return f
}
