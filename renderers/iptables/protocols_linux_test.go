package iptables

import (
	"net/netip"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/rules"
)

// allows is a device whose admin drops, beside a rule of ours that lets protocols pass
// to dst.
func allows(t *testing.T, d *device, dst string, protocols ...rules.Match) {
	t.Helper()
	d.adminRules()
	p := cloudPlan(ipranges.MustParse(dst))
	p.Rules[0].Services = []rules.Service{rules.NewService("protocols", protocols...)}
	_, files := renderAs(t, Options{Placement: fragment, Sets: trie, Hook: "forward", Ingress: []string{"lan0"}}, "edge", p, nil)
	d.load(files)
	d.jump("FORWARD", "sallyport_edge")
}

// takes reports whether the target takes a rule for one protocol.
func takes(t *testing.T, dst string, proto rules.Protocol) bool {
	t.Helper()
	p := cloudPlan(ipranges.MustParse(dst))
	p.Rules[0].Services = []rules.Service{rules.NewService("protocol", rules.All(proto))}
	r := rendered.Target(t, Kind(), &Options{Placement: fragment, Sets: trie, Hook: "forward", Ingress: []string{"lan0"}})
	_, err := rendered.Try(r, p)
	return err == nil
}

// TestEveryProtocol asks with a packet of each protocol: what the target takes passes.
// AH is an extension header in IPv6, and asked for otherwise.
func TestEveryProtocol(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for f, dst := range map[ipranges.Family]string{ipranges.IPv4: "20.202.0.1", ipranges.IPv6: "2603:1063::1"} {
			t.Run(f.String(), func(t *testing.T) {
				var taken []rules.Match
				var packets []lab.Packet
				for n := range 256 {
					proto := rules.Protocol(n)
					if proto == rules.ICMP && f == ipranges.IPv6 || proto == rules.ICMPv6 && f == ipranges.IPv4 {
						continue
					}
					packets = append(packets, lab.OfProtocol(netip.MustParseAddr(dst), uint8(n)))
					if proto != lab.NoNextHeader && takes(t, dst, proto) {
						taken = append(taken, rules.All(proto)) // all but what stands behind the headers here
					}
				}
				refused := map[ipranges.Family]int{ipranges.IPv4: 1, ipranges.IPv6: 4}[f]
				if len(packets)-len(taken) != refused+1 {
					t.Errorf("%d of %d protocols are taken", len(taken), len(packets))
				}
				in := lab.NewInjector(t)
				allows(t, on(in.Host()), dst, taken...)
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
	})
}

// TestPortsBehindAH: what follows an authentication header has ports in IPv6 with the
// legacy back-end alone.
func TestPortsBehindAH(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for f, dst := range map[ipranges.Family]string{ipranges.IPv4: "20.202.0.1", ipranges.IPv6: "2603:1063::1"} {
			in := lab.NewInjector(t)
			d := on(in.Host())
			allows(t, d, dst, rules.Ports(rules.UDP, 0, 40000))
			behind := lab.Packet{Dst: netip.MustParseAddr(dst), Proto: uint8(rules.AH), SrcPort: lab.ProtoUDP<<8 | 1, Size: 100}
			got, err := in.Decide([]lab.Packet{lab.UDP(netip.MustParseAddr(dst), 3478), behind})
			if err != nil {
				t.Fatal(err)
			}
			want := lab.Dropped
			if d.backend == "legacy" && f == ipranges.IPv6 {
				want = lab.Passed
			}
			if got[0].Verdict != lab.Passed || got[1].Verdict != want {
				t.Errorf("%s: UDP is %v, and behind AH %v, not %v", f, got[0].Verdict, got[1].Verdict, want)
			}
		}
	})
}
