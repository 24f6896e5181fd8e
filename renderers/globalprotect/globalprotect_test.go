package globalprotect

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	o.Gateway, o.Config = "GW", "Laptops"
	change(o)
	return o
}

func plain(*Options) {}

var saas = rules.Hosts{Name: "saas", Patterns: []string{"*.example.com", "login.example.net"}}

func panorama(o *Options) {
	o.Gateway, o.Config, o.Template, o.VSYS, o.Domains, o.MaxRoutes = "Branch GW", "All users", "Branch Template", "vsys3", saas, 200
}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "set", Options: options(plain)},
		{Name: "set panorama", Options: options(panorama)},
		{Name: "xml", Options: options(func(o *Options) { o.Form = formXML })},
		{Name: "xml panorama", Options: options(func(o *Options) { panorama(o); o.Form = formXML })},
	}
}

func contract() conformance.Contract {
	const path = "global-protect global-protect-gateway GW remote-user-tunnel-configs Laptops split-tunneling "
	many := make([]string, maxDomains+1)
	for i := range many {
		many[i] = "a.example.com"
	}
	return conformance.Contract{Kind: Kind(), Variants: variants(), LoadTest: "TestLoadingReplaces",
		Mistakes: []conformance.Mistake{
			conformance.Wrong("form", options(func(o *Options) { o.Form = "api" })),
			conformance.Wrong("gateway", options(func(o *Options) { o.Gateway = "" })),
			conformance.Wrong("gateway", options(func(o *Options) { o.Gateway = `GW"` + "\ndelete network" })),
			conformance.Wrong("gateway", options(func(o *Options) { o.Gateway = strings.Repeat("g", 32) })),
			conformance.Wrong("gateway", options(func(o *Options) { o.Gateway = "GW']" })),
			conformance.Wrong("config", options(func(o *Options) { o.Config = "" })),
			conformance.Wrong("config", options(func(o *Options) { o.Config = " all" })),
			conformance.Wrong("config", options(func(o *Options) { o.Config = "a/b" })),
			conformance.Wrong("config", options(func(o *Options) { o.Config = "a.b" })),
			conformance.Wrong("template", options(func(o *Options) { o.Template = "-t" })),
			conformance.Wrong("vsys", options(func(o *Options) { o.VSYS = "2" })),
			conformance.Wrong("vsys", options(func(o *Options) { o.VSYS = "vsys02" })),
			conformance.Wrong("vsys", options(func(o *Options) { o.VSYS = "vsys300" })),
			conformance.Wrong("max_routes", options(func(o *Options) { o.MaxRoutes = 0 })),
			conformance.Wrong("domains", options(func(o *Options) { o.Domains.Patterns = many })),
			conformance.Wrong("domains", options(func(o *Options) { o.Domains.Patterns = []string{"*-files.example.com"} })),
			conformance.Wrong("domains", options(func(o *Options) { o.Domains.Patterns = []string{"a.example.com\ndelete"} })),
			conformance.Wrong("domains", options(func(o *Options) { o.Domains.Patterns = []string{`a"/><x`} })),
			{Option: "path", Options: options(func(o *Options) { o.Form = formXML }), Path: `edge".xml`},
		},
		Damages: slices.Concat(conformance.Damaged("set", map[string][2]string{
			"no delete":              {"delete " + path + "exclude-access-route\n", ""},
			"another delete":         {"delete " + path + "exclude-access-route\n", "delete " + path + "exclude-access-route\ndelete " + path + "access-route\n"},
			"no header":              {"# routes: ", "# "},
			"the other direction":    {"# routes: bypass", "# routes: include"},
			"one family":             {"bypass of IPv4 and IPv6", "bypass of IPv4"},
			"another gateway":        {"set " + path, "set " + strings.Replace(path, "GW", "GX", 1)},
			"the other list":         {path + "exclude-access-route 52", path + "access-route 52"},
			"host bits":              {"52.112.0.0/14", "52.112.0.1/14"},
			"a mask":                 {"52.112.0.0/14", "52.112.0.0 255.252.0.0"},
			"IPv6 written otherwise": {"2603:1063::/38", "2603:1063:0::/38"},
			"two routes on a line":   {"52.112.0.0/14", "[ 52.112.0.0/14 9.9.9.9/32 ]"},
			"a foreign command":      {"set " + path + "exclude-access-route 52", "set deviceconfig system hostname x\nset " + path + "exclude-access-route 52"},
		}), conformance.Damaged("xml", map[string][2]string{
			"no header":       {"routes: ", ""},
			"another gateway": {`name="GW"`, `name="GX"`},
			"another vsys":    {`name="vsys1"`, `name="vsys2"`},
			"the other list":  {"exclude-access-route>", "access-route>"},
			"a second list":   {"</split-tunneling>", "<exclude-access-route><member>9.9.9.9/32</member></exclude-access-route></split-tunneling>"},
			"a foreign list":  {"</split-tunneling>", "<access-route><member>9.9.9.9/32</member></access-route></split-tunneling>"},
			"an empty member": {"<member>52.112.0.0/14</member>", "<member></member>"},
			"text":            {"</split-tunneling>", "x</split-tunneling>"},
			"an attribute":    {"<member>52", `<member a="b">52`},
			"host bits":       {"52.112.0.0/14", "52.112.0.1/14"},
			"no end":          {"</config>", ""},
			"a document type": {"<config>", "<!DOCTYPE x><config>"},
		}), conformance.Damaged("set panorama", map[string][2]string{
			"another name":            {"login.example.net", "login.example.org"},
			"a lost name":             {"list login.example.net", "list *.example.com"},
			"a name that is no entry": {"-domains list login", "-domains login"},
		}), conformance.Damaged("xml panorama", map[string][2]string{
			"another name":          {"login.example.net", "login.example.org"},
			"an entry without name": {`<entry name="login.example.net"/>`, "<entry/>"},
		})),
		Route: func(line string) bool {
			return strings.HasPrefix(line, "  <member>") || strings.HasPrefix(line, "set ") && strings.Contains(line, "access-route ")
		},
		// The direction is not known when a list is made to fit: commands count as those of a bypass.
		Cost: func(line string) int {
			return len(strings.Replace(line, " access-route ", " exclude-access-route ", 1))
		},
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func bypass() *rules.Plan { return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays) }

func render(t testing.TB, opt *Options, p *rules.Plan, published []renderers.File) (*renderers.Target, []renderers.File) {
	t.Helper()
	r := rendered.Target(t, Kind(), opt, published...)
	return r, rendered.Files(t, r, p)
}

// TestTheLimitIsForBothFamilies, because they share a list.
func TestTheLimitIsForBothFamilies(t *testing.T) {
	r := rendered.Target(t, Kind(), options(func(o *Options) { o.MaxRoutes = 3 }))
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)
	_, _, errs := rules.Lower(p, r.Caps)
	if len(errs) != 1 || !strings.Contains(errs[0].Cause, "4 routes") || !strings.Contains(errs[0].Fix, "max_routes") {
		t.Errorf("%+v", errs)
	}
	p.Families = rules.OnlyIPv4
	if _, _, errs := rules.Lower(p, r.Caps); len(errs) > 0 {
		t.Error(errs[0])
	}
}

