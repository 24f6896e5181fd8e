package hostlist

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/renderers"
	"sallyport/rules"
)

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "star", Options: &Options{Style: "star"}},
		{Name: "dot", Options: &Options{Style: "dot"}},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{conformance.Wrong("style", &Options{Style: "regex"})},
		Damages: conformance.Damaged("", map[string][2]string{
			"no header":       {"# names: ", "# "},
			"two headers":     {"# names: allow tcp/443 of IPv4 and IPv6\n", "# names: allow tcp/443 of IPv4 and IPv6\n# names: allow tcp/443 of IPv4\n"},
			"another action":  {"allow tcp/443", "permit tcp/443"},
			"another family":  {"of IPv4 and IPv6", "of IPv9"},
			"no protocol":     {"tcp/443", "quic/443"},
			"a line too much": {"20-202-0-0-p16.example.com\n", "20-202-0-0-p16.example.com\n20 202\n"},
		}),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func plan(names ...string) *rules.Plan {
	return &rules.Plan{Name: "proxy", Families: rules.BothFamilies, Rules: []rules.Rule{{
		Name: "signalling", Verdict: rules.Allow, From: rules.Any(), To: rules.Named("hosts", names),
		Services: []rules.Service{rules.NewService("https", rules.Ports(rules.TCP, 443, 443))}}}}
}

func render(t *testing.T, style string, p *rules.Plan) ([]string, error) {
	t.Helper()
	r, err := Kind().Build(&Options{Style: style}, renderers.Env{Name: "proxy", Path: "proxy.txt"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Render(p)
	if err != nil {
		return nil, err
	}
	back, err := r.ReadBack(files)
	if err != nil {
		t.Fatal(err)
	}
	if d := rules.Compare(p, back); d != nil {
		t.Errorf("%s: %v\n%s", style, d, files[0].Data)
	}
	_, lines := renderers.Uncomment(files[0].Data, "#")
	return lines, nil
}

func TestStyles(t *testing.T) {
	all := []string{"*.teams.example.com", "a.teams.example.com", "*.cdn.teams.example.com", "cdn.teams.example.com", "teams.example.com", "login.example.net"}
	for style, want := range map[string][]string{
		"star": {"*.cdn.teams.example.com", "*.teams.example.com", "a.teams.example.com", "cdn.teams.example.com", "login.example.net", "teams.example.com"},
		"dot":  {".teams.example.com", "login.example.net"},
	} {
		got, err := render(t, style, plan(all...))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, not %v", style, got, err, want)
		}
	}
}

// TestDotUnderAnother: what a shorter line holds needs none of its own, and so nothing
// that a dot could not say.
func TestDotUnderAnother(t *testing.T) {
	for _, more := range [][]string{{"*.b.example.com"}, {"*-files.example.com"}, {"*-files.b.example.com", "a.b.example.com"}, {"*.a.b.example.com", "*.b.example.com"}} {
		got, err := render(t, "dot", plan(append(more, "*.example.com", "example.com")...))
		if err != nil || !slices.Equal(got, []string{".example.com"}) {
			t.Errorf("%v: %v, %v", more, got, err)
		}
	}
}

// TestDotWidensNothing holds that the dot is refused where it would hold a name that
// the rule does not.
func TestDotWidensNothing(t *testing.T) {
	for _, names := range [][]string{{"*.example.com"}, {"*-files.example.com", "example.com"},
		{"*.b.example.com", "*.example.com"}, {"*.b.example.com", "example.com"}, {"*-files.example.com", "*.b.example.com", "b.example.com"}} {
		_, err := render(t, "dot", plan(names...))
		var rule *rules.RuleError
		if !errors.As(err, &rule) || rule.Rule != "signalling" || rule.Fix == "" {
			t.Errorf("%v: %v", names, err)
		}
	}
}

func TestRulesThatDifferAreRefused(t *testing.T) {
	p := plan("a.example.com")
	other := p.Rules[0]
	other.Name, other.Services = "wide", []rules.Service{rules.NewService("http", rules.Ports(rules.TCP, 80, 80))}
	p.Rules = append(p.Rules, other)
	_, err := render(t, "star", p)
	var rule *rules.RuleError
	if !errors.As(err, &rule) || rule.Rule != "wide" || !strings.Contains(rule.Cause, "tcp/80") {
		t.Errorf("two sets of ports in one list: %v", err)
	}
}
