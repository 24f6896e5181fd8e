package pfsense

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func options(form string) Options {
	o := *Kind().NewOptions().(*Options)
	o.Form = form
	switch form {
	case formURLTable:
		o.URL = "https://files.example.net/sallyport/"
	case formMerge:
		o.Config, o.Before = "testdata/config.xml", "Default allow LAN to any rule"
		o.Accept = []string{"1734240002", "1734240010", "1734240011", "1734240020", "1734240021"}
	}
	return o
}

func variants() []conformance.Variant {
	table, paste, before := options(formURLTable), options(formImport), options(formMerge)
	after, fetched := before, before
	after.Before, after.After, after.Interface = "", "1734240030", "opt1"
	after.Accept = append([]string{"1734240001", "1734240030"}, after.Accept...)
	fetched.URL = "https://files.example.net"
	return []conformance.Variant{
		{Name: "urltable", Options: &table},
		{Name: "import", Options: &paste},
		{Name: "merge before", Options: &before},
		{Name: "merge after", Options: &after},
		{Name: "merge fetched", Options: &fetched},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), Mistakes: mistakes(), LoadTest: "TestMergeAgain", Damages: slices.Concat(
		conformance.Damaged("urltable", map[string][2]string{
			"a denial by a table":           {"<type>pass</type>", "<type>block</type>"},
			"an address among the names":    {"login.example.com ", "10.0.0.1 "},
			"another type":                  {"<type>host</type>", "<type>network</type>"},
			"descriptions of other entries": {"<detail><![CDATA[||]]></detail>", "<detail></detail>"},
			"names as the source":           {"<source>\n\t\t\t\t<any></any>", "<source>\n\t\t\t\t<address>sp_hosts_names</address>"},
			"names and any":                 {"<address>sp_hosts_names</address>", "<address>sp_hosts_names</address><any></any>"},
			"no end":                        {"</filter>", ""},
		}),
		conformance.Damaged("import", map[string][2]string{
			"an address in the file": {"login.example.com", "10.0.0.1"},
			"an empty file":          {"login.example.com\nworldaz.relay.example.com", ""},
		}),
		conformance.Damaged("merge before", map[string][2]string{
			"a wildcard":           {"login.example.com ", "*.example.com "},
			"the name of an alias": {"login.example.com ", "sp_cloud "},
			"no name":              {"login.example.com worldaz.relay.example.com", ""},
		}),
	)}
}

func mistakes() []conformance.Mistake {
	with := func(form string, change func(*Options)) *Options {
		o := options(form)
		change(&o)
		return &o
	}
	return []conformance.Mistake{
		conformance.Wrong("form", with(formURLTable, func(o *Options) { o.Form = "xmlrpc" })),
		conformance.Wrong("url", with(formURLTable, func(o *Options) { o.URL = "" })),
		conformance.Wrong("url", with(formURLTable, func(o *Options) { o.URL = "http://files.example.net" })),
		conformance.Wrong("url", with(formURLTable, func(o *Options) { o.URL = "ftp://files.example.net" })),
		conformance.Wrong("url", with(formURLTable, func(o *Options) { o.URL = "files.example.net/x" })),
		conformance.Wrong("url", with(formURLTable, func(o *Options) { o.URL = "https://a.example/x?y=<z>" })),
		conformance.Wrong("url", with(formURLTable, func(o *Options) { o.URL = "https://u:p@a.example/" })),
		conformance.Wrong("url", with(formImport, func(o *Options) { o.URL = "https://a.example" })),
		conformance.Wrong("config", with(formURLTable, func(o *Options) { o.Config = "config.xml" })),
		conformance.Wrong("before", with(formImport, func(o *Options) { o.Before = "x" })),
		conformance.Wrong("accept", with(formImport, func(o *Options) { o.Accept = []string{"x"} })),
		conformance.Wrong("form", with(formMerge, func(o *Options) { o.Config = "" })),
		conformance.Wrong("form", with(formMerge, func(o *Options) { o.Before = "" })),
		conformance.Wrong("after", with(formMerge, func(o *Options) { o.After = "x" })),
		conformance.Wrong("config", with(formMerge, func(o *Options) { o.Config = "testdata/absent.xml" })),
		conformance.Wrong("interface", with(formMerge, func(o *Options) { o.Interface = "lan<" })),
		conformance.Wrong("prefix", with(formURLTable, func(o *Options) { o.Prefix = "pkg_" })),
		conformance.Wrong("prefix", with(formURLTable, func(o *Options) { o.Prefix = "a-b" })),
		conformance.Wrong("update_days", with(formURLTable, func(o *Options) { o.UpdateDays = 0 })),
		conformance.Wrong("update_days", with(formURLTable, func(o *Options) { o.UpdateDays = 129 })),
		conformance.Wrong("alias_entries", with(formImport, func(o *Options) { o.AliasEntries = 0 })),
		conformance.Wrong("table_entries", with(formImport, func(o *Options) { o.TableEntries = -1 })),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

// FuzzFiles takes a small config.xml: a large one is slow.
func FuzzFiles(f *testing.F) {
	list := variants()[:2]
	for _, url := range []string{"", "https://files.example.net"} {
		o := options(formMerge)
		o.Config, o.URL, o.Before, o.Like, o.Accept = "testdata/small.xml", url, "all", "all", []string{"1", "2"}
		list = append(list, conformance.Variant{Name: "merge", Options: &o})
	}
	conformance.Fuzz(f, conformance.Contract{Kind: Kind(), Variants: list})
}

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func env() renderers.Env {
	return renderers.Env{Name: "edge", Path: "fw/edge.xml", Read: os.ReadFile}
}

// renderPlan renders p, reads it back, and returns the files by their paths.
func renderPlan(t *testing.T, o Options, p *rules.Plan) (map[string]string, error) {
	t.Helper()
	r, err := Kind().Build(&o, env())
	if err != nil {
		return nil, err
	}
	files, err := rendered.Try(r, p)
	if err != nil {
		return nil, err
	}
	rendered.ReadsBack(t, r, files, p)
	out := map[string]string{}
	for _, f := range files {
		out[f.Path] = string(f.Data)
	}
	return out, nil
}

var (
	cloud = rules.In("cloud", ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38"))
	media = rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.TCP, 443, 443))
)

func planOf(list ...rules.Rule) *rules.Plan {
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: list}
}

