package openvpn

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

func options(side, ipv6 string) *Options {
	o := Kind().NewOptions().(*Options)
	o.Side, o.IPv6 = side, ipv6
	return o
}

func bothScripted() *Options {
	o := options(client, script)
	o.IPv4 = script
	return o
}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "client", Options: options(client, "")},
		{Name: "server", Options: options(server, "")},
		{Name: "client script", Options: options(client, script), Only: rules.Bypass},
		{Name: "client script of both", Options: bothScripted(), Only: rules.Bypass},
		{Name: "client script of IPv4", Options: &Options{Side: client, IPv4: script, IPv6: complement, Folder: defaults.Folder, Protocol: defaults.Protocol, Metric: defaults.Metric}, Complement: true, Only: rules.Bypass},
		{Name: "client complement", Options: options(client, complement), Complement: true, Only: rules.Bypass},
		{Name: "server complement", Options: options(server, complement), Complement: true, Only: rules.Bypass},
	}
}

// changed are the options of a client with a change.
func changed(ipv6 string, change func(*Options)) *Options {
	o := options(client, ipv6)
	change(o)
	return o
}

func contract() conformance.Contract {
	const good, hook = "route 52.112.0.0 255.252.0.0 net_gateway\n", `route-up "/bin/sh /etc/openvpn/client/edge.v6.sh up"` + "\n"
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{
			conformance.Wrong("side", options("both", "")),
			conformance.Wrong("ipv6", options(client, "net_gateway_ipv6")),
			conformance.Wrong("ipv6", options(server, script)),
			conformance.Wrong("ipv6", changed("", func(o *Options) { o.Metric = 7 })),
			conformance.Wrong("ipv4", changed("", func(o *Options) { o.IPv4 = "net_gateway" })),
			conformance.Wrong("ipv4", changed("", func(o *Options) { o.Side, o.IPv4 = server, script })),
			conformance.Wrong("ipv6", changed(complement, func(o *Options) { o.Folder = "/etc/openvpn" })),
			conformance.Wrong("folder", changed(script, func(o *Options) { o.Folder = "openvpn" })),
			conformance.Wrong("folder", changed(script, func(o *Options) { o.Folder = "/etc/../root" })),
			conformance.Wrong("folder", changed(script, func(o *Options) { o.Folder = `/etc/$(id)` })),
			conformance.Wrong("folder", changed(script, func(o *Options) { o.Folder = "/" + strings.Repeat("a", 60) })),
			conformance.Wrong("protocol", changed(script, func(o *Options) { o.Protocol = 4 })),
			conformance.Wrong("metric", changed(script, func(o *Options) { o.Metric = 0 })),
			{Option: "path", Options: options(client, ""), Path: "my edge.conf"},
			{Option: "path", Options: options(client, script), Path: "a&b.conf"},
		},
		Damages: append(conformance.Damaged("client", map[string][2]string{
			"a hidden include": {good, good + "route 9.9.9.9 255.255.255.255\n"},
			"a broken mask":    {"255.252.0.0", "255.0.252.0"},
			"no mask":          {" 255.252.0.0", ""},
			"IPv6":             {good, good + "route-ipv6 2603:1063::/38 net_gateway\n"},
			"another option":   {good, good + "script-security 2\n"},
			"a push":           {good, `push "` + strings.TrimSpace(good) + "\"\n"},
		}), conformance.Damaged("client script", map[string][2]string{
			"no hook":           {hook, ""},
			"another script":    {hook, strings.Replace(hook, "edge.v6", "other", 1)},
			"another order":     {"script-security 2\n", "script-security 3\n"},
			"another protocol":  {"protocol=213", "protocol=99"},
			"an empty list":     {"\n2603:1063::/38\n", "\n"},
			"IPv6 in the file":  {"script-security", "route-ipv6 2603:1063::/38\nscript-security"},
			"a list of its own": {"list4() {\n\tcat <<'END'\n", "list4() {\n\tcat <<'END'\n9.9.9.9/32\n"},
		})...),
		Route: func(line string) bool {
			_, err := ipranges.ParsePrefix(strings.TrimSuffix(line, "\n"))
			return err == nil || conformance.Begins("route ", "route-ipv6 ", `push "route`)(line)
		},
		Cost: func(line string) int {
			if strings.Contains(line, "route ") && !strings.Contains(line, "net_gateway") {
				return len(line) + len(" net_gateway") // a route through the tunnel
			}
			return len(line)
		},
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func render(t testing.TB, side string, p *rules.Plan) []renderers.File {
	t.Helper()
	return renderWith(t, options(side, ""), p)
}

func mustBuild(t testing.TB, opt *Options) *renderers.Target { return rendered.Target(t, Kind(), opt) }

func renderWith(t testing.TB, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	return rendered.Files(t, mustBuild(t, opt), p)
}

// TestIPv6IsNotSentPastTheTunnel, because OpenVPN would send it in.
func TestIPv6IsNotSentPastTheTunnel(t *testing.T) {
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)
	_, _, errs := rules.Lower(p, Kind().Caps)
	if len(errs) != 1 || !strings.Contains(errs[0].Cause, "net_gateway_ipv6") || !strings.Contains(errs[0].Fix, `families = ["ipv4"]`) {
		t.Fatalf("%+v", errs)
	}
	for side, line := range map[string]string{client: "route-ipv6 2603:1063::/38\n", server: "push \"route-ipv6 2603:1063::/38\"\n"} {
		file := renderers.File{Path: "edge.conf", Data: []byte("# routes: bypass of IPv4 and IPv6: x\n" + line)}
		if got, err := mustBuild(t, options(side, "")).ReadBack([]renderers.File{file}); err == nil {
			t.Errorf("%q is read as %+v", file.Data, got)
		}
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
		r := mustBuild(t, options(side, ""))
		if got, err := r.ReadBack(files); err != nil || rules.Compare(p, got) != nil {
			t.Errorf("%s: %v", side, err)
		}
	}
}

