package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/verifier"
)

// probeRoute looks up the way of every prefix of a set, at its first and its last
// address and wherever a routing table or rule has a narrower one inside it, for each
// port that routing rules distinguish. Nothing is sent for that. Where that leaves a
// doubt and a host of the set is probed, packets to it are counted on the tunnel. Where
// a host answered by STUN, the address that it sees is compared with the one that it
// sees by the ordinary way.
func probeRoute(ctx context.Context, e *env, t target) []verifier.Finding {
	set := e.plan.SetNamed(t.way.Set)
	if set == nil {
		return nil
	}
	routing, err := e.net.Routing()
	if err != nil {
		e.note(fmt.Sprintf("the routing tables are not known: %v", err))
	}
	var list, counted []verifier.Finding
	for _, family := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if !set.To.Has(family) {
			continue
		}
		w := e.lookWays(t.way, set.To.Only(family), routing)
		if len(w.perhaps) > 0 {
			found := e.countSet(ctx, t.way, set.To.Only(family))
			w.counted = len(found) > 0 && !slices.ContainsFunc(found, func(f verifier.Finding) bool { return f.Outcome != verifier.Pass })
			counted = append(counted, found...)
		}
		list = append(list, e.judgeWay(w))
	}
	soleFamily(list)
	list = append(list, counted...)
	return append(list, e.egress(ctx, t.way, set, routing)...)
}

