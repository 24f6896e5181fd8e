package conformance

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/rules"
)

// Case is a plan that every target has to carry out or refuse.
type Case struct {
	Name string
	Plan *rules.Plan
}

// Addresses and services that the cases share.
var (
	cloud = rules.In("cloud", ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"))
	inner = rules.In("inner", ipranges.MustParse("52.114.0.0/16", "20.202.7.9", "2603:1063:8::/48"))
	lan   = rules.In("lan", ipranges.MustParse("10.20.0.0/16", "fd20::/48"))
	lan4  = rules.In("lan4", ipranges.MustParse("10.20.0.0/16"))
	only4 = rules.In("only4", ipranges.MustParse("13.64.0.0-13.107.255.254", "13.108.0.1"))
	// mapped begins and ends beside the block ::ffff:0:0/96, and holds it by itself.
	mapped = rules.In("mapped", ipranges.MustParse("::fff0:0:0-::fffd:ffff:ffff", "::ffff:0:0/96", "1::/16", "20.0.0.0/8"))
	only6  = rules.In("only6", ipranges.MustParse("2603:1063::-2603:1063:0:ffff:ffff:ffff:ffff:fffe"))

	hosts     = rules.Named("hosts", []string{"login.example.com", "worldaz.relay.example.com"})
	wildcards = rules.Named("wildcards", []string{"*.example.com", "*-files.example.net", "login.example.com"})

	https = rules.NewService("https", rules.Ports(rules.TCP, 443, 443))
	media = rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.TCP, 443, 443))
	// mixed is the pair that a cross product would open: TCP 3478 and UDP 443.
	mixed = rules.NewService("mixed", rules.Ports(rules.TCP, 22, 22), rules.Ports(rules.UDP, 53, 53), rules.Ports(rules.UDP, 500, 510))
	ping  = rules.NewService("ping", rules.ICMPType(rules.ICMP, 8), rules.ICMPType(rules.ICMPv6, 128), rules.ICMPCode(rules.ICMP, 3, 4))
	echo  = rules.NewService("echo", rules.ICMPType(rules.ICMP, 8), rules.ICMPType(rules.ICMPv6, 128))
	ipsec = rules.NewService("ipsec", rules.All(rules.ESP), rules.All(rules.AH), rules.Ports(rules.UDP, 4500, 4500))
	whole = rules.NewService("whole", rules.All(rules.TCP), rules.Ports(rules.UDP, 0, 0), rules.Ports(rules.UDP, 65535, 65535))
	spans = rules.NewService("spans", rules.Match{Proto: rules.ICMP, Lo: 3<<8 | 200, Hi: 11<<8 | 1}, rules.All(rules.ICMPv6))
)

func allow(name string, from, to rules.Addresses, services ...rules.Service) rules.Rule {
	return rules.Rule{Name: name, Verdict: rules.Allow, From: from, To: to, Services: services}
}

func deny(name string, from, to rules.Addresses, services ...rules.Service) rules.Rule {
	r := allow(name, from, to, services...)
	r.Verdict = rules.Deny
	return r
}

func filter(list ...rules.Rule) *rules.Plan {
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: list, Provenance: rules.Provenance{
		Version: "test", Policy: "policy.hcl", PolicyHash: strings.Repeat("ab", 32),
		Feeds: []rules.Feed{{Name: "azure", Kind: "azure", Cloud: "public", Change: "398", SHA256: strings.Repeat("cd", 32)}},
	}}
}

