package fortigate

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	o.Tunnel = "dialup"
	change(o)
	return o
}

func plain(*Options) {}

func portal(o *Options) {
	o.Form, o.Tunnel, o.VDOM, o.Prefix, o.MaxRoutes = formSSL, "full access", "root", "acs.", 600
}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "ipsec", Options: options(plain)},
		{Name: "ssl", Options: options(portal)},
	}
}

func contract() conformance.Contract {
	const object = "    edit \"acs.52.112.0.0_14\"\n        set subnet 52.112.0.0 255.252.0.0\n    next\n"
	return conformance.Contract{Kind: Kind(), Variants: variants(), LoadTest: "TestLoadingReplaces",
		Mistakes: []conformance.Mistake{
			conformance.Wrong("form", options(func(o *Options) { o.Form = "sslvpn" })),
			conformance.Wrong("tunnel", options(func(o *Options) { o.Tunnel = "" })),
			conformance.Wrong("tunnel", options(func(o *Options) { o.Tunnel = `x"` + "\nend" })),
			conformance.Wrong("tunnel", options(func(o *Options) { o.Tunnel = "a?" })),
			conformance.Wrong("tunnel", options(func(o *Options) { o.Tunnel = "x " })),
			conformance.Wrong("tunnel", options(func(o *Options) { o.Tunnel = strings.Repeat("p", 16) })),
			conformance.Wrong("tunnel", options(func(o *Options) { portal(o); o.Tunnel = strings.Repeat("p", 36) })),
			conformance.Wrong("vdom", options(func(o *Options) { o.VDOM = "a b" })),
			conformance.Wrong("vdom", options(func(o *Options) { o.VDOM = strings.Repeat("v", 32) })),
			conformance.Wrong("prefix", options(func(o *Options) { o.Prefix = "sp#" })),
			conformance.Wrong("prefix", options(func(o *Options) { o.Prefix = strings.Repeat("p", maxPrefix+1) })),
			conformance.Wrong("max_routes", options(func(o *Options) { o.MaxRoutes = 0 })),
		},
		Damages: conformance.Damaged("ssl", map[string][2]string{
			"no header":               {"# routes: ", "# "},
			"the other direction":     {"# routes: bypass", "# routes: include"},
			"one family":              {"bypass of IPv4 and IPv6", "bypass of IPv4"},
			"a lost object":           {object, ""},
			"an object twice":         {object, object + object},
			"another name":            {`edit "acs.52.112.0.0_14"`, `edit "acs.52.112.0.0_13"`},
			"another value":           {"set subnet 52.112.0.0 255.252.0.0", "set subnet 52.116.0.0 255.252.0.0"},
			"host bits":               {"set subnet 52.112.0.0 ", "set subnet 52.112.0.1 "},
			"a broken mask":           {"255.252.0.0", "255.0.252.0"},
			"a prefix for a mask":     {"52.112.0.0 255.252.0.0", "52.112.0.0/14"},
			"IPv6 written otherwise":  {"set ip6 2603:1063::/38", "set ip6 2603:1063:0::/38"},
			"a lost member":           {" \"acs.52.112.0.0_14\"\n    ", "\n    "},
			"a member of the admin's": {`append member "acs.52.112.0.0_14"`, `append member "all"`},
			"members added to those":  {`set member "acs.20`, `append member "acs.20`},
			"members that replace":    {`append member "acs.52.112`, `set member "acs.52.112`},
			"another group":           {`routing-address "acs.v4"`, `routing-address "acs.v6"`},
			"another portal":          {"\n    edit \"full access\"", "\n    edit \"full\""},
			"no negation":             {"set split-tunneling-routing-negate enable", "set split-tunneling-routing-negate disable"},
			"another attribute":       {"set split-tunneling enable", "set split-tunneling enable\n        set web-mode enable"},
			"another virtual domain":  {"edit root", "edit guests"},
			"no virtual domain":       {"config vdom\nedit root\n", ""},
			"a deletion in use":       {`delete "acs.9.9.9.0_24"`, `delete "acs.52.112.0.0_14"`},
			"a deletion elsewhere":    {"config firewall address\n    delete", "config firewall policy\n    delete"},
			"a deletion that breaks":  {`delete "acs.9.9.9.0_24"`, `delete "acs.9.9.9.0_24" "x"`},
			"a deletion twice":        {`    delete "acs.9.9.9.0_24"`, "    delete \"acs.9.9.9.0_24\"\n    delete \"acs.9.9.9.0_24\""},
			"an attribute in use":     {"        set split-tunneling enable", "        unset split-tunneling\n        set split-tunneling enable"},
			"one that is not ours":    {"        set split-tunneling enable", "        unset web-mode\n        set split-tunneling enable"},
			"a purge":                 {`    delete "acs.9.9.9.0_24"`, "    purge"},
			"another command":         {"config firewall address6", "config system admin\nend\nconfig firewall address6"},
			"more at the end":         {"end\nend\n", "end\nend\nconfig system admin\nend\n"},
		}),
		Route: conformance.Begins("        set subnet ", "        set ip6 ", "        set member ", "        append member "),
		Cost:  cost,
	}
}

