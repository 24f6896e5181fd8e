package iptables

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/quickfuzz"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func variants() []conformance.Variant {
	forward := Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}
	output := Options{Placement: fragment, Sets: ipset, Hook: "output", Established: true}
	gates := Options{Placement: fragment, Sets: trie, Hook: "forward", Ingress: []string{"lan*", "dmz0"}, Egress: []string{"wan0", "wan1"}, Established: true}
	chains, alone, host := forward, forward, output
	chains.Sets = trie
	alone.Placement = standalone
	host.Placement, host.Sets, host.Established = standalone, trie, false
	return []conformance.Variant{
		{Name: "ipset forward", Options: &forward},
		{Name: "ipset output", Options: &output},
		{Name: "chains forward", Options: &chains},
		{Name: "chains gates", Options: &gates},
		{Name: "standalone ipset", Options: &alone},
		{Name: "standalone chains output", Options: &host},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), Mistakes: mistakes(), LoadTest: "TestReloadEqualsFresh", Damages: slices.Concat(
		conformance.Damaged("", map[string][2]string{
			"no commit":           {"COMMIT\n", ""},
			"another table":       {"*filter", "*mangle"},
			"everything":          {"*filter\n", "*filter\n-F\n"},
			"a chain of yours":    {"-A sallyport_edge.rules", "-A FORWARD"},
			"another verdict":     {"-j ACCEPT", "-j QUEUE"},
			"another protocol":    {"-p udp -m udp", "-p tcp -m tcp"},
			"a module of another": {"-p udp -m udp", "-p udp -m tcp"},
		}),
		conformance.Damaged("ipset forward", map[string][2]string{
			"another interface":         {"-i lan0", "-i wan0"},
			"a set that is not":         {"--match-set sallyport_edge.cloud_v4", "--match-set sallyport_edge.clouds_v4"},
			"a set that must not match": {"-m set --match-set", "-m set ! --match-set"},
			"a set never swapped in":    {"swap sallyport_edge.-v4 sallyport_edge.cloud_v4\n", ""},
			"a set of the other family": {"family inet6", "family inet"},
		}),
		conformance.Damaged("chains forward", map[string][2]string{"host bits": {"52.112.0.0/14", "52.112.0.1/14"}}),
	)}
}

func mistakes() []conformance.Mistake {
	with := func(change func(*Options)) *Options {
		o := Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}
		change(&o)
		return &o
	}
	return []conformance.Mistake{
		conformance.Wrong("placement", with(func(o *Options) { o.Placement = "inline" })),
		conformance.Wrong("sets", with(func(o *Options) { o.Sets = "nft" })),
		conformance.Wrong("hook", with(func(o *Options) { o.Hook = "input" })),
		conformance.Wrong("hook", with(func(o *Options) { o.Hook = "prerouting" })),
		conformance.Wrong("hook", with(func(o *Options) { o.Ingress = nil })),
		conformance.Wrong("ingress", with(func(o *Options) { o.Hook = "output" })),
		conformance.Wrong("ingress.1", with(func(o *Options) { o.Ingress = []string{"lan0", `x" -j ACCEPT`} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"*"} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"lan+"} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"-j"} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"!lan0"} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"la*n"} })),
		conformance.Wrong("egress.0", with(func(o *Options) { o.Egress = []string{"a-name-that-is-too-long"} })),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

// FuzzFiles feeds the readers of what is rendered, and of what was published before.
func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

// TestDamageInEveryFile takes away every line of what is loaded, one at a time:
// the plan that is read back must differ, or not be readable.
func TestDamageInEveryFile(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.Name, func(t *testing.T) {
			opt := *v.Options.(*Options)
			p := damagePlan()
			if opt.Placement == standalone {
				p.Default = rules.Deny
			}
			r, files := renderAs(t, opt, "edge", p, nil)
			for f := range files {
				if strings.HasSuffix(files[f].Path, ".sh") {
					continue
				}
				lines := strings.SplitAfter(string(files[f].Data), "\n")
				for i, l := range lines {
					if l == "" || l[0] == '#' || strings.Contains(l, " -j LOG ") || isHousekeeping(l, lines[:i]) {
						continue
					}
					broken := slices.Clone(files)
					broken[f].Data = []byte(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""))
					got, err := r.ReadBack(broken)
					if err == nil && rules.Compare(p, got) == nil {
						t.Errorf("%s reads back the same without %q", files[f].Path, l)
					}
				}
			}
		})
	}
}

// isHousekeeping says whether a fresh load does the same without the line: emptying
// a set that is new, or giving up one that is done with.
func isHousekeeping(l string, before []string) bool {
	if strings.HasPrefix(l, "flush ") || strings.HasPrefix(l, "destroy ") {
		return true
	}
	return strings.HasPrefix(l, "create ") && slices.Contains(before, l)
}

func damagePlan() *rules.Plan {
	lan := rules.In("lan", ipranges.MustParse("10.20.0.0/16", "10.30.0.0/16", "fd20::/48"))
	holes := rules.In("holes", ipranges.MustParse("52.114.0.0/16", "2603:1063:8::/48"))
	many := ipranges.MustParse("52.112.0.0/14", "2603:1063::/38")
	for _, a := range []string{"13.64.0.0/16", "13.66.0.0/17", "13.69.1.0/24", "20.1.0.0/16", "20.3.0.0/16", "20.33.0.0/18", "20.38.8.0/21", "20.40.0.0/16", "40.64.3.0/24", "51.4.0.0/16"} {
		many = many.Union(ipranges.MustParse(a))
	}
	services := []rules.Service{rules.NewService("s", rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.UDP, 53, 53), rules.Ports(rules.TCP, 443, 443),
		rules.ICMPType(rules.ICMP, 8), rules.ICMPType(rules.ICMPv6, 128), rules.All(rules.ESP))}
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{
		{Name: "hole", Verdict: rules.Deny, Reject: true, Log: true, From: lan, To: holes, Services: services},
		{Name: "calls", Verdict: rules.Allow, From: lan, To: rules.In("many", many), Services: services},
	}}
}

