package frr

import (
	"errors"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	o.Device = "eth0"
	change(o)
	return o
}

func gateways(o *Options) { o.Gateway4, o.Gateway6 = "10.20.0.1", "fd20::1" }

// withExceptions has the uplink of routecheck.Client, and its VPN.
func withExceptions(o *Options) {
	gateways(o)
	o.Exceptions, o.OtherDevice = true, "vpn0"
}

var hops = routecheck.NextHops{Kind: Kind(), Options: func(to nexthop.ToOptions, other nexthop.OtherOptions) any {
	return options(func(o *Options) { o.ToOptions, o.OtherOptions = to, other })
}}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "exceptions", Options: options(withExceptions)},
		{Name: "gateways", Options: options(gateways)},
		{Name: "device", Options: options(func(o *Options) { o.Device = "tun0" })},
		{Name: "IPv4 gateway", Options: options(func(o *Options) { o.Gateway4, o.Tag, o.Table = "192.0.2.1", 77, 100 })},
		{Name: "IPv6 gateway", Options: options(func(o *Options) { o.Gateway6, o.Device, o.Distance = "fe80::1", "br-lan.5", 1 })},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), LoadTest: "TestRoutes",
		Route: conformance.Begins("ip route ", "ipv6 route "),
		Mistakes: append(hops.Mistakes(),
			conformance.Wrong("device", options(func(o *Options) { o.Device = "eth0 table 5" })),
			conformance.Wrong("device", options(func(o *Options) { o.Device = "blackhole" })),
			conformance.Wrong("device", options(func(o *Options) { o.Device = "Null" })),
			conformance.Wrong("tag", options(func(o *Options) { o.Tag = 0 })),
			conformance.Wrong("tag", options(func(o *Options) { o.Tag = 1 << 32 })),
			conformance.Wrong("distance", options(func(o *Options) { o.Distance = 0 })),
			conformance.Wrong("distance", options(func(o *Options) { o.Distance = 256 })),
			conformance.Wrong("table", options(func(o *Options) { o.Table = -1 })),
			conformance.Wrong("table", options(func(o *Options) { o.Table = 254 })),
			conformance.Mistake{Option: "path", Options: options(gateways), Path: "edge.load.sh"}, // the list and its script are one file
		),
		Damages: conformance.Damaged("gateways", map[string][2]string{
			"another hop":             {"52.112.0.0/14 10.20.0.1", "52.112.0.0/14 10.20.0.9"},
			"no gateway":              {"52.112.0.0/14 10.20.0.1", "52.112.0.0/14"},
			"another tag":             {"52.112.0.0/14 10.20.0.1 eth0 tag 213", "52.112.0.0/14 10.20.0.1 eth0 tag 214"},
			"another table":           {"52.112.0.0/14 10.20.0.1 eth0 tag 213 13", "52.112.0.0/14 10.20.0.1 eth0 tag 213 13 table 9"},
			"another distance":        {"52.112.0.0/14 10.20.0.1 eth0 tag 213 13", "52.112.0.0/14 10.20.0.1 eth0 tag 213 9"},
			"the other family":        {"ip route 52.112.0.0/14", "ip route 2603:1064::/38"},
			"a removal":               {"ip route 52.112.0.0/14", "no ip route 52.112.0.0/14"},
			"a script that does more": {"exit 0\n}\n", "exit 0\n}\nreboot\n"},
		}),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func render(t testing.TB, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	return rendered.Files(t, rendered.Target(t, Kind(), opt), p)
}

// TestAddressesThatFRRShowsOtherwise: the script would take them out again at once.
func TestAddressesThatFRRShowsOtherwise(t *testing.T) {
	r := rendered.Target(t, Kind(), options(gateways))
	for text, refused := range map[string]bool{"::1.2.3.0/120": true, "::/96": false, "::1:0:0/96": false, "2603:1063::/38": false} {
		_, err := r.Render(rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, ipranges.MustParse(text)))
		var rule *rules.RuleError
		if errors.As(err, &rule) != refused {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestClaims: a tag is one target's, whatever its table and distance.
func TestClaims(t *testing.T) {
	claim := func(change func(*Options)) renderers.Claim {
		list := rendered.Target(t, Kind(), options(change)).Claims
		if len(list) != 1 || list[0].Option != "tag" || !list[0].MayDiffer || list[0].Cost == "" || list[0].Fix == "" {
			t.Fatalf("%+v", list)
		}
		return list[0]
	}
	one := claim(gateways)
	if other := claim(func(o *Options) { o.Tag = 77 }); other.Thing == one.Thing {
		t.Errorf("two tags are one %q", one.Thing)
	}
	if same := claim(func(o *Options) { o.Table, o.Distance = 100, 7 }); same.Thing != one.Thing {
		t.Errorf("%q and %q", same.Thing, one.Thing)
	}
}
