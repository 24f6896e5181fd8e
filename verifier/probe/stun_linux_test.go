package probe

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"sallyport/internal/testkit/pace"
	"sallyport/ipranges"
	"sallyport/verifier"
)

// TestEvidence is the table of what a sender sees, in both families and over UDP and
// TCP. A verdict that is firmer than its row is a failure.
func TestEvidence(t *testing.T) {
	t.Parallel()
	families := []struct {
		name         string
		relay, near  netip.Addr
		dead         netip.Addr
		icmp         string
		unreachables map[string]string
	}{
		{"IPv4", relay4, near4, dead4, "icmp", nil},
		{"IPv6", relay6, near6, dead6, "icmpv6", nil},
	}
	rows := []struct {
		name    string
		local   string // a verdict in the client's output hook, for udp or tcp
		forward string // a verdict in the firewall's forward hook; ICMP is icmp or icmpv6
		port    uint16
		dead    bool
		setup   func(n *network)
		udp     verifier.Verdict
		tcp     verifier.Verdict
		by      string // the offender: near or target
		outcome verifier.Outcome
	}{
		{name: "open", udp: verifier.Reachable, tcp: verifier.Reachable, outcome: verifier.Pass},
		{name: "local drop", local: "drop", udp: verifier.DeniedLocally, tcp: verifier.Silent, outcome: verifier.Fail},
		{name: "local reject", local: "reject", udp: verifier.DeniedLocally, tcp: verifier.DeniedLocally, outcome: verifier.Fail},
		{name: "closed", port: 3490, udp: verifier.Closed, tcp: verifier.Refused, by: "target", outcome: verifier.Fail},
		{name: "drop", forward: "drop", udp: verifier.Silent, tcp: verifier.Silent, outcome: verifier.Undecided},
		{name: "reject, port", forward: "reject with ICMP type port-unreachable", udp: verifier.Rejected, tcp: verifier.Rejected, by: "near", outcome: verifier.Fail},
		{name: "reject, admin", forward: "reject with ICMP type admin-prohibited", udp: verifier.Rejected, tcp: verifier.Rejected, by: "near", outcome: verifier.Fail},
		{name: "reject, no route", forward: "reject with ICMP type NOROUTE", udp: verifier.Rejected, tcp: verifier.Rejected, by: "near", outcome: verifier.Fail},
		{name: "reject, host", forward: "reject with ICMP type HOST", udp: verifier.Rejected, tcp: verifier.Rejected, by: "near", outcome: verifier.Fail},
		{name: "dead host", dead: true, udp: verifier.NoHost, tcp: verifier.NoHost, by: "near", outcome: verifier.Fail},
		{name: "no route", setup: func(n *network) {
			n.Client.MustRun(n.tb, "ip", "route", "del", "default")
			n.Client.MustRun(n.tb, "ip", "-6", "route", "del", "default")
		}, udp: verifier.NoRoute, tcp: verifier.NoRoute, outcome: verifier.Fail},
	}
	words := map[string]*strings.Replacer{
		"icmp":   strings.NewReplacer("ICMP", "icmp", "NOROUTE", "net-unreachable", "HOST", "host-unreachable"),
		"icmpv6": strings.NewReplacer("ICMP", "icmpv6", "NOROUTE", "no-route", "HOST", "addr-unreachable"),
	}
	for _, f := range families {
		for _, row := range rows {
			t.Run(f.name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				pace.Run(t, func(t testing.TB, s pace.Scale) {
					n := newNetwork(t)
					serveTCP(t, n.Server, netip.AddrPortFrom(f.relay, 443).String(), turnTCP)
					if row.local != "" {
						n.filter(n.Client, "output", "meta l4proto { tcp, udp } "+row.local)
					}
					if row.forward != "" {
						n.filter(n.Firewall, "forward", "meta l4proto { tcp, udp } "+words[f.icmp].Replace(row.forward))
					}
					if row.setup != nil {
						row.setup(n)
					}
					target := f.relay
					if row.dead {
						target = f.dead
						n.deadHost()
					}
					udp, tcp := uint16(3478), uint16(443)
					if row.port != 0 {
						udp, tcp = row.port, row.port
					}
					p := plan([]string{netipService("udp", udp), netipService("tcp", tcp)}, target.String())
					r := n.run(p, Options{})
					u := reach(t, r, target, "udp", udp)
					if u.Verdict != row.udp || u.Outcome != row.outcome {
						t.Errorf("udp: %s, %s; want %s, %s: %q", u.Verdict, u.Outcome, row.udp, row.outcome, u.Evidence)
					}
					c := reach(t, r, target, "tcp", tcp)
					if c.Verdict != row.tcp {
						t.Errorf("tcp: %s, want %s: %q", c.Verdict, row.tcp, c.Evidence)
					}
					want := map[string]netip.Addr{"near": f.near, "target": target}[row.by]
					if u.Offender != want && row.udp != verifier.DeniedLocally && row.name != "dead host" {
						t.Errorf("udp: offender %v, want %v: %q", u.Offender, want, u.Evidence)
					}
					if row.name == "dead host" && !u.Offender.IsValid() {
						t.Errorf("the router that looks for the host is not named: %q", u.Evidence)
					}
					if u.Outcome == verifier.Fail && (!strings.Contains(u.Remedy, "rule calls (policy.hcl:14), set acs_media (policy.hcl:3)")) {
						t.Errorf("remedy %q", u.Remedy)
					}
					if len(u.Evidence) == 0 || len(c.Evidence) == 0 {
						t.Error("a verdict without evidence")
					}
				})
			})
		}
	}
}

