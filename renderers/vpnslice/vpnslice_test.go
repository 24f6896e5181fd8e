package vpnslice

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
		{Name: "macOS", Options: Kind().NewOptions()},
		{Name: "small", Options: options(10000)},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func TestOptionMistakes(t *testing.T) {
	_, err := Kind().Build(options(-1), renderers.Env{Name: "edge", Path: "edge.sh"})
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
	r, err := Kind().Build(options(1<<30), renderers.Env{Name: "edge", Path: "edge.sh"})
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

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r := built(t)
	for _, verdict := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		p := rules.RoutePlan("edge", rules.BothFamilies, verdict, ipranges.MustParse("52.112.0.0/14", "20.202.0.0/16", "2603:1063::/38"))
		files := render(t, p)
		text := string(files[0].Data)
		read := func(text string) (*rules.Plan, error) {
			return r.ReadBack([]renderers.File{{Path: "edge.sh", Data: []byte(text)}})
		}
		for i, line := range strings.SplitAfter(text, "\n") {
			if strings.HasPrefix(line, "#") || line == "" {
				continue
			}
			for what, other := range map[string]string{"without": "", "before": "reboot\n" + line, "twice": line + line, "changed": strings.ToUpper(line) + "#\n"} {
				lines := strings.SplitAfter(text, "\n")
				lines[i] = other
				if got, err := read(strings.Join(lines, "")); err == nil && rules.Compare(p, got) == nil {
					t.Errorf("%v: line %d %s: %q is read", verdict, i+1, what, line)
				}
			}
		}
		for name, change := range map[string][2]string{
			"no header":         {"# routes: ", "# rotes: "},
			"two headers":       {"#\n", "# routes: bypass of IPv4: x\n"},
			"another direction": {"52.112.0.0/14\n", "52.112.0.0/14\n" + map[rules.Verdict]string{rules.Bypass: "", rules.Tunnel: "%"}[verdict] + "9.9.9.9/32\n"},
			"host bits":         {"52.112.0.0/14", "52.112.0.1/14"},
			"an option":         {"52.112.0.0/14\n", "52.112.0.0/14\n--incoming\n"},
			"a command":         {"#\n", "#\nreboot\n"},
			"other families":    {"of IPv4 and IPv6:", "of IPv4:"},
		} {
			broken := strings.Replace(text, change[0], change[1], 1)
			if _, err := read(broken); err == nil || broken == text {
				t.Errorf("%v: %s is read", verdict, name)
			}
		}
	}
}
