package awsclientvpn

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	o.Endpoint, o.Subnets = endpoint, []string{subnetA}
	change(o)
	return o
}

func plain(*Options) {}

func both(o *Options) { o.Subnets = []string{subnetA, subnetB} }

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "plain", Options: options(plain)},
		{Name: "two subnets and a group", Options: options(func(o *Options) {
			both(o)
			o.Authorize, o.MaxRoutes = "S-1-5-21-1004336348-1177238915-682003330-512", 5000
		})},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		LoadTest: "TestLoading",
		Mistakes: []conformance.Mistake{
			conformance.Wrong("endpoint", options(func(o *Options) { o.Endpoint = "" })),
			conformance.Wrong("endpoint", options(func(o *Options) { o.Endpoint = "cvpn-endpoint-0'; reboot; '" })),
			conformance.Wrong("endpoint", options(func(o *Options) { o.Endpoint = subnetA })),
			conformance.Wrong("subnets", options(func(o *Options) { o.Subnets = nil })),
			conformance.Wrong("subnets.1", options(func(o *Options) { o.Subnets = []string{subnetA, "local"} })),
			conformance.Wrong("subnets.1", options(func(o *Options) { o.Subnets = []string{subnetA, subnetA} })),
			conformance.Wrong("subnets.0", options(func(o *Options) { o.Subnets = []string{subnetA + " " + subnetB} })),
			conformance.Wrong("authorize", options(func(o *Options) { o.Authorize = "" })),
			conformance.Wrong("authorize", options(func(o *Options) { o.Authorize = "my group" })),
			conformance.Wrong("authorize", options(func(o *Options) { o.Authorize = "a'b" })),
			conformance.Wrong("authorize", options(func(o *Options) { o.Authorize = "a|b&c\\1" })),
			conformance.Wrong("authorize", options(func(o *Options) { o.Authorize = "-a" })),
			conformance.Wrong("authorize", options(func(o *Options) { o.Authorize = strings.Repeat("x", 256) })),
			conformance.Wrong("max_routes", options(func(o *Options) { o.MaxRoutes = 0 })),
		},
		Damages: conformance.Damaged("", map[string][2]string{
			"another endpoint":    {"endpoint='cvpn-endpoint-0", "endpoint='cvpn-endpoint-1"},
			"another subnet":      {"subnets='subnet-0a", "subnets='subnet-0b"},
			"another group":       {"group='all'", "group='none'"},
			"another description": {"mine='sallyport-edge'", "mine=''"},
			"a header's":          {"# routes: include", "# routes: bypass"},
			"a header's family":   {"of IPv4 and IPv6: ", "of IPv4: "},
			"no header":           {"# routes: ", "# "},
			"a command":           {"set -eu\n", "set -eu; reboot\n"},
			"a command behind":    {"withdrawn\"\n", "withdrawn\"\nreboot\n"},
			"a command on top":    {"# made by", "reboot\n# made by"},
			"a substitution":      {"\n52.112.0.0/14", "\n$(reboot)\n52.112.0.0/14"},
			"host bits":           {"52.112.0.0/14", "52.112.0.1/14"},
			"no list":             {"routes='", "route='"},
		}),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

// TestNoBypass says why there is none.
func TestNoBypass(t *testing.T) {
	_, _, errs := rules.Lower(rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, ipranges.MustParse("10.0.0.0/8", "fd20::/48")), Kind().Caps)
	if !slices.ContainsFunc(errs, func(e *rules.RuleError) bool { return strings.Contains(e.Cause, onlyIncludes) }) {
		t.Errorf("%v", errs)
	}
}

func include(prefixes ...string) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, ipranges.MustParse(prefixes...))
}

func render(t testing.TB, opt *Options, p *rules.Plan) renderers.File {
	t.Helper()
	return rendered.Files(t, rendered.Target(t, Kind(), opt), p)[0]
}