// cost is what a line of an object's value has, and what each of the members of a line
// costs: the lines around its object, and a line of its own, which it has at most.
func cost(line string) int {
	if !strings.Contains(line, " member ") {
		return len(line)
	}
	n := 0
	for i, name := range strings.Split(line, `"`) {
		if i%2 == 1 {
			n += len("    edit \"\"\n") + len(name) + len("    next\n") + len("        append member \"\"\n") + len(name)
		}
	}
	return n
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

// TestEveryAddressHasAName, also the longest.
func TestEveryAddressHasAName(t *testing.T) {
	r, text := render(t, options(func(o *Options) { o.Prefix = strings.Repeat("p", maxPrefix) }), plan(rules.Bypass, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "223.255.255.255"), nil)
	if _, err := r.ReadBack([]renderers.File{{Path: "edge.conf", Data: text}}); err != nil {
		t.Error(err)
	}
	loaded(t, text)
}

// TestPrefixFits: the prefix that is made of a target's name has to leave room, too.
func TestPrefixFits(t *testing.T) {
	if _, err := Kind().Build(options(plain), renderers.Env{Name: strings.Repeat("n", 40)}); err == nil {
		t.Error("a target's name that is too long for a prefix is taken")
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func plan(v rules.Verdict, prefixes ...string) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, v, ipranges.MustParse(prefixes...))
}

func bypass() *rules.Plan { return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays) }

func render(t testing.TB, opt *Options, p *rules.Plan, previous []byte) (*renderers.Target, []byte) {
	t.Helper()
	r := rendered.Target(t, Kind(), opt, renderers.File{Path: "edge.conf", Data: previous})
	return r, rendered.Files(t, r, p)[0].Data
}

