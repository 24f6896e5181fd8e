package probe

import (
	"net/netip"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestPath: a port is "filtered after hop K" only where a router beyond K answers for a
// working port and not for the silent one.
func TestPath(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name                       string
		client, first, far, server string // rules: output, forward, forward, input
		farOut                     string // rules in the far router's output hook
		near                       bool   // without the far router
		prot                       string
		port                       uint16
		verdict                    verifier.Verdict
		hop                        int
	}{
		{name: "one UDP port dropped at hop 1", first: "udp dport 3479 drop", prot: "udp", port: 3479, verdict: verifier.Filtered, hop: 1},
		{name: "one UDP port dropped at hop 2, where the target is next", far: "udp dport 3479 drop", prot: "udp", port: 3479, verdict: verifier.Silent, hop: 2},
		{name: "the target is deaf", server: "udp dport 3479 drop", prot: "udp", port: 3479, verdict: verifier.Silent, hop: 2},
		{name: "all UDP dropped, TCP works", first: "meta l4proto udp drop", prot: "udp", port: 3478, verdict: verifier.Filtered, hop: 1},
		{name: "TCP dropped, UDP works", first: "meta l4proto tcp drop", prot: "tcp", port: 443, verdict: verifier.Filtered, hop: 1},
		{name: "TCP dropped locally", client: "meta l4proto tcp drop", prot: "tcp", port: 443, verdict: verifier.Filtered, hop: 0},
		{name: "everything dropped", first: "meta l4proto { tcp, udp } drop", prot: "udp", port: 3479, verdict: verifier.Silent},
		{name: "hop 2 says nothing", first: "udp dport 3479 drop", farOut: "icmp type time-exceeded drop\nicmpv6 type time-exceeded drop",
			prot: "udp", port: 3479, verdict: verifier.Silent, hop: 1},
		{name: "hop 2 says little", server: "udp dport 3479 drop", farOut: "icmp type time-exceeded limit rate over 2/second burst 2 packets drop\nicmpv6 type time-exceeded limit rate over 2/second burst 2 packets drop",
			prot: "udp", port: 3479, verdict: verifier.Silent},
		{name: "three hosts", near: true, first: "udp dport 3479 drop", prot: "udp", port: 3479, verdict: verifier.Silent, hop: 1},
	} {
		for _, a := range []netip.Addr{relay4, relay6} {
			t.Run(row.name+"/"+verifier.FamilyOf(a), func(t *testing.T) {
				t.Parallel()
				var opts []lab.Option
				if !row.near { // the firewall is hop 1, the router hop 2 and the server hop 3
					opts = append(opts, lab.FarRouter(nil, nil))
				}
				pace.Run(t, func(t testing.TB, s pace.Scale) {
					n := newNetwork(t, opts...)
					serveTCP(t, n.Server, netip.AddrPortFrom(a, 443).String(), turnTCP)
					if !row.near {
						n.filter(n.Router, "forward", row.far)
						n.filter(n.Router, "output", row.farOut)
					}
					n.filter(n.Client, "output", row.client)
					n.filter(n.Firewall, "forward", row.first)
					n.filter(n.Server, "input", row.server)
					timers := labTimers(s)
					timers.Connect /= 4
					r := n.run(plan([]string{"udp/3478-3481", "tcp/443"}, a.String()), Options{Timers: timers})
					f := reach(t, r, a, row.prot, row.port)
					if f.Verdict != row.verdict {
						t.Fatalf("%s, want %s: %q", f.Verdict, row.verdict, f.Evidence)
					}
					if row.name != "hop 2 says little" && f.Hop != row.hop {
						t.Errorf("hop %d, want %d: %q", f.Hop, row.hop, f.Evidence)
					}
					first := map[string]netip.Addr{"ipv4": near4, "ipv6": near6}[verifier.FamilyOf(a)]
					if row.hop == 1 && f.HopAddr != first {
						t.Errorf("hop 1 is %v, want %v", f.HopAddr, first)
					}
					want := map[verifier.Verdict]verifier.Outcome{verifier.Filtered: verifier.Fail, verifier.Silent: verifier.Undecided}[row.verdict]
					if f.Outcome != want {
						t.Errorf("%s, want %s", f.Outcome, want)
					}
					for to, count := range n.client.sent {
						if to[:3] == "udp" && count > 10 {
							t.Errorf("%d datagrams to %s", count, to)
						}
					}
				})
			})
		}
	}
}
