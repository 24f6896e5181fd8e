package iptables

import (
	"net/netip"
	"testing"

	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/rules"
)

var chains = Options{Placement: fragment, Sets: trie, Hook: "forward", Ingress: []string{"lan0"}}

// allow loads a plan beside an admin's rules that drop.
func allow(t *testing.T, d *device, p *rules.Plan) {
	t.Helper()
	d.adminRules()
	_, files := renderAs(t, chains, "edge", p, nil)
	d.load(files)
	d.jump("FORWARD", "sallyport_edge")
}

// TestEveryProtocol asks with a packet of each protocol: what the target takes passes.
// AH is an extension header in IPv6, and asked for otherwise.
func TestEveryProtocol(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		filtercheck.Protocols{
			Refused: map[ipranges.Family]int{ipranges.IPv4: 1, ipranges.IPv6: 4},
			Takes: func(p *rules.Plan) bool {
				_, err := rendered.Try(rendered.Target(t, Kind(), &chains), p)
				return err == nil
			},
			Load: func(t *testing.T, in *lab.Injector, p *rules.Plan) { allow(t, on(in.Host()), p) },
		}.Run(t)
	})
}

// TestPortsBehindAH: what follows an authentication header has ports in IPv6 with the
// legacy back-end alone.
func TestPortsBehindAH(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for f, dst := range map[ipranges.Family]string{ipranges.IPv4: "20.202.0.1", ipranges.IPv6: "2603:1063::1"} {
			in := lab.NewInjector(t)
			d := on(in.Host())
			p := filtercheck.Calls(ipranges.MustParse(dst))
			p.Rules[0].Services = []rules.Service{rules.NewService("udp", rules.Ports(rules.UDP, 0, 40000))}
			allow(t, d, p)
			behind := lab.Packet{Dst: netip.MustParseAddr(dst), Proto: uint8(rules.AH), SrcPort: lab.ProtoUDP<<8 | 1, Size: 100}
			got := filtercheck.Verdicts(t, in, lab.UDP(netip.MustParseAddr(dst), 3478), behind)
			want := lab.Dropped
			if d.backend == "legacy" && f == ipranges.IPv6 {
				want = lab.Passed
			}
			if got[0] != lab.Passed || got[1] != want {
				t.Errorf("%s: UDP is %v, and behind AH %v, not %v", f, got[0], got[1], want)
			}
		}
	})
}
