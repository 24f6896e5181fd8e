package networkmanager

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

const uplinkFile = "testdata/uplink.nmconnection"

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	change(o)
	return o
}

func gateways(o *Options) { o.Gateway4, o.Gateway6 = "10.20.0.1", "fd20::1" }

func merged(o *Options) { gateways(o); o.Profile = uplinkFile }

func TestConformance(t *testing.T) {
	conformance.Run(t, Kind(),
		conformance.Variant{Name: "routes", Options: options(gateways)},
		conformance.Variant{Name: "profile", Options: options(merged)},
	)
}

// build is a renderer whose profile is text, where that is not empty.
func buildWith(t testing.TB, opt *Options, text string) (renderers.Renderer, error) {
	t.Helper()
	return Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.nmconnection", Read: func(name string) ([]byte, error) {
		if text != "" {
			return []byte(text), nil
		}
		return os.ReadFile(name)
	}})
}

func render(t testing.TB, opt *Options, p *rules.Plan, profile string) (renderers.Renderer, []renderers.File, error) {
	t.Helper()
	r, err := buildWith(t, opt, profile)
	if err != nil {
		t.Fatal(err)
	}
	lowered, _, errs := rules.Lower(p, renderers.CapsOf(Kind(), r))
	if len(errs) > 0 {
		return r, nil, errs[0]
	}
	files, err := r.Render(lowered)
	return r, files, err
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func plan(v rules.Verdict, set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, v, set)
}

// TestInclude reads the plans of what goes through the VPN back: the conformance suite
// has gateways, which these refuse.
func TestInclude(t *testing.T) {
	n := 0
	for _, c := range conformance.RouteCases() {
		if c.Plan.Default != rules.Bypass {
			continue
		}
		n++
		r, files, err := render(t, options(func(*Options) {}), c.Plan, "")
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		got, err := r.ReadBack(files)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if d := rules.Compare(c.Plan, got); d != nil {
			t.Errorf("%s: %v", c.Name, d)
		}
		if strings.Count(string(files[0].Data), "\nnever-default=true\n") != len(c.Plan.Families.List()) {
			t.Errorf("%s: not every family is without a default route:\n%s", c.Name, files[0].Data)
		}
	}
	if n < 10 {
		t.Errorf("%d cases", n)
	}
}

func TestOptionMistakes(t *testing.T) {
	good, err := os.ReadFile(uplinkFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		option  string
		change  func(*Options)
		profile string
	}{
		{"gateway4", func(o *Options) { o.Gateway4 = "router" }, ""},
		{"gateway4", func(o *Options) { o.Gateway4 = "2001:db8::1" }, ""},
		{"gateway4", func(o *Options) { o.Gateway4 = "0.0.0.0" }, ""},
		{"gateway6", func(o *Options) { o.Gateway6 = "192.0.2.1" }, ""},
		{"gateway6", func(o *Options) { o.Gateway6 = "fe80::1%eth0" }, ""},
		{"gateway6", func(o *Options) { o.Gateway6 = "::ffff:192.0.2.1" }, ""},
		{"profile", func(o *Options) { o.Profile = "testdata/missing" }, ""},
		{"profile", merged, "hello\n"},
		{"profile", merged, "[connection]\nid=x\ntype=ethernet\n"},
		{"profile", merged, string(good) + "# made by\n# routes: bypass of IPv4: x\n"},
		{"profile", merged, string(good) + "\x00"},
		{"profile", merged, "id=x\n" + string(good)},
	} {
		_, err := buildWith(t, options(tt.change), tt.profile)
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %v", tt.option, err)
		}
	}
}