// soleFamily fails the findings if no family has a route. A machine with one family
// needs no route for the other, but it needs one.
func soleFamily(list []verifier.Finding) {
	if slices.ContainsFunc(list, func(f verifier.Finding) bool { return f.Verdict != verifier.NoRoute || f.Outcome != verifier.Warn }) {
		return
	}
	for i := range list {
		list[i].Outcome = verifier.Fail
	}
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

// samples are addresses whose ways represent the whole set, in order: the first and
// last address of each prefix, and of each route and rule inside of one.
func samples(set ipranges.Set, inside []netip.Prefix) []netip.Addr {
	var list []netip.Addr
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		for p := range set.Prefixes(f) {
			list = append(list, p.Addr(), netipx.PrefixLastIP(p))
		}
	}
	for _, p := range inside {
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

// destinations are all prefixes by which routes and rules distinguish addresses.
func (r *Routing) destinations() []netip.Prefix {
	var list []netip.Prefix
	for _, e := range r.Routes {
		list = append(list, e.To)
	}
	for _, one := range r.Rules {
		if one.To.IsValid() {
			list = append(list, one.To)
		}
	}
	return list
}

// A packetKind is packets that routing rules may distinguish from others. why is what
// is unknown about them, such as a mark that a local filter or a program may set.
type packetKind struct {
	flow Flow // without a destination
	why  string
}

func (k packetKind) String() string {
	if k.flow.Protocol == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", k.flow.Protocol, k.flow.Port)
}

// packetKinds are what has to be looked up for each address: any packet; where rules
// choose by port, each port that services of the set have; and where they choose by
// something unknown, such as a mark, packets that have it.
func (e *env) packetKinds(way *verifier.Way, rules []RoutingRule) []packetKind {
	kinds := []packetKind{{}}
	byPort := func(r RoutingRule) bool { return r.Protocol || r.Ports != [2]uint16{} }
	if slices.ContainsFunc(rules, byPort) {
		for _, s := range e.servicesOf(way) {
			ports := []uint16{s.From, s.To}
			for _, r := range rules {
				ports = append(ports, r.Ports[0]-1, r.Ports[0], r.Ports[1], r.Ports[1]+1)
			}
			slices.Sort(ports)
			for _, p := range slices.Compact(ports) {
				if s.From <= p && p <= s.To && s.Ports() > 0 {
					kinds = append(kinds, packetKind{flow: Flow{Protocol: s.Protocol, Port: p}})
				}
			}
		}
	}
	known := len(kinds)
	for _, r := range rules {
		hidden := Flow{Mark: r.Mark, TOS: r.TOS, SourcePort: r.SourcePorts[0]}
		if hidden == (Flow{}) {
			continue
		}
		for _, k := range kinds[:known] {
			k.flow.Mark, k.flow.TOS, k.flow.SourcePort = hidden.Mark, hidden.TOS, hidden.SourcePort
			if hidden.SourcePort != 0 && k.flow.Protocol == "" {
				k.flow.Protocol, k.flow.Port = "udp", 3478
			}
			k.why = r.Text
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// servicesOf are the services of the rules that lead to the way's set, or if there are
// none, of all rules that allow.
func (e *env) servicesOf(way *verifier.Way) []verifier.Service {
	var own, all []verifier.Service
	for i := range e.plan.Rules {
		r := &e.plan.Rules[i]
		if r.Set == way.Set {
			own = append(own, r.Services...)
		}
		if !r.Deny {
			all = append(all, r.Services...)
		}
	}
	for _, list := range [][]verifier.Service{own, all} {
		if len(list) > 0 {
			return list
		}
	}
	return []verifier.Service{{Protocol: "udp", From: 3478, To: 3481}, {Protocol: "tcp", From: 443, To: 443}}
}

// ways are what was looked up for one family of a set.
type ways struct {
	way         *verifier.Way
	set         ipranges.Set
	family      string
	err         error
	total       int
	wrong, none []netip.Addr
	perhaps     []netip.Addr // wrong for packets that may not exist
	because     []string     // the rules that choose those
	own         []string     // routes of this machine's own that stop packets
	counted     bool         // packets to a host of the set did not go wrong
	evidence    []string
}

// lookWays looks up one family of a set.
func (e *env) lookWays(way *verifier.Way, set ipranges.Set, routing Routing) *ways {
	addrs := samples(set, routing.destinations())
	w := &ways{way: way, set: set, family: verifier.FamilyOf(addrs[0]), total: len(addrs)}
	rules := slices.DeleteFunc(slices.Clone(routing.Rules), func(r RoutingRule) bool { return r.IPv4 != addrs[0].Is4() })
	for _, kind := range e.packetKinds(way, rules) {
		flows := make([]Flow, len(addrs))
		for i, a := range addrs {
			flows[i] = kind.flow
			flows[i].To = a
		}
		routes, err := e.net.LookUp(flows)
		if err != nil {
			w.err = err
			return w
		}
		e.sortWays(w, kind, addrs, routes)
	}
	return w
}

// sortWays sorts what was looked up for one kind of packets.
func (e *env) sortWays(w *ways, kind packetKind, addrs []netip.Addr, routes []FlowRoute) {
	tunnels := e.tunnels()
	leads := func(name string) bool { return tunnels[name] == (w.way.Direction == verifier.Tunnel) }
	for _, g := range byInterface(addrs, routes) {
		leaves := "leave by " + strings.Join(g.names, " and ")
		wrong := !slices.ContainsFunc(g.names, leads)
		mixed := !wrong && slices.ContainsFunc(g.names, func(n string) bool { return !leads(n) })
		switch {
		case len(g.names) == 0 && kind.why == "":
			leaves = "have no route"
			if g.own != "" {
				leaves = "are stopped by a route of this machine's own, of type " + g.own
				w.own = append(w.own, g.own)
			}
			w.none = append(w.none, g.addrs...)
		case (wrong || mixed) && len(g.names) > 0 && kind.why == "":
			w.wrong = append(w.wrong, g.addrs...)
		case (wrong || mixed) && len(g.names) > 0:
			w.perhaps = append(w.perhaps, g.addrs...)
			w.because = append(w.because, kind.why)
		}
		if slices.ContainsFunc(g.names, func(n string) bool { return tunnels[n] }) {
			leaves += ", a tunnel"
		}
		if len(g.from) > 0 {
			leaves += ", from " + joined(g.from[:min(len(g.from), 3)])
		}
		if k := kind.String(); k != "" {
			leaves = "for " + k + " " + leaves
		}
		if kind.why != "" {
			leaves += ", if they are such as " + kind.why + " chooses"
		}
		w.evidence = append(w.evidence, fmt.Sprintf("%d of %d addresses looked up %s, such as %s", len(g.addrs), len(addrs), leaves, g.addrs[0]))
	}
}

// distinct sorts addresses and drops repeats.
func distinct(list []netip.Addr) []netip.Addr {
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// judgeWay judges one family of a set.
func (e *env) judgeWay(w *ways) verifier.Finding {
	way := w.way
	f := verifier.Finding{Kind: verifier.Route, Check: verifier.CheckWay, Set: way.Set, Place: way.Place,
		Probe: way.Name, Family: w.family, Evidence: w.evidence}
	if w.err != nil {
		f.Outcome, f.Verdict, f.Summary = verifier.Undecided, verifier.Inconclusive, fmt.Sprintf("routes are not known: %v", w.err)
		return f
	}
	w.wrong, w.none, w.perhaps = distinct(w.wrong), distinct(w.none), distinct(w.perhaps)
	load := fmt.Sprintf("load the routes of target %s again: %s", way.Name, way.Place)
	goes := "go through the tunnel that should bypass it"
	right := "leaves beside the tunnel"
	if way.Direction == verifier.Tunnel {
		goes, right = "bypass the tunnel that should go through it", "goes through the tunnel"
	}
	tunnels := e.tunnels()
	up := slices.ContainsFunc(e.links, func(l Interface) bool { return tunnels[l.Name] })
	count := func(list []netip.Addr) string {
		bad := prefixesOf(w.set, list)
		return fmt.Sprintf("%d prefixes of set %s %%s: %s", len(bad), way.Set, shortList(bad))
	}
	switch {
	case len(w.none) == w.total:
		f.Verdict, f.Outcome = verifier.NoRoute, verifier.Warn
		f.Summary = fmt.Sprintf("there is no route to any prefix of set %s, in the tunnel or beside it", way.Set)
		f.Remedy = "see whether this machine has a network; then " + load
		if len(w.own) > 0 && w.family == "ipv4" {
			f.Outcome = verifier.Fail
			f.Summary = fmt.Sprintf("this machine's own routes, of type %s, stop every prefix of set %s", w.own[0], way.Set)
			f.Remedy = fmt.Sprintf("remove the %s route, perhaps a VPN client's kill switch, or %s", w.own[0], load)
		}
	case !up:
		f.Verdict, f.Outcome = verifier.NotProbed, verifier.Unprobed
		f.Summary = "no VPN was found, so nothing shows about what bypasses it"
		f.Remedy = "connect the VPN, or name its interface with --vpn-interface"
	case len(w.wrong) > 0:
		f.Outcome, f.Remedy = verifier.Fail, load
		f.Summary = fmt.Sprintf(count(w.wrong), goes)
	case len(w.none) > 0:
		f.Verdict, f.Outcome, f.Remedy = verifier.NoRoute, verifier.Fail, load
		f.Summary = fmt.Sprintf("there is no route to some prefixes of set %s: %s", way.Set, shortList(prefixesOf(w.set, w.none)))
	case len(w.perhaps) > 0 && !w.counted:
		f.Verdict, f.Outcome = verifier.Inconclusive, verifier.Undecided
		f.Summary = fmt.Sprintf(count(w.perhaps), "perhaps "+goes)
		f.Remedy = fmt.Sprintf("see what this machine's filter marks, or what programs set, for %s: routes alone do not show it", w.because[0])
	default:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("every prefix of set %s %s", way.Set, right)
		f.Note("routes alone are no proof: a filter driver can steer traffic past them")
	}
	return f
}

// group is the addresses that leave one way.
type group struct {
	names []string // the interfaces; none: no route
	own   string
	addrs []netip.Addr
	from  []netip.Addr // source addresses
}

// byInterface groups addresses by the interfaces that they leave by.
func byInterface(addrs []netip.Addr, routes []FlowRoute) []group {
	var list []group
	for i, l := range routes {
		var names []string
		if l.Err == nil {
			names = append(names, l.Also...)
			if l.Interface != "" && !slices.Contains(names, l.Interface) {
				names = append(names, l.Interface)
			}
			slices.Sort(names)
			names = slices.Compact(names)
		}
		at := slices.IndexFunc(list, func(g group) bool { return slices.Equal(g.names, names) && g.own == l.Own })
		if at < 0 {
			at = len(list)
			list = append(list, group{names: names, own: l.Own})
		}
		g := &list[at]
		g.addrs = append(g.addrs, addrs[i])
		if l.Err == nil && l.Source.IsValid() && !slices.Contains(g.from, l.Source) {
			g.from = append(g.from, l.Source)
		}
	}
	slices.SortFunc(list, func(a, b group) int { return slices.Compare(a.names, b.names) })
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
