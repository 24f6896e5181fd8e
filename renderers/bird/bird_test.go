package bird

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
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
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func TestOptionMistakes(t *testing.T) {
	for _, tt := range []struct {
		option string
		change func(*Options)
	}{
		{"device", func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "" }},
		{"device", func(o *Options) { o.Device = "eth0';" }},
		{"device", func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "eth0@if7" }},
		{"gateway4", func(o *Options) { o.Gateway4 = "router.example" }},
		{"gateway6", func(o *Options) { o.Gateway6 = "fe80::1%eth0" }},
		{"table4", func(o *Options) { o.Table4 = "" }},
		{"table4", func(o *Options) { o.Table4 = "master4; }; } protocol kernel {" }},
		{"table6", func(o *Options) { o.Table6 = "6master" }},
		{"table6", func(o *Options) { o.Table6 = strings.Repeat("t", 64) }},
		{"exceptions", func(o *Options) { o.OtherDevice = "tun0" }},
		{"other_device", func(o *Options) { o.Exceptions = true }},
		{"other_device", func(o *Options) { o.Exceptions, o.OtherDevice = true, o.Device }},
		{"other_gateway4", func(o *Options) { o.Exceptions, o.OtherDevice, o.OtherGateway4 = true, "tun0", "fd99::1" }},
	} {
		_, err := Kind().Build(options(tt.change), renderers.Env{Name: "edge", Path: "edge.conf"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %v", tt.option, err)
		}
	}
}

func built(t testing.TB, opt *Options) *renderers.Target {
	t.Helper()
	r, err := Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t testing.TB, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	r := built(t, opt)
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	files, err := r.Render(lowered)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestAFamilyWithoutItsGateway is refused in both directions, and only where the list
// has it.
func TestAFamilyWithoutItsGateway(t *testing.T) {
	r := built(t, options(func(o *Options) { o.Gateway4 = "192.0.2.1" }))
	both, only4 := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"), ipranges.MustParse("20.202.0.0/16")
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		for _, set := range []ipranges.Set{both, only4} {
			lowered, _, errs := rules.Lower(rules.RoutePlan("edge", rules.BothFamilies, v, set), r.Caps)
			refused := len(errs) > 0
			if !refused {
				_, err := r.Render(lowered)
				var rule *rules.RuleError
				refused = errors.As(err, &rule) && rule.Fix != ""
			}
			if refused != set.Has(ipranges.IPv6) {
				t.Errorf("%v of %v: refused is %v", v, set, refused)
			}
		}
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	const (
		header = "# routes: bypass of IPv4 and IPv6: x\n"
		head4  = "protocol static sallyport_edge_v4 {\n\tipv4 { table master4; };\n"
		route4 = "\troute 52.112.0.0/14 via 10.20.0.1%'eth0';\n"
		all4   = head4 + route4 + "}\n"
		all6   = "protocol static sallyport_edge_v6 {\n\tipv6 { table master6; };\n\troute 2603:1063::/38 via fd20::1%'eth0';\n}\n"
	)
	r := built(t, options(gateways))
	read := func(text string) error {
		_, err := r.ReadBack([]renderers.File{{Path: "edge.conf", Data: []byte(text)}})
		return err
	}
	for _, good := range []string{header + all4 + all6, header + all4, header + all6} {
		if err := read(good); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"no header":          all4,
		"two headers":        header + header + all4,
		"nothing":            header,
		"an empty protocol":  header + head4 + "}\n" + all6,
		"no end":             header + head4 + route4,
		"another hop":        header + head4 + strings.Replace(route4, "10.20.0.1", "10.20.0.9", 1) + "}\n",
		"another table":      header + strings.Replace(all4, "master4", "other4", 1),
		"another protocol":   header + strings.Replace(all4, "edge", "egde", 1),
		"host bits":          header + strings.Replace(all4, "52.112.0.0", "52.112.0.1", 1),
		"the other family":   header + strings.Replace(all4, "52.112.0.0/14", "2603:1063::/38", 1),
		"two routes a line":  header + strings.Replace(all4, ";\n}", "; route 9.9.9.9/32 unreachable;\n}", 1),
		"an option":          header + head4 + "\tdisabled;\n" + route4 + "}\n",
		"the wrong order":    header + all6 + all4,
		"twice":              header + all4 + all4,
		"something behind":   header + all4 + all6 + "protocol device {}\n",
		"a block comment":    header + head4 + "/*\n" + route4 + "*/\n}\n",
		"IPv6 but not of it": "# routes: bypass of IPv4: x\n" + all4 + all6,
	} {
		if read(text) == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestBytes: what a budget of bytes counts is what stands in the list. Exceptions have no
// line for each prefix, and are not counted.
func TestBytes(t *testing.T) {
	for _, change := range []func(*Options){gateways, func(o *Options) { o.Device = "tun0" }} {
		for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
			files := render(t, options(change), rules.RoutePlan("edge", rules.BothFamilies, v, routecheck.Lengths))
			got := routecheck.Written(files, routecheck.Begins("\troute "))
			want := routecheck.Counted(t, built(t, options(change)).Caps, routecheck.Lengths)
			if got != want || got == 0 {
				t.Errorf("%d bytes of routes, and %d counted", got, want)
			}
		}
	}
	if built(t, options(withExceptions)).Caps.RouteBytes != nil {
		t.Error("exceptions are counted")
	}
}
