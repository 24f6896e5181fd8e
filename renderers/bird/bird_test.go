package bird

import (
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
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
		{Name: "IPv4 gateway", Options: options(func(o *Options) { o.Gateway4, o.Table4 = "192.0.2.1", "uplink4" })},
		{Name: "IPv6 gateway", Options: options(func(o *Options) { o.Gateway6, o.Device = "fe80::1", "br-lan.5" })},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), LoadTest: "TestRoutes",
		Route: conformance.Begins("\troute "),
		Mistakes: append(hops.Mistakes(),
			conformance.Wrong("device", options(func(o *Options) { o.Device = "eth0';" })),
			conformance.Wrong("device", options(func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "eth0@if7" })),
			conformance.Wrong("table4", options(func(o *Options) { o.Table4 = "" })),
			conformance.Wrong("table4", options(func(o *Options) { o.Table4 = "master4; }; } protocol kernel {" })),
			conformance.Wrong("table6", options(func(o *Options) { o.Table6 = "6master" })),
			conformance.Wrong("table6", options(func(o *Options) { o.Table6 = strings.Repeat("t", 64) })),
		),
		Damages: conformance.Damaged("gateways", map[string][2]string{
			"another hop":       {"52.112.0.0/14 via 10.20.0.1", "52.112.0.0/14 via 10.20.0.9"},
			"another table":     {"{ table master4; };", "{ table other4; };"},
			"another protocol":  {"static sallyport_edge_v4", "static sallyport_egde_v4"},
			"an empty protocol": {"\troute 2603:1063::/38 via fd20::1%'eth0';\n", ""},
			"no end":            {"}\nprotocol static sallyport_edge_v6", "protocol static sallyport_edge_v6"},
			"the other family":  {"\troute 52.112.0.0/14 via", "\troute 2603:1064::/38 via"},
			"two routes a line": {";\n}", "; route 9.9.9.9/32 unreachable;\n}"},
			"an option":         {"master4; };\n", "master4; };\n\tdisabled;\n"},
			"a block comment":   {"master4; };\n", "master4; };\n/*\n"},
			"something behind":  {"2603:1063::/38 via fd20::1%'eth0';\n}\n", "2603:1063::/38 via fd20::1%'eth0';\n}\nprotocol device {}\n"},
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
