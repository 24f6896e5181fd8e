package nftables

import (
	"net/netip"
	"testing"

	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
	"sallyport/rules"
)

// TestEveryProtocol asks the kernel with a packet of each protocol: what the target
// takes passes, and what it refuses is not found by nft.
func TestEveryProtocol(t *testing.T) {
	need.Program(t, "nft")
	filtercheck.Protocols{
		Refused: map[ipranges.Family]int{ipranges.IPv4: 0, ipranges.IPv6: 4},
		Takes: func(p *rules.Plan) bool {
			_, _, errs := rules.Lower(p, info.Caps)
			return len(errs) == 0
		},
		Load: func(t *testing.T, in *lab.Injector, p *rules.Plan) {
			allow(t, in.Host(), p)
			in.Host().MustRun(t, "nft", "add rule inet filter forward meta l4proto { 0, 43, 44, 60 } ip6 daddr ::/0 accept")
		},
	}.Run(t)
}

// allow loads a plan beside an admin's rules that drop.
func allow(t *testing.T, h *lab.Host, p *rules.Plan) {
	t.Helper()
	h.MustExec(t, adminTables, "nft", "-f", "-")
	load(t, h, render(t, Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}, p, nil))
	h.MustRun(t, "nft", "add rule inet filter forward jump sallyport_edge")
}

// TestPortsBehindAH: what follows an authentication header has no ports for nft, in
// either family. A rule that names ports says nothing of it.
func TestPortsBehindAH(t *testing.T) {
	need.Program(t, "nft")
	in := lab.NewInjector(t)
	p := filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
	p.Rules[0].Services = []rules.Service{rules.NewService("udp", rules.All(rules.UDP))}
	allow(t, in.Host(), p)
	for _, dst := range []string{"20.202.0.1", "2603:1063::1"} {
		behind := lab.Packet{Dst: netip.MustParseAddr(dst), Proto: uint8(rules.AH), SrcPort: lab.ProtoUDP<<8 | 1, Size: 100}
		got := filtercheck.Verdicts(t, in, lab.UDP(netip.MustParseAddr(dst), 3478), behind)
		if got[0] != lab.Passed || got[1] != lab.Dropped {
			t.Errorf("to %s: UDP is %v, and behind AH %v", dst, got[0], got[1])
		}
	}
}