func TestLeftBehind(t *testing.T) {
	before := render(t, options(plain), include("10.0.0.0/8"))
	for other, refused := range map[string]bool{endpoint: false, "cvpn-endpoint-0aaaaaaaa": true} {
		r := rendered.Target(t, Kind(), options(func(o *Options) { o.Endpoint = other }), before)
		_, err := r.Render(include("10.0.0.0/8"))
		var e *rules.RuleError
		if errors.As(err, &e) != refused || refused && (e.Option != "endpoint" || !strings.Contains(e.Fix, "remove")) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// state is what of the cloud is ours, sorted.
func (c *cloud) state() string {
	var list []string
	for _, r := range c.routes {
		if r.description == "sallyport-edge" {
			list = append(list, r.cidr+" "+r.subnet[7:9])
		}
	}
	for _, r := range c.rules {
		if r.description == "sallyport-edge" {
			list = append(list, r.cidr+" "+r.group)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// load runs the script of a plan, which has to succeed, and forgets the log before.
func (c *cloud) load(opt *Options, p *rules.Plan, args ...string) string {
	c.t.Helper()
	c.log = nil
	f := render(c.t, opt, p)
	out, err := c.run(f, "", args...)
	if err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// TestLoading is the load contract: what is missing is made, what left the list goes,
// others' routes and rules stay, and a second run changes nothing.
func TestLoading(t *testing.T) {
	c := newCloud(t)
	c.routes = []route{{"172.31.0.0/16", subnetA, "", "active"}, {"10.9.0.0/16", subnetA, "the admin's", "active"}, {"192.0.2.0/24", subnetA, "", "active"}}
	c.rules = []rule{{"172.31.0.0/16", everybody, "the admin's", "active"}, {"10.9.0.0/16", everybody, "", "active"}}
	c.load(options(both), include("10.0.0.0/16", "10.9.0.0/16", "fd20::/48"))
	want := "10.0.0.0/16 0a, 10.0.0.0/16 0b, 10.0.0.0/16 all, 10.9.0.0/16 0b, fd20::/48 0a, fd20::/48 0b, fd20::/48 all"
	if c.state() != want {
		t.Errorf("made:\n%s, not\n%s", c.state(), want)
	}
	if first := c.log[0]; !strings.HasPrefix(first, "Authorize") {
		t.Errorf("%s comes before anybody may use the routes", first)
	}
	if out := c.load(options(both), include("10.0.0.0/16", "10.9.0.0/16", "fd20::/48")); len(c.log) > 0 || out != "routes: 0 new, 0 withdrawn; rules: 0 new, 0 withdrawn\n" {
		t.Errorf("a second run: %q, and says %q", c.log, out)
	}
	c.load(options(both), include("10.0.0.0/16", "10.8.0.0/16"))
	if want := "10.0.0.0/16 0a, 10.0.0.0/16 0b, 10.0.0.0/16 all, 10.8.0.0/16 0a, 10.8.0.0/16 0b, 10.8.0.0/16 all"; c.state() != want {
		t.Errorf("after a change:\n%s, not\n%s", c.state(), want)
	}
	if at := slices.Index(c.log, "CreateClientVpnRoute 10.8.0.0/16 "+subnetB); at < 0 || at > slices.Index(c.log, "DeleteClientVpnRoute fd20::/48 "+subnetA) {
		t.Errorf("a route goes before its successor is there: %q", c.log)
	}
	c.load(options(plain), include("10.0.0.0/16"))
	if want := "10.0.0.0/16 0a, 10.0.0.0/16 all"; c.state() != want {
		t.Errorf("after a subnet left:\n%s, not\n%s", c.state(), want)
	}
	c.load(options(func(o *Options) { o.Authorize = "S-1-5-21-7" }), include("10.0.0.0/16"))
	if want := "10.0.0.0/16 0a, 10.0.0.0/16 S-1-5-21-7"; c.state() != want {
		t.Errorf("for a group:\n%s, not\n%s", c.state(), want)
	}
	c.load(options(func(o *Options) { o.Authorize = nobody }), include("10.0.0.0/16"))
	if want := "10.0.0.0/16 0a"; c.state() != want {
		t.Errorf("without rules:\n%s, not\n%s", c.state(), want)
	}
	c.load(options(plain), include("10.0.0.0/16"), "remove")
	if c.state() != "" || len(c.routes) != 3 || len(c.rules) != 2 {
		t.Errorf("removed, and there is %s; %v %v", c.state(), c.routes, c.rules)
	}
}

// networks is a list of n networks of 10.SECOND.0.0.
func networks(t *testing.T, second, n int) *rules.Plan {
	t.Helper()
	var b ipranges.Builder
	for i := range n {
		if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second), byte(2 * i), 0}), 24)); err != nil {
			t.Fatal(err)
		}
	}
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, b.Set())
}

