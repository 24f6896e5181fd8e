package probe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sallyport/verifier"
)

// gatewayTries is how many packets are sent to the first router.
const gatewayTries = 3

// slowGateway is what the way to the first router and back may take without a warning.
// A wire takes less than a millisecond, good radio a few.
const slowGateway = 30 * time.Millisecond

// firstLinks describes, for each family, the interface by which packets to a relay
// leave, and how fast the first router answers. Nothing is sent to the router itself:
// packets to the relay end there.
func (e *env) firstLinks(ctx context.Context, list []exchanged) []verifier.Finding {
	var out []verifier.Finding
	for _, v4 := range []bool{true, false} {
		at := slices.IndexFunc(list, func(x exchanged) bool { return x.port.prot == "udp" && x.port.to.Addr().Is4() == v4 })
		if at < 0 {
			continue
		}
		p := list[at].port
		routes, err := e.net.LookUp([]Flow{{To: p.to.Addr(), Protocol: p.prot, Port: p.to.Port()}})
		if err != nil || routes[0].Err != nil || routes[0].Interface == "" {
			continue // the system does not tell
		}
		out = append(out, e.firstLink(ctx, p, routes[0]))
	}
	return out
}

func (e *env) firstLink(ctx context.Context, p portOf, route FlowRoute) verifier.Finding {
	f := verifier.Finding{Kind: verifier.Path, Check: verifier.CheckLink, Outcome: verifier.Pass, Family: verifier.FamilyOf(p.to.Addr())}
	f.Summary = fmt.Sprintf("packets leave by %s, %s", route.Interface, e.kindOf(route.Interface))
	if !route.Gateway.IsValid() {
		f.Summary += ", without a gateway"
		return f
	}
	f.Address = route.Gateway
	var best time.Duration
	for range gatewayTries {
		a := e.hop(ctx, p, 1, true, e.timers.Hop)
		if a.router != route.Gateway {
			continue
		}
		if f.Note("a packet to %s that ends there came back after %s", p.to.Addr(), brief(a.took)); best == 0 || a.took < best {
			best = a.took
		}
	}
	if best == 0 {
		f.Summary += fmt.Sprintf("; the gateway, %s, does not show how fast it is", route.Gateway)
		return f
	}
	f.Summary += fmt.Sprintf("; the gateway, %s, answers in %s", route.Gateway, brief(best))
	f.Metrics = []verifier.Metric{{Name: "gateway_seconds", Value: best.Seconds()}}
	if best >= slowGateway {
		f.Outcome = verifier.Warn
		f.Remedy = "look at the network next to this machine before anything farther away: its radio, its load, its power saving"
	}
	return f
}

// kindOf says what kind of interface one is.
func (e *env) kindOf(name string) string {
	at := slices.IndexFunc(e.links, func(l Interface) bool { return l.Name == name })
	switch {
	case at < 0:
		return "of a kind that does not show"
	case e.links[at].Wireless:
		return "which is Wi-Fi"
	case e.tunnels()[name]:
		return "which is a tunnel"
	case e.links[at].Type == "" || e.links[at].Type == "device":
		return "which is no Wi-Fi"
	}
	return "of type " + e.links[at].Type
}
