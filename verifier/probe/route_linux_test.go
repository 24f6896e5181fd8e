package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/pace"
	"sallyport/ipranges"
	"sallyport/verifier"
)

// wayPlan expects a set of prefixes to go one way.
func wayPlan(set ipranges.Set, d verifier.Direction) *verifier.Plan {
	p := plan([]string{"udp/3478"}, relay4.String())
	p.Sets = append(p.Sets, verifier.Set{Name: "routes", To: verifier.Ranges{Set: set}})
	p.Routes = []verifier.Way{{Name: "laptops", Set: "routes", Direction: d, Place: verifier.Place{File: "policy.hcl", Line: 30}}}
	return p
}

// thousand is a thousand prefixes that do not touch, with the relay's among them.
func thousand() ipranges.Set {
	list := []string{"20.202.0.0/16", "2603:1063::/38"}
	for i := range 998 {
		list = append(list, fmt.Sprintf("51.%d.%d.0/25", i/250, i%250))
	}
	return ipranges.MustParse(list...)
}

// vpn gives the client a tunnel that takes everything.
func (n *network) vpn() {
	n.Client.MustRun(n.tb, "ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
	n.Client.MustRun(n.tb, "ip", "addr", "add", "10.99.0.2/24", "dev", "tun0")
	n.Client.MustRun(n.tb, "ip", "link", "set", "tun0", "up")
	for _, half := range []string{"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"} {
		n.Client.MustRun(n.tb, "ip", "route", "add", half, "dev", "tun0")
	}
}

// rule leads packets of IPv4 into the tunnel.
func (n *network) rule(which string) {
	n.Client.MustRun(n.tb, "ip", "route", "add", "default", "dev", "tun0", "table", "99")
	n.Client.MustRun(n.tb, "ip", append([]string{"rule", "add"}, strings.Fields(which+" table 99")...)...)
}

// bypass gives the prefixes of set routes beside the tunnel.
func (n *network) bypass(set ipranges.Set) {
	var b strings.Builder
	for p := range set.Prefixes(ipranges.IPv4) {
		fmt.Fprintf(&b, "route add %s via %s\n", p, near4)
	}
	for p := range set.Prefixes(ipranges.IPv6) {
		fmt.Fprintf(&b, "route add %s via %s dev eth0\n", p, near6)
	}
	n.Client.MustExec(n.tb, b.String(), "ip", "-batch", "-")
}

func TestRoute(t *testing.T) {
	t.Parallel()
	set := thousand()
	lacking := set.Minus(ipranges.MustParse("51.2.77.0/25"))
	for name, c := range map[string]struct {
		setup     func(n *network)
		direction verifier.Direction
		want      verifier.Outcome // of IPv4
		verdict   verifier.Verdict
		names     string
		want6     verifier.Outcome
	}{
		"no VPN":         {want: verifier.Unprobed, verdict: verifier.NotProbed, want6: verifier.Unprobed},
		"all bypass":     {setup: func(n *network) { n.vpn(); n.bypass(set) }, want: verifier.Pass, want6: verifier.Pass},
		"one is missing": {setup: func(n *network) { n.vpn(); n.bypass(lacking) }, want: verifier.Fail, names: "51.2.77.0/25", want6: verifier.Pass},
		"all swallowed":  {setup: func(n *network) { n.vpn() }, want: verifier.Fail, names: "994 more", want6: verifier.Fail},
		"a narrower route inside": {setup: func(n *network) {
			n.vpn()
			n.bypass(set)
			n.Client.MustRun(n.tb, "ip", "route", "add", "20.202.77.0/28", "dev", "tun0")
		}, want: verifier.Fail, names: "20.202.0.0/16", want6: verifier.Pass},
		"by a rule": {setup: func(n *network) {
			n.bypass(set)
			n.Client.MustRun(n.tb, "ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
			n.Client.MustRun(n.tb, "ip", "link", "set", "tun0", "up")
			n.Client.MustRun(n.tb, "ip", "route", "add", "default", "dev", "tun0", "table", "99")
			n.Client.MustRun(n.tb, "ip", "rule", "add", "to", "20.202.0.0/16", "table", "99")
		}, want: verifier.Fail, names: "20.202.0.0/16", want6: verifier.Pass},
		"by a rule for a port": {setup: func(n *network) {
			n.vpn()
			n.bypass(set)
			n.rule("ipproto udp dport 3478")
		}, want: verifier.Fail, names: "994 more", want6: verifier.Pass},
		"by a rule for another port": {setup: func(n *network) {
			n.vpn()
			n.bypass(set)
			n.rule("ipproto udp dport 53")
		}, want: verifier.Pass, want6: verifier.Pass},
		"by a rule for this machine's address": {setup: func(n *network) {
			n.vpn()
			n.bypass(set)
			n.rule("from 10.20.0.2")
		}, want: verifier.Fail, names: "994 more", want6: verifier.Pass},
		"by a rule for part of a prefix": {setup: func(n *network) {
			n.vpn()
			n.bypass(set)
			n.rule("to 20.202.7.0/24")
		}, want: verifier.Fail, names: "20.202.0.0/16", want6: verifier.Pass},
		"by a rule for a mark": {setup: func(n *network) {
			n.vpn()
			n.bypass(set)
			n.rule("fwmark 7")
		}, want: verifier.Undecided, verdict: verifier.Inconclusive, names: "perhaps", want6: verifier.Pass},
		"half of the flows": {setup: func(n *network) {
			n.vpn()
			n.bypass(lacking)
			n.Client.MustRun(n.tb, "ip", "route", "add", "51.2.77.0/25", "nexthop", "via", near4.String(), "nexthop", "dev", "tun0")
		}, want: verifier.Fail, names: "51.2.77.0/25", want6: verifier.Pass},
		"a kill switch": {setup: func(n *network) {
			n.vpn()
			for _, p := range []string{"default", "0.0.0.0/1", "128.0.0.0/1"} {
				n.Client.MustRun(n.tb, "ip", "route", "replace", "blackhole", p)
			}
		}, want: verifier.Fail, verdict: verifier.NoRoute, names: "blackhole", want6: verifier.Fail},
		"nothing is routed": {setup: func(n *network) {
			for _, f := range []string{"-4", "-6"} {
				n.Client.MustRun(n.tb, "ip", f, "route", "del", "default")
			}
		}, want: verifier.Fail, verdict: verifier.NoRoute, want6: verifier.Fail},
		"all tunnelled": {setup: func(n *network) { n.vpn() }, direction: verifier.Tunnel, want: verifier.Pass, want6: verifier.Pass},
		"one escapes": {setup: func(n *network) {
			n.vpn()
			n.bypass(ipranges.MustParse("51.2.77.0/25"))
		}, direction: verifier.Tunnel, want: verifier.Fail, names: "51.2.77.0/25", want6: verifier.Pass},
		"no IPv6": {setup: func(n *network) {
			n.vpn()
			n.bypass(set.Only(ipranges.IPv4))
			for _, r := range []string{"default", "::/1", "8000::/1"} {
				n.Client.MustRun(n.tb, "ip", "-6", "route", "del", r)
			}
		}, want: verifier.Pass, want6: verifier.Warn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				if c.setup != nil {
					c.setup(n)
				}
				d := c.direction
				if d == "" {
					d = verifier.Bypass
				}
				r := n.run(wayPlan(set, d), Options{Kinds: []verifier.Kind{verifier.Route}})
				way := func(family string) verifier.Finding {
					return find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckWay && f.Family == family })[0]
				}
				f := way("ipv4")
				if f.Outcome != c.want || f.Verdict != c.verdict || !strings.Contains(f.Summary, c.names) {
					t.Errorf("IPv4: %s %s, want %s: %s %q", f.Outcome, f.Verdict, c.want, f.Summary, f.Evidence)
				}
				if f := way("ipv6"); f.Outcome != c.want6 {
					t.Errorf("IPv6: %s, want %s: %s %q", f.Outcome, c.want6, f.Summary, f.Evidence)
				}
				if len(n.client.sent) != 0 {
					t.Errorf("looking up routes sent %v", n.client.sent)
				}
			})
		})
	}
}

