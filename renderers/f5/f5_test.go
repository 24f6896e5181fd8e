package f5

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
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func TestOptionMistakes(t *testing.T) {
	for _, tt := range []struct {
		option string
		change func(*Options)
	}{
		{"resource", func(o *Options) { o.Resource = "" }},
		{"resource", func(o *Options) { o.Resource = "a b" }},
		{"resource", func(o *Options) { o.Resource = "a;reboot" }},
		{"resource", func(o *Options) { o.Resource = "$(reboot)" }},
		{"resource", func(o *Options) { o.Resource = "a}" }},
		{"resource", func(o *Options) { o.Resource = "a\nb" }},
		{"resource", func(o *Options) { o.Resource = "Büro" }},
		{"resource", func(o *Options) { o.Resource = "1a" }},
		{"resource", func(o *Options) { o.Resource = "-a" }},
		{"resource", func(o *Options) { o.Resource = "all" }},
		{"resource", func(o *Options) { o.Resource = "/Common/none" }},
		{"resource", func(o *Options) { o.Resource = "/a" }},
		{"resource", func(o *Options) { o.Resource = "/Common//a" }},
		{"resource", func(o *Options) { o.Resource = "/../a" }},
		{"resource", func(o *Options) { o.Resource = strings.Repeat("x", 256) }},
		{"profiles.1", func(o *Options) { o.Profiles = []string{"good", "b d"} }},
		{"max_bytes", func(o *Options) { o.MaxBytes = 0 }},
		{"max_total_bytes", func(o *Options) { o.MaxTotalBytes = -1 }},
		{"max_total_bytes", func(o *Options) { o.Domains, o.MaxTotalBytes = saas, 50 }},
		{"domains", func(o *Options) { o.Domains, o.MaxBytes = saas, 50 }},
	} {
		_, err := Kind().Build(options(tt.change), renderers.Env{Name: "edge", Path: "edge.sh"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %v", tt.option, err)
		}
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func plan(v rules.Verdict, set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, v, set)
}

// render makes the files with before as what was published.
func render(t testing.TB, opt *Options, p *rules.Plan, before []renderers.File) ([]renderers.File, error) {
	t.Helper()
	r, err := Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.sh", Previous: func(path string) []byte {
		for _, f := range before {
			if f.Path == path {
				return f.Data
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Render(p)
	if err == nil {
		if got, err := r.ReadBack(files); err != nil || rules.Compare(p, got) != nil {
			t.Errorf("reading back: %v", err)
		}
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

func TestIncludeHasNoNames(t *testing.T) {
	_, err := render(t, options(full), plan(rules.Tunnel, relays), nil)
	var refused *rules.RuleError
	if !errors.As(err, &refused) || refused.Option != "domains" {
		t.Error(err)
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r, err := Kind().Build(options(full), renderers.Env{Name: "edge", Path: "edge.sh"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Render(plan(rules.Bypass, relays))
	if err != nil {
		t.Fatal(err)
	}
	good := string(files[0].Data)
	for name, change := range map[string][2]string{
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
		"another name":        {"login.example.com", "login.example.org"},
		"a list without end":  {" }\n'\n", " }\n"},
		"a list of a family":  {"six='", "seven='"},
		"a profile less":      {"tmsh modify /apm profile access phones generation-action increment\n", ""},
		"an extra blank line": {"set -euf", "\nset -euf"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: nothing to change", name)
		}
		if _, err := r.ReadBack([]renderers.File{{Path: "edge.sh", Data: []byte(text)}}); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func TestWeekChangesFewLines(t *testing.T) {
	routecheck.Week(t, false, func(set ipranges.Set) []renderers.File {
		files, err := render(t, options(full), plan(rules.Bypass, set), nil)
		if err != nil {
			t.Fatal(err)
		}
		return files
	})
}
