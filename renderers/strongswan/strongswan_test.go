package strongswan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func options(ports ...string) *Options {
	o := Kind().NewOptions().(*Options)
	o.Ports = ports
	return o
}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "pass", Options: options()},
		{Name: "ports", Options: options("udp/3478-3481", "tcp/443"), NoReadBack: true},
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
		opt    Options
	}{
		{"max_selectors", Options{}},
		{"max_selectors", Options{MaxSelectors: 256}},
		{"ports.0", *options("icmp")},
		{"ports.0", *options("UDP/1")},
		{"ports.0", *options("17/1")},
		{"ports.1", *options("udp", "tcp/")},
		{"ports.0", *options("tcp/0")},
		{"ports.0", *options("tcp/443-")},
		{"ports.0", *options("tcp/444-443")},
		{"ports.0", *options("tcp/65536")},
		{"ports.0", *options("tcp/0443")},
		{"ports.0", *options("tcp/443]\n}")},
	} {
		_, err := Kind().Build(&tt.opt, renderers.Env{Name: "edge", Path: "edge.conf"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%+v: %v", tt.opt, err)
		}
	}
}

// TestPortsAreDividedExactly holds each part to being a mask, and all to the range.
func TestPortsAreDividedExactly(t *testing.T) {
	for _, m := range []rules.Match{
		rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.UDP, 3478, 3478), rules.Ports(rules.TCP, 1, 65535),
		rules.Ports(rules.TCP, 0, 65534), rules.Ports(rules.TCP, 50000, 50059), rules.Ports(rules.UDP, 65535, 65535), rules.All(rules.UDP),
	} {
		parts := aligned(m)
		for _, p := range parts {
			size := uint32(p.Hi) - uint32(p.Lo) + 1
			if size&(size-1) != 0 || uint32(p.Lo)%size != 0 {
				t.Errorf("%v: %v is no mask", m, p)
			}
		}
		if got := rules.NewMatches(parts...); len(got) != 1 || got[0] != m {
			t.Errorf("%v is divided into %v", m, parts)
		}
	}
	if got := strings.Join(marksOf(rules.Matches{rules.Ports(rules.UDP, 3478, 3481)}), ""); got != "[udp/3478-3479][udp/3480-3481]" {
		t.Errorf("3478-3481 is %s", got)
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func bypass(set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set)
}

func include(set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, set)
}

func render(t testing.TB, opt *Options, p *rules.Plan) (*renderer, []renderers.File, error) {
	t.Helper()
	built, err := Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil {
		t.Fatal(err)
	}
	lowered, _, errs := rules.Lower(p, built.Caps)
	if len(errs) > 0 {
		return nil, nil, errs[0]
	}
	files, err := built.Render(lowered)
	return built.Renderer.(*renderer), files, err
}

