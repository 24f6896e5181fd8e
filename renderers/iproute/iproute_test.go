package iproute

import (
	"errors"
	"fmt"
	"slices"
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
		{Name: "gateways", Options: options(func(o *Options) { o.Gateway4, o.Gateway6 = "192.0.2.1", "2001:db8::1" })},
		{Name: "device", Options: options(func(o *Options) { o.Device = "tun0" })},
		{Name: "IPv4 gateway", Options: options(func(o *Options) { o.Gateway4, o.Table = "192.0.2.1", "100" })},
		{Name: "IPv6 gateway", Options: options(func(o *Options) {
			o.Gateway6, o.Protocol, o.Metric = "fe80::1", 77, 5
		})},
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
		{"gateway4", func(o *Options) { o.Gateway4 = "router.example" }},
		{"gateway4", func(o *Options) { o.Gateway4 = "2001:db8::1" }},
		{"gateway6", func(o *Options) { o.Gateway6 = "192.0.2.1" }},
		{"gateway6", func(o *Options) { o.Gateway6 = "fe80::1%eth0" }},
		{"device", func(o *Options) { o.Device = "eth0;reboot" }},
		{"table", func(o *Options) { o.Gateway4, o.Table = "192.0.2.1", "a b" }},
		{"protocol", func(o *Options) { o.Gateway4, o.Protocol = "192.0.2.1", 4 }},
		{"metric", func(o *Options) { o.Gateway4, o.Metric = "192.0.2.1", 0 }},
		{"exceptions", func(o *Options) { o.OtherDevice = "tun0" }},
		{"other_device", func(o *Options) { o.Exceptions = true }},
		{"other_device", func(o *Options) { o.Exceptions, o.OtherDevice = true, o.Device }},
		{"other_gateway4", func(o *Options) { o.Exceptions, o.OtherDevice, o.OtherGateway4 = true, "tun0", "fd99::1" }},
	} {
		_, err := Kind().Build(options(tt.change), renderers.Env{Name: "edge", Path: "edge.batch"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %v", tt.option, err)
		}
	}
}

// TestAFamilyWithoutItsGateway is refused in both directions, and only where the list
// has it.
func TestAFamilyWithoutItsGateway(t *testing.T) {
	r, err := Kind().Build(options(func(o *Options) { o.Gateway4 = "192.0.2.1" }), renderers.Env{Name: "edge", Path: "edge.batch"})
	if err != nil {
		t.Fatal(err)
	}
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

// TestEarlierVersions: a family that the list no longer has is taken away, as long as the
// target knows of it; another table or number is refused.
func TestEarlierVersions(t *testing.T) {
	published := map[string][]byte{}
	env := renderers.Env{Name: "lap", Path: "lap.batch", Previous: func(path string) []byte { return published[path] }}
	render := func(change func(*Options), set ...string) error {
		r, err := Kind().Build(options(change), env)
		if err != nil {
			t.Fatal(err)
		}
		files, err := r.Render(rules.RoutePlan("lap", rules.BothFamilies, rules.Bypass, ipranges.MustParse(set...)))
		if err != nil {
			return err
		}
		clear(published)
		for _, f := range files {
			published[f.Path] = f.Data
		}
		if _, err := r.ReadBack(files); err != nil {
			t.Error(err)
		}
		return nil
	}
	clears := func() bool { return strings.Contains(string(published["lap.load.sh"]), "\nclear 6 ::/0\n") }
	ipv4 := func(o *Options) { o.Gateway4 = "10.20.0.1" }
	for i, step := range []struct {
		change func(*Options)
		set    []string
		clears bool
	}{
		{ipv4, []string{"20.202.0.0/16"}, false}, // another target can have the other family
		{gateways, []string{"20.202.0.0/16", "2603:1063::/38"}, false},
		{ipv4, []string{"20.202.0.0/16"}, true},
		{ipv4, []string{"20.203.0.0/16"}, true}, // the step before may never have been loaded
		{gateways, []string{"20.202.0.0/16"}, true},
	} {
		if err := render(step.change, step.set...); err != nil || clears() != step.clears {
			t.Errorf("step %d: IPv6 is taken away: %v, %v", i, clears(), err)
		}
	}
	for option, change := range map[string]func(*Options){
		"table":    func(o *Options) { gateways(o); o.Table = "100" },
		"protocol": func(o *Options) { gateways(o); o.Protocol = 77 },
	} {
		var wrong *renderers.OptionError
		if err := render(change, "20.202.0.0/16"); !errors.As(err, &wrong) || wrong.Option != option || !strings.Contains(wrong.Fix, "lap.remove.sh") {
			t.Errorf("another %s: %v", option, err)
		}
	}
	if err := render(func(o *Options) { gateways(o); o.Metric = 99 }, "20.202.0.0/16"); err != nil {
		t.Errorf("another metric: %v", err)
	}
}

// TestClaims: two lists of one machine that take each other's routes away have a thing in
// common, and others have none.
func TestClaims(t *testing.T) {
	claims := func(change func(*Options)) []string {
		r, err := Kind().Build(options(change), renderers.Env{Name: "edge", Path: "edge.batch"})
		if err != nil {
			t.Fatal(err)
		}
		var things []string
		for _, c := range r.Claims {
			if things = append(things, c.Thing); c.Option != "protocol" || !c.MayDiffer || c.Cost == "" || c.Fix == "" {
				t.Errorf("%+v", c)
			}
		}
		return things
	}
	ipv4 := func(o *Options) { o.Gateway4 = "192.0.2.1" }
	one := claims(ipv4)
	for name, tt := range map[string]struct {
		change func(*Options)
		common bool
	}{
		"the same":          {gateways, true},
		"the next number":   {func(o *Options) { o.Protocol = 214 }, true},
		"the number before": {func(o *Options) { o.Protocol = 212 }, true},
		"another pair":      {func(o *Options) { o.Protocol = 215 }, false},
		"another table":     {func(o *Options) { o.Table = "77" }, false},
		"the other family":  {func(o *Options) { o.Gateway6 = "fe80::1" }, false},
	} {
		other := claims(tt.change)
		common := slices.ContainsFunc(one, func(s string) bool { return slices.Contains(other, s) })
		if common != tt.common || len(other) == 0 {
			t.Errorf("%s: %q and %q", name, one, other)
		}
	}
}

// TestBytes: what a budget of bytes counts is what stands in the files. Exceptions have
// no line for each prefix, and are not counted.
func TestBytes(t *testing.T) {
	for _, change := range []func(*Options){gateways, func(o *Options) { o.Device, o.Protocol, o.Metric, o.Table = "tun0", 77, 5, "100" }} {
		r, err := Kind().Build(options(change), renderers.Env{Name: "edge", Path: "edge.batch"})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
			files, err := r.Render(rules.RoutePlan("edge", rules.BothFamilies, v, routecheck.Lengths))
			if err != nil {
				t.Fatal(err)
			}
			number := fmt.Sprintf(" proto %d ", r.Renderer.(*renderer).routes.Protocol)
			got := routecheck.Written(files, func(line string) bool {
				return strings.HasPrefix(line, "route replace ") && strings.Contains(line, number) // and not the try
			})
			if want := routecheck.Counted(t, r.Caps, routecheck.Lengths); got != want || got == 0 {
				t.Errorf("%d bytes of routes, and %d counted", got, want)
			}
		}
	}
	r, err := Kind().Build(options(withExceptions), renderers.Env{Name: "edge", Path: "edge.batch"})
	if err != nil || r.Caps.RouteBytes != nil {
		t.Errorf("exceptions are counted: %v", err)
	}
}