// TestWhatStaysIsRefused: a list that an earlier file made and this one does not touch.
func TestWhatStaysIsRefused(t *testing.T) {
	for _, form := range []string{formSet, formXML} {
		start := func(o *Options) { o.Form, o.Domains = form, saas }
		_, files := render(t, options(start), bypass(), nil)
		for name, tt := range map[string]struct {
			change func(*Options)
			plan   *rules.Plan
			left   string
		}{
			"another client setting": {func(o *Options) { start(o); o.Config = "Phones" }, bypass(), "remote-user-tunnel-configs Laptops split-tunneling exclude-access-route"},
			"the other direction":    {start, rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, relays), "split-tunneling exclude-domains"},
			"no names":               {func(o *Options) { o.Form = form }, bypass(), "split-tunneling exclude-domains"},
		} {
			_, err := rendered.Try(rendered.Target(t, Kind(), options(tt.change), files...), tt.plan)
			var rule *rules.RuleError
			if !errors.As(err, &rule) || !strings.Contains(rule.Fix, "delete global-protect") || !strings.Contains(rule.Fix, tt.left) {
				t.Errorf("%s, %s: %v", form, name, err)
			}
		}
		render(t, options(start), bypass(), files)
	}
}

// TestScriptIsRead holds the file that loads the tree to its commands.
func TestScriptIsRead(t *testing.T) {
	r, files := render(t, options(func(o *Options) { o.Form = formXML }), bypass(), nil)
	good := string(files[1].Data)
	for _, change := range [][2]string{{"mode merge", "mode replace"}, {"\ndelete ", "\n# delete "}, {"edge.xml from-xpath", "other.xml from-xpath"},
		{"entry[@name='GW']", "entry[@name='GX']"}, {"\nload", "\ndelete config\nload"}} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("nothing to change: %s", change[0])
		}
		if _, err := r.ReadBack([]renderers.File{files[0], {Path: files[1].Path, Data: []byte(text)}}); err == nil {
			t.Errorf("with %s it is read", change[1])
		}
	}
	if _, err := r.ReadBack(files[:1]); err == nil {
		t.Error("it is read without its script")
	}
}

