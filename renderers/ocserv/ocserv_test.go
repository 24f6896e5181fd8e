package ocserv

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

func options(maxBytes int) *Options { return &Options{MaxBytes: maxBytes} }

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "openconnect", Options: Kind().NewOptions()},
		{Name: "small", Options: options(10000)},
	}
}

func contract() conformance.Contract {
	const good, all = "no-route = 52.112.0.0/255.252.0.0\n", "\nroute = default\n"
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{conformance.Wrong("max_bytes", options(-1))},
		Damages: conformance.Damaged("", map[string][2]string{
			"no default":           {all, "\n"},
			"two defaults":         {all, all + "route = default\n"},
			"a default at the end": {good, good + "route = default\n"},
			"a hidden include":     {good, good + "route = 9.9.9.9/255.255.255.255\n"},
			"a hidden exclude":     {"\nroute = 52.112.0.0/255.252.0.0\n", "\nroute = 52.112.0.0/255.252.0.0\nno-route = 9.9.9.9/255.255.255.255\n"},
			"a default to include": {"\nroute = 52.112.0.0/255.252.0.0\n", "\nroute = 52.112.0.0/255.252.0.0\nroute = default\n"},
			"a broken mask":        {"255.252.0.0", "255.0.252.0"},
			"no mask":              {"/255.252.0.0", ""},
			"a length for IPv4":    {"/255.252.0.0", "/14"},
			"a mask for IPv6":      {"2603:1063::/38", "2603:1063::/255.252.0.0"},
			"another option":       {"2603:1063::/38\n", "2603:1063::/38\ndns = 192.0.2.1\n"},
			"a section":            {"2603:1063::/38\n", "2603:1063::/38\n[vhost:x]\n"},
		}),
		Route: func(line string) bool {
			return conformance.Begins("no-route = ", "route = ")(line) && line != "route = default\n"
		},
		Cost: func(line string) int { // as openconnect hands it to its script
			_, prefix, _ := strings.Cut(line, " = ")
			if strings.Contains(prefix, ":") {
				return len("X-CSTP-Split-Exclude-IP6=" + prefix)
			}
			return len("X-CSTP-Split-Exclude=" + prefix)
		},
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func TestNoLimit(t *testing.T) {
	zero, err := Kind().Build(options(0), renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil || zero.Caps.RouteLimits[0].Max != defaultMaxBytes {
		t.Errorf("0 is not the documented limit: %v", err)
	}
}

func built(t testing.TB) *renderers.Target { return rendered.Target(t, Kind(), options(1<<30)) }

func render(t testing.TB, p *rules.Plan) []renderers.File { return rendered.Files(t, built(t), p) }

// TestAnIncludeOfOneFamily is refused: clients would take all of the other family into
// the tunnel. The policy can leave that family to the VPN, and a bypass may have one.
func TestAnIncludeOfOneFamily(t *testing.T) {
	for _, text := range []string{"52.112.0.0/14", "2603:1063::/38"} {
		p := rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, ipranges.MustParse(text))
		_, err := built(t).Render(p)
		var rule *rules.RuleError
		if !errors.As(err, &rule) || !strings.Contains(rule.Fix, "families") {
			t.Errorf("%s: %v", text, err)
		}
		p.Default, p.Rules[0].Verdict = rules.Tunnel, rules.Bypass
		if _, err := built(t).Render(p); err != nil {
			t.Errorf("bypass of %s: %v", text, err)
		}
	}
	p := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Tunnel, ipranges.MustParse("52.112.0.0/14"))
	if text := string(render(t, p)[0].Data); !strings.Contains(text, "\nroute = 52.112.0.0/255.252.0.0\n") {
		t.Error(text)
	}
}

// TestLinesAreShortEnough gives the header more than ocserv takes on a line.
func TestLinesAreShortEnough(t *testing.T) {
	relays := ipranges.MustParse("52.112.0.0/14", "2603:1063::/38")
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)
	long := strings.Repeat("long ", 1000)
	p.Provenance = rules.Provenance{Policy: long, Version: long, Notes: []string{long}, Feeds: []rules.Feed{{Name: long, Kind: long, Cloud: long, Change: long}}}
	p.Rules[0].To = rules.In(strings.Repeat("x", 3000), relays)
	files := render(t, p)
	for line := range strings.Lines(string(files[0].Data)) {
		if len(line) > maxComment+3 {
			t.Errorf("%d characters: %s", len(line), line)
		}
	}
	if got, err := built(t).ReadBack(files); err != nil || rules.Compare(p, got) != nil {
		t.Error(err)
	}
}
