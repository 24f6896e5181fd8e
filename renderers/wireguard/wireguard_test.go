package wireguard

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
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
		{Name: "routes", Options: options(named)},
		{Name: "routes of IPv4", Options: options(func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "eth0" })},
		{Name: "routes by PPP", Options: options(func(o *Options) { o.Device = "ppp0" })},
		{Name: "allowed", Options: options(allowed), Complement: true},
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
		change func(*Options)
	}{
		{"form", func(o *Options) { o.Form = "script" }},
		{"form", func(o *Options) { named(o); o.Form = formAllowed }},
		{"form", func(o *Options) { allowed(o); o.Protocol = 99 }},
		{"form", func(o *Options) { allowed(o); o.Metric = 99 }},
		{"form", func(o *Options) { allowed(o); o.Folder = "/opt" }},
		{"protocol", func(o *Options) { o.Protocol = 3 }},
		{"metric", func(o *Options) { o.Metric = -1 }},
		{"folder", func(o *Options) { o.Folder = "/etc/$(id)" }},
		{"folder", func(o *Options) { named(o); o.Folder = "wireguard" }},
		{"folder", func(o *Options) { named(o); o.Folder = "/etc/$(id)" }},
		{"folder", func(o *Options) { named(o); o.Folder = "/etc/../root" }},
		{"device", func(o *Options) { o.Gateway4 = "192.0.2.1" }},
		{"gateway4", func(o *Options) { named(o); o.Gateway4 = "router" }},
		{"gateway6", func(o *Options) { named(o); o.Gateway6 = "192.0.2.1" }},
		{"protocol", func(o *Options) { named(o); o.Protocol = 3 }},
		{"metric", func(o *Options) { named(o); o.Metric = -1 }},
	} {
		_, err := Kind().Build(options(tt.change), renderers.Env{Name: "edge", Path: "edge.conf"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %v", tt.option, err)
		}
	}
}

// TestPathsInHooks: a shell reads them, so names that it would divide are refused.
func TestPathsInHooks(t *testing.T) {
	_, err := Kind().Build(options(named), renderers.Env{Name: "edge", Path: "my vpn/$(id).conf"})
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || opt.Option != "path" || opt.Fix == "" {
		t.Error(err)
	}
	if _, err := Kind().Build(options(allowed), renderers.Env{Name: "edge", Path: "my vpn.conf"}); err != nil {
		t.Errorf("AllowedIPs name no path: %v", err)
	}
}

