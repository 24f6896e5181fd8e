package wireguard

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

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	change(o)
	return o
}

func named(o *Options) { o.Gateway4, o.Gateway6, o.Device = "192.0.2.1", "fe80::1", "eth0" }

func allowed(o *Options) { o.Form = formAllowed }

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "script", Options: options(func(*Options) {})},
		{Name: "routes", Options: options(named), Cost: batchCost("192.0.2.1", "fe80::1", "eth0")},
		{Name: "routes of IPv4", Options: options(func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "eth0" }), Cost: batchCost("192.0.2.1", "", "eth0")},
		{Name: "routes by PPP", Options: options(func(o *Options) { o.Device = "ppp0" }), Cost: batchCost("", "", "ppp0")},
		{Name: "allowed", Options: options(allowed), Complement: true, Cost: allowedCost},
	}
}

func isPrefix(line string) bool {
	_, err := ipranges.ParsePrefix(strings.TrimSuffix(line, "\n"))
	return err == nil
}

// batchCost counts the line of a batch file, for lines of AllowedIPs, too: these are
// shorter, and RouteBytes does not know which way a list goes.
func batchCost(gateway4, gateway6, device string) func(line string) int {
	return func(line string) int {
		text, isAllowed := strings.CutPrefix(strings.TrimSuffix(line, "\n"), allowedKey)
		if !isAllowed {
			return len(line)
		}
		gateway := gateway4
		if strings.Contains(text, ":") {
			gateway = gateway6
		}
		switch {
		case gateway != "":
			gateway = " via " + gateway
		case gateway4+gateway6 != "":
			return len(line) // there are no batch files of this family
		}
		return len("route replace " + text + gateway + " dev " + device + " table main proto 213 metric 13\n")
	}
}

