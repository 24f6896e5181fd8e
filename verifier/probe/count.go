package probe

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/ipranges"
	"sallyport/verifier"
)

// countRounds is how often packets are counted, countBurst how many are sent each time.
// They end at the first router.
const (
	countRounds = 3
	countBurst  = 16
)

// maxCounted is how many ports of a set are counted for each family.
const maxCounted = 4

// countSet counts, on the tunnel's interface, packets to hosts of the set that are
// probed anyway. Routes do not show what a local filter marks; the counters do. It
// returns nothing where the system has no counters, or no host is in the set.
func (e *env) countSet(ctx context.Context, way *verifier.Way, set ipranges.Set) []verifier.Finding {
	if !e.runs(verifier.STUN) {
		return nil
	}
	var list []verifier.Finding
	for i := range e.plan.Probes {
		pr := &e.plan.Probes[i]
		asks, _ := e.plan.Asks(pr)
		for _, a := range e.addresses(ctx, pr) {
			for _, ask := range asks {
				if ask.Protocol != "udp" || !set.Contains(a) || len(list) >= maxCounted {
					continue
				}
				if f, ok := e.countOn(ctx, way, netip.AddrPortFrom(a, ask.Port)); ok {
					list = append(list, f)
				}
			}
		}
	}
	return list
}

// countOn counts packets to one port. Other programs use the interfaces as well, so
// that the result has to be the same in every round: enough packets on the tunnel; or
// few on it, and enough on others.
func (e *env) countOn(ctx context.Context, way *verifier.Way, to netip.AddrPort) (verifier.Finding, bool) {
	f := verifier.Finding{Kind: verifier.Route, Check: verifier.CheckCounted, Probe: way.Name, Set: way.Set, Place: way.Place,
		Family: verifier.FamilyOf(to.Addr()), Address: to.Addr(), Protocol: "udp", Port: to.Port()}
	inside, beside := true, true
	for round := range countRounds {
		sent, tunnel, other := e.countBurst(ctx, to, countBurst+round)
		if sent == 0 {
			return f, false
		}
		f.Note("%d packets were sent; tunnels count %d, other interfaces %d", sent, tunnel, other)
		inside = inside && tunnel >= sent
		beside = beside && tunnel*4 < sent && other >= sent
	}
	switch {
	case !inside && !beside:
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary = fmt.Sprintf("whether packets to %s go into the tunnel does not show: some do, or others use it", f.Target())
		return f, true
	case inside:
		f.Summary = fmt.Sprintf("packets to %s go into the tunnel, as its interface counts them", f.Target())
	default:
		f.Summary = fmt.Sprintf("packets to %s go beside the tunnel, as the interfaces count them", f.Target())
	}
	f.Outcome = verifier.Pass
	if inside != (way.Direction == verifier.Tunnel) {
		f.Outcome = verifier.Fail
		f.Remedy = fmt.Sprintf("see what this machine's routing rules, its filter's marks and the VPN client do with udp/%d, and load the routes of target %s again: %s", to.Port(), way.Name, way.Place)
	}
	return f, true
}

// countBurst sends n packets and tells how many more each side counts. A tunnel counts
// a packet only after its program has read it, so countBurst waits for that.
func (e *env) countBurst(ctx context.Context, to netip.AddrPort, n int) (sent, tunnel, other int) {
	tunnels := e.tunnels()
	before, err := e.net.Sent()
	if err != nil || before == nil {
		return 0, 0, 0
	}
	sent = e.burst(ctx, to, n)
	for end := time.Now().Add(e.timers.Hop); sleep(ctx, e.timers.Hop/20) && tunnel < sent && time.Now().Before(end); {
		after, err := e.net.Sent()
		if err != nil {
			return 0, 0, 0
		}
		tunnel, other = 0, 0
		for name := range after {
			if d := int(after[name] - before[name]); tunnels[name] {
				tunnel += d
			} else if name != "lo" {
				other += d
			}
		}
	}
	return sent, tunnel, other
}

// burst sends datagrams that end at the first router, and tells how many this machine
// let pass.
func (e *env) burst(ctx context.Context, to netip.AddrPort, n int) (sent int) {
	for range n {
		conn, err := e.net.DialUDP(ctx, to, errqueue.Options{TTL: 1})
		if err != nil {
			return sent
		}
		if _, err := conn.Write(bindingRequest(newTransaction())); err == nil {
			sent++
		}
		conn.Close()
	}
	return sent
}
