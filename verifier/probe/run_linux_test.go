package probe

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

func TestEveryKindHasItsProbe(t *testing.T) {
	t.Parallel()
	for _, k := range verifier.Kinds() {
		elsewhere := k == verifier.Path || k == verifier.Media
		if (kinds[k] == nil) != elsewhere {
			t.Errorf("%s: has a probe: %v", k, kinds[k] != nil)
		}
	}
}

// TestEndsWhenToldTo: a run that is cut short says what it does not know.
func TestEndsWhenToldTo(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.nameServer(resolver4, nameServer{zone: zone{"relay.lab.example.": {relay4.String()}}})
		n.filter(n.Firewall, "forward", "ip daddr 20.202.0.1 drop")
		ctx, cancel := context.WithTimeout(context.Background(), s.Times(300*time.Millisecond))
		defer cancel()
		started := time.Now()
		r := Run(ctx, plan([]string{"udp/3478-3481", "tcp/443"}, "relay.lab.example"), Options{Network: n.client, Long: true})
		if took := time.Since(started); took > verifier.DefaultTimers().Silence()/2 {
			t.Errorf("it took %v to end", took)
		}
		for prot, port := range map[string]uint16{"udp": 3478, "tcp": 443} {
			if f := reach(t, r, relay4, prot, port); f.Verdict != verifier.Inconclusive || f.Outcome != verifier.Undecided {
				t.Errorf("%s: %s %s: %q", prot, f.Verdict, f.Outcome, f.Evidence)
			}
		}
	})
}

// TestLoss: a line that loses every fifth datagram, in both directions, is no filter.
func TestLoss(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.filter(n.Firewall, "forward", "meta l4proto udp numgen random mod 100 < 20 drop")
		r := n.run(plan([]string{"udp/3478-3481"}, relay4.String(), relay6.String(), other4.String(), other6.String()), Options{})
		for _, a := range []netip.Addr{relay4, relay6, other4, other6} {
			for port := uint16(3478); port <= 3481; port++ {
				if f := reach(t, r, a, "udp", port); f.Verdict != verifier.Reachable {
					t.Errorf("%s %d: %s: %q", a, port, f.Verdict, f.Evidence)
				}
			}
		}
	})
}

// TestCoverage: a rule that nobody asked for is not verified.
func TestCoverage(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		p := plan([]string{"udp/3478"}, relay4.String())
		other := p.Rules[0]
		other.Name = "others"
		p.Rules = append(p.Rules, other)
		r := n.run(p, Options{})
		f := find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckCovered })
		if len(f) != 1 || f[0].Rule != "others" || f[0].Outcome != verifier.Unprobed || f[0].Verdict != verifier.NotProbed {
			t.Errorf("%+v", f)
		}
		// Nor is one whose only host is outside its ranges.
		p = plan([]string{"udp/3478"}, "198.51.100.1")
		r = n.run(p, Options{})
		if f := find(t, r, func(f *verifier.Finding) bool { return f.Kind == verifier.Coverage }); f[0].Rule != "calls" {
			t.Errorf("%+v", f)
		}
	})
}

func TestProgressTellsAll(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		var told []string
		r := n.run(plan([]string{"udp/3478-3481"}, relay4.String(), relay6.String()), Options{Progress: func(f verifier.Finding) { told = append(told, f.Key()) }})
		if len(told) != len(r.Findings) {
			t.Errorf("%d findings were told, and %d are in the report", len(told), len(r.Findings))
		}
		for i := range r.Findings {
			if !slices.Contains(told, r.Findings[i].Key()) {
				t.Errorf("not told: %s", r.Findings[i].Key())
			}
		}
	})
}

// TestNoRouteToOneFamily: a host that is reached over IPv4 does not fail for lack of
// IPv6.
func TestNoRouteToOneFamily(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.nameServer(resolver4, nameServer{zone: zone{"relay.lab.example.": {relay4.String(), relay6.String()}}})
		n.Client.MustRun(t, "ip", "-6", "route", "del", "default")
		r := n.run(plan([]string{"udp/3478"}, "relay.lab.example"), Options{})
		if f := reach(t, r, relay6, "udp", 3478); f.Verdict != verifier.NoRoute || f.Outcome != verifier.Warn {
			t.Errorf("%s %s: %q", f.Verdict, f.Outcome, f.Evidence)
		}
	})
}