// FilterCases are the plans for packet filters: each thing that a policy can say,
// alone and together, at the edges of the address space, and the plans on which
// other generators are known to open a network.
func FilterCases() []Case {
	any := rules.Any()
	anything := rules.AnyService()
	rejected := deny("no", any, inner, media)
	rejected.Reject = true
	logged := allow("seen", any, cloud, media)
	logged.Log = true
	cases := []Case{
		{"plain", filter(allow("calls", any, cloud, media))},
		{"source", filter(allow("calls", lan, cloud, media))},
		{"source of one family", filter(allow("calls", lan4, cloud, media))},
		{"only IPv4", filter(allow("calls", any, only4, media))},
		{"only IPv6", filter(allow("calls", any, only6, media))},
		{"protocol and port pairs", filter(allow("calls", any, cloud, mixed))},
		{"several services", filter(allow("calls", any, cloud, media, mixed, ping))},
		{"overlapping services", filter(allow("calls", any, cloud, media, rules.NewService("wide", rules.Ports(rules.UDP, 3000, 4000))))},
		{"icmp", filter(allow("ping", any, cloud, ping))},
		{"icmp to anywhere", filter(allow("ping", any, any, ping))},
		{"icmp spans", filter(allow("spans", lan, cloud, spans))},
		{"other protocols", filter(allow("ipsec", lan, cloud, ipsec))},
		{"other protocols of IPv4", filter(allow("ipsec", lan4, cloud, ipsec))},
		{"whole protocols", filter(allow("whole", any, cloud, whole))},
		{"any service", filter(allow("all", lan, cloud, anything))},
		{"any address", filter(allow("dns", any, any, mixed))},
		{"any address and service", filter(allow("all", any, any, anything))},
		{"hole", filter(deny("hole", any, inner, anything), allow("calls", any, cloud, media))},
		{"hole for one service", filter(deny("hole", lan, inner, rules.NewService("one", rules.Ports(rules.UDP, 3479, 3479))), allow("calls", any, cloud, media))},
		{"order", filter(allow("first", lan, inner, media), deny("second", any, cloud, anything), allow("third", any, any, ping))},
		{"reject", filter(rejected, allow("calls", any, cloud, media))},
		{"log", filter(logged)},
		{"edges of the space", filter(allow("edges", any, rules.In("edges", ipranges.MustParse(
			"0.0.0.0", "255.255.255.255", "127.255.255.255-128.0.0.0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff-8000::")), media))},
		{"beside the IPv4-mapped block", filter(allow("beside", any, mapped, media))},
		{"whole space as a set", filter(allow("world", lan, rules.In("world", ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6))), media))},
		{"whole space of one family", filter(allow("world", any, rules.In("world4", ipranges.Full(ipranges.IPv4)), media))},
		{"many ranges", filter(allow("calls", any, rules.In("many", manyRanges(1, 1500)), media))},
		{"one set in two rules", filter(allow("a", lan, cloud, media), allow("b", lan4, cloud, ping))},
		{"keywords", filter(allow("accept", rules.In("ip", lan.Set()), rules.In("set", cloud.Set()), rules.NewService("tcp", media.Matches()...)),
			deny("fwd", any, rules.In("drop", inner.Set()), anything))},
		{"hostile provenance", hostile()},
		{"holes", filter(allow("some", any, rules.In("some", cloud.Set().Minus(ipranges.MustParse("20.202.7.0/24", "2603:1063:7::/48"))), media))},
		{"icmp types", filter(allow("echo", any, cloud, echo), deny("rest", lan, any, rules.NewService("icmp", rules.All(rules.ICMP), rules.All(rules.ICMPv6))))},
	}
	cases = append(cases, NameCases()...)
	for _, c := range cases[:7] {
		p := *c.Plan
		p.Default = rules.Deny
		cases = append(cases, Case{c.Name + ", default deny", &p})
	}
	for _, fams := range []rules.Families{rules.OnlyIPv4, rules.OnlyIPv6} {
		for _, base := range []Case{cases[0], cases[13], cases[14], {"any, default deny", denied(filter(allow("dns", any, any, mixed)))}} {
			p := *base.Plan
			p.Families = fams
			cases = append(cases, Case{base.Name + ", families " + fams.String(), &p})
		}
	}
	return cases
}

