package iproute

import (
	"errors"
	"slices"
	"strings"
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
		{Name: "gateways", Options: options(func(o *Options) { o.Gateway4, o.Gateway6 = "192.0.2.1", "2001:db8::1" })},
		{Name: "device", Options: options(func(o *Options) { o.Device = "tun0" })},
		{Name: "IPv4 gateway", Options: options(func(o *Options) { o.Gateway4, o.Table = "192.0.2.1", "100" })},
		{Name: "IPv6 gateway", Options: options(func(o *Options) {
			o.Gateway6, o.Protocol, o.Metric = "fe80::1", 77, 5
		})},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), LoadTest: "TestRoutes",
		Route: isRoute,
		Mistakes: append(hops.Mistakes(),
			conformance.Wrong("table", options(func(o *Options) { o.Gateway4, o.Table = "192.0.2.1", "a b" })),
			conformance.Wrong("protocol", options(func(o *Options) { o.Gateway4, o.Protocol = "192.0.2.1", 4 })),
			conformance.Wrong("metric", options(func(o *Options) { o.Gateway4, o.Metric = "192.0.2.1", 0 })),
		),
		Damages: conformance.Damaged("gateways", map[string][2]string{
			"another hop":                    {"52.112.0.0/14 via 192.0.2.1", "52.112.0.0/14 via 192.0.2.9"},
			"another protocol number":        {"52.112.0.0/14 via 192.0.2.1 dev eth0 table main proto 213", "52.112.0.0/14 via 192.0.2.1 dev eth0 table main proto 4"},
			"another metric":                 {"52.112.0.0/14 via 192.0.2.1 dev eth0 table main proto 213 metric 13", "52.112.0.0/14 via 192.0.2.1 dev eth0 table main proto 213 metric 14"},
			"no flush":                       {"route flush root 0.0.0.0/0 table main proto 213\n", ""},
			"a flush of the kernel's routes": {"route flush root 0.0.0.0/0 table main proto 213\n", "route flush root 0.0.0.0/0 table main proto kernel\n"},
			"the other family":               {"route replace 52.112.0.0/14 via 192.0.2.1", "route replace 2603:1064::/38 via 2001:db8::1"},
			"a script that does more":        {"exit 0\n}\n", "exit 0\n}\nreboot\n"},
		}),
	}
}

// isRoute tells a route from the one that tries its next hop, which has the next number.
func isRoute(line string) bool {
	return strings.HasPrefix(line, "route replace ") && (strings.Contains(line, " proto 213 ") || strings.Contains(line, " proto 77 "))
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

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
		r := rendered.Target(t, Kind(), options(change))
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
