package vpnslice

import (
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
		{Name: "macOS", Options: Kind().NewOptions()},
		{Name: "small", Options: options(10000)},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{conformance.Wrong("max_bytes", options(-1))},
		Damages: conformance.Damaged("", map[string][2]string{
			"an option":         {"52.112.0.0/14\n", "52.112.0.0/14\n--incoming\n"},
			"a comment":         {"52.112.0.0/14\n", "52.112.0.0/14\n#9.9.9.9/32\n"},
			"another direction": {"%52.112.0.0/14\n", "%52.112.0.0/14\n9.9.9.9/32\n"},
			"a command on top":  {"#\n", "#\nreboot\n"},
			"a command":         {"esac\n", "esac\nreboot\n"},
			"a command less":    {"exec vpn-slice \"$@\"\n", ""},
			"another header":    {"# routes: ", "# routes: bypass of IPv4: x\n# routes: "},
			"no shell":          {"\n\n", "\n"},
		}),
		Route: func(line string) bool {
			_, err := ipranges.ParsePrefix(strings.TrimPrefix(strings.TrimSpace(line), "%"))
			return err == nil
		},
		Cost: func(line string) int { return len("%") + len(strings.TrimPrefix(line, "%")) + 8 }, // a pointer
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func TestNoLimit(t *testing.T) {
	zero, err := Kind().Build(options(0), renderers.Env{Name: "edge", Path: "edge.sh"})
	if err != nil || zero.Caps.RouteLimits[0].Max != defaultMaxBytes {
		t.Errorf("0 is not the documented limit: %v", err)
	}
}

func built(t testing.TB) *renderers.Target { return rendered.Target(t, Kind(), options(1<<30)) }

func render(t testing.TB, p *rules.Plan) []renderers.File { return rendered.Files(t, built(t), p) }
