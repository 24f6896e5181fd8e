package strongswan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
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
		{Name: "ports", Options: options("udp/3478-3481", "tcp/443"), NoReadBack: true, Only: rules.Bypass},
	}
}

func contract() conformance.Contract {
	var mistakes []conformance.Mistake
	for _, ports := range []string{"icmp", "UDP/1", "17/1", "tcp/0", "tcp/443-", "tcp/444-443", "tcp/65536", "tcp/0443", "tcp/443]\n}"} {
		mistakes = append(mistakes, conformance.Wrong("ports.0", options(ports)))
	}
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: append(mistakes, conformance.Wrong("ports.1", options("udp", "tcp/")),
			conformance.Wrong("max_selectors", &Options{}), conformance.Wrong("max_selectors", &Options{MaxSelectors: 256})),
		Damages: conformance.Damaged("pass", map[string][2]string{
			"a drop policy":      {"mode = pass", "mode = drop"},
			"not started":        {"  start_action = trap\n", ""},
			"a peer's match":     {"    remote_addrs = 127.0.0.1\n", ""},
			"a port":             {"52.112.0.0/14 }", "52.112.0.0/14[udp/3478] }"},
			"two in one":         {"remote_ts = 52.112.0.0/14", "remote_ts = 52.112.0.0/14,9.9.9.9/32"},
			"another name":       {"p52_112_0_0_14", "p52_112_0_0_15"},
			"a second section":   {"connections {", "connections {\n  x {\n  }\n}\nconnections {"},
			"an included file":   {"connections {", "include /tmp/x\nconnections {"},
			"an unclosed string": {"\"\n}", "}"},
			"a lost selector":    {"52.112.0.0/14,\\\n", "52.112.0.0/14\\\n"},
			"another section":    {"\nsallyport_edge {", "\nsallyport_other {"},
		}),
		Route: func(line string) bool {
			return strings.Contains(line, "{ remote_ts") || strings.HasSuffix(line, ",\\\n")
		},
		Cost:     messageCost,
		LoadTest: "TestPathsOnEveryBoundary",
	}
}

// messageCost is what a child takes in a message to charon, as vici encodes it: a byte for
// the kind of each element, one for the length of a name, and two for that of a value. A
// selector of an include counts as the child of its prefix would.
func messageCost(line string) int {
	name, child, isChild := strings.Cut(strings.TrimSpace(line), " : ")
	_, selectors, _ := strings.Cut(strings.TrimSuffix(child, " }"), "remote_ts = ")
	if !isChild {
		selectors = strings.TrimSuffix(name, ",\\")
		name = "p" + selectors
	}
	everything := "0.0.0.0/0"
	if strings.Contains(selectors, ":") {
		everything = "::/0"
	}
	pair := func(key, value string) int { return 1 + 1 + len(key) + 2 + len(value) }
	list := func(key, items string) (n int) {
		for item := range strings.SplitSeq(items, ",") {
			n += 1 + 2 + len(item)
		}
		return 1 + 1 + len(key) + n + 1
	}
	return 1 + 1 + len(name) + list("local_ts", everything) + list("remote_ts", selectors) +
		pair("mode", "pass") + pair("start_action", "trap") + 1
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

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
	built := rendered.Target(t, Kind(), opt)
	files, err := rendered.Try(built, p)
	return built.Renderer.(*renderer), files, err
}

func mustRender(t testing.TB, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	return rendered.Files(t, rendered.Target(t, Kind(), opt), p)
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

// TestPortsOfABypass: what goes past the tunnel of the listed addresses.
func TestPortsOfABypass(t *testing.T) {
	bypassed := func(ports ...string) rules.Matches {
		r := rendered.Target(t, Kind(), options(ports...))
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
