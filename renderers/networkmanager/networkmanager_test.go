package networkmanager

import (
	"errors"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
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

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "routes", Options: options(gateways), Only: rules.Bypass},
		{Name: "profile", Options: options(merged), Only: rules.Bypass},
		{Name: "include", Options: options(func(*Options) {}), Only: rules.Tunnel},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), Mistakes: mistakes(), LoadTest: "TestRoutesOnEveryBoundary",
		Route: regexp.MustCompile(`^route[0-9]{7,}=`).MatchString,
		Damages: slices.Concat(
			conformance.Damaged("profile", map[string][2]string{
				"another profile":  {"id=office", "id=home"},
				"another gateway":  {"52.112.0.0/14,10.20.0.1", "52.112.0.0/14,10.20.0.9"},
				"a metric":         {"52.112.0.0/14,10.20.0.1", "52.112.0.0/14,10.20.0.1,5"},
				"a broken prefix":  {"52.112.0.0/14,10.20.0.1", "52.112.0.0/33,10.20.0.1"},
				"options behind":   {"52.112.0.0/14,10.20.0.1\n", "52.112.0.0/14,10.20.0.1\nroute1_options=type=blackhole\n"},
				"another group":    {"52.112.0.0/14,10.20.0.1\n", "52.112.0.0/14,10.20.0.1\n[vpn]\n"},
				"a route of yours": {"52.112.0.0/14,10.20.0.1\n", "52.112.0.0/14,10.20.0.1\nroute1=9.9.9.9/32,10.20.0.1\n"},
			}),
			conformance.Damaged("", map[string][2]string{
				"no header":     {"# routes:", "# ways:"},
				"a family less": {"of IPv4 and IPv6:", "of IPv4:"},
			}),
			conformance.Damaged("include", map[string][2]string{
				"the other way":   {"# routes: include", "# routes: bypass"},
				"a default route": {"never-default=true\n", ""},
				"a gateway":       {"=52.112.0.0/14\n", "=52.112.0.0/14,10.20.0.1\n"},
			}),
			conformance.Damaged("routes", map[string][2]string{"the other way": {"# routes: bypass", "# routes: include"}}),
		),
	}
}

func mistakes() []conformance.Mistake {
	list := []conformance.Mistake{
		conformance.Wrong("gateway4", options(func(o *Options) { o.Gateway4 = "router" })),
		conformance.Wrong("gateway4", options(func(o *Options) { o.Gateway4 = "2001:db8::1" })),
		conformance.Wrong("gateway4", options(func(o *Options) { o.Gateway4 = "0.0.0.0" })),
		conformance.Wrong("gateway6", options(func(o *Options) { o.Gateway6 = "192.0.2.1" })),
		conformance.Wrong("gateway6", options(func(o *Options) { o.Gateway6 = "fe80::1%eth0" })),
		conformance.Wrong("gateway6", options(func(o *Options) { o.Gateway6 = "::ffff:192.0.2.1" })),
		conformance.Wrong("profile", options(func(o *Options) { o.Profile = "testdata/missing" })),
	}
	const good = "[connection]\nid=office\nuuid=6f3c1c4e-63d4-4d2e-9d4f-4b7d3f0c1111\ntype=ethernet\n"
	for _, text := range []string{"hello\n", "[connection]\nid=x\n", "[ipv4]\nmethod=auto\n", good + "[ipv4]\ndns=192.0.2.53;\n", good + "\x00",
		strings.Replace(good, "uuid=", "master=br0\nslave-type=bridge\nuuid=", 1), good + "# made by\n# routes: bypass of IPv4: x\n"} {
		list = append(list, conformance.Mistake{Option: "profile", Options: options(merged), Files: map[string]string{uplinkFile: text}})
	}
	return list
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

// build is a renderer whose profile is text, where that is not empty.
func buildWith(t testing.TB, opt *Options, text string) (*renderers.Target, error) {
	t.Helper()
	return Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.nmconnection", Read: func(name string) ([]byte, error) {
		if text != "" {
			return []byte(text), nil
		}
		return os.ReadFile(name)
	}})
}