// allowedCost leaves out the line for a whole family, of which the list does not speak.
func allowedCost(line string) int {
	if line == allowedKey+"0.0.0.0/0\n" || line == allowedKey+"::/0\n" {
		return 0
	}
	return len(line)
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Route: func(line string) bool {
			return isPrefix(line) || conformance.Begins(allowedKey)(line) || strings.HasPrefix(line, "route replace ") && strings.Contains(line, " proto 213 ")
		},
		Cost: func(line string) int {
			if isPrefix(line) {
				return len(allowedKey) + len(line) // as a line of an include, which is longer
			}
			return len(line)
		},
		Mistakes: []conformance.Mistake{
			conformance.Wrong("form", options(func(o *Options) { o.Form = "script" })),
			conformance.Wrong("form", options(func(o *Options) { named(o); o.Form = formAllowed })),
			conformance.Wrong("form", options(func(o *Options) { allowed(o); o.Protocol = 99 })),
			conformance.Wrong("form", options(func(o *Options) { allowed(o); o.Metric = 99 })),
			conformance.Wrong("form", options(func(o *Options) { allowed(o); o.Folder = "/opt" })),
			conformance.Wrong("protocol", options(func(o *Options) { o.Protocol = 3 })),
			conformance.Wrong("metric", options(func(o *Options) { o.Metric = -1 })),
			conformance.Wrong("folder", options(func(o *Options) { o.Folder = "/etc/$(id)" })),
			conformance.Wrong("folder", options(func(o *Options) { named(o); o.Folder = "wireguard" })),
			conformance.Wrong("folder", options(func(o *Options) { named(o); o.Folder = "/etc/$(id)" })),
			conformance.Wrong("folder", options(func(o *Options) { named(o); o.Folder = "/etc/../root" })),
			conformance.Wrong("device", options(func(o *Options) { o.Gateway4 = "192.0.2.1" })),
			conformance.Wrong("gateway4", options(func(o *Options) { named(o); o.Gateway4 = "router" })),
			conformance.Wrong("gateway6", options(func(o *Options) { named(o); o.Gateway6 = "192.0.2.1" })),
			conformance.Wrong("protocol", options(func(o *Options) { named(o); o.Protocol = 3 })),
			conformance.Wrong("metric", options(func(o *Options) { named(o); o.Metric = -1 })),
			{Option: "path", Options: options(named), Path: "my vpn/$(id).conf"},
		},
		Damages: append(append(conformance.Damaged("script", map[string][2]string{
			"no hook":                {"PreDown = sh /etc/wireguard/edge.sh down || true\n", ""},
			"another script":         {"PostUp = sh /etc/wireguard/edge.sh ", "PostUp = sh /etc/wireguard/other.sh "},
			"another number":         {"protocol=213", "protocol=99"},
			"a command":              {"say() {", "reboot\nsay() {"},
			"an empty list":          {"\n2603:1063::/38\n", "\n"},
			"a list less":            {`listed="4 6"`, `listed="4"`},
			"a command in the hooks": {"PostUp = ", "PostUp = reboot\nPostUp = "},
		}), conformance.Damaged("routes", map[string][2]string{
			"no hook":                {"PreDown = { flock 9; ip -6 route flush root ::/0 table main proto 213; } 9</proc/self/ns/net 2>/dev/null || true\n", ""},
			"another file":           {"PostUp = { flock 9; ip -4 -batch /etc/wireguard/edge.v4.batch", "PostUp = { flock 9; ip -4 -batch /etc/wireguard/other.v4.batch"},
			"another hop":            {"52.112.0.0/14 via 192.0.2.1", "52.112.0.0/14 via 192.0.2.9"},
			"no flush":               {"\nroute flush root 0.0.0.0/0 table main proto 213\n", "\n"},
			"a command in the hooks": {"PostUp = ", "PostUp = reboot\nPostUp = "},
		})...), conformance.Damage{Name: "another key", Variant: "allowed", Old: "AllowedIPs = ", New: "DNS = "}),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

// TestPathsInHooks: a shell reads the paths in hooks, and AllowedIPs have none.
func TestPathsInHooks(t *testing.T) {
	if _, err := Kind().Build(options(allowed), renderers.Env{Name: "edge", Path: "my vpn.conf"}); err != nil {
		t.Error(err)
	}
}

func render(t *testing.T, opt *Options, p *rules.Plan) ([]renderers.File, error) {
	t.Helper()
	return rendered.Try(rendered.Target(t, Kind(), opt), p)
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func bypass(fams rules.Families, set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", fams, rules.Bypass, set)
}

// TestRefusals are plans that would lose something, and what is said of them.
func TestRefusals(t *testing.T) {
	all := ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6))
	for name, tt := range map[string]struct {
		opt  *Options
		plan *rules.Plan
	}{
		"IPv6 without its gateway":   {options(func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "eth0" }), bypass(rules.BothFamilies, relays)},
		"nothing left to the tunnel": {options(allowed), bypass(rules.BothFamilies, all)},
	} {
		_, err := render(t, tt.opt, tt.plan)
		var opt *renderers.OptionError
		var rule *rules.RuleError
		if !(errors.As(err, &opt) && opt.Fix != "") && !(errors.As(err, &rule) && rule.Fix != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What goes in needs no uplink.
	if _, err := render(t, options(func(*Options) {}), rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, relays)); err != nil {
		t.Error(err)
	}
}

// TestScriptWithoutOptions: where nothing names the uplink, a script finds it.
func TestScriptWithoutOptions(t *testing.T) {
	files, err := render(t, options(func(*Options) {}), bypass(rules.BothFamilies, relays))
	if err != nil || len(files) != 2 || files[0].Path != "edge.sh" || files[0].Mode != 0o755 {
		t.Fatalf("%v, %v", files, err)
	}
	if conf := string(files[1].Data); !strings.Contains(conf, "\nPostUp = sh /etc/wireguard/edge.sh up %i || true\n") || strings.Contains(conf, "batch") {
		t.Errorf("the hooks are\n%s", conf)
	}
}

// TestTheOtherFamilyStaysInTheTunnel lists IPv4 alone past a tunnel: IPv6, of which
// the plan does not speak, must not fall out of it.
func TestTheOtherFamilyStaysInTheTunnel(t *testing.T) {
	files, err := render(t, options(allowed), bypass(rules.OnlyIPv4, relays))
	if err != nil {
		t.Fatal(err)
	}
	_, lines := renderers.Uncomment(files[0].Data, "#")
	if lines[len(lines)-1] != "AllowedIPs = ::/0" || strings.Count(string(files[0].Data), ":") < 1 {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
}

// TestOnePrefixALine is what keeps wg-quick fast.
func TestOnePrefixALine(t *testing.T) {
	for _, opt := range []*Options{options(allowed), options(named)} {
		files, err := render(t, opt, bypass(rules.BothFamilies, relays))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			for line := range strings.Lines(string(f.Data)) {
				if len(line) > 250 {
					t.Errorf("%s has a line of %d bytes: %s", f.Path, len(line), line)
				}
			}
		}
	}
}
