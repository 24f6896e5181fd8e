package openvpn

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
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
		{Name: "client script", Options: options(client, script)},
		{Name: "client script of both", Options: bothScripted()},
		{Name: "client script of IPv4", Options: &Options{Side: client, IPv4: script, IPv6: complement, Folder: defaults.Folder, Protocol: defaults.Protocol, Metric: defaults.Metric}, Complement: true},
		{Name: "client complement", Options: options(client, complement), Complement: true},
		{Name: "server complement", Options: options(server, complement), Complement: true},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func TestOptionMistakes(t *testing.T) {
	for _, tt := range []struct {
		option, path string
		change       func(*Options)
	}{
		{"side", "edge.conf", func(o *Options) { o.Side = "both" }},
		{"ipv6", "edge.conf", func(o *Options) { o.IPv6 = "net_gateway_ipv6" }},
		{"ipv6", "edge.conf", func(o *Options) { o.Side, o.IPv6 = server, script }},
		{"ipv6", "edge.conf", func(o *Options) { o.Metric = 7 }},
		{"ipv4", "edge.conf", func(o *Options) { o.IPv4 = "net_gateway" }},
		{"ipv4", "edge.conf", func(o *Options) { o.Side, o.IPv4 = server, script }},
		{"ipv6", "edge.conf", func(o *Options) { o.IPv6, o.Folder = complement, "/etc/openvpn" }},
		{"folder", "edge.conf", func(o *Options) { o.IPv6, o.Folder = script, "openvpn" }},
		{"folder", "edge.conf", func(o *Options) { o.IPv6, o.Folder = script, "/etc/../root" }},
		{"folder", "edge.conf", func(o *Options) { o.IPv6, o.Folder = script, `/etc/$(id)` }},
		{"folder", "edge.conf", func(o *Options) { o.IPv6, o.Folder = script, "/"+strings.Repeat("a", 60) }},
		{"protocol", "edge.conf", func(o *Options) { o.IPv6, o.Protocol = script, 4 }},
		{"metric", "edge.conf", func(o *Options) { o.IPv6, o.Metric = script, 0 }},
		{"path", "my edge.conf", func(*Options) {}},
		{"path", "a&b.conf", func(o *Options) { o.IPv6 = script }},
	} {
		o := options(client, "")
		tt.change(o)
		_, err := Kind().Build(o, renderers.Env{Name: "edge", Path: tt.path})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%+v: %v", *o, err)
		}
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func render(t testing.TB, side string, p *rules.Plan) []renderers.File {
	t.Helper()
	return renderWith(t, options(side, ""), p)
}

func mustBuild(t testing.TB, opt *Options) *renderer {
	t.Helper()
	r, err := Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil {
		t.Fatal(err)
	}
	return r.Renderer.(*renderer)
}

func renderWith(t testing.TB, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	r := mustBuild(t, opt)
	lowered, _, errs := rules.Lower(p, r.caps())
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
		r := mustBuild(t, options(side, ""))
		if got, err := r.ReadBack(files); err != nil || rules.Compare(p, got) != nil {
			t.Errorf("%s: %v", side, err)
		}
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r := mustBuild(t, options(client, ""))
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
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)
	r := mustBuild(t, options(client, script))
	files := renderWith(t, options(client, script), p)
	conf, sh := files[0], files[1]
	change := func(f renderers.File, from, to string) renderers.File {
		text := strings.Replace(string(f.Data), from, to, 1)
		if text == string(f.Data) {
			t.Fatalf("no %q", from)
		}
		f.Data = []byte(text)
		return f
	}
	for name, broken := range map[string][]renderers.File{
		"no script":         {conf},
		"no file":           {sh},
		"no hook":           {change(conf, `route-up "/bin/sh /etc/openvpn/client/edge.v6.sh up"`+"\n", ""), sh},
		"another script":    {change(conf, "edge.v6.sh up", "other.sh up"), sh},
		"another order":     {change(conf, "script-security 2\n", "script-security 3\n"), sh},
		"a script of IPv6":  {conf, change(sh, "bypass of IPv4 and IPv6:", "bypass of IPv6:")},
		"an include":        {conf, change(sh, "# routes: bypass", "# routes: include")},
		"another protocol":  {conf, change(sh, "protocol=213", "protocol=99")},
		"an empty list":     {conf, change(sh, "2603:1063::/38\n", "")},
		"IPv6 in the file":  {change(conf, "script-security", "route-ipv6 2603:1063::/38\nscript-security"), sh},
		"a third file":      {conf, sh, {Path: "x"}},
		"a list of its own": {conf, change(sh, "list4() {\n\tcat <<'END'\n", "list4() {\n\tcat <<'END'\n9.9.9.9/32\n")},
	} {
		if got, err := r.ReadBack(broken); err == nil && rules.Compare(p, got) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
	_, err := r.Render(rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, relays))
	var rule *rules.RuleError
	if !errors.As(err, &rule) || rule.Fix == "" {
		t.Errorf("an include with ipv6: %v", err)
	}
}

// TestBytes: what a budget of bytes counts is what stands in the files, and of an include
// no less: its IPv4 routes are shorter than those of a bypass.
func TestBytes(t *testing.T) {
	isRoute := func(line string) bool {
		_, err := ipranges.ParsePrefix(strings.TrimSuffix(line, "\n"))
		return err == nil || routecheck.Begins("route ", "route-ipv6 ", `push "route`)(line)
	}
	for _, opt := range []*Options{options(client, ""), options(server, ""), options(client, script), options(client, complement), options(server, complement)} {
		caps := mustBuild(t, opt).caps()
		written := routecheck.Lengths
		switch opt.IPv6 {
		case "":
			written = written.Only(ipranges.IPv4)
		case complement:
			written = written.Only(ipranges.IPv4).Union(written.Complement(ipranges.IPv6))
		}
		p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, routecheck.Lengths)
		if opt.IPv6 == "" {
			p.Families = rules.OnlyIPv4
		}
		got, want := routecheck.Written(renderWith(t, opt, p), isRoute), routecheck.Counted(t, caps, written)
		if got != want || got == 0 {
			t.Errorf("%+v: %d bytes of routes, and %d counted", *opt, got, want)
		}
		if opt.IPv6 != "" {
			continue // is for a bypass
		}
		include := rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, routecheck.Lengths)
		got, want = routecheck.Written(renderWith(t, opt, include), isRoute), routecheck.Counted(t, caps, routecheck.Lengths)
		if over := len(" net_gateway") * routecheck.Lengths.NumPrefixes(ipranges.IPv4); want != got+over {
			t.Errorf("%+v: %d bytes of an include, and %d counted", *opt, got, want)
		}
	}
}