// TestWhatIptablesMistakes refuses what iptables would read as something wider, or
// never match, and only where it does.
func TestWhatIptablesMistakes(t *testing.T) {
	four, six := rules.In("four", ipranges.MustParse("20.0.0.0/8")), rules.In("six", ipranges.MustParse("2603::/16"))
	for _, tt := range []struct {
		name  string
		to    rules.Addresses
		match rules.Match
		fine  bool
	}{
		{"protocol 0", four, rules.All(0), false},
		{"protocol 0, IPv6", six, rules.All(0), false},
		{"ICMP type 255", four, rules.ICMPType(rules.ICMP, 255), false},
		{"ICMP types up to 255", four, rules.Match{Proto: rules.ICMP, Lo: 256, Hi: 65535}, false},
		{"every ICMP type", four, rules.All(rules.ICMP), true},
		{"ICMPv6 type 255", six, rules.ICMPType(rules.ICMPv6, 255), true},
		{"routing header", six, rules.All(43), false},
		{"protocol 43 in IPv4", four, rules.All(43), true},
		{"AH", six, rules.All(rules.AH), true},
	} {
		r := rendered.Target(t, Kind(), &Options{Placement: fragment, Sets: trie, Hook: "output"})
		_, err := rendered.Try(r, &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{{Name: "x", Verdict: rules.Allow,
			From: rules.Any(), To: tt.to, Services: []rules.Service{rules.NewService("s", tt.match)}}}})
		var refused *rules.RuleError
		if (err == nil) != tt.fine || err != nil && (!errors.As(err, &refused) || refused.Rule != "x" || refused.Fix == "") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestNames holds names to the limits of the kernel, and targets and sets apart.
func TestNames(t *testing.T) {
	long := strings.Repeat("x", 39)
	seen := map[string]string{}
	for _, target := range []string{"e", "edge", "edge_x", "nine_char", "ten_chars_", "eighteen_character", "nineteen_characters", long + "a", long + "b"} {
		n := namesOf(target)
		check := func(what, name string, limit int) {
			t.Helper()
			if len(name) > limit || !isName(name) || !n.ours(name) {
				t.Errorf("%s of %s: %q", what, target, name)
			}
			if other := seen[name]; other != "" {
				t.Errorf("%s is both %s and %s of %s", name, other, what, target)
			}
			seen[name] = what + " of " + target
		}
		check("main", n.main, maxChain)
		check("rules", n.body(), maxChain)
		check("a chain", n.chain([]byte("key"), map[string]bool{}), maxChain)
		check("a fresh set", n.fresh("v4"), maxSet)
		for _, set := range []string{"a", "acs_media", long + "c", long + "d"} {
			for _, suffix := range []string{"v4", "v6"} {
				check("set "+set+" "+suffix, n.set(set, suffix), maxSet)
				check("copy of set "+set+" "+suffix, strings.TrimSuffix(n.set(set, suffix), "_"+suffix)+"."+suffix, maxSet)
			}
		}
		if other := namesOf("zone"); other.ours(n.main) || other.ours(n.body()) {
			t.Errorf("%s is taken for the target zone's", n.main)
		}
	}
	used := map[string]bool{}
	first := namesOf("edge").chain([]byte("key"), used)
	if second := namesOf("edge").chain([]byte("key"), used); first == second {
		t.Error("two chains have one name")
	}
	if main := namesOf("edge").main; main != "sallyport_edge" {
		t.Errorf("a short name is not kept: %s", main)
	}
}

// renderAs renders p for the target name, with previous as what was published before.
func renderAs(t testing.TB, opt Options, name string, p *rules.Plan, previous []renderers.File) (*renderer, []renderers.File) {
	t.Helper()
	built, err := Kind().Build(&opt, renderers.Env{Name: name, Path: name + ".rules", Previous: rendered.Previous(previous)})
	if err != nil {
		t.Fatal(err)
	}
	return built.Renderer.(*renderer), rendered.Files(t, built, p)
}

// FuzzReaders feeds the readers of our own output with anything.
func FuzzReaders(f *testing.F) {
	quickfuzz.Prepare()
	golden, err := filepath.Glob("testdata/golden/*/*.v4.rules")
	if err != nil || len(golden) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, name := range golden {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		sets, _ := os.ReadFile(strings.TrimSuffix(name, ".v4.rules") + ".ipset") // the form with chains has none
		f.Add(string(data), string(sets))
	}
	f.Fuzz(func(t *testing.T, src, sets string) {
		r := &renderer{opt: Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}},
			env: renderers.Env{Name: "edge"}, names: namesOf("edge"), paths: pathsOf("edge.rules")}
		p, err := r.readPlan(sets, map[ipranges.Family]string{ipranges.IPv4: src, ipranges.IPv6: src})
		if err == nil && p == nil {
			t.Error("neither a plan nor an error")
		}
		for _, name := range (&table{names: r.names, previous: []byte(src)}).retired() {
			if !r.names.ours(name) || !isName(name) {
				t.Errorf("%q would be removed, and is not ours", name)
			}
		}
	})
}