// TestCounted: where a local filter's mark leads packets into the tunnel, no route shows
// it, and the tunnel's counter does.
func TestCounted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		marks     bool
		want, way verifier.Outcome
	}{"marked": {true, verifier.Fail, verifier.Undecided}, "not marked": {false, verifier.Pass, verifier.Pass}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				n.vpn()
				set := ipranges.MustParse("20.202.0.0/16")
				n.bypass(set)
				n.rule("fwmark 7")
				if c.marks {
					n.Client.MustExec(t, "table ip m { chain c { type route hook output priority 0;\nudp dport 3478-3481 meta mark set 7\n}\n}\n", "nft", "-f", "-")
				}
				r := n.run(wayPlan(set, verifier.Bypass), Options{})
				for check, want := range map[verifier.Check]verifier.Outcome{verifier.CheckCounted: c.want, verifier.CheckWay: c.way} {
					if f := find(t, r, func(f *verifier.Finding) bool { return f.Check == check })[0]; f.Outcome != want {
						t.Errorf("%s: %s, want %s: %s %q", check, f.Outcome, want, f.Summary, f.Evidence)
					}
				}
			})
		})
	}
}

// TestOrdinary: a bridge with an address and without a route is not the way out.
func TestOrdinary(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.Client.MustRun(t, "ip", "link", "add", "docker0", "type", "bridge")
		n.Client.MustRun(t, "ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
		n.Client.MustRun(t, "ip", "link", "set", "docker0", "up")
		routing, err := n.client.Routing()
		if err != nil {
			t.Fatal(err)
		}
		e := newEnv(wayPlan(ipranges.MustParse("20.202.0.0/16"), verifier.Bypass), Options{Network: n.client})
		slices.SortFunc(e.links, func(a, b Interface) int { return strings.Compare(a.Name, b.Name) }) // docker0 first
		for _, v4 := range []bool{true, false} {
			if got := e.ordinary(v4, nil, routing); got != "eth0" {
				t.Errorf("IPv4 %v: %q", v4, got)
			}
		}
	})
}

