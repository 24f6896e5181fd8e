package nftables

import (
	"net/netip"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
	"sallyport/rules"
)

// TestEveryProtocol asks the kernel with a packet of each protocol: what the target
// takes passes, and what it refuses is not found by nft.
func TestEveryProtocol(t *testing.T) {
	need.Program(t, "nft")
	for f, dst := range map[ipranges.Family]string{ipranges.IPv4: "20.202.0.1", ipranges.IPv6: "2603:1063::1"} {
		t.Run(f.String(), func(t *testing.T) {
			p := cloudPlan(ipranges.MustParse(dst))
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
				if _, _, errs := rules.Lower(p, info.Caps); len(errs) == 0 && proto != lab.NoNextHeader {
					taken = append(taken, rules.All(proto)) // all but what stands behind the headers here
				}
			}
			refused := map[ipranges.Family]int{ipranges.IPv4: 0, ipranges.IPv6: 4}[f]
			if len(packets)-len(taken) != refused+1 {
				t.Errorf("%d of %d protocols are taken", len(taken), len(packets))
			}
			service(taken...)
			in := lab.NewInjector(t)
			in.Host().MustExec(t, adminTables, "nft", "-f", "-")
			load(t, in.Host(), render(t, Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}, p, nil))
			in.Host().MustRun(t, "nft", "add rule inet filter forward jump sallyport_edge")
			in.Host().MustRun(t, "nft", "add rule inet filter forward meta l4proto { 0, 43, 44, 60 } ip6 daddr ::/0 accept")
			got, err := in.Decide(packets)
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range got {
				want := lab.Dropped
				if rules.NewMatches(taken...).Has(rules.Protocol(packets[i].Proto), 0) {
					want = lab.Passed
				}
				if o.Verdict != want {
					t.Errorf("protocol %d is %v, not %v", packets[i].Proto, o.Verdict, want)
				}
			}
		})
	}
}

// TestPortsBehindAH: what follows an authentication header has no ports for nft, in
// either family. A rule that names ports says nothing of it.
func TestPortsBehindAH(t *testing.T) {
	need.Program(t, "nft")
	in := lab.NewInjector(t)
	in.Host().MustExec(t, adminTables, "nft", "-f", "-")
	p := cloudPlan(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
	p.Rules[0].Services = []rules.Service{rules.NewService("udp", rules.All(rules.UDP))}
	load(t, in.Host(), render(t, Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}, p, nil))
	in.Host().MustRun(t, "nft", "add rule inet filter forward jump sallyport_edge")
	for _, dst := range []string{"20.202.0.1", "2603:1063::1"} {
		behind := lab.Packet{Dst: netip.MustParseAddr(dst), Proto: uint8(rules.AH), SrcPort: lab.ProtoUDP<<8 | 1, Size: 100}
		got, err := in.Decide([]lab.Packet{lab.UDP(netip.MustParseAddr(dst), 3478), behind})
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Verdict != lab.Passed || got[1].Verdict != lab.Dropped {
			t.Errorf("to %s: UDP is %v, and behind AH %v", dst, got[0].Verdict, got[1].Verdict)
		}
	}
}
