package openvpn

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, Kind(),
		conformance.Variant{Name: "client", Options: &Options{Side: client}},
		conformance.Variant{Name: "server", Options: &Options{Side: server}},
	)
}

func TestOptionMistakes(t *testing.T) {
	_, err := Kind().Build(&Options{Side: "both"}, renderers.Env{Name: "edge", Path: "edge.conf"})
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || opt.Option != "side" || opt.Fix == "" {
		t.Error(err)
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func render(t testing.TB, side string, p *rules.Plan) []renderers.File {
	t.Helper()
	r, err := Kind().Build(&Options{Side: side}, renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil {
		t.Fatal(err)
	}
	lowered, _, errs := rules.Lower(p, Kind().Caps)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	files, err := r.Render(lowered)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestIPv6IsNotSentPastTheTunnel, because OpenVPN would send it in.
func TestIPv6IsNotSentPastTheTunnel(t *testing.T) {
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)
	_, _, errs := rules.Lower(p, Kind().Caps)
	if len(errs) != 1 || !strings.Contains(errs[0].Cause, "net_gateway_ipv6") || !strings.Contains(errs[0].Fix, `families = ["ipv4"]`) {
		t.Fatalf("%+v", errs)
	}
	p.Families = rules.OnlyIPv4
	for _, side := range []string{client, server} {
		if text := string(render(t, side, p)[0].Data); strings.Contains(text, "route-ipv6") || !strings.Contains(text, "net_gateway") {
			t.Errorf("%s:\n%s", side, text)
		}
	}
}

// TestLinesAreShortEnough gives the header more than OpenVPN takes on a line.
func TestLinesAreShortEnough(t *testing.T) {
	p := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays)
	long := strings.Repeat("long ", 100)
	p.Provenance = rules.Provenance{Policy: long, Version: long, Notes: []string{long}, Feeds: []rules.Feed{{Name: long, Kind: long, Cloud: long, Change: long}}}
	p.Rules[0].To = rules.In(strings.Repeat("x", 300), relays)
	for _, side := range []string{client, server} {
		files := render(t, side, p)
		for line := range strings.Lines(string(files[0].Data)) {
			if len(line) > 250 {
				t.Errorf("%s: %d characters: %s", side, len(line), line)
			}
		}
		r := &renderer{side, renderers.Env{Name: "edge", Path: "edge.conf"}}
		if got, err := r.ReadBack(files); err != nil || rules.Compare(p, got) != nil {
			t.Errorf("%s: %v", side, err)
		}
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r, err := Kind().Build(&Options{Side: client}, renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil {
		t.Fatal(err)
	}
	const header = "# routes: bypass of IPv4 and IPv6: x\n"
	const good = "route 52.112.0.0 255.252.0.0 net_gateway\n"
	read := func(text string) error {
		_, err := r.ReadBack([]renderers.File{{Path: "edge.conf", Data: []byte(text)}})
		return err
	}
	if err := read(header + good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"no header":        good,
		"two headers":      header + header + good,
		"no route":         header,
		"a hidden include": header + good + "route 9.9.9.9 255.255.255.255\n",
		"host bits":        header + "route 52.112.0.1 255.252.0.0 net_gateway\n",
		"a broken mask":    header + "route 52.112.0.0 255.0.252.0 net_gateway\n",
		"no mask":          header + "route 52.112.0.0 net_gateway\n",
		"IPv6":             header + good + "route-ipv6 2603:1063::/38 net_gateway\n",
		"another option":   header + good + "script-security 2\n",
		"a push":           header + `push "` + strings.TrimSpace(good) + `"`,
	} {
		if read(text) == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func FuzzReadBack(f *testing.F) {
	golden, err := filepath.Glob("testdata/golden/*/*.conf")
	if err != nil || len(golden) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, name := range golden {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, side := range []string{client, server} {
			r := &renderer{side, renderers.Env{Name: "edge", Path: "edge.conf"}}
			if p, err := r.ReadBack([]renderers.File{{Path: "edge.conf", Data: data}}); err == nil && p == nil {
				t.Error("neither a plan nor an error")
			}
		}
	})
}
