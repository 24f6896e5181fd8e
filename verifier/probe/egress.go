package probe

import (
	"context"
	"fmt"
	"slices"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// egress compares two public addresses that one host of the set sees: the usual one,
// and the one of a packet that is forced to leave by the ordinary interface. This shows
// what a filter driver does, and routes do not.
func (e *env) egress(ctx context.Context, way *verifier.Way, set *verifier.Set, routing Routing) []verifier.Finding {
	tunnels := e.tunnels()
	if !slices.ContainsFunc(e.links, func(l Interface) bool { return tunnels[l.Name] }) {
		return nil
	}
	e.enough(ctx, true, false)
	var list []verifier.Finding
	for _, v4 := range []bool{true, false} {
		known := e.asked.list()
		at := slices.IndexFunc(known, func(a answered) bool {
			return a.to.Addr().Is4() == v4 && a.mapped.IsValid() && set.To.Contains(a.to.Addr())
		})
		ordinary := e.ordinary(v4, tunnels, routing)
		if at < 0 || ordinary == "" {
			continue
		}
		list = append(list, e.egressBy(ctx, way, known[at], ordinary))
	}
	return list
}

// ordinary is the interface by which packets leave without the tunnel: an interface
// that is no tunnel and has a route by a gateway, the widest route first. An interface
// that has an address but no such route, such as a bridge of containers, leads nowhere.
// Where the system does not tell routes, any interface with an address that is valid
// beyond the link is taken.
func (e *env) ordinary(v4 bool, tunnels map[string]bool, routing Routing) string {
	best, bits := "", 129
	for _, r := range routing.Routes {
		if r.Gateway && r.Main && r.Interface != "" && !tunnels[r.Interface] && r.To.Addr().Is4() == v4 && r.To.Bits() < bits {
			best, bits = r.Interface, r.To.Bits()
		}
	}
	if best != "" || len(routing.Routes) > 0 {
		return best
	}
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
		f.Outcome, f.Verdict, f.Summary = verifier.Unprobed, verifier.NotProbed, fmt.Sprintf(format, args...)
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
