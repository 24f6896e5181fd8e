// Package filtercheck compares what the kernel of a lab does with packets with what a plan
// of rules says.
package filtercheck

import (
	"net/netip"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/ipranges"
	"sallyport/rules"
)

// Calls lets media to a set pass: the UDP ports 3478 to 3481, and the TCP port 443.
func Calls(set ipranges.Set) *rules.Plan {
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{{
		Name: "calls", Verdict: rules.Allow, From: rules.Any(), To: rules.In("azure", set),
		Services: []rules.Service{rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.TCP, 443, 443))},
	}}}
}

// Flows asks about the first, the last and the just-outside addresses of every range of a
// set, as far as they are wanted, at the ports on both sides of what Calls allows.
func Flows(set ipranges.Set, wanted func(netip.Addr) bool) []rules.Flow {
	src4, src6 := netip.MustParseAddr("10.20.0.2"), netip.MustParseAddr("fd20::2")
	var flows []rules.Flow
	for r := range set.All() {
		for _, a := range []netip.Addr{r.From(), r.To(), r.From().Prev(), r.To().Next()} {
			if !a.IsValid() || !wanted(a) {
				continue
			}
			src := src4
			if a.Is6() {
				src = src6
			}
			for _, port := range []uint16{3477, 3478, 3481, 3482} {
				flows = append(flows, rules.Flow{Src: src, Dst: a, Proto: rules.UDP, Point: port})
			}
			for _, port := range []uint16{443, 444} {
				flows = append(flows, rules.Flow{Src: src, Dst: a, Proto: rules.TCP, Point: port})
			}
		}
	}
	return flows
}

// Verdicts sends packets, and says what became of each.
func Verdicts(tb testing.TB, in *lab.Injector, packets ...lab.Packet) []lab.Verdict {
	tb.Helper()
	got, err := in.Decide(packets)
	if err != nil {
		tb.Fatal(err)
	}
	list := make([]lab.Verdict, len(got))
	for i := range got {
		list[i] = got[i].Verdict
	}
	return list
}

// decide sends a packet of each flow into a device.
func decide(tb testing.TB, in *lab.Injector, flows []rules.Flow, device string) []lab.Verdict {
	tb.Helper()
	list := make([]lab.Packet, len(flows))
	for i, f := range flows {
		if f.Proto == rules.TCP {
			list[i] = lab.Connect(f.Dst, f.Point)
		} else {
			list[i] = lab.UDP(f.Dst, f.Point)
		}
		list[i].In = device
		if device != lab.Local {
			list[i].Src = f.Src
		}
	}
	return Verdicts(tb, in, list...)
}

// Dropped expects that the first dozen of flows is dropped: what has no part in a filter
// decides nothing.
func Dropped(tb testing.TB, in *lab.Injector, flows []rules.Flow, device, when string) {
	tb.Helper()
	for i, v := range decide(tb, in, flows[:12], device) {
		if v != lab.Dropped {
			tb.Fatalf("%s, %v is %v", when, flows[i], v)
		}
	}
}

// Expect sends every flow into a device and compares the kernel's verdict with the plan's.
// What the plan leaves to the admin is dropped here, by the admin. It fails tb unless some
// flows pass and some do not.
func Expect(tb testing.TB, in *lab.Injector, p *rules.Plan, flows []rules.Flow, device string) {
	tb.Helper()
	wrong, passed := 0, 0
	for i, got := range decide(tb, in, flows, device) {
		v, _ := p.Decide(flows[i])
		want := lab.Dropped
		if v == rules.Allow {
			want = lab.Passed
			passed++
		}
		if got != want {
			if wrong++; wrong <= 5 {
				tb.Errorf("%v: the plan says %v, the kernel %v", flows[i], v, got)
			}
		}
	}
	if wrong > 0 {
		tb.Fatalf("%d of %d verdicts are wrong", wrong, len(flows))
	}
	if passed == 0 || passed == len(flows) {
		tb.Fatalf("%d of %d flows pass: this test shows nothing", passed, len(flows))
	}
	tb.Logf("%d packets, %d of them pass", len(flows), passed)
}

// Protocols sends a packet of each protocol of each family through a filter: what the
// target takes passes, and all else is dropped. Of a family it refuses so many.
type Protocols struct {
	Refused map[ipranges.Family]int
	Takes   func(p *rules.Plan) bool
	Load    func(t *testing.T, in *lab.Injector, p *rules.Plan)
}

// Run runs it.
func (c Protocols) Run(t *testing.T) {
	for f, dst := range map[ipranges.Family]string{ipranges.IPv4: "20.202.0.1", ipranges.IPv6: "2603:1063::1"} {
		t.Run(f.String(), func(t *testing.T) {
			p := Calls(ipranges.MustParse(dst))
			service := func(list ...rules.Match) {
				p.Rules[0].Services = []rules.Service{rules.NewService("protocols", list...)}
			}
			var taken []rules.Match
			var packets []lab.Packet
			for n := range 256 {
				proto := rules.Protocol(n)
				if proto == rules.ICMP && f == ipranges.IPv6 || proto == rules.ICMPv6 && f == ipranges.IPv4 {
					continue
				}
				packets = append(packets, lab.OfProtocol(netip.MustParseAddr(dst), uint8(n)))
				service(rules.All(proto))
				if proto != lab.NoNextHeader && c.Takes(p) {
					taken = append(taken, rules.All(proto)) // all but what stands behind the headers here
				}
			}
			if len(packets)-len(taken) != c.Refused[f]+1 {
				t.Errorf("%d of %d protocols are taken", len(taken), len(packets))
			}
			service(taken...)
			in := lab.NewInjector(t)
			c.Load(t, in, p)
			for i, got := range Verdicts(t, in, packets...) {
				want := lab.Dropped
				if rules.NewMatches(taken...).Has(rules.Protocol(packets[i].Proto), 0) {
					want = lab.Passed
				}
				if got != want {
					t.Errorf("protocol %d is %v, not %v", packets[i].Proto, got, want)
				}
			}
		})
	}
}