func mustRender(t testing.TB, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	_, files, err := render(t, opt, p)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestNarrowedByPorts reads a file with ports back as what it is: a bypass of these
// ports, and a tunnel for the rest.
func TestNarrowedByPorts(t *testing.T) {
	r, files, err := render(t, options("udp/3478-3481", "tcp/443", "udp/3481-3490"), bypass(relays))
	if err != nil {
		t.Fatal(err)
	}
	want := bypass(relays)
	want.Rules[0].Services = []rules.Service{rules.NewService("media", rules.Ports(rules.UDP, 3478, 3490), rules.Ports(rules.TCP, 443, 443))}
	got, err := r.read(files)
	if err != nil {
		t.Fatal(err)
	}
	if d := rules.Compare(want, got); d != nil {
		t.Error(d)
	}
	text := string(files[0].Data)
	if strings.Contains(text, "every protocol") || !strings.Contains(text, "# of these addresses only tcp/443, udp/3478-3490;") {
		t.Errorf("the header says\n%s", text)
	}
	broken := []renderers.File{{Path: "edge.conf", Data: []byte(strings.Replace(text, "52.112.0.0/14[tcp/443],", "", 1))}}
	if _, err := r.ReadBack(broken); err == nil || errors.Is(err, renderers.ErrNoReadBack) {
		t.Errorf("a missing port is not noticed: %v", err)
	}
}

// TestIncludeFitsOnePayload tries the limit of IKEv2, one over it, and a lower one.
func TestIncludeFitsOnePayload(t *testing.T) {
	list := func(n int) ipranges.Set {
		var b ipranges.Builder
		for i := range n {
			b.AddSet(ipranges.MustParse(fmt.Sprintf("20.%d.%d.0/24", i/100, i%100*2)))
		}
		return b.Set()
	}
	lower := options()
	lower.MaxSelectors = 16
	for _, tt := range []struct {
		opt *Options
		n   int
		ok  bool
	}{{options(), 255, true}, {options(), 256, false}, {lower, 16, true}, {lower, 17, false}} {
		_, files, err := render(t, tt.opt, include(list(tt.n)))
		var rule *rules.RuleError
		switch {
		case tt.ok && (err != nil || len(files) != 1):
			t.Errorf("%d selectors: %v", tt.n, err)
		case !tt.ok && (!errors.As(err, &rule) || !strings.Contains(rule.Cause, "RFC 7296")):
			t.Errorf("%d selectors: %v", tt.n, err)
		case !tt.ok && strings.Contains(rule.Fix, "max_selectors") != (tt.opt.MaxSelectors < maxSelectors):
			t.Errorf("%d selectors: max_selectors cannot be over 255, and the advice is %q", tt.n, rule.Fix)
		}
	}
	if _, _, err := render(t, options("udp/3478"), include(relays)); err == nil {
		t.Error("ports of an include are taken")
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r, files, err := render(t, options(), bypass(relays))
	if err != nil {
		t.Fatal(err)
	}
	good := string(files[0].Data)
	_, included, err := render(t, options(), include(relays))
	if err != nil {
		t.Fatal(err)
	}
	good2 := string(included[0].Data)
	read := func(text string) error {
		_, err := r.ReadBack([]renderers.File{{Path: "edge.conf", Data: []byte(text)}})
		return err
	}
	if err := errors.Join(read(good), read(good2)); err != nil {
		t.Fatal(err)
	}
	change := func(text, from, to string) string {
		if !strings.Contains(text, from) {
			t.Fatalf("no %q", from)
		}
		return strings.Replace(text, from, to, 1)
	}
	for name, text := range map[string]string{
		"no header":          change(good, "# routes:", "# ways:"),
		"the other way":      change(good, "# routes: bypass", "# routes: include"),
		"a family too many":  change(good, "bypass of IPv4 and IPv6:", "bypass of IPv4:"),
		"a drop policy":      change(good, "mode = pass", "mode = drop"),
		"not started":        change(good, "  start_action = trap\n", ""),
		"a peer's match":     change(good, "    remote_addrs = 127.0.0.1\n", ""),
		"a port":             change(good, "52.112.0.0/14 }", "52.112.0.0/14[udp/3478] }"),
		"host bits":          change(good, "remote_ts = 52.112.0.0/14", "remote_ts = 52.112.0.1/14"),
		"two in one":         change(good, "remote_ts = 52.112.0.0/14", "remote_ts = 52.112.0.0/14,9.9.9.9/32"),
		"another name":       change(good, "p52_112_0_0_14", "p52_112_0_0_15"),
		"a second section":   good + "connections {\n  x {\n  }\n}\n",
		"an included file":   good + "include /tmp/x\n",
		"nothing":            "# routes: bypass of IPv4 and IPv6: x\n",
		"an unclosed string": change(good2, "\"\n}", "}"),
		"a lost selector":    change(good2, "52.112.0.0/14,\\\n", "52.112.0.0/14\\\n"),
		"another section":    change(good2, "\nsallyport_edge {", "\nsallyport_other {"),
	} {
		if read(text) == nil {
			t.Errorf("%s is read", name)
		}
	}
	if _, err := r.ReadBack(append(files, renderers.File{Path: "x"})); err == nil {
		t.Error("a stray file is read")
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
	var built []*renderer
	for _, o := range []*Options{options(), options("udp/3478-3481", "tcp/443")} {
		r, err := Kind().Build(o, renderers.Env{Name: "edge", Path: "edge.conf"})
		if err != nil {
			f.Fatal(err)
		}
		built = append(built, r.Renderer.(*renderer))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, r := range built {
			if p, err := r.read([]renderers.File{{Path: "edge.conf", Data: data}}); err == nil && p == nil {
				t.Error("neither a plan nor an error")
			}
		}
	})
}

// TestPortsOfABypass: what goes past the tunnel of the listed addresses.
func TestPortsOfABypass(t *testing.T) {
	bypassed := func(ports ...string) rules.Matches {
		r, err := Kind().Build(options(ports...), renderers.Env{Name: "edge", Path: "edge.conf"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Ports
	}
	if got := bypassed(); len(got) != 0 {
		t.Errorf("without ports: %v", got)
	}
	want := rules.NewMatches(rules.Ports(rules.UDP, 3478, 3490), rules.All(rules.TCP))
	if got := bypassed("udp/3478-3481", "tcp", "udp/3480-3490"); !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}