// TestDeadNeighbour: where this machine itself looks for the target, it is the last
// router.
func TestDeadNeighbour(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		for _, name := range []string{"net/ipv4/neigh/eth0/retrans_time_ms", "net/ipv6/neigh/eth0/retrans_time_ms"} {
			if err := n.Client.Sysctl(name, milliseconds(s.Times(100*time.Millisecond))); err != nil {
				t.Fatal(err)
			}
		}
		p := plan([]string{"udp/3478", "tcp/443"}, "10.20.0.77", "fd20::77")
		p.Sets[0].To.Set = p.Sets[0].To.Union(ipranges.MustParse("10.20.0.0/16", "fd20::/64"))
		r := n.run(p, Options{})
		for _, a := range []string{"10.20.0.77", "fd20::77"} {
			for prot, port := range map[string]uint16{"udp": 3478, "tcp": 443} {
				if f := reach(t, r, netip.MustParseAddr(a), prot, port); f.Verdict != verifier.NoHost {
					t.Errorf("%s %s: %s: %q", a, prot, f.Verdict, f.Evidence)
				}
			}
		}
	})
}

// TestOwnAddress: the target may be this machine.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		p := plan([]string{"udp/3478"}, "10.20.0.2", "fd20::2")
		r := n.run(p, Options{})
		for _, a := range []string{"10.20.0.2", "fd20::2"} {
			if f := reach(t, r, netip.MustParseAddr(a), "udp", 3478); f.Verdict != verifier.Closed {
				t.Errorf("%s: %s: %q", a, f.Verdict, f.Evidence)
			}
		}
	})
}

