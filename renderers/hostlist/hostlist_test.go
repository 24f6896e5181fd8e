package hostlist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "star", Options: &Options{Style: "star"}},
		{Name: "dot", Options: &Options{Style: "dot"}},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

// TestTwoWeeks has invented lists, since no feed of names is at hand of two weeks.
func TestTwoWeeks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	var names []string
	for i := range 400 {
		name := fmt.Sprintf("h%d.example%d.com", i, rng.IntN(90))
		names = append(names, name)
		if i%4 == 0 {
			names = append(names, "*."+name)
		}
	}
	changed := slices.Clone(names)
	for range 12 {
		i := rng.IntN(len(changed)-2) + 1
		switch rng.IntN(3) {
		case 0:
			changed = slices.Delete(changed, i, i+1)
		case 1:
			changed = append(changed, fmt.Sprintf("new%d.example%d.com", i, rng.IntN(90)))
		default:
			changed[i] = fmt.Sprintf("other%d.example.net", i)
		}
	}
	for _, n := range slices.Clone(changed) { // the dot stands for the name itself, too
		if base, wild := strings.CutPrefix(n, "*."); wild && !slices.Contains(changed, base) {
			changed = append(changed, base)
		}
	}
	for _, style := range []string{"star", "dot"} {
		t.Run(style, func(t *testing.T) {
			conformance.Week(t, Kind(), &Options{Style: style}, rules.Named("signalling", names), rules.Named("signalling", changed))
		})
	}
}

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

func TestStyleMistake(t *testing.T) {
	_, err := Kind().Build(&Options{Style: "regex"}, renderers.Env{})
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || opt.Option != "style" || opt.Fix == "" {
		t.Errorf("%v", err)
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r, err := Kind().Build(&Options{Style: "star"}, renderers.Env{Path: "x.txt"})
	if err != nil {
		t.Fatal(err)
	}
	const good = "# names: allow tcp/443 of IPv4\n"
	for _, text := range []string{"", "a.example.com\n", good, good + good + "a.example.com\n", "# names: permit tcp/443 of IPv4\na.example.com\n",
		"# names: allow tcp/443 of IPv9\na.example.com\n", "# names: allow quic/443 of IPv4\na.example.com\n"} {
		if p, err := r.ReadBack([]renderers.File{{Path: "x.txt", Data: []byte(text)}}); err == nil {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}