func render(t *testing.T, opt *Options, p *rules.Plan) ([]renderers.File, error) {
	t.Helper()
	r, err := Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.conf"})
	if err != nil {
		t.Fatal(err)
	}
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return r.Render(lowered)
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
	for _, from := range []string{"bypass of IPv4 and IPv6:", "2603:1063::/38\n", "20.202.0.0/16\n"} {
		text := strings.Replace(string(files[0].Data), from, map[bool]string{true: "bypass of IPv6:"}[strings.HasPrefix(from, "bypass")], 1)
		r, _ := Kind().Build(options(func(*Options) {}), renderers.Env{Name: "edge", Path: "edge.conf"})
		got, err := r.ReadBack([]renderers.File{{Path: "edge.sh", Data: []byte(text)}, files[1]})
		if err == nil && rules.Compare(bypass(rules.BothFamilies, relays), got) == nil {
			t.Errorf("without %q it reads back the same", from)
		}
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

// TestDamage takes every line that is no comment out of each file.
func TestDamage(t *testing.T) {
	for name, opt := range map[string]*Options{"script": options(func(*Options) {}), "routes": options(named), "allowed": options(allowed)} {
		for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
			p := rules.RoutePlan("edge", rules.BothFamilies, v, relays)
			files, err := render(t, opt, p)
			if err != nil {
				t.Fatal(err)
			}
			r, _ := Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.conf"})
			for i, f := range files {
				lines := strings.SplitAfter(string(f.Data), "\n")
				for j, l := range lines {
					if l == "" || l == "\n" || strings.HasPrefix(l, "#") {
						continue
					}
					broken := append([]renderers.File{}, files...)
					broken[i].Data = []byte(strings.Join(append(append([]string{}, lines[:j]...), lines[j+1:]...), ""))
					if got, err := r.ReadBack(broken); err == nil && rules.Compare(p, got) == nil {
						t.Errorf("%s %v: without %q of %s it reads back the same", name, v, l, f.Path)
					}
				}
			}
		}
	}
}

// TestBytes: what a budget of bytes counts is what stands in the files; where the options
// leave the direction open, it is the longer of the two lines.
func TestBytes(t *testing.T) {
	n := routecheck.Lengths.NumPrefixes(ipranges.IPv4) + routecheck.Lengths.NumPrefixes(ipranges.IPv6)
	both := routecheck.Lengths.Complement(ipranges.IPv4).Minus(ipranges.MustParse("0.0.0.0/8")).Union(routecheck.Lengths.Complement(ipranges.IPv6))
	isPrefix := func(line string) bool {
		_, err := ipranges.ParsePrefix(strings.TrimSuffix(line, "\n"))
		return err == nil
	}
	isRoute := func(line string) bool {
		return strings.HasPrefix(line, "route replace ") && strings.Contains(line, " proto 213 ")
	}
	for name, tt := range map[string]struct {
		change  func(*Options)
		v       rules.Verdict
		isRoute func(string) bool
		written ipranges.Set
		over    int // bytes counted beside those written
	}{
		"allowed_ips, bypass":  {allowed, rules.Bypass, routecheck.Begins(allowedKey), both, 0},
		"allowed_ips, include": {allowed, rules.Tunnel, routecheck.Begins(allowedKey), routecheck.Lengths, 0},
		"batch":                {named, rules.Bypass, isRoute, routecheck.Lengths, 0},
		"script":               {func(*Options) {}, rules.Bypass, isPrefix, routecheck.Lengths, n * len(allowedKey)},
		"script's include":     {func(*Options) {}, rules.Tunnel, routecheck.Begins(allowedKey), routecheck.Lengths, 0},
	} {
		r, err := Kind().Build(options(tt.change), renderers.Env{Name: "edge", Path: "edge.conf"})
		if err != nil {
			t.Fatal(err)
		}
		files, err := r.Render(rules.RoutePlan("edge", rules.BothFamilies, tt.v, routecheck.Lengths))
		if err != nil {
			t.Fatal(err)
		}
		got, want := routecheck.Written(files, tt.isRoute), routecheck.Counted(t, r.Caps, tt.written)
		if want != got+tt.over || got == 0 {
			t.Errorf("%s: %d bytes of routes, and %d counted", name, got, want)
		}
	}
}

// TestClaims: routes past the tunnel have protocol numbers of their own, in both ways to
// load them; AllowedIPs have none.
func TestClaims(t *testing.T) {
	claims := func(change func(*Options)) []string {
		r, err := Kind().Build(options(change), renderers.Env{Name: "edge", Path: "edge.conf"})
		if err != nil {
			t.Fatal(err)
		}
		var things []string
		for _, c := range r.Claims {
			if things = append(things, c.Thing); c.Option != "protocol" || !c.MayDiffer || c.Cost == "" || c.Fix == "" {
				t.Errorf("%+v", c)
			}
		}
		return things
	}
	byScript, byBatch := claims(func(*Options) {}), claims(named)
	if len(byScript) != 4 || !slices.Equal(byScript, byBatch) || len(claims(allowed)) != 0 {
		t.Errorf("%q and %q", byScript, byBatch)
	}
	only4 := claims(func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "eth0" })
	if !slices.Equal(only4, byScript[:2]) {
		t.Errorf("of one family %q", only4)
	}
	for _, thing := range claims(func(o *Options) { o.Protocol = 215 }) {
		if slices.Contains(byScript, thing) {
			t.Errorf("another pair has %q", thing)
		}
	}
}
