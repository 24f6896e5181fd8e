package asa

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
	o.GroupPolicy = "GP-Laptops"
	change(o)
	return o
}

func plain(*Options) {}

var saas = rules.Hosts{Name: "saas", Patterns: []string{"*.example.com", "*.teams.example.net", "example.com", "teams.example.net", "www.example.com"}}

func full(o *Options) {
	o.GroupPolicy, o.ACL, o.Domains, o.MaxRoutes = "All Users", "SPLIT", saas, 200
}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "routes", Options: options(plain)},
		{Name: "domains", Options: options(full)},
	}
}

func contract() conformance.Contract {
	domains := func(patterns ...string) func(*Options) {
		return func(o *Options) { o.Domains.Patterns = patterns }
	}
	return conformance.Contract{Kind: Kind(), Variants: variants(), LoadTest: "TestLoadingReplaces",
		Mistakes: []conformance.Mistake{
			conformance.Wrong("group_policy", options(func(o *Options) { o.GroupPolicy = "" })),
			conformance.Wrong("group_policy", options(func(o *Options) { o.GroupPolicy = "GP\nno access-list" })),
			conformance.Wrong("group_policy", options(func(o *Options) { o.GroupPolicy = `GP"` })),
			conformance.Wrong("group_policy", options(func(o *Options) { o.GroupPolicy = "GP?" })),
			conformance.Wrong("group_policy", options(func(o *Options) { o.GroupPolicy = " GP" })),
			conformance.Wrong("group_policy", options(func(o *Options) { o.GroupPolicy = strings.Repeat("g", 65) })),
			conformance.Wrong("acl", options(func(o *Options) { o.ACL = "A B" })),
			conformance.Wrong("acl", options(func(o *Options) { o.ACL = strings.Repeat("a", 65) })),
			conformance.Wrong("max_routes", options(func(o *Options) { o.MaxRoutes = 0 })),
			conformance.Wrong("max_domain_characters", options(func(o *Options) { o.MaxDomainCharacters = -1 })),
			conformance.Wrong("max_domain_characters", options(func(o *Options) { full(o); o.MaxDomainCharacters = 0 })),
			conformance.Wrong("domains", options(func(o *Options) { full(o); o.MaxDomainCharacters = 28 })),
			conformance.Wrong("domains", options(domains("*.example.com"))),
			conformance.Wrong("domains", options(domains("example.com"))),
			conformance.Wrong("domains", options(domains("*-files.example.com"))),
			conformance.Wrong("domains", options(domains("example.com", "*.example.com", "other.example.org"))),
			conformance.Wrong("domains", options(domains("*.example.com?", "example.com?"))),
			conformance.Wrong("domains", options(domains("*.example.com a", "example.com a"))),
			conformance.Wrong("domains", options(domains("*"))),
		},
		Damages: conformance.Damaged("", map[string][2]string{
			"no header":                 {"! routes: ", "! "},
			"the other direction":       {"! routes: bypass", "! routes: include"},
			"one family":                {"bypass of IPv4 and IPv6", "bypass of IPv4"},
			"another list":              {"access-list SPLIT extended permit ip 52", "access-list SPLIT2 extended permit ip 52"},
			"a denial":                  {"permit ip 52.112", "deny ip 52.112"},
			"a protocol":                {"permit ip 52.112", "permit udp 52.112"},
			"another family's any":      {"255.252.0.0 any4", "255.252.0.0 any6"},
			"any":                       {"255.252.0.0 any4", "255.252.0.0 any"},
			"a destination":             {"255.252.0.0 any4", "255.252.0.0 host 10.0.0.1"},
			"a port":                    {"255.252.0.0 any4", "255.252.0.0 any4 eq 443"},
			"a prefix for a mask":       {"52.112.0.0 255.252.0.0", "52.112.0.0/14"},
			"a broken mask":             {"255.252.0.0", "255.0.252.0"},
			"host bits":                 {"52.112.0.0 ", "52.112.0.1 "},
			"IPv6 written otherwise":    {"2603:1063::/38 any6", "2603:1063:0::/38 any6"},
			"a standard list":           {"access-list SPLIT extended permit ip 52.112.0.0 255.252.0.0 any4", "access-list SPLIT standard permit 52.112.0.0 255.252.0.0"},
			"an entry twice":            {"access-list SPLIT extended permit ip 52.112.0.0 255.252.0.0 any4", "access-list SPLIT extended permit ip 52.112.0.0 255.252.0.0 any4\naccess-list SPLIT extended permit ip 52.112.0.0 255.252.0.0 any4"},
			"an entry taken away":       {"no access-list SPLIT extended permit ip 9.9.9.0 255.255.255.0 any4", "no access-list SPLIT extended permit ip 52.112.0.0 255.252.0.0 any4"},
			"the list cleared":          {"no access-list SPLIT extended permit ip 9.9.9.0 255.255.255.0 any4", "clear configure access-list SPLIT"},
			"an entry at the end":       {"no access-list SPLIT extended permit ip 9.9.9.0", "access-list SPLIT extended permit ip 9.9.9.0"},
			"another policy":            {"excludespecified", "tunnelall"},
			"another group policy":      {`"All Users"`, `"Users"`},
			"no use of the list":        {" split-tunnel-network-list value SPLIT\n", ""},
			"a family without a policy": {" ipv6-split-tunnel-policy excludespecified\n", ""},
			"another domain":            {" ,teams.example.net", " ,teams.example.org"},
			"a domain added to those":   {"no anyconnect-custom-data", "! no anyconnect-custom-data"},
			"another command":           {"webvpn\n", "webvpn\nno enable outside\n"},
			"its own use taken back":    {"\naccess-list SPLIT extended permit ip 20", "\ngroup-policy \"All Users\" attributes\n no split-tunnel-policy\naccess-list SPLIT extended permit ip 20"},
			"something else taken back": {"\naccess-list SPLIT extended permit ip 20", "\nno username admin\naccess-list SPLIT extended permit ip 20"},
			"no mode for what is":       {"\naccess-list SPLIT extended permit ip 20", "\n no split-tunnel-policy\naccess-list SPLIT extended permit ip 20"},
			"domains taken away":        {"no access-list SPLIT extended permit ip 9.9.9.0", "no anyconnect-custom-data dynamic-split-exclude-domains SPLIT\nno access-list SPLIT extended permit ip 9.9.9.0"},
		}),
		Route: conformance.Begins("access-list "),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

// TestDomainsMeanNoMoreThanListed: each has all names under it, and only where they are.
func TestDomainsMeanNoMoreThanListed(t *testing.T) {
	got, err := suffixes(saas.Patterns)
	if want := []string{"example.com", "teams.example.net"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, not %q", got, err, want)
	}
	patterns := []string{"*.a.b.example.com", "*.b.example.com", "a.b.example.com", "b.example.com", "x.b.example.com"}
	if got, err := suffixes(patterns); err != nil || !slices.Equal(got, []string{"b.example.com"}) {
		t.Errorf("%q, %v", got, err)
	}
	if n := len("example.com,teams.example.net"); n != 29 {
		t.Errorf("%d", n)
	}
	if _, err := Kind().Build(options(func(o *Options) { full(o); o.MaxDomainCharacters = 29 }), renderers.Env{Name: "edge"}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func plan(v rules.Verdict, prefixes ...string) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, v, ipranges.MustParse(prefixes...))
}

func bypass() *rules.Plan { return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays) }

func render(t testing.TB, opt *Options, p *rules.Plan, previous []byte) (*renderers.Target, []byte) {
	t.Helper()
	r := rendered.Target(t, Kind(), opt, renderers.File{Path: "edge.cfg", Data: previous})
	return r, rendered.Files(t, r, p)[0].Data
}

// TestAnotherListIsRefused: one of the other direction, or of another name, with all
// commands that it takes to be rid of it.
func TestAnotherListIsRefused(t *testing.T) {
	include := plan(rules.Tunnel, "10.0.0.0/8", "fd00::/8")
	for name, tt := range map[string]struct {
		before, now func(*Options)
		plan        *rules.Plan
	}{
		"another list":                         {full, func(o *Options) { full(o); o.ACL = "OTHER" }, bypass()},
		"the other direction":                  {plain, plain, include},
		"the other direction, names":           {full, full, include},
		"the other direction, another policy":  {full, func(o *Options) { full(o); o.GroupPolicy = "GP" }, include},
		"the other direction, names withdrawn": {full, plain, include},
	} {
		_, first := render(t, options(tt.before), plan(rules.Bypass, "9.9.9.0/24", "2620:fe::/48"), nil)
		_, previous := render(t, options(tt.before), bypass(), first)
		_, err := rendered.Try(rendered.Target(t, Kind(), options(tt.now), renderers.File{Path: "edge.cfg", Data: previous}), tt.plan)
		var rule *rules.RuleError
		if !errors.As(err, &rule) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, steps, _ := strings.Cut(rule.Fix, "configuration mode: ")
		steps, ends, ok := strings.Cut(steps, "; then delete edge.cfg")
		d := loaded(t, first) // and the next was never loaded
		d.enter(t, strings.Split(steps, "; "))
		if !ok || ends == "" || !d.equal(newDevice()) {
			t.Errorf("%s: %+v is left after\n%s", name, d, rule.Fix)
		}
	}
	// A file that is not ours says nothing.
	if _, text := render(t, options(plain), bypass(), []byte("hello\n")); strings.Contains(string(text), "\nno access-list") {
		t.Errorf("%s", text)
	}
}

// TestWhatIsTakenBackIsOurs: what stands in a file published before is not trusted.
func TestWhatIsTakenBackIsOurs(t *testing.T) {
	_, good := render(t, options(full), bypass(), nil)
	for _, line := range []string{`group-policy "x" attributes`, "group-policy a?b attributes", "group-policy x attributes\n split-tunnel-all-dns enable",
		"group-policy x attributes\n no anyconnect-custom perapp value SPLIT", "no anyconnect-custom-data perapp SPLIT", "no username admin"} {
		_, text := render(t, options(full), bypass(), append([]byte(nil), string(good)+line+"\n"...))
		if string(text) != string(good) {
			t.Errorf("%q makes\n%s", line, text)
		}
	}
}

func TestNoQuestionMarks(t *testing.T) {
	p := bypass()
	p.Provenance = rules.Provenance{Policy: "gelände?.hcl", Notes: []string{"why?"}}
	if _, text := render(t, options(full), p, nil); strings.Contains(string(text), "?") {
		t.Errorf("a question mark calls for help:\n%s", text)
	}
}

// TestLocalNetwork refuses the entry by which Cisco's client means its own network.
func TestLocalNetwork(t *testing.T) {
	r := rendered.Target(t, Kind(), options(plain))
	var refused *rules.RuleError
	if _, err := r.Render(plan(rules.Bypass, "0.0.0.0", "52.112.0.0/14")); !errors.As(err, &refused) || refused.Fix == "" || refused.Rule == "" {
		t.Errorf("0.0.0.0/32 past the tunnel: %v", err)
	}
	for _, p := range []*rules.Plan{plan(rules.Bypass, "0.0.0.0/31", "52.112.0.0/14"), plan(rules.Tunnel, "0.0.0.0", "52.112.0.0/14")} {
		if _, err := r.Render(p); err != nil {
			t.Error(err)
		}
	}
}