// TestClaims: a client setting of a gateway is one target's, in whatever form.
func TestClaims(t *testing.T) {
	claim := func(change func(*Options)) renderers.Claim {
		r, _ := render(t, options(change), bypass(), nil)
		list := r.Claims
		if len(list) != 1 || list[0].Option != "config" || !list[0].MayDiffer || list[0].Cost == "" || list[0].Fix == "" {
			t.Fatalf("%+v", list)
		}
		return list[0]
	}
	one := claim(plain)
	if same := claim(func(o *Options) { o.Form, o.VSYS = formXML, "vsys1" }); same.Thing != one.Thing {
		t.Errorf("%q and %q", same.Thing, one.Thing)
	}
	for _, change := range []func(*Options){func(o *Options) { o.Gateway = "G2" }, func(o *Options) { o.Config = "Phones" },
		func(o *Options) { o.VSYS = "vsys2" }, func(o *Options) { o.Template = "T" }} {
		if other := claim(change); other.Thing == one.Thing {
			t.Errorf("two settings are one %q", one.Thing)
		}
	}
}

// TestWhatAnotherFormLeft is seen: each form has files of its own.
func TestWhatAnotherFormLeft(t *testing.T) {
	for _, given := range []bool{false, true} {
		for before, now := range map[string]string{formSet: formXML, formXML: formSet} {
			var published []renderers.File
			build := func(change func(*Options)) *renderers.Target {
				r, err := Kind().Build(options(change), renderers.Env{Name: "edge", Path: "edge.set", PathGiven: given, Previous: rendered.Previous(published)})
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			files, err := build(func(o *Options) { o.Form = before }).Render(bypass())
			if err != nil {
				t.Fatal(err)
			}
			published = files
			if _, err := build(func(o *Options) { o.Form = now }).Render(bypass()); err != nil {
				t.Errorf("%s after %s, for the same gateway: %v", now, before, err)
			}
			_, err = build(func(o *Options) { o.Form, o.Gateway = now, "GW2" }).Render(bypass())
			var rule *rules.RuleError
			if !errors.As(err, &rule) || !strings.Contains(rule.Fix, "global-protect-gateway GW ") || !strings.Contains(rule.Fix, files[len(files)-1].Path) {
				t.Errorf("%s after %s, for another gateway: %v", now, before, err)
			}
		}
	}
}