// deadHost gives the firewall a link on which nobody answers for the dead addresses,
// and neighbour discovery that gives up early.
func (n *network) deadHost() {
	n.tb.Helper()
	if err := n.Server.Sysctl("net.ipv4.conf.eth0.arp_ignore", "1"); err != nil {
		n.tb.Fatal(err)
	}
	n.Firewall.MustRun(n.tb, "ip", "route", "add", "192.0.2.0/24", "dev", "wan0")
	for _, name := range []string{"net/ipv4/neigh/wan0/retrans_time_ms", "net/ipv6/neigh/wan0/retrans_time_ms"} {
		if err := n.Firewall.Sysctl(name, milliseconds(pace.Of(n.tb).Times(100*time.Millisecond))); err != nil {
			n.tb.Fatal(err)
		}
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func netipService(protocol string, port uint16) string {
	return verifier.Service{Protocol: protocol, From: port, To: port}.String()
}

// TestOneLostDatagram loses one datagram of each exchange, wherever it is: no verdict
// changes.
func TestOneLostDatagram(t *testing.T) {
	t.Parallel()
	for _, hook := range []string{"udp dport 3478-3481", "udp sport 3478-3481"} {
		for _, verdict := range []string{"", "reject"} {
			t.Run(hook+verdict, func(t *testing.T) {
				t.Parallel()
				pace.Run(t, func(t testing.TB, s pace.Scale) {
					n := newNetwork(t)
					// The first of every pair of ports is lost; the next are not.
					rules := hook + " udp sport . udp dport != @seen add @seen { udp sport . udp dport } drop\n"
					want := verifier.Reachable
					if verdict != "" {
						rules += "udp dport 3478-3481 " + verdict + "\n"
						want = verifier.Rejected
					}
					n.Firewall.MustExec(t, "table inet t { set seen { typeof udp sport . udp dport; flags dynamic; size 1000; }\nchain c { type filter hook forward priority 0;\n"+rules+"}\n}\n", "nft", "-f", "-")
					r := n.run(plan([]string{"udp/3478-3481"}, relay4.String(), relay6.String()), Options{})
					for _, a := range []netip.Addr{relay4, relay6} {
						for port := uint16(3478); port <= 3481; port++ {
							if f := reach(t, r, a, "udp", port); f.Verdict != want {
								t.Errorf("%s %d: %s: %q", a, port, f.Verdict, f.Evidence)
							}
						}
					}
				})
			})
		}
	}
}

// TestBudget: no relay and port gets more than ten datagrams, and nothing goes anywhere
// that the plan does not name.
func TestBudget(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]string{"open": "", "deaf": "", "silent": "udp dport 3478-3481 drop", "one silent": "udp dport 3479 drop"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				serveTCP(t, n.Server, netip.AddrPortFrom(relay4, 443).String(), turnTCP)
				n.filter(n.Firewall, "forward", rules)
				deaf := ""
				if name == "deaf" {
					deaf = "udp dport 3479-3481 drop\n"
				}
				n.Server.MustExec(t, "table inet count { set seen { type ipv4_addr . inet_service; flags dynamic; }\nchain c { type filter hook input priority 0;\nudp dport 3478-3481 add @seen { ip daddr . udp dport counter }\n"+deaf+"}\n}\n", "nft", "-f", "-")
				n.run(plan([]string{"udp/3478-3481", "tcp/443"}, relay4.String(), other4.String()), Options{})
				allowed := map[string]bool{}
				for _, a := range []netip.Addr{relay4, other4} {
					for port := uint16(3478); port <= 3481; port++ {
						allowed["udp "+netip.AddrPortFrom(a, port).String()] = true
						allowed["ttl "+netip.AddrPortFrom(a, port).String()] = true
					}
					allowed["tcp "+netip.AddrPortFrom(a, 443).String()] = true
				}
				if len(n.client.sent) == 0 {
					t.Fatal("nothing was recorded")
				}
				for to, count := range n.client.sent {
					if !allowed[to] {
						t.Errorf("%d packets to %s, which the plan does not name", count, to)
					}
					if strings.HasPrefix(to, "udp ") && count > 10 {
						t.Errorf("%d datagrams to %s", count, to)
					}
				}
				if name == "silent" && n.client.sent["udp "+netip.AddrPortFrom(relay4, 3478).String()] != 7 {
					t.Errorf("a silent port got %d datagrams, want the 7 of RFC 8489", n.client.sent["udp "+netip.AddrPortFrom(relay4, 3478).String()])
				}
				// What counts is what arrives, walks and all.
				arrived := regexp.MustCompile(`(\S+ \. \d+) counter packets (\d+)`).FindAllStringSubmatch(n.Server.MustRun(t, "nft", "list", "set", "inet", "count", "seen"), -1)
				for _, m := range arrived {
					if count, err := strconv.Atoi(m[2]); err != nil || count > 10 {
						t.Errorf("%s datagrams arrived at %s", m[2], m[1])
					}
				}
				if len(arrived) == 0 && name != "silent" {
					t.Error("nothing was counted at the server")
				}
			})
		})
	}
}