// TestWhatStaysIsRefused: another tunnel, or another direction, with all commands that it
// takes to be rid of the list before.
func TestWhatStaysIsRefused(t *testing.T) {
	include := plan(rules.Tunnel, "10.0.0.0/8", "fd00::/8")
	for name, tt := range map[string]struct {
		before, now func(*Options)
		plan        *rules.Plan
		fix         string
	}{
		"another tunnel":               {plain, func(o *Options) { o.Tunnel = "other" }, bypass(), `config vpn ipsec phase1-interface; edit "dialup"; unset ipv4-split-exclude; unset ipv6-split-exclude; next; end;`},
		"another form":                 {plain, func(o *Options) { o.Form = formSSL }, bypass(), "unset ipv4-split-exclude"},
		"the other direction":          {plain, plain, include, "unset ipv4-split-exclude"},
		"a portal's other direction":   {portal, portal, include, "unset split-tunneling-routing-negate"},
		"another vdom":                 {portal, func(o *Options) { portal(o); o.VDOM = "guests" }, bypass(), "in the virtual domain root: config vpn ssl web portal"},
		"another tunnel, and a prefix": {plain, func(o *Options) { o.Tunnel, o.Prefix = "other", "acs-" }, bypass(), "whose names begin with sp-edge-;"},
	} {
		_, first := render(t, options(tt.before), plan(rules.Bypass, "9.9.9.0/24", "2620:fe::/48"), nil)
		_, previous := render(t, options(tt.before), bypass(), first)
		_, err := rendered.Try(rendered.Target(t, Kind(), options(tt.now), renderers.File{Path: "edge.conf", Data: previous}), tt.plan)
		var rule *rules.RuleError
		if !errors.As(err, &rule) || !strings.Contains(rule.Fix, tt.fix) {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		d := loaded(t, first) // and the next was never loaded
		d.undo(t, rule.Fix)
		if !d.equal(device{loadedTable(tt.before): {options(tt.before).Tunnel: {}}}) {
			t.Errorf("%s: %v is left after\n%s", name, d, rule.Fix)
		}
	}
	// A file that is not ours is no list of what to delete.
	foreign := "config firewall address\n    edit \"10.0.0.0_8\"\n    next\nend\n"
	if _, text := render(t, options(plain), bypass(), []byte(foreign)); strings.Contains(string(text), "delete \"") {
		t.Errorf("%s", text)
	}
}

func loadedTable(change func(*Options)) string {
	return (&renderer{opt: *options(change)}).table()
}

// TestIncludeOfOneFamily is refused where the target is of both: a tunnel without a list
// of a family takes all of it.
func TestIncludeOfOneFamily(t *testing.T) {
	for _, change := range []func(*Options){plain, portal} {
		r := rendered.Target(t, Kind(), options(change))
		for text, word := range map[string]string{"10.0.0.0/8": `families = ["ipv4"]`, "fd00::/8": `families = ["ipv6"]`} {
			_, err := r.Render(plan(rules.Tunnel, text))
			var rule *rules.RuleError
			if !errors.As(err, &rule) || !strings.Contains(rule.Fix, word) {
				t.Errorf("include of %s: %v", text, err)
			}
			if _, err := r.Render(plan(rules.Bypass, text)); err != nil {
				t.Errorf("bypass of %s: %v", text, err)
			}
		}
		only4 := plan(rules.Tunnel, "10.0.0.0/8")
		only4.Families = rules.OnlyIPv4
		if _, err := r.Render(only4); err != nil {
			t.Error(err)
		}
	}
}

func TestNoQuestionMarks(t *testing.T) {
	p := bypass()
	p.Provenance = rules.Provenance{Policy: "gelände?.hcl", Notes: []string{"why?"}}
	if _, text := render(t, options(portal), p, nil); strings.Contains(string(text), "?") {
		t.Errorf("a question mark calls for help:\n%s", text)
	}
}

// TestLinesAreCutByContent: each line has few members, in order, and all of them.
func TestLinesAreCutByContent(t *testing.T) {
	set := routecheck.AzureCloud(t, 398)
	for _, f := range rules.BothFamilies.List() {
		n := 0
		for _, line := range chunks(set, f) {
			if n += len(line); len(line) > perLine || len(line) == 0 {
				t.Errorf("%d members on a line", len(line))
			}
		}
		if n != set.NumPrefixes(f) {
			t.Errorf("%d members of %d", n, set.NumPrefixes(f))
		}
	}
	// Hosts side by side are cut down to the last bits.
	var b ipranges.Builder
	for _, p := range []string{"9.9.9.1", "9.9.9.3", "9.9.9.5", "9.9.9.7", "9.9.9.9", "9.9.9.11", "9.9.9.13", "9.9.9.15", "9.9.9.17", "9.9.9.19",
		"9.9.9.21", "9.9.9.23", "9.9.9.25", "9.9.9.27", "9.9.9.29", "9.9.9.31", "9.9.9.33"} {
		b.AddSet(ipranges.MustParse(p))
	}
	if got := len(chunks(b.Set(), ipranges.IPv4)); got != 3 {
		t.Errorf("%d lines for hosts of three /28", got)
	}
}
