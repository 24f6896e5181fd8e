package frr

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
		{Name: "IPv4 gateway", Options: options(func(o *Options) { o.Gateway4, o.Tag, o.Table = "192.0.2.1", 77, 100 })},
		{Name: "IPv6 gateway", Options: options(func(o *Options) { o.Gateway6, o.Device, o.Distance = "fe80::1", "br-lan.5", 1 })},
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
		{"device", func(o *Options) { o.Device = "eth0 table 5" }},
		{"device", func(o *Options) { o.Device = "blackhole" }},
		{"device", func(o *Options) { o.Device = "Null" }},
		{"gateway4", func(o *Options) { o.Gateway4 = "router.example" }},
		{"gateway6", func(o *Options) { o.Gateway6 = "fe80::1%eth0" }},
		{"tag", func(o *Options) { o.Tag = 0 }},
		{"tag", func(o *Options) { o.Tag = 1 << 32 }},
		{"distance", func(o *Options) { o.Distance = 0 }},
		{"distance", func(o *Options) { o.Distance = 256 }},
		{"table", func(o *Options) { o.Table = -1 }},
		{"table", func(o *Options) { o.Table = 254 }},
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
	_, err := Kind().Build(options(gateways), renderers.Env{Name: "edge", Path: "edge.load.sh"})
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || opt.Option != "path" {
		t.Errorf("the list and its script are one file: %v", err)
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

// TestAddressesThatFRRShowsOtherwise: the script would take them out again at once.
func TestAddressesThatFRRShowsOtherwise(t *testing.T) {
	r := built(t, options(gateways))
	for text, refused := range map[string]bool{"::1.2.3.0/120": true, "::/96": false, "::1:0:0/96": false, "2603:1063::/38": false} {
		_, err := r.Render(rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, ipranges.MustParse(text)))
		var rule *rules.RuleError
		if errors.As(err, &rule) != refused {
			t.Errorf("%s: %v", text, err)
		}
	}
}

const (
	header = "! routes: bypass of IPv4 and IPv6: x\n"
	route4 = "ip route 52.112.0.0/14 10.20.0.1 eth0 tag 213 13\n"
	route6 = "ipv6 route 2603:1063::/38 fd20::1 eth0 tag 213 13\n"
)

// scripted is text with the script that belongs to it.
func scripted(t testing.TB, text string) []renderers.File {
	files := render(t, options(gateways), rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, ipranges.MustParse("52.112.0.0/14")))
	files[0].Data = []byte(text)
	return files
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r := built(t, options(gateways))
	for _, good := range []string{header + route4 + route6, header + route4, header + "\n!\n" + route6} {
		if _, err := r.ReadBack(scripted(t, good)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"no header":        route4,
		"two headers":      header + header + route4,
		"nothing":          header,
		"another hop":      header + strings.Replace(route4, "10.20.0.1", "10.20.0.9", 1),
		"no gateway":       header + strings.Replace(route4, " 10.20.0.1", "", 1),
		"another tag":      header + strings.Replace(route4, "213", "214", 1),
		"another table":    header + strings.Replace(route4, "213 13", "213 13 table 9", 1),
		"another distance": header + strings.Replace(route4, "213 13", "213 9", 1),
		"host bits":        header + strings.Replace(route4, "52.112.0.0", "52.112.0.1", 1),
		"the other family": header + strings.Replace(route4, "52.112.0.0/14", "2603:1063::/38", 1),
		"a removal":        header + route4 + "no " + route4,
		"another command":  header + route4 + "router bgp 65000\n",
		"an indent":        header + route4 + " " + route4,
		"IPv6 outside":     "! routes: bypass of IPv4: x\n" + route4 + route6,
	} {
		if _, err := r.ReadBack(scripted(t, text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	files := scripted(t, header+route4)
	if _, err := r.ReadBack(files[:1]); err == nil {
		t.Error("a list without its script is read")
	}
	files[1].Data = append(files[1].Data, "reboot\n"...)
	if _, err := r.ReadBack(files); err == nil {
		t.Error("a script that does more is read")
	}
}

// TestBytes: what a budget of bytes counts is what stands in the list. Exceptions have no
// line for each prefix, and are not counted.
func TestBytes(t *testing.T) {
	for _, change := range []func(*Options){gateways, func(o *Options) { o.Device = "tun0" }} {
		for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
			files := render(t, options(change), rules.RoutePlan("edge", rules.BothFamilies, v, routecheck.Lengths))
			got := routecheck.Written(files, routecheck.Begins("ip route ", "ipv6 route "))
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

// TestClaims: a tag is one target's, whatever its table and distance.
func TestClaims(t *testing.T) {
	claim := func(change func(*Options)) renderers.Claim {
		list := built(t, options(change)).Claims
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