// TestManyTargets: targets are asked at once.
func TestManyTargets(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.filter(n.Firewall, "forward", "udp dport 3481 drop")
		var hosts []string
		a := netip.MustParseAddr("20.202.100.1")
		for range 198 {
			hosts = append(hosts, a.String())
			a = a.Next()
		}
		hosts = append(hosts, relay4.String(), relay6.String())
		p := plan([]string{"udp/3478", "udp/3481"}, hosts...)
		timers := labTimers(s)
		started := time.Now()
		r := n.run(p, Options{Timers: timers, Kinds: []verifier.Kind{verifier.STUN}})
		took := time.Since(started)
		// The slowest target is silent for all of RFC 8489's time.
		if limit := timers.Silence() + s.Times(2*time.Second); took > limit {
			t.Errorf("200 targets took %v, want %v at most", took, limit)
		}
		if f := reach(t, r, relay4, "udp", 3478); f.Verdict != verifier.Reachable {
			t.Errorf("%s: %q", f.Verdict, f.Evidence)
		}
		if f := reach(t, r, netip.MustParseAddr("20.202.100.1"), "udp", 3481); f.Verdict != verifier.Silent {
			t.Errorf("%s: %q", f.Verdict, f.Evidence)
		}
	})
}

// TestWithoutErrorQueue imitates a system that does not tell who sent an ICMP error: no
// verdict names a sender, and none is firmer than on Linux.
func TestWithoutErrorQueue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rules string
		port  uint16
		want  verifier.Verdict
	}{
		"open":        {"", 3478, verifier.Reachable},
		"closed":      {"", 3490, verifier.Refused},
		"reject port": {"udp dport 3478 reject", 3478, verifier.Refused},
		"admin":       {"udp dport 3478 reject with icmpx admin-prohibited", 3478, verifier.Inconclusive},
		"drop":        {"udp dport 3478 drop", 3478, verifier.Silent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				n.client.sys.NoQueue = true
				n.filter(n.Firewall, "forward", c.rules)
				r := n.run(plan([]string{netipService("udp", c.port)}, relay4.String(), relay6.String()), Options{})
				for _, a := range []netip.Addr{relay4, relay6} {
					f := reach(t, r, a, "udp", c.port)
					if f.Verdict != c.want || f.Offender.IsValid() {
						t.Errorf("%s: %s by %v, want %s: %q", a, f.Verdict, f.Offender, c.want, f.Evidence)
					}
				}
			})
		})
	}
}

// TestRelayThatOnlyAllocates: some relays answer no Binding.
func TestRelayThatOnlyAllocates(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.filter(n.Server, "input", "udp dport 3478 @th,64,16 0x0001 drop")
		r := n.run(plan([]string{"udp/3478"}, relay4.String(), relay6.String()), Options{})
		for _, a := range []netip.Addr{relay4, relay6} {
			if f := reach(t, r, a, "udp", 3478); f.Verdict != verifier.Reachable || !strings.Contains(strings.Join(f.Evidence, " "), "error 401") {
				t.Errorf("%s: %s: %q", a, f.Verdict, f.Evidence)
			}
		}
	})
}

// TestAnswersThatProveNothing: what comes back must be an answer to the request.
func TestAnswersThatProveNothing(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]func(b []byte) []byte{
		"an echo": func(b []byte) []byte { return b },
		"text":    func([]byte) []byte { return []byte("220 hello\r\n") },
		"another's": func([]byte) []byte {
			return mustBuild(stun.NewTransactionIDSetter(newTransaction()), stun.BindingSuccess)
		},
		"something added": func(b []byte) []byte {
			return append(stunReply(b, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				c, err := n.Server.ListenPacket("udp4", netip.AddrPortFrom(relay4, 3490).String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				go func() {
					buf := make([]byte, 1500)
					for {
						size, from, err := c.ReadFrom(buf)
						if err != nil {
							return
						}
						_, _ = c.WriteTo(reply(buf[:size]), from)
					}
				}()
				r := n.run(plan([]string{"udp/3490"}, relay4.String()), Options{})
				if f := reach(t, r, relay4, "udp", 3490); f.Verdict != verifier.Silent || f.Outcome != verifier.Undecided {
					t.Errorf("%s %s: %q", f.Verdict, f.Outcome, f.Evidence)
				}
			})
		})
	}
}