func pass(name string, from, to rules.Addresses, services ...rules.Service) rules.Rule {
	return rules.Rule{Name: name, Verdict: rules.Allow, From: from, To: to, Services: services}
}

func calls() *rules.Plan { return planOf(pass("calls", rules.Any(), cloud, media)) }

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"":                               "characters",
		strings.Repeat("a", 32):          "characters",
		"a-b":                            "other characters",
		"ä":                              "other characters",
		"___":                            "underscores",
		"12345":                          "digits",
		"pass":                           "taken",
		"LOG":                            "taken",
		"tcp":                            "taken",
		"https":                          "taken",
		"bogons":                         "taken",
		"pkg_x":                          "packages",
		"sp_cloud":                       "",
		"9lives":                         "",
		"_a":                             "",
		strings.Repeat("a", 31):          "",
		shorten(strings.Repeat("a", 99)): "",
	} {
		err := checkName(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	a, b := shorten("sp_"+strings.Repeat("long", 9)+"_a"), shorten("sp_"+strings.Repeat("long", 9)+"_b")
	if a == b || len(a) > maxName || a[:12] != b[:12] {
		t.Errorf("%s and %s", a, b)
	}
}

func TestDescriptions(t *testing.T) {
	for text, ok := range map[string]bool{
		"":                       true,
		"sallyport edge: set a":  true,
		"one | two":              true,
		"|one":                   false,
		"one|":                   false,
		"one||two":               false,
		"a ]]> b":                false,
		"ä":                      false,
		"a\nb":                   false,
		strings.Repeat("x", 199): true,
		strings.Repeat("x", 200): false,
	} {
		if err := checkDescription(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// refused holds an error to a rule's, with a fix.
func refused(t *testing.T, what string, err error, cause string) {
	t.Helper()
	var rule *rules.RuleError
	if !errors.As(err, &rule) || rule.Rule == "" || rule.Fix == "" || !strings.Contains(rule.Cause, cause) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestWhatPfSenseCannotSay(t *testing.T) {
	for cause, m := range map[string]rules.Match{
		"port 0":            rules.Ports(rules.UDP, 0, 100),
		"take no ports":     rules.Ports(rules.SCTP, 443, 443),
		"name protocol 99":  rules.All(99),
		"no codes":          rules.ICMPCode(rules.ICMP, 3, 4),
		"no name":           rules.ICMPType(rules.ICMP, 200),
		"no name for icmp/": rules.ICMPType(rules.ICMP, 39), // skip, which pfSense writes otherwise
	} {
		_, err := renderPlan(t, options(formURLTable), planOf(pass("odd", rules.Any(), cloud, rules.NewService("odd", m))))
		refused(t, m.String(), err, cause)
	}
}

// TestDenialsWithoutEffect: some ICMPv6 passes before all rules of a pfSense, so a rule
// that says it is denied is refused; that it passes is no more than the truth.
func TestDenialsWithoutEffect(t *testing.T) {
	four := rules.In("four", ipranges.MustParse("198.51.100.0/24"))
	for _, tt := range []struct {
		name   string
		to     rules.Addresses
		match  rules.Match
		effect bool
	}{
		{"neighbour solicitation", cloud, rules.ICMPType(rules.ICMPv6, 135), false},
		{"packet too big", rules.Any(), rules.ICMPType(rules.ICMPv6, 2), false},
		{"a range of types", cloud, rules.Match{Proto: rules.ICMPv6, Lo: 136 << 8, Hi: 137<<8 | 255}, false},
		{"every type", cloud, rules.All(rules.ICMPv6), false},
		{"echo", cloud, rules.ICMPType(rules.ICMPv6, 128), true},
		{"the same number in IPv4", cloud, rules.ICMPType(rules.ICMP, 3), true},
		{"IPv4 addresses", four, rules.All(rules.ICMP), true},
	} {
		for _, form := range []string{formURLTable, formImport, formMerge} {
			deny := pass("no", rules.Any(), tt.to, rules.NewService("icmp", tt.match))
			_, err := renderPlan(t, options(form), planOf(deny))
			if err != nil {
				t.Errorf("%s, allowed: %v", tt.name, err)
			}
			deny.Verdict = rules.Deny
			o := options(form)
			if form == formMerge {
				o.Accept = append(o.Accept, "1734240010", "1734240020")
			}
			_, err = renderPlan(t, o, planOf(deny))
			if tt.effect && err != nil {
				t.Errorf("%s, %s: %v", form, tt.name, err)
			}
			if !tt.effect {
				refused(t, tt.name, err, "no effect")
			}
		}
	}
}

func TestLimits(t *testing.T) {
	six := rules.In("six", ipranges.MustParse("198.51.100.0", "198.51.100.2", "198.51.100.4", "198.51.100.6", "2001:db8::1", "2001:db8::3"))
	for _, tt := range []struct {
		form          string
		alias, tables int
		cause         string
	}{
		{formImport, 6, 12, ""},
		{formImport, 5, 12, "6 entries"},
		{formImport, 6, 11, "holds twice"},
		{formURLTable, 5, 12, ""},
		{formURLTable, 5, 11, "holds twice"},
	} {
		o := options(tt.form)
		o.AliasEntries, o.TableEntries = tt.alias, tt.tables
		_, err := renderPlan(t, o, planOf(pass("calls", rules.Any(), six, media)))
		if tt.cause == "" && err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		if tt.cause != "" {
			refused(t, tt.form, err, tt.cause)
		}
	}
}

func TestTwoAliasesOfOneName(t *testing.T) {
	p := planOf(pass("a", rules.In("media_udp", cloud.Set()), cloud, media))
	_, err := renderPlan(t, options(formImport), p)
	refused(t, "a set called as a service's ports", err, "two aliases")
}

// TestLongNames cuts names that only differ at their end.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("long_", 7)
	p := planOf(pass("a", rules.In(long+"one", cloud.Set()), rules.In(long+"two", ipranges.MustParse("192.0.2.0/24")),
		rules.NewService(long+"svc", rules.Ports(rules.TCP, 1, 2))))
	for _, form := range []string{formURLTable, formImport, formMerge} {
		files, err := renderPlan(t, options(form), p)
		if err != nil {
			t.Fatal(err)
		}
		if form != formMerge && len(files) != 3 {
			t.Errorf("%s: %d files", form, len(files))
		}
	}
}

// TestWholeSpace has no /0 in a table.
func TestWholeSpace(t *testing.T) {
	full := ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6))
	files, err := renderPlan(t, options(formImport), planOf(pass("all", rules.Any(), rules.In("world", full), media)))
	if err != nil {
		t.Fatal(err)
	}
	if got := files["fw/edge.sp_world.txt"]; got != "0.0.0.0/1\n128.0.0.0/1\n::/1\n8000::/1\n" {
		t.Errorf("%q", got)
	}
}

// TestHostileComments keeps a comment one comment.
func TestHostileComments(t *testing.T) {
	p := calls()
	p.Provenance.Notes = []string{"--> <alias> -----> --", "-"}
	files, err := renderPlan(t, options(formURLTable), p)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, files["fw/edge.xml"])
	if strings.Count(files["fw/edge.xml"], "-->") != 1 {
		t.Error("the comment ends early")
	}
}

// TestNotesChangeNoRule: notes stand in comments, and no tracker or element changes.
func TestNotesChangeNoRule(t *testing.T) {
	for _, v := range variants() {
		noted := calls()
		noted.Rules[0].Description = "until the new site has its own uplink"
		without, err := renderPlan(t, *v.Options.(*Options), calls())
		if err != nil {
			t.Fatal(err)
		}
		with, err := renderPlan(t, *v.Options.(*Options), noted)
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for path, text := range with {
			if strings.Contains(text, "# until the new site has its own uplink") {
				shown++
			}
			if got := strings.ReplaceAll(text, "  # until the new site has its own uplink", ""); got != without[path] {
				t.Errorf("%s: %s is otherwise changed:\n%s", v.Name, path, got)
			}
		}
		if shown != 1 {
			t.Errorf("%s: %d files show the note", v.Name, shown)
		}
	}
}
