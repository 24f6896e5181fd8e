package faults

import (
	"testing"

	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// denyPolicy denies a range that the relay is in.
const denyPolicy = `
set "closed" {
  include = ["20.202.0.0/16", "2603:1063::/38"]
}
service "media" {
  udp = ["3478-3481"]
}
rule "closed" {
  action   = "deny"
  to       = set.closed
  services = [service.media]
}
probe "relay" {
  host = "relay.lab.example"
  rule = rule.closed
}
`

// TestDenied: under a rule that denies, what is reached fails, who rejects passes, and
// silence shows nothing.
func TestDenied(t *testing.T) {
	t.Parallel()
	plans := map[bool][]byte{false: bundle(t, denyPolicy)}
	for _, c := range []struct {
		name    string
		faults  []fault
		verdict verifier.Verdict
		outcome verifier.Outcome
		exit    int
	}{
		{"open", nil, reachable, verifier.Fail, 1},
		{"rejected", []fault{rejects("", firewall, relay, "admin-prohibited", "admin-prohibited")}, isRejected, verifier.Pass, 0},
		{"denied here", []fault{drops("", client, relay)}, deniedHere, verifier.Pass, 0},
		{"dropped", []fault{drops("", firewall, relay)}, silent, verifier.Undecided, 3},
		{"closed", []fault{rejects("", server, relay, "port-unreachable", "port-unreachable")}, isClosed, verifier.Fail, 1},
		{"a router without a route", []fault{rejects("", firewall, relay, "net-unreachable", "no-route")}, isRejected, verifier.Undecided, 3},
		{"ICMP blocked", []fault{rejects("", server, relay, "port-unreachable", "port-unreachable"), noICMP}, silent, verifier.Undecided, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, _ pace.Scale) {
				w := newWorld(t, plans, c.faults...)
				report := w.verify()
				ports := 0
				for _, f := range report.Findings {
					if f.Check != verifier.CheckReach {
						continue
					}
					if ports++; f.Verdict != c.verdict || f.Outcome != c.outcome {
						t.Errorf("%s: %s, %s; want %s, %s: %q", f.Target(), f.Verdict, f.Outcome, c.verdict, c.outcome, f.Evidence)
					}
				}
				if ports != 8 {
					t.Errorf("%d ports were asked", ports)
				}
				if code := report.ExitCode(); code != c.exit {
					t.Errorf("exit code %d, want %d", code, c.exit)
				}
				w.onlyNamed(t)
			})
		})
	}
}
