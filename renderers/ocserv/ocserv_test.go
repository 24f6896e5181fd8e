package ocserv

import (
	"errors"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
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
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func TestOptionMistakes(t *testing.T) {
	_, err := Kind().Build(options(-1), renderers.Env{Name: "edge", Path: "edge.conf"})
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || opt.Option != "max_bytes" || opt.Fix == "" {
		t.Error(err)
	}
	zero, err := Kind().Build(options(0), renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil || zero.Caps.RouteLimits[0].Max != defaultMaxBytes {
		t.Errorf("0 is not the documented limit: %v", err)
	}
}

func built(t testing.TB) *renderers.Target {
	t.Helper()
	r, err := Kind().Build(options(1<<30), renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t testing.TB, p *rules.Plan) []renderers.File {
	t.Helper()
	r := built(t)
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	files, err := r.Render(lowered)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

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

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	const (
		header  = "# routes: bypass of IPv4 and IPv6: x\n"
		include = "# routes: include of IPv4 and IPv6: x\n"
		good    = "no-route = 52.112.0.0/255.252.0.0\n"
		good6   = "no-route = 2603:1063::/38\n"
		all     = "route = default\n"
	)
	r := built(t)
	read := func(text string) error {
		_, err := r.ReadBack([]renderers.File{{Path: "edge.conf", Data: []byte(text)}})
		return err
	}
	for _, text := range []string{header + all + good + good6, include + "route = 52.112.0.0/255.252.0.0\nroute = 2603:1063::/38\n"} {
		if err := read(text); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"no header":             all + good,
		"two headers":           header + header + all + good,
		"no default":            header + good,
		"a default at the end":  header + good + all,
		"two defaults":          header + all + all + good,
		"no route":              header + all,
		"a hidden include":      header + all + good + "route = 9.9.9.9/255.255.255.255\n",
		"a hidden exclude":      include + "route = 9.9.9.9/255.255.255.255\n" + good,
		"a default to include":  include + all,
		"host bits":             header + all + "no-route = 52.112.0.1/255.252.0.0\n",
		"a broken mask":         header + all + "no-route = 52.112.0.0/255.0.252.0\n",
		"no mask":               header + all + "no-route = 52.112.0.0\n",
		"a length for IPv4":     header + all + "no-route = 52.112.0.0/14\n",
		"a mask for IPv6":       header + all + "no-route = 2603:1063::/255.252.0.0\n",
		"another option":        header + all + good + "dns = 192.0.2.1\n",
		"a section":             header + all + "[vhost:x]\n" + good,
		"blanks":                header + all + " " + good,
		"IPv6 in a list of one": "# routes: bypass of IPv4: x\n" + all + good + good6,
	} {
		if read(text) == nil {
			t.Errorf("%s is read", name)
		}
	}
}
