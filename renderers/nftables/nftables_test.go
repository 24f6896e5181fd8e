package nftables

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
	forward := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	output := forward
	output.Hook, output.Ingress, output.Established = "output", nil, true
	alone := forward
	alone.Placement = standalone
	host := output
	host.Placement, host.Established = standalone, false
	marked := forward
	marked.DSCP, marked.Counters, marked.Ingress, marked.Egress = true, true, []string{"lan*", "dmz0"}, []string{"wan0"}
	ip4, ip6 := forward, forward
	ip4.Table, ip6.Table = "ip fw", "ip6 fw"
	aloneMarked := alone
	aloneMarked.DSCP = true
	return []conformance.Variant{
		{Name: "fragment forward", Options: &forward},
		{Name: "fragment output", Options: &output},
		{Name: "standalone forward", Options: &alone},
		{Name: "standalone output", Options: &host},
		{Name: "fragment marked", Options: &marked},
		{Name: "standalone marked", Options: &aloneMarked},
		{Name: "fragment ip", Options: &ip4},
		{Name: "fragment ip6", Options: &ip6},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), Mistakes: mistakes(), LoadTest: "TestReloadEqualsFresh", Damages: slices.Concat(
		conformance.Damaged("", map[string][2]string{
			"a set of the other family": {"type ipv4_addr", "type ipv6_addr"},
			"another policy":            {"policy accept", "policy drop"},
		}),
		conformance.Damaged("standalone forward", map[string][2]string{
			"a chain that drops": {"\n}\n", "\n}\ntable inet sallyport_edge {\n\tchain extra {\n\t\ttype filter hook forward priority -10; policy drop;\n\t}\n}\n"},
		}),
		conformance.Damaged("fragment forward", map[string][2]string{
			"another table":  {"\nadd chain inet filter sallyport_edge\n", "\nadd chain inet nat mine\nadd chain inet filter sallyport_edge\n"},
			"everything":     {"flush chain inet filter sallyport_edge\n", "flush ruleset\n"},
			"another file":   {"\nadd table inet filter\n", "\ninclude \"/tmp/x\"\nadd table inet filter\n"},
			"the gate":       {"add rule inet filter sallyport_edge iifname != \"lan0\" return\n", ""},
			"a removal less": {"delete chain inet filter sallyport_edge\n", ""},
		}),
		conformance.Damaged("fragment output", map[string][2]string{
			"established": {"add rule inet filter sallyport_edge ct state established,related accept\n", ""},
		}),
		conformance.Damaged("fragment marked", map[string][2]string{
			"a mark less":  {"add rule inet filter sallyport_edge.marks ip saddr @sallyport_edge.lan_v4 ip daddr @sallyport_edge.cloud_v4 udp dport 3480 ip dscp set af41\n", ""},
			"another mark": {"dscp set af21", "dscp set ef"},
		}),
		[]conformance.Damage{{Name: "sources for destinations", Old: "ip daddr @", New: "ip saddr @", Differs: true}},
	)}
}

func mistakes() []conformance.Mistake {
	with := func(change func(*Options)) *Options {
		o := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
		change(&o)
		return &o
	}
	return []conformance.Mistake{
		conformance.Wrong("placement", with(func(o *Options) { o.Placement = "inline" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "filter" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "bridge filter" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "inet fil;ter" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "inet 9lives" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "ip filter" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "ip6 mangle" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "inet firewalld" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "inet firewalld_policy_drop" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "ip docker-bridges" })),
		conformance.Wrong("table", with(func(o *Options) { o.Table = "ip nm-shared-wlan0" })),
		conformance.Wrong("hook", with(func(o *Options) { o.Hook = "input" })),
		conformance.Wrong("hook", with(func(o *Options) { o.Hook = "prerouting" })),
		conformance.Wrong("hook", with(func(o *Options) { o.Ingress = nil })),
		conformance.Wrong("ingress", with(func(o *Options) { o.Hook = "output" })),
		conformance.Wrong("ingress.1", with(func(o *Options) { o.Ingress = []string{"lan0", `x" accept; #`} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"*"} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"la*n"} })),
		conformance.Wrong("egress.0", with(func(o *Options) { o.Egress = []string{"a-name-that-is-too-long"} })),
		conformance.Wrong("ingress.0", with(func(o *Options) { o.Ingress = []string{"tun+"} })),
		conformance.Wrong("ingress.1", with(func(o *Options) { o.Ingress = []string{"lan0", "eth0@if2"} })),
		conformance.Wrong("egress.0", with(func(o *Options) { o.Egress = []string{"any"} })),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