// TestQuota fills a subnet, and changes all of it.
func TestQuota(t *testing.T) {
	c := newCloud(t)
	c.quota = 25
	opt := options(func(o *Options) { o.MaxRoutes, o.Authorize = 25, nobody })
	c.load(opt, networks(t, 1, 25))
	c.load(opt, networks(t, 2, 25))
	if !strings.HasPrefix(c.log[0], "Delete") || c.routesOf(subnetA) != 25 || strings.Contains(c.state(), "10.1.") {
		t.Errorf("%d routes: %s", c.routesOf(subnetA), c.state())
	}
}

func TestScriptStops(t *testing.T) {
	f := render(t, options(plain), include("10.0.0.0/16"))
	c := newCloud(t)
	c.split = false
	if out, err := c.run(f, ""); err == nil || !strings.Contains(out, "--split-tunnel") || len(c.log) > 0 {
		t.Errorf("no split tunnel: %v, %s", err, out)
	}
	c.split = true
	if out, err := c.run(f, "", "everything"); err == nil || !strings.Contains(out, "usage") || len(c.log) > 0 {
		t.Errorf("another word: %v, %s", err, out)
	}
	c.routes = []route{{"10.0.0.0/16", subnetA, "sallyport-edge", "failed"}}
	if out, err := c.run(f, ""); err != nil || c.state() != "10.0.0.0/16 0a, 10.0.0.0/16 all" || c.routes[0].status != "active" {
		t.Errorf("a failed route is not made anew: %v, %s", err, out)
	}
	c.refuse = func(action string) string { // EC2 cannot make it after all
		c.setRoute(route{cidr: "10.0.0.0/16", subnet: subnetA}, "failed")
		return ""
	}
	if out, err := c.run(f, ""); err == nil || !strings.Contains(out, "these routes failed") {
		t.Errorf("a route that fails: %v, %s", err, out)
	}
	c.routes, c.quota, c.log, c.refuse = nil, 0, nil, nil
	if out, err := c.run(f, ""); err == nil || !strings.Contains(out, "ClientVpnRouteLimitExceeded") {
		t.Errorf("no room: %v, %s", err, out)
	}
}

// TestRealCLI runs the script with the AWS CLI, against the imitation of EC2: the
// commands, their options and the queries are the CLI's own.
func TestRealCLI(t *testing.T) {
	aws := need.Program(t, "aws")
	c := newCloud(t)
	c.routes = []route{{"172.31.0.0/16", subnetA, "Default Route", "active"}, {"10.1.0.0/16", subnetA, "sallyport-edge", "active"}}
	c.rules = []rule{{"172.31.0.0/16", "S-1-5-21-7", "", "active"}, {"fd20::/48", everybody, "", "active"}, {"10.1.0.0/16", "S-1-5-21-7", "sallyport-edge", "active"}}
	f := render(t, options(plain), include("fd20::/48"))
	if out, err := c.run(f, aws); err != nil || out != "routes: 1 new, 1 withdrawn; rules: 0 new, 1 withdrawn\n" {
		t.Errorf("%v\n%s", err, out)
	}
	if testing.Short() {
		return // the AWS CLI takes a second for each call
	}
	f = render(t, options(func(o *Options) { o.Authorize = "S-1-5-21-8" }), include("fd20::/48"))
	if out, err := c.run(f, aws); err != nil || out != "routes: 0 new, 0 withdrawn; rules: 1 new, 0 withdrawn\n" {
		t.Errorf("%v\n%s", err, out)
	}
	want := []string{"CreateClientVpnRoute fd20::/48 " + subnetA, "DeleteClientVpnRoute 10.1.0.0/16 " + subnetA, "RevokeClientVpnIngress 10.1.0.0/16 S-1-5-21-7",
		"AuthorizeClientVpnIngress fd20::/48 S-1-5-21-8"}
	if !slices.Equal(c.log, want) || c.state() != "fd20::/48 0a, fd20::/48 S-1-5-21-8" || len(c.routes) != 2 || len(c.rules) != 3 {
		t.Errorf("%q; %s; %v %v", c.log, c.state(), c.routes, c.rules)
	}
}

func TestShellcheck(t *testing.T) {
	for _, change := range []func(*Options){plain, both, func(o *Options) { o.Authorize = nobody }} {
		conformance.CheckShell(t, render(t, options(change), include("10.0.0.0/16")))
	}
}
