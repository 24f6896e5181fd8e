package f5

import (
	"errors"
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
	o.Resource = "laptops"
	change(o)
	return o
}

func plain(*Options) {}

var saas = rules.Hosts{Name: "saas", Patterns: []string{"*-files.example.net", "*.example.com", "login.example.com"}}

func full(o *Options) {
	o.Resource, o.Profiles, o.Domains = "/Common/vpn/laptops-2.0", []string{"/Common/portal", "phones"}, saas
	o.MaxBytes, o.MaxTotalBytes = 1<<18, 1<<19
}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "plain", Options: options(plain)},
		{Name: "profiles and names", Options: options(func(o *Options) {
			full(o)
			o.Domains, o.MaxBytes, o.MaxTotalBytes = rules.Hosts{}, 40<<10, 100<<10
		})},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "a b" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "a;reboot" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "$(reboot)" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "a}" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "a\nb" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "Büro" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "1a" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "-a" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "all" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "/Common/none" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "/a" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "/Common//a" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = "/../a" })),
			conformance.Wrong("resource", options(func(o *Options) { o.Resource = strings.Repeat("x", 256) })),
			conformance.Wrong("profiles.1", options(func(o *Options) { o.Profiles = []string{"good", "b d"} })),
			conformance.Wrong("max_bytes", options(func(o *Options) { o.MaxBytes = 0 })),
			conformance.Wrong("max_total_bytes", options(func(o *Options) { o.MaxTotalBytes = -1 })),
			conformance.Wrong("max_total_bytes", options(func(o *Options) { o.Domains, o.MaxTotalBytes = saas, 50 })),
			conformance.Wrong("domains", options(func(o *Options) { o.Domains, o.MaxBytes = saas, 50 })),
		},
		Damages: conformance.Damaged("", map[string][2]string{
			"another resource":    {"laptops-2.0 \\", "laptops-2.1 \\"},
			"another direction":   {"-exclude-subnet {", "-include-subnet {"},
			"a header's":          {"# routes: bypass", "# routes: include"},
			"a header's family":   {"of IPv4 and IPv6: ", "of IPv4: "},
			"no header":           {"# routes: ", "# "},
			"a command":           {"set -euf", "set -euf; reboot"},
			"a command behind":    {"phones generation-action increment\n", "phones generation-action increment\nreboot\n"},
			"a command on top":    {"# made by", "reboot\n# made by"},
			"another shell":       {"#!/bin/sh", "#!/bin/bash"},
			"a subnet that ends":  {"{subnet 52.112.0.0/14 }", "{subnet 52.112.0.0/14"},
			"a substitution":      {"{subnet 52.112.0.0/14 }", "$(reboot)"},
			"another family":      {"{subnet 52.112.0.0/14 }", "{subnet 2603:1064::/38 }"},
			"host bits":           {"52.112.0.0/14", "52.112.0.1/14"},
			"a list without end":  {" }\n'\n", " }\n"},
			"a list of a family":  {"six='", "seven='"},
			"a profile less":      {"tmsh modify /apm profile access phones generation-action increment\n", ""},
			"an extra blank line": {"set -euf", "\nset -euf"},
		}),
		Route:    conformance.Begins("{subnet "),
		LoadTest: "TestLoadingReplaces",
		Cost:     func(line string) int { return len(line) - len("{subnet  }\n") + around },
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func plan(v rules.Verdict, set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, v, set)
}

// render makes the files with before as what was published.
func render(t testing.TB, opt *Options, p *rules.Plan, before []renderers.File) ([]renderers.File, error) {
	t.Helper()
	r := rendered.Target(t, Kind(), opt, before...)
	files, err := r.Render(p)
	if err == nil {
		rendered.ReadsBack(t, r, files, p)
	}
	return files, err
}

func TestLeftBehind(t *testing.T) {
	before, err := render(t, options(full), plan(rules.Bypass, relays), nil)
	if err != nil {
		t.Fatal(err)
	}
	four := plan(rules.Bypass, relays)
	four.Families = rules.OnlyIPv4
	for name, tt := range map[string]struct {
		change func(*Options)
		plan   *rules.Plan
		left   string
	}{
		"the same":         {full, plan(rules.Bypass, relays), ""},
		"fewer":            {full, plan(rules.Bypass, relays.Only(ipranges.IPv4)), ""},
		"another resource": {func(o *Options) { full(o); o.Resource = "phones" }, plan(rules.Bypass, relays), "/Common/vpn/laptops-2.0 address-space-exclude-subnet none ipv6-address-space-exclude-subnet none address-space-exclude-dns-name none"},
		"no names":         {func(o *Options) { full(o); o.Domains = rules.Hosts{} }, plan(rules.Bypass, relays), "laptops-2.0 address-space-exclude-dns-name none;"},
		"one family":       {full, four, "laptops-2.0 ipv6-address-space-exclude-subnet none;"},
		"another way": {func(o *Options) { full(o); o.Domains = rules.Hosts{} }, plan(rules.Tunnel, relays),
			"address-space-exclude-subnet none ipv6-address-space-exclude-subnet none address-space-exclude-dns-name none;"},
	} {
		_, err := render(t, options(tt.change), tt.plan, before)
		var refused *rules.RuleError
		if errors.As(err, &refused) != (tt.left != "") || refused != nil && !strings.Contains(refused.Fix, tt.left) {
			t.Errorf("%s: %v, %+v", name, err, refused)
		}
	}
}

// TestNamesAreRead: names are part of what is held to the script.
func TestNamesAreRead(t *testing.T) {
	opt := options(full)
	files, err := render(t, opt, plan(rules.Bypass, relays), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := rendered.Target(t, Kind(), opt)
	files[0].Data = []byte(strings.Replace(string(files[0].Data), "login.example.com", "login.example.net", 1))
	if _, err := r.ReadBack(files); err == nil {
		t.Error("another name is read")
	}
}

func TestIncludeHasNoNames(t *testing.T) {
	_, err := render(t, options(full), plan(rules.Tunnel, relays), nil)
	var refused *rules.RuleError
	if !errors.As(err, &refused) || refused.Option != "domains" {
		t.Error(err)
	}
}