// TestRefusals are plans that the options or the profile do not allow.
func TestRefusals(t *testing.T) {
	profile := func(kind, method6 string) string {
		return "[connection]\nid=x\nuuid=6f3c1c4e-63d4-4d2e-9d4f-4b7d3f0c1111\ntype=" + kind + "\n[ipv6]\nmethod=" + method6 + "\n"
	}
	only := func(o *Options) { o.Profile = "x" }
	for name, tt := range map[string]struct {
		change  func(*Options)
		v       rules.Verdict
		profile string
		ok      bool
	}{
		"no gateway":                   {func(*Options) {}, rules.Bypass, "", false},
		"one gateway":                  {func(o *Options) { o.Gateway4 = "192.0.2.1" }, rules.Bypass, "", false},
		"include with gateways":        {gateways, rules.Tunnel, "", false},
		"bypass in a VPN's profile":    {merged, rules.Bypass, profile("vpn", "auto"), false},
		"bypass in WireGuard's":        {merged, rules.Bypass, profile("wireguard", "auto"), false},
		"include in WireGuard's":       {only, rules.Tunnel, profile("wireguard", "auto"), false},
		"include in a VPN's profile":   {only, rules.Tunnel, profile("vpn", "auto"), true},
		"IPv6 is disabled":             {merged, rules.Bypass, profile("wifi", "disabled"), false},
		"IPv6 is ignored":              {only, rules.Tunnel, profile("vpn", "ignore"), false},
		"a number of ours":             {merged, rules.Bypass, profile("wifi", "auto") + "route1000000=9.9.9.9/32\n", false},
		"a number of yours":            {merged, rules.Bypass, profile("wifi", "auto") + "route999=2620:fe::9/128\nroute999_options=table=7\n", true},
		"options of a number of ours":  {merged, rules.Bypass, profile("wifi", "auto") + "route1000000_options=table=7\n", false},
		"a number beyond all":          {merged, rules.Bypass, profile("wifi", "auto") + "route99999999999=9.9.9.9/32\n", false},
		"keys that are no routes":      {merged, rules.Bypass, profile("wifi", "auto") + "route-metric=50\nroute-table=1000000\nrouting-rule1000000=priority 5 from ::/0 table 7\n", true},
		"IPv6 is on in the last group": {merged, rules.Bypass, profile("wifi", "disabled") + "[ipv6]\nmethod = auto\n", true},
	} {
		_, files, err := render(t, options(tt.change), plan(tt.v, relays), tt.profile)
		var opt *renderers.OptionError
		var rule *rules.RuleError
		told := errors.As(err, &opt) && opt.Fix != "" || errors.As(err, &rule) && rule.Fix != ""
		if tt.ok && (err != nil || len(files) != 1) || !tt.ok && !told {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOnlyRootCanRead: NetworkManager ignores profiles of another mode, and they hold
// secrets.
func TestOnlyRootCanRead(t *testing.T) {
	_, files, err := render(t, options(merged), plan(rules.Bypass, relays), "")
	if err != nil || files[0].Mode != 0o600 {
		t.Errorf("mode %v, %v", files[0].Mode, err)
	}
	own, err := os.ReadFile(uplinkFile)
	if err != nil || !strings.HasPrefix(string(files[0].Data), string(own)) {
		t.Errorf("the profile is changed: %v", err)
	}
}

// TestNumbersTellPrefixesApart takes so many prefixes that some hashes are equal.
func TestNumbersTellPrefixesApart(t *testing.T) {
	var b ipranges.Builder
	for i := range 100_000 {
		a := netip.AddrFrom4([4]byte{20 + byte(i>>15), byte(i >> 7), byte(i << 1), 0})
		if err := b.AddPrefix(netip.PrefixFrom(a, 24)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[uint64]bool{}
	for p, n := range numbers(b.Set(), ipranges.IPv4) {
		if seen[n] || n < firstNumber || n > 1<<31-1 {
			t.Fatalf("%s has the number %d", p, n)
		}
		seen[n] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("%d numbers", len(seen))
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	r, files, err := render(t, options(merged), plan(rules.Bypass, relays), "")
	if err != nil {
		t.Fatal(err)
	}
	good := string(files[0].Data)
	if _, err := r.ReadBack(files); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]string{
		"another profile":  {"id=office", "id=home"},
		"no header":        {"# routes:", "# ways:"},
		"the other way":    {"# routes: bypass", "# routes: include"},
		"a family less":    {"bypass of IPv4 and IPv6:", "bypass of IPv4:"},
		"another gateway":  {"52.112.0.0/14,10.20.0.1", "52.112.0.0/14,10.20.0.9"},
		"host bits":        {"52.112.0.0/14,10.20.0.1", "52.112.0.1/14,10.20.0.1"},
		"a metric":         {"52.112.0.0/14,10.20.0.1", "52.112.0.0/14,10.20.0.1,5"},
		"a broken prefix":  {"52.112.0.0/14,10.20.0.1", "52.112.0.0/33,10.20.0.1"},
		"options behind":   {"52.112.0.0/14,10.20.0.1\n", "52.112.0.0/14,10.20.0.1\nroute1_options=type=blackhole\n"},
		"another group":    {"52.112.0.0/14,10.20.0.1\n", "52.112.0.0/14,10.20.0.1\n[vpn]\n"},
		"a route of yours": {"52.112.0.0/14,10.20.0.1\n", "52.112.0.0/14,10.20.0.1\nroute1=9.9.9.9/32,10.20.0.1\n"},
	} {
		text := strings.Replace(good, pair[0], pair[1], 1)
		if text == good {
			t.Fatalf("no %q", pair[0])
		}
		if _, err := r.ReadBack([]renderers.File{{Path: "edge.nmconnection", Data: []byte(text)}}); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	if _, err := r.ReadBack(append(files, renderers.File{Path: "x"})); err == nil {
		t.Error("a stray file is read")
	}
}

func FuzzReadBack(f *testing.F) {
	golden, err := filepath.Glob("testdata/golden/*/*.nmconnection")
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
	var built []renderers.Renderer
	for _, change := range []func(*Options){gateways, merged, func(*Options) {}} {
		r, err := buildWith(f, options(change), "")
		if err != nil {
			f.Fatal(err)
		}
		built = append(built, r)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, r := range built {
			if p, err := r.ReadBack([]renderers.File{{Path: "edge.nmconnection", Data: data}}); err == nil && p == nil {
				t.Error("neither a plan nor an error")
			}
		}
		if k, err := readProfile(data); err == nil && k == nil {
			t.Error("neither keys nor an error")
		}
	})
}

// TestBytes: what a budget of bytes counts is what stands in the profile.
func TestBytes(t *testing.T) {
	for change, v := range map[*Options]rules.Verdict{options(gateways): rules.Bypass, options(merged): rules.Bypass, options(func(*Options) {}): rules.Tunnel} {
		r, files, err := render(t, change, plan(v, routecheck.Lengths), "")
		if err != nil {
			t.Fatal(err)
		}
		isRoute := regexp.MustCompile(`^route[0-9]{7,}=`).MatchString
		got, want := routecheck.Written(files, isRoute), routecheck.Counted(t, renderers.CapsOf(Kind(), r), routecheck.Lengths)
		if got != want || got == 0 {
			t.Errorf("%v: %d bytes of routes, and %d counted", v, got, want)
		}
	}
}

// TestClaims: one profile is one target's, wherever its file is; without one there is
// nothing to share.
func TestClaims(t *testing.T) {
	claims := func(change func(*Options), profile string) []renderers.Claim {
		r, err := buildWith(t, options(change), profile)
		if err != nil {
			t.Fatal(err)
		}
		return r.(renderers.Claimer).Claims()
	}
	if list := claims(gateways, ""); len(list) > 0 {
		t.Errorf("%+v", list)
	}
	const text = "[connection]\nid=x\nuuid=6f3c1c4e-63d4-4d2e-9d4f-4b7d3f0c1111\ntype=wifi\n"
	one := claims(merged, text)
	same := claims(func(o *Options) { merged(o); o.Profile = "copy" }, strings.Replace(text, "id=x", "id=y", 1))
	other := claims(merged, strings.Replace(text, "1111", "2222", 1))
	if len(one) != 1 || len(same) != 1 || len(other) != 1 || one[0].Thing != same[0].Thing || one[0].Thing == other[0].Thing || !one[0].MayDiffer || one[0].Fix == "" {
		t.Errorf("%+v, %+v, %+v", one, same, other)
	}
}