// FuzzFiles feeds the readers of what is rendered, and of what was published before.
func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPlaceChangesAreRefused: a file of another hook, table or placement would leave
// its rules working where they are.
func TestPlaceChangesAreRefused(t *testing.T) {
	first := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	published := map[string][]byte{}
	env := renderers.Env{Name: "edge", Path: "edge.nft", Previous: func(path string) []byte { return published[path] }}
	try := func(o Options) error {
		r, err := Kind().Build(&o, env)
		if err != nil {
			t.Fatal(err)
		}
		files, err := r.Render(smallPlan())
		if err == nil {
			for _, f := range files {
				published[f.Path] = f.Data
			}
		}
		return err
	}
	if err := try(first); err != nil {
		t.Fatal(err)
	}
	for option, change := range map[string]func(*Options){
		"hook":      func(o *Options) { o.Hook, o.Ingress = "output", nil },
		"table":     func(o *Options) { o.Table = "inet fw" },
		"placement": func(o *Options) { o.Placement = standalone },
	} {
		o := first
		change(&o)
		var opt *renderers.OptionError
		if err := try(o); !errors.As(err, &opt) || opt.Option != option {
			t.Errorf("another %s: %v", option, err)
		}
	}
	again := first
	again.DSCP, again.Ingress = true, []string{"lan1"}
	if err := try(again); err != nil {
		t.Errorf("the same place: %v", err)
	}
	clear(published)
	for _, o := range []Options{{Placement: standalone, Hook: "output"}, {Placement: standalone, Hook: "forward", Ingress: []string{"lan0"}}, first} {
		if err := try(o); err != nil {
			t.Errorf("from a table of our own to %s: %v", o.Placement, err)
		}
	}
}

// TestDamagedFilesBefore: what an earlier version left is known from either of its files,
// at whatever byte the other one ends, and with both cut short it is an error with a way
// on. A file of somebody else's says nothing.
func TestDamagedFilesBefore(t *testing.T) {
	opt := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	before := smallPlan()
	before.Rules[0].To = rules.In("renamed", before.Rules[0].To.Set())
	files := render(t, opt, before, nil)
	const gone = "delete set inet filter sallyport_edge.renamed_v6\n"
	again := func(main, remove []byte) (string, error) {
		r := rendered.Target(t, Kind(), &opt, renderers.File{Path: "edge.nft", Data: main}, renderers.File{Path: "edge.remove.nft", Data: remove})
		out, err := r.Render(smallPlan())
		if err != nil {
			return "", err
		}
		return string(out[0].Data), nil
	}
	for i := range files[0].Data {
		if text, err := again(files[0].Data[:i], files[1].Data); err != nil || !strings.Contains(text, gone) {
			t.Fatalf("the file that is loaded, cut at %d: %v\n%s", i, err, text)
		}
	}
	for i := range files[1].Data {
		if text, err := again(files[0].Data, files[1].Data[:i]); err != nil || !strings.Contains(text, gone) {
			t.Fatalf("the file that removes, cut at %d: %v\n%s", i, err, text)
		}
	}
	declared := strings.Index(string(files[0].Data), "add set") + len("add set inet filter x { type")
	_, err := again(files[0].Data[:declared], nil)
	var option *renderers.OptionError
	if !errors.As(err, &option) || !strings.Contains(option.Cause, "damaged") || !strings.Contains(option.Fix, "sallyport_edge") {
		t.Errorf("both damaged: %v", err)
	}
	if _, err := again([]byte("table inet filter {\n\tchain forward {\n"), nil); err != nil {
		t.Errorf("somebody else's file: %v", err)
	}
}

func smallPlan() *rules.Plan {
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{{
		Name: "calls", Verdict: rules.Allow, From: rules.Any(), To: rules.In("acs", ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")),
		Services: []rules.Service{rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481))},
	}}}
}

// FuzzParse feeds the reader of our own output with anything.
func FuzzParse(f *testing.F) {
	quickfuzz.Prepare()
	golden, err := filepath.Glob("testdata/golden/*/*.nft")
	if err != nil || len(golden) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, name := range golden {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	built := rendered.Target(f, Kind(), &Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}})
	f.Fuzz(func(t *testing.T, src string) {
		r := *built.Renderer.(*renderer)
		rs, err := parse(src)
		if err != nil {
			return
		}
		if p, err := r.readPlan(rs); err == nil && p == nil {
			t.Error("neither a plan nor an error")
		}
		r.env.Previous = func(string) []byte { return []byte(src) }
		r.declared = r.readDeclared
		left, err := r.retired(nil, nil) // whatever it is, it must not panic
		for _, line := range left.delete(r.table) {
			if err != nil || strings.ContainsAny(line, "\n\"#$@") {
				t.Errorf("%q of %q: %v", line, src, err)
			}
		}
	})
}

func render(t *testing.T, opt Options, p *rules.Plan, previous []renderers.File) []renderers.File {
	t.Helper()
	return rendered.Files(t, rendered.Target(t, Kind(), &opt, previous...), p)
}
