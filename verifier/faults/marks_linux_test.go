package faults

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestMarks: whether the DSCP of a train survives, held to what the server's and the
// client's own counters see.
func TestMarks(t *testing.T) {
	t.Parallel()
	plans := bundles(t)
	const there = "udp dport 3500 ip dscp set cs0\nudp dport 3500 ip6 dscp set cs0"
	const back = "udp sport 3500 ip dscp set af21\nudp sport 3500 ip6 dscp set af21"
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
		for _, at := range []netip.AddrPort{reflector4, reflector6} {
			t.Run(c.name+" "+verifier.FamilyOf(at.Addr()), func(t *testing.T) {
				t.Parallel()
				pace.Run(t, func(t testing.TB, _ pace.Scale) {
					w := newWorld(t, plans)
					w.reflectorAt(at)
					w.opt.DSCP, w.opt.Bandwidth, w.opt.Sizes = 46, true, true
					w.opt.Train.Duration = time.Second
					if c.rules != "" {
						w.nft(w.Firewall, "table inet marks { chain c { type filter hook forward priority 0;\n"+c.rules+"\n}\n}\n")
					}
					family := map[bool]string{true: "ip", false: "ip6"}[at.Addr().Is4()]
					count := "table inet seen2 { chain c { type filter hook input priority 0;\nudp %s 3500 " + family + " dscp ef counter\n}\n}\n"
					w.nft(w.Server, fmt.Sprintf(count, "dport"))
					w.nft(w.Client, fmt.Sprintf(count, "sport"))
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
					for _, of := range []string{size, width} { // nothing is in the way of these, but a busy machine may not send enough
						if f := finding(report, func(f *verifier.Finding) bool { return f.Case == of }); f == nil || f.Outcome != verifier.Pass && f.Outcome != verifier.Unprobed {
							t.Errorf("%s: %+v", of, f)
						}
					}
				})
			})
		}
	}
}
