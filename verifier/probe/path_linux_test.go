package probe

import (
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/lab"
	"sallyport/verifier"
)

// farRouter puts one more router between firewall and server, so that the firewall is
// hop 1, the router hop 2 and the server hop 3.
func (n *network) farRouter() *lab.Host {
	n.tb.Helper()
	router := lab.New(n.tb).Firewall
	join := func(a *lab.Host, aName string, b *lab.Host, bName string) {
		// A program in a host's namespace stands for it.
		sleeper := exec.Command("sleep", "600")
		stop, err := b.Start(sleeper)
		if err != nil {
			n.tb.Fatal(err)
		}
		defer stop()
		a.MustRun(n.tb, "ip", "link", "add", aName, "type", "veth", "peer", "name", bName, "netns", strconv.Itoa(sleeper.Process.Pid))
	}
	join(n.Firewall, "mid0", router, "mid1")
	join(router, "far0", n.Server, "far1")
	for _, c := range []struct {
		h    *lab.Host
		args string
	}{
		{n.Firewall, "addr add 198.18.1.1/30 dev mid0"}, {n.Firewall, "-6 addr add fd31::1/64 dev mid0 nodad"}, {n.Firewall, "link set mid0 up"},
		{router, "addr add 198.18.1.2/30 dev mid1"}, {router, "-6 addr add fd31::2/64 dev mid1 nodad"}, {router, "link set mid1 up"},
		{router, "addr add 198.18.2.1/30 dev far0"}, {router, "-6 addr add fd32::1/64 dev far0 nodad"}, {router, "link set far0 up"},
		{n.Server, "addr add 198.18.2.2/30 dev far1"}, {n.Server, "-6 addr add fd32::2/64 dev far1 nodad"}, {n.Server, "link set far1 up"},
		{n.Firewall, "route replace default via 198.18.1.2"}, {n.Firewall, "-6 route del default"}, {n.Firewall, "-6 route add default via fd31::2"},
		{router, "route replace default via 198.18.2.2"}, {router, "-6 route del default"}, {router, "-6 route add default via fd32::2"},
		{router, "route replace 10.20.0.0/16 via 198.18.1.1"}, {router, "-6 route flush fd20::/64"}, {router, "-6 route add fd20::/64 via fd31::1"},
		{n.Server, "route add table local 198.18.2.0/30 dev far1"}, {n.Server, "-6 route add table local fd32::/64 dev far1"},
		{n.Server, "route replace table local 10.20.0.0/16 via 198.18.2.1 dev far1 onlink"},
		{n.Server, "-6 route del table local fd20::/64"}, {n.Server, "-6 route add table local fd20::/64 via fd32::1 dev far1 onlink"},
	} {
		c.h.MustRun(n.tb, "ip", strings.Fields(c.args)...)
	}
	n.settled()
	return router
}

// settled waits until the relays answer: the kernel brings links up in the background.
func (n *network) settled() {
	n.tb.Helper()
	for _, a := range []netip.Addr{relay4, relay6} {
		conn, err := n.Client.Dial(nil, "udp", netip.AddrPortFrom(a, 3481).String())
		if err != nil {
			n.tb.Fatal(err)
		}
		defer conn.Close()
		deadline := time.Now().Add(20 * time.Second)
		for buf := make([]byte, 100); ; {
			_, _ = conn.Write(bindingRequest(newTransaction()))
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := conn.Read(buf); err == nil {
				break
			}
			if time.Now().After(deadline) {
				n.tb.Fatalf("%s does not answer in the lab", a)
			}
		}
	}
}

// TestPath holds "filtered after hop K" to its evidence: it is said only where a router
// beyond K answers for a working port and not for the silent one.
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
				n := newNetwork(t)
				serveTCP(t, n.Server, netip.AddrPortFrom(a, 443).String(), turnTCP)
				if !row.near {
					far := n.farRouter()
					n.filter(far, "forward", row.far)
					n.filter(far, "output", row.farOut)
				}
				n.filter(n.Client, "output", row.client)
				n.filter(n.Firewall, "forward", row.first)
				n.filter(n.Server, "input", row.server)
				timers := labTimers()
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
		}
	}
}