func render(t testing.TB, opt *Options, p *rules.Plan, profile string) (*renderers.Target, []renderers.File, error) {
	t.Helper()
	r, err := buildWith(t, opt, profile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := rendered.Try(r, p)
	return r, files, err
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func plan(v rules.Verdict, set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, v, set)
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

// forms are profiles as people and programs write them, and whether NetworkManager takes
// them (and we).
var forms = map[string]struct {
	text  string
	taken bool
}{
	"as nmcli writes it":    {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\n\n[ethernet]\n\n[ipv4]\nmethod=auto\n\n[ipv6]\naddr-gen-mode=default\nmethod=auto\n\n[proxy]\n", true},
	"no uuid":               {"[connection]\nid=office\ntype=ethernet\n\n[ipv4]\nmethod=auto\n", true},
	"neither uuid nor id":   {"[connection]\ntype=ethernet\n\n[ipv4]\nmethod=auto\n", true},
	"CR LF":                 {"[connection]\r\nid=office\r\nuuid=UUID\r\ntype=ethernet\r\n\r\n[ipv4]\r\nmethod=auto\r\n", true},
	"no [ipv4]":             {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\n", true},
	"no end of line":        {"[connection]\nid=office\nuuid=UUID\ntype=ethernet", true},
	"a type by its group":   {"[connection]\nid=office\nuuid=UUID\n[ethernet]\nmtu=1400\n", true},
	"a type of old":         {"[connection]\nid=office\nuuid=UUID\ntype=802-3-ethernet\n", true},
	"comments":              {"# by hand\n\n[connection]\n  # who\nid=office\nuuid=UUID\ntype=ethernet\n#[ipv4]\n#method=disabled\n", true},
	"blanks":                {"  [connection]  \n  id = office\n\tuuid= UUID\ntype =ethernet\n[ipv4]\t\n method = auto\n", true},
	"groups twice":          {"[connection]\nid=office\nuuid=UUID\n[ipv4]\nmethod=disabled\n[connection]\ntype=ethernet\n[ipv4]\nmethod=auto\ndns=192.0.2.53;\n", true},
	"escapes in a name":     {"[connection]\nid=of\\sfice\\\\\nuuid=UUID\ntype=ethernet\n", true},
	"lists":                 {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\npermissions=user:root:;\n[ipv4]\naddress1=192.0.2.7/24,192.0.2.1\naddresses2=192.0.2.8/24\ndns=192.0.2.53;192.0.2.54;\nroute1=198.51.100.0/24,192.0.2.9\nroutes2=203.0.113.0/24,192.0.2.9,5\nmethod=manual\n", true},
	"other languages":       {"[connection]\nid=office\nid[de]=Büro\nuuid=UUID\ntype=ethernet\n[ipv4]\nmethod[de]=disabled\nmethod=auto\n", true},
	"settings of the user":  {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\n[user]\nx.y=a=b\n[.nmmeta]\nnm-generated=false\n", true},
	"no type":               {"[connection]\nid=office\nuuid=UUID\n", false},
	"no [connection]":       {"[ethernet]\nmtu=1400\n", true},
	"an empty uuid":         {"[connection]\nid=office\nuuid=\ntype=ethernet\n", false},
	"a broken uuid":         {"[connection]\nid=office\nuuid=1111\ntype=ethernet\n", false},
	"[ipv4] without method": {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\n[ipv4]\ndns=192.0.2.53;\n", false},
	"comments by semicolon": {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\n; who\n", false},
	"behind a group":        {"[connection] # who\nid=office\nuuid=UUID\ntype=ethernet\n", false},
	"a byte order mark":     {"\ufeff[connection]\nid=office\nuuid=UUID\ntype=ethernet\n", false},
	"CR alone":              {"[connection]\rid=office\ruuid=UUID\rtype=ethernet\r", false},
	"a group without name":  {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\n[]\n", false},
	"a key without value":   {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\nautoconnect\n", false},
	"a value without key":   {"[connection]\nid=office\nuuid=UUID\ntype=ethernet\n=x\n", false},
	"no group in front":     {"id=office\n[connection]\nuuid=UUID\ntype=ethernet\n", false},
}

// TestFormsOfProfiles takes what NetworkManager takes, and keeps it byte for byte.
func TestFormsOfProfiles(t *testing.T) {
	only := func(o *Options) { o.Gateway4, o.Profile = "192.0.2.1", "office.nmconnection" }
	p := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4))
	for name, form := range forms {
		text := strings.ReplaceAll(form.text, "UUID", "11111111-2222-3333-4444-555555555555")
		r, err := buildWith(t, options(only), text)
		if (err == nil) != form.taken {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil || !form.taken {
			continue
		}
		files, err := r.Render(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !strings.HasPrefix(string(files[0].Data), text) {
			t.Errorf("%s: the profile is changed", name)
		}
		if got, err := r.ReadBack(files); err != nil || rules.Compare(p, got) != nil {
			t.Errorf("%s: it reads back otherwise: %v", name, err)
		}
		if has := strings.Contains(string(files[0].Data), "[ipv4]\nmethod=auto\nroute"); has == strings.Contains(text, "\n[ipv4]") || strings.Contains(text, "\n [ipv4]") {
			t.Errorf("%s: a method of ours: %v\n%s", name, has, files[0].Data)
		}
	}
}

// TestAdvice: a profile that is known by its file's name keeps that name.
func TestAdvice(t *testing.T) {
	const without = "[connection]\nid=office\ntype=ethernet\n"
	for _, tt := range []struct {
		from, text string
		told       bool
	}{
		{"mine/edge.nmconnection", without, false}, // the output is called so
		{"office.nmconnection", without, true},
		{"office.nmconnection", without + "uuid=11111111-2222-3333-4444-555555555555\n", false},
	} {
		r, err := buildWith(t, options(func(o *Options) { gateways(o); o.Profile = tt.from }), tt.text)
		if err != nil {
			t.Fatal(err)
		}
		advice := r.Advice(plan(rules.Bypass, relays))
		if (len(advice) == 1) != tt.told || tt.told && !strings.Contains(advice[0].Fix, tt.from) {
			t.Errorf("%s: %v", tt.from, advice)
		}
		f, err := r.Render(plan(rules.Bypass, relays))
		if want := map[bool]string{true: "id office", false: "uuid 11111111"}[tt.text == without]; err != nil || !strings.Contains(f[0].Use, want) {
			t.Errorf("%s: %v, used by %s", tt.from, err, f[0].Use)
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

// TestOneProfileInTwoFiles: a profile is one target's, wherever its file is.
func TestOneProfileInTwoFiles(t *testing.T) {
	const text = "[connection]\nid=x\nuuid=6f3c1c4e-63d4-4d2e-9d4f-4b7d3f0c1111\ntype=wifi\n"
	claim := func(profile, text string) string {
		r, err := buildWith(t, options(func(o *Options) { merged(o); o.Profile = profile }), text)
		if err != nil || len(r.Claims) != 1 {
			t.Fatalf("%v, %v", r, err)
		}
		return r.Claims[0].Thing
	}
	one := claim("office", text)
	if same := claim("copy", strings.Replace(text, "id=x", "id=y", 1)); same != one {
		t.Errorf("%q and %q", one, same)
	}
	if other := claim("office", strings.Replace(text, "1111", "2222", 1)); other == one {
		t.Errorf("two profiles are %q", one)
	}
}