// NameCases are plans with rules to host names.
func NameCases() []Case {
	any := rules.Any()
	one := rules.Named("one", []string{"a.example.com"})
	cases := []Case{
		{"names", filter(allow("signalling", any, hosts, https))},
		{"wildcards", filter(allow("signalling", any, wildcards, https))},
		{"names from sources", filter(allow("signalling", lan, hosts, https))},
		{"names with several ports", filter(allow("signalling", any, hosts, https, rules.NewService("http", rules.Ports(rules.TCP, 80, 80))))},
		{"names with UDP", filter(allow("signalling", any, hosts, media))},
		{"names with any service", filter(allow("signalling", any, hosts, rules.AnyService()))},
		{"names and addresses", filter(allow("signalling", any, hosts, https), allow("calls", any, cloud, media))},
		{"denied name before its wildcard", filter(deny("no", any, one, https), allow("signalling", any, wildcards, https))},
		{"two lists", filter(allow("signalling", any, hosts, https), allow("one", any, one, https))},
	}
	for _, c := range cases[:2] {
		p := *c.Plan
		p.Families = rules.OnlyIPv4
		cases = append(cases, Case{c.Name + ", families IPv4", &p})
	}
	return cases
}

func denied(p *rules.Plan) *rules.Plan {
	p.Default = rules.Deny
	return p
}

// hostile carries strings that would break out of a comment, a quoted word or a
// template.
func hostile() *rules.Plan {
	p := filter(allow("calls", rules.Any(), cloud, media))
	bad := "x\n} ; flush ruleset\r\n\"'`$(touch /tmp/x)`{{.}}*/-->\x00\x1b[31m"
	p.Provenance.Policy = bad
	p.Provenance.Version = bad
	p.Provenance.Notes = []string{bad}
	p.Provenance.Feeds = []rules.Feed{{Name: bad, Kind: bad, Cloud: bad, Change: bad, SHA256: bad}}
	return p
}

// manyRanges is a seeded random set of about n ranges, both families.
func manyRanges(seed uint64, n int) ipranges.Set {
	rng := rand.New(rand.NewPCG(seed, 7))
	var b ipranges.Builder
	for i := range n {
		if i%2 == 0 {
			lo := uint32(rng.IntN(1<<31)) + 1<<24
			add(&b, netip.AddrFrom4([4]byte{byte(lo >> 24), byte(lo >> 16), byte(lo >> 8), byte(lo)}), 8+rng.IntN(24))
			continue
		}
		var a [16]byte
		copy(a[:], []byte{0x26, 0x03, byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256))})
		add(&b, netip.AddrFrom16(a), 40+rng.IntN(88))
	}
	return b.Set()
}

func add(b *ipranges.Builder, a netip.Addr, bits int) {
	p, err := a.Prefix(bits)
	if err == nil {
		err = b.AddRange(netipx.RangeOfPrefix(p))
	}
	if err != nil {
		panic(fmt.Sprintf("a test set that cannot be: %v", err))
	}
}

// routes is a plan of a list of routes: the rule that policies make of bypass, or
// of include.
func routes(v rules.Verdict, to rules.Addresses) *rules.Plan {
	p := filter(rules.Rule{Name: "bypass", Verdict: rules.Bypass, From: rules.Any(), To: to, Services: []rules.Service{rules.AnyService()}})
	p.Default = rules.Tunnel
	if v == rules.Tunnel {
		p.Rules[0].Name, p.Rules[0].Verdict, p.Default = "include", rules.Tunnel, rules.Bypass
	}
	return p
}

// RouteCases are the plans for targets that carry routes, in both directions.
func RouteCases() []Case {
	var cases []Case
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		for _, to := range []rules.Addresses{cloud, inner, only4, only6, rules.In("many", manyRanges(1, 1500)),
			rules.In("hosts", ipranges.MustParse("9.9.9.9", "2620:fe::9")),
			rules.In("edges", ipranges.MustParse("1.0.0.0", "223.255.255.255", "127.255.255.255-128.0.0.0", "2000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
			mapped,
		} {
			p := routes(v, to)
			cases = append(cases, Case{v.String() + " " + to.Name(), p})
			for _, f := range []rules.Families{rules.OnlyIPv4, rules.OnlyIPv6} {
				if one := *p; to.Has(f.List()[0]) {
					one.Families = f
					cases = append(cases, Case{v.String() + " " + to.Name() + ", " + f.String(), &one})
				}
			}
		}
		p := routes(v, cloud)
		p.Provenance = hostile().Provenance
		cases = append(cases, Case{v.String() + " hostile provenance", p})
	}
	return cases
}