// TestTheOptionIPv6 looks at what the two ways make of lists with and without IPv6.
func TestTheOptionIPv6(t *testing.T) {
	only4 := relays.Only(ipranges.IPv4)
	plan := func(fams rules.Families, set ipranges.Set) *rules.Plan {
		return rules.RoutePlan("edge", fams, rules.Bypass, set)
	}
	for _, tt := range []struct {
		ipv6  string
		plan  *rules.Plan
		files int
		has   []string
		lacks []string
	}{
		{script, plan(rules.BothFamilies, relays), 2, []string{"route 52.112.0.0", `route-up "/bin/sh /etc/openvpn/client/edge.v6.sh up"`}, []string{"route-ipv6"}},
		{script, plan(rules.OnlyIPv6, relays), 2, []string{"route-pre-down"}, []string{"route 52.112.0.0"}},
		{script, plan(rules.BothFamilies, only4), 2, []string{"route 52.112.0.0", `route-up "/bin/sh /etc/openvpn/client/edge.v6.sh up"`}, []string{"route-ipv6"}},
		{script, plan(rules.OnlyIPv4, only4), 2, []string{"route 52.112.0.0", "edge.v6.sh up"}, []string{"route-ipv6"}},
		{complement, plan(rules.BothFamilies, relays), 1, []string{"route-ipv6 8000::/1\n", "route-ipv6 2603:1060::/31\n"}, []string{"route-ipv6 2603:1063::/38", "script-security"}},
		{complement, plan(rules.OnlyIPv4, only4), 1, []string{"route 52.112.0.0"}, []string{"route-ipv6"}},
		{complement, plan(rules.BothFamilies, only4), 1, []string{"route-ipv6 ::/1\nroute-ipv6 8000::/1\n"}, []string{"::/0"}},
	} {
		r := mustBuild(t, options(client, tt.ipv6))
		files := renderWith(t, options(client, tt.ipv6), tt.plan)
		if got, err := r.ReadBack(files); err != nil || rules.Compare(tt.plan, got) != nil {
			t.Errorf("%s: %v", tt.ipv6, err)
		}
		text := string(files[0].Data)
		if len(files) != tt.files {
			t.Errorf("%s: %d files", tt.ipv6, len(files))
		}
		for _, s := range tt.has {
			if !strings.Contains(text, s) {
				t.Errorf("%s: no %q in\n%s", tt.ipv6, s, text)
			}
		}
		for _, s := range tt.lacks {
			if strings.Contains(text, s) {
				t.Errorf("%s: %q in\n%s", tt.ipv6, s, text)
			}
		}
		for line := range strings.Lines(text) {
			if len(line) > 250 {
				t.Errorf("%d characters: %s", len(line), line)
			}
		}
	}
}

// TestScriptsAreHeldToTheirHooks takes what belongs together apart.
func TestScriptsAreHeldToTheirHooks(t *testing.T) {
	r := mustBuild(t, options(client, script))
	files := renderWith(t, options(client, script), rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays))
	conf, sh := files[0], files[1]
	other := func(from, to string) renderers.File {
		f := sh
		if f.Data = []byte(strings.Replace(string(sh.Data), from, to, 1)); string(f.Data) == string(sh.Data) {
			t.Fatalf("no %q", from)
		}
		return f
	}
	for name, broken := range map[string][]renderers.File{
		"no script":        {conf},
		"no file":          {sh},
		"a script of IPv6": {conf, other("bypass of IPv4 and IPv6:", "bypass of IPv6:")},
		"an include":       {conf, other("# routes: bypass", "# routes: include")},
		"a third file":     {conf, sh, {Path: "x"}},
	} {
		if _, err := r.ReadBack(broken); err == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
	_, err := r.Render(rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, relays))
	var rule *rules.RuleError
	if !errors.As(err, &rule) || rule.Fix == "" {
		t.Errorf("an include with ipv6: %v", err)
	}
}
