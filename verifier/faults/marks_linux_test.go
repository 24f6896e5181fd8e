package faults

import (
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestMarks: whether the DSCP of a train survives, held to what the server's and the
// client's own counters see.
func TestMarks(t *testing.T) {
	t.Parallel()
	plans := bundles(t)
	const there, back = "udp dport 3500 ip dscp set cs0", "udp sport 3500 ip dscp set af21"
	for _, c := range []struct {
		name, rules string
		there, back bool // they survive
		outcome     verifier.Outcome
		says        string
	}{
		{"they survive", "", true, true, verifier.Pass, "survives both ways"},
		{"they are taken off", there, false, false, verifier.Warn, "arrive at the reflector with 0"},
		{"answers lose them", back, true, false, verifier.Warn, "answers with it come with 18"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, _ pace.Scale) {
				w := newWorld(t, plans)
				w.reflector()
				w.opt.DSCP = 46
				if c.rules != "" {
					w.nft(w.Firewall, "table inet marks { chain c { type filter hook forward priority 0;\n"+c.rules+"\n}\n}\n")
				}
				count := "table inet seen2 { chain c { type filter hook input priority 0;\nudp %sport 3500 ip dscp ef counter\n}\n}\n"
				w.nft(w.Server, strings.Replace(count, "%s", "d", 1))
				w.nft(w.Client, strings.Replace(count, "%s", "s", 1))
				report := w.verify()
				counted := func(run func(tb testing.TB, name string, args ...string) string) bool {
					return !regexp.MustCompile(`counter packets 0 `).MatchString(run(t, "nft", "list", "table", "inet", "seen2"))
				}
				if s, h := counted(w.Server.MustRun), counted(w.Client.MustRun); s != c.there || h != c.back {
					t.Fatalf("the network: marks arrive there %v, here %v", s, h)
				}
				f := finding(report, func(f *verifier.Finding) bool { return f.Case == "dscp" })
				if f == nil || f.Outcome != c.outcome || !strings.Contains(f.Summary, c.says) {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}
