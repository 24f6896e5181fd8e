package probe

import (
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/verifier"
)

// TestOwnRoutes: what this machine's own routes stop is no filter's doing, and no
// missing route.
func TestOwnRoutes(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"blackhole", "prohibit", "unreachable"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			n.Client.MustRun(t, "ip", "route", "add", typ, relay4.String())
			n.Client.MustRun(t, "ip", "-6", "route", "add", typ, relay6.String())
			r := n.run(plan([]string{"udp/3478", "tcp/443"}, relay4.String(), relay6.String()), Options{})
			for _, f := range find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckReach }) {
				if f.Verdict != verifier.NoRoute || !strings.Contains(f.Summary, "own, of type "+typ) || strings.Contains(f.Remedy, "give a route") {
					t.Errorf("%s %s: %s: %s", f.Verdict, f.Outcome, f.Summary, f.Remedy)
				}
			}
		})
	}
}

// TestPortsInUse: a machine without a free port has a route all the same.
func TestPortsInUse(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	if err := n.Client.Sysctl("net.ipv4.ip_local_port_range", "40000 40001"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if c, err := n.Client.ListenPacket("udp4", "0.0.0.0:0"); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	r := n.run(plan([]string{"udp/3478"}, relay4.String()), Options{})
	if f := reach(t, r, relay4, "udp", 3478); f.Verdict != verifier.Inconclusive {
		t.Errorf("%s: %s %q", f.Verdict, f.Summary, f.Evidence)
	}
}

// TestSources: a rule for other machines is not probed from this one.
func TestSources(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]bool{"10.20.0.0/16": true, "10.50.0.0/16": false} {
		n := newNetwork(t)
		p := plan([]string{"udp/3478"}, relay4.String())
		p.Sets = append(p.Sets, verifier.Set{Name: "callers", To: verifier.Ranges{Set: ipranges.MustParse(from)}})
		p.Rules[0].From = "callers"
		n.filter(n.Firewall, "forward", "ip saddr != 10.50.0.0/16 accept")
		r := n.run(p, Options{})
		var reached, told bool
		for _, f := range r.Findings {
			reached = reached || f.Check == verifier.CheckReach
			told = told || f.Check == verifier.CheckCovered && strings.Contains(f.Summary, "not one of the sources")
		}
		if reached != want || told == want || !want && r.ExitCode() != 3 {
			t.Errorf("from %s: reached %v, told %v, exit %d", from, reached, told, r.ExitCode())
		}
	}
}