// TestEgress: what a relay sees is compared with what it sees by the ordinary way.
func TestEgress(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.vpn()
		set := ipranges.MustParse("20.202.0.0/16")
		n.bypass(set)
		r := n.run(wayPlan(set, verifier.Bypass), Options{})
		f := find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckEgress })[0]
		if f.Outcome != verifier.Pass {
			t.Errorf("%s: %s %q", f.Outcome, f.Summary, f.Evidence)
		}
	})
}

// TestLookUpBySource compares the portable lookup with the kernel's.
func TestLookUpBySource(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.vpn()
		n.bypass(ipranges.MustParse("20.202.0.0/16"))
		n.Client.MustRun(t, "ip", "route", "add", "blackhole", "198.51.100.0/24")
		var addrs []netip.Addr
		for _, s := range []string{"20.202.0.1", "20.203.0.1", "10.20.0.1", "198.51.100.1"} {
			addrs = append(addrs, netip.MustParseAddr(s))
		}
		flows := make([]Flow, len(addrs))
		for i, a := range addrs {
			flows[i].To = a
		}
		kernel, err := n.client.LookUp(flows)
		if err != nil {
			t.Fatal(err)
		}
		portable, err := lookUpBySource(n.client, flows)
		if err != nil {
			t.Fatal(err)
		}
		for i := range addrs {
			k, p := kernel[i], portable[i]
			if k.Interface != p.Interface || k.Source != p.Source || (k.Err == nil) != (p.Err == nil) {
				t.Errorf("%s: %+v, the kernel says %+v", addrs[i], p, k)
			}
		}
		if len(n.client.sent) != 0 {
			t.Errorf("it sent %v", n.client.sent)
		}
	})
}

// TestRealSizes looks up as many prefixes as AzureCloud has.
func TestRealSizes(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.vpn()
		var list []string
		for i := range 3500 {
			list = append(list, fmt.Sprintf("%d.%d.%d.0/24", 20+i/1000, i%1000/4, i%4*2))
		}
		started := time.Now()
		r := n.run(wayPlan(ipranges.MustParse(list...), verifier.Tunnel), Options{Kinds: []verifier.Kind{verifier.Route}})
		if f := find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckWay })[0]; f.Outcome != verifier.Pass {
			t.Errorf("%s %q", f.Summary, f.Evidence)
		}
		if took := time.Since(started); took > s.Times(5*time.Second) {
			t.Errorf("7,000 lookups took %v", took)
		}
	})
}
