package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/rules"
)

func TestSample(t *testing.T) {
	f, list := Load("net/test.hcl", []byte(sample), testOptions(nil))
	var feeds []string
	for _, spec := range f.Feeds() {
		feeds = append(feeds, spec.Name)
	}
	if !slices.Equal(feeds, []string{"azure"}) {
		t.Errorf("feeds in use: %v", feeds)
	}
	p, more := f.Compile(catalogsFor(t, f))
	got := summaries(append(list, more...))
	want := []string{
		`warning: feed "gov" is not used`,
		`warning: anyone can rent the addresses of AzureCloud.northeurope`,
		`warning: rule "calls" has IPv6 destinations and no IPv6 source`,
	}
	if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Fatal(diff)
	}
	if p.Name != "test.hcl" || len(p.Hash) != 64 {
		t.Errorf("name %q, hash %q", p.Name, p.Hash)
	}
	if len(p.Targets) != 3 || len(p.Sets) != 2 || len(p.Services) != 1 || len(p.Rules) != 1 {
		t.Fatalf("%d targets, %d sets, %d services, %d rules", len(p.Targets), len(p.Sets), len(p.Services), len(p.Rules))
	}
	if probe := p.Probes[0]; probe.Name != "relay" || probe.Host != "worldaz.tr.teams.microsoft.com" || probe.Rule != "calls" {
		t.Errorf("probe %+v", probe)
	}

	edge := p.Target("edge")
	if edge.Kind != "nftables" || edge.Path != "edge.nft" {
		t.Errorf("edge: kind %s, path %s", edge.Kind, edge.Path)
	}
	opt := edge.Options.(*filterOptions)
	if opt.Hook != "forward" || !slices.Equal(opt.Ingress, []string{"lan0"}) || opt.Table != "inet filter" || opt.Level != 3 {
		t.Errorf("options %+v", opt)
	}
	media := rules.NewMatches(rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.TCP, 443, 443))
	r := edge.Plan.Rules[0]
	if r.Name != "calls" || r.Verdict != rules.Allow || r.From.Name() != "calls_from" || r.To.Name() != "azure_eu" ||
		!slices.Equal(r.Matches(), media) || r.Place.Start.Line != lineOf(`rule "calls"`) {
		t.Errorf("rule %+v", r)
	}
	eu := ipranges.MustParse("20.1.0.0/16", "20.2.0.0/16", "2603:1020::/32", "2603:1021::/32", "20.202.0.0/16", "52.112.0.0/14",
		"52.122.0.0/15", "2603:1063::/38").Minus(ipranges.MustParse("20.1.128.0/17"))
	if !r.To.Set().Equal(eu) {
		t.Error("azure_eu holds something else")
	}
	if edge.Plan.Default != rules.Continue || edge.Plan.Families != rules.BothFamilies || edge.Plan.Name != "edge" {
		t.Errorf("plan %+v", edge.Plan)
	}
	prov := edge.Plan.Provenance
	if prov.Policy != "test.hcl" || prov.PolicyHash != p.Hash || prov.Version != "" ||
		!slices.Equal(prov.Feeds, []rules.Feed{{Name: "azure", Kind: "azure", Cloud: "Public", Change: "398", SHA256: "abcd"}}) {
		t.Errorf("provenance %+v", prov)
	}

	laptops := p.Target("laptops")
	if got := laptops.Plan; got.Default != rules.Tunnel || len(got.Rules) != 1 || got.Rules[0].Verdict != rules.Bypass ||
		got.Rules[0].To.Name() != "acs_media" || !got.Rules[0].AnyService() || !got.Rules[0].From.IsAny() {
		t.Errorf("laptops: %+v", got)
	}
	if len(laptops.Plan.Provenance.Feeds) != 0 {
		t.Errorf("laptops uses no feed, but names %v", laptops.Plan.Provenance.Feeds)
	}
	branch := p.Target("branch")
	b := branch.Plan.Budget
	if len(b.Limits) != 1 || b.Limits[0].Max != 100 || b.Limits[0].Shared || *b.Missing != 60 || b.Added != nil || b.Must.Name() != "acs_media" ||
		!b.Must.Contains(addr("52.112.0.1")) {
		t.Errorf("budget %+v", b)
	}
	for option, text := range map[string]string{"": `target "globalprotect"`, "path": `"branch.set"`, "bypass": `bypass = set.azure_eu`, "budget": "budget {",
		"budget.routes": "routes ", "budget.must": "must ", "budget.nothing": "budget {", "x.y": `target "globalprotect"`} {
		line := lineOf(text)
		if got := branch.OptionPlace(option).Start.Line; got != line {
			t.Errorf("option %q is on line %d, not %d", option, got, line)
		}
	}
	if got := edge.OptionPlace("ingress.0"); got.Start.Line != lineOf("ingress   =") || got.Start.Column != 16 {
		t.Errorf("the first interface is at %+v", got)
	}
}

// lineOf is the line of the sample that holds the text.
func lineOf(text string) int {
	before, _, ok := strings.Cut(sample, text)
	if !ok {
		panic(text)
	}
	return 1 + strings.Count(before, "\n")
}

func summaries(list diag.List) []string {
	var out []string
	for _, d := range list {
		out = append(out, d.Severity.String()+": "+d.Summary)
	}
	return out
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// The order of blocks that are not rules means nothing.
func TestOrderOfBlocks(t *testing.T) {
	want := clean(t, sample)
	blocks := strings.SplitAfter(sample, "\n}\n")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		rng.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
		got := clean(t, strings.Join(blocks, ""))
		for _, target := range want.Targets {
			other := got.Target(target.Name)
			if d := rules.Compare(target.Plan, other.Plan); d != nil {
				t.Errorf("%s: %s", target.Name, d)
			}
			if target.Plan.Rules[0].To.Name() != other.Plan.Rules[0].To.Name() {
				t.Error("names depend on the order")
			}
		}
	}
}

// What a missing catalog leaves unknown is nobody's mistake, and Compile repeats
// nothing that Load has said.
func TestMissingCatalog(t *testing.T) {
	f, list := Load("test.hcl", []byte(sample), testOptions(nil))
	p, more := f.Compile(nil)
	if list.HasErrors() || len(more) > 0 {
		t.Errorf("%s", show(append(list, more...), sample))
	}
	if _, ok := p.Set("azure_eu"); ok {
		t.Error("a set without its feed has a value")
	}
	if _, ok := p.Set("acs_media"); !ok {
		t.Error("a set without feeds has none")
	}
	if p.Target("edge") != nil || p.Target("laptops") == nil {
		t.Errorf("targets %+v", p.Targets)
	}
	if again, more := f.Compile(catalogsFor(t, f)); again.Target("edge") == nil || more.HasErrors() {
		t.Error("the file remembers that a feed was missing")
	}
}

func TestFeedSpecs(t *testing.T) {
	f, list := Load("/etc/sallyport/edge.hcl", []byte(`
feed "azure" {}
feed "china" {
  kind    = "azure"
  cloud   = "china"
  file    = "feeds/china.json"
  max_age = "7d"
}
feed "web" {
  kind = "azure"
  url  = "https://example.com/x.json"
}
feed "abs" {
  kind = "azure"
  file = "/var/feeds/x.json"
}
set "a" {
  include = [tag(feed.azure, "x"), tag(feed.china, "x"), tag(feed.web, "x"), tag(feed.abs, "x")]
}
`), testOptions(nil))
	if list.HasErrors() {
		t.Fatal(show(list, ""))
	}
	got := f.Feeds()
	want := []catalog.FeedSpec{
		{Name: "azure", Kind: "azure", Cloud: "public"},
		{Name: "china", Kind: "azure", Cloud: "china", File: "/etc/sallyport/feeds/china.json", MaxAge: 7 * 24 * time.Hour},
		{Name: "web", Kind: "azure", Cloud: "public", URL: "https://example.com/x.json"},
		{Name: "abs", Kind: "azure", Cloud: "public", File: "/var/feeds/x.json"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const ruleTail = `
set "lan" { include = ["10.0.0.0/8"] }
service "web" { tcp = [443] }
target "nftables" "edge" {}
`

// Names of addresses: a set's own where a side is that set, and otherwise one
// that no set has.
func TestAddressNames(t *testing.T) {
	p := clean(t, `
set "calls_to" { include = ["192.0.2.0/24"] }
set "calls_to_2" { include = ["192.0.2.0/24"] }
rule "calls" {
  action   = "allow"
  from     = [set.lan]
  to       = [set.calls_to, set.calls_to_2]
  services = service.web
}
rule "single" {
  action   = "deny"
  from     = "10.0.0.0/8"
  to       = set.calls_to
  services = any
}
rule "rest" {
  action   = "reject"
  from     = any
  to       = any
  services = any
}`+ruleTail)
	var got []string
	for _, r := range p.Target("edge").Plan.Rules {
		got = append(got, r.From.Name()+" "+r.To.Name())
	}
	if want := []string{"lan calls_to_3", "single_from calls_to", "any any"}; !slices.Equal(got, want) {
		t.Errorf("names %v, not %v", got, want)
	}
	rest := p.Target("edge").Plan.Rules[2]
	if rest.Verdict != rules.Deny || !rest.Reject || !rest.From.IsAny() || !rest.To.IsAny() || !rest.AnyService() {
		t.Errorf("%+v", rest)
	}
}

func TestServices(t *testing.T) {
	for src, want := range map[string][]rules.Match{
		`udp = ["3478-3481"]`:                             {rules.Ports(rules.UDP, 3478, 3481)},
		`udp = 443`:                                       {rules.Ports(rules.UDP, 443, 443)},
		`udp = ["443"]`:                                   {rules.Ports(rules.UDP, 443, 443)},
		`udp = ["100 - 200", "150-300", 301]`:             {rules.Ports(rules.UDP, 100, 301)},
		`tcp = "any"`:                                     {rules.All(rules.TCP)},
		`sctp = [for p in [80, 81] : p]`:                  {rules.Ports(rules.SCTP, 80, 81)},
		`icmp = ["echo-request", 3, "11/0"]`:              {rules.ICMPType(rules.ICMP, 3), rules.ICMPType(rules.ICMP, 8), rules.ICMPCode(rules.ICMP, 11, 0)},
		`icmp = ["destination-unreachable/4"]`:            {rules.ICMPCode(rules.ICMP, 3, 4)},
		`icmpv6 = ["packet-too-big", "nd-router-advert"]`: {rules.ICMPType(rules.ICMPv6, 2), rules.ICMPType(rules.ICMPv6, 134)},
		`icmpv6 = ["any"]`:                                {rules.All(rules.ICMPv6)},
		`protocols = ["esp", 47, "51"]`:                   {rules.All(rules.GRE), rules.All(rules.ESP), rules.All(rules.AH)},
	} {
		p := clean(t, "service \"s\" {\n"+src+"\n}\n")
		if got := p.Services[0].Service.Matches(); !slices.Equal(got, rules.NewMatches(want...)) {
			t.Errorf("%s is %v, not %v", src, got, want)
		}
	}
}

func TestRuleAttributes(t *testing.T) {
	p := clean(t, `
rule "later" {
  action      = "allow"
  to          = set.lan
  services    = [service.web]
  log         = true
  description = "why it is here"
}
rule "off" {
  action   = "deny"
  to       = set.lan
  services = any
  enabled  = false
}
rule "gone" {
  action   = "allow"
  to       = any
  services = any
  expires  = "2020-02-29"
}
rule "earlier" {
  action   = "allow"
  to       = ["192.0.2.0/24"]
  services = [service.web]
  expires  = "2027-11-23"
}
target "nftables" "ordered" {
  rules    = [rule.earlier, rule.gone, rule.later]
  default  = "deny"
  families = ["ipv4"]
}`+ruleTail)
	names := func(target string) (out []string) {
		for _, r := range p.Target(target).Plan.Rules {
			out = append(out, r.Name)
		}
		return out
	}
	if got := names("edge"); !slices.Equal(got, []string{"later", "earlier"}) {
		t.Errorf("edge has %v", got)
	}
	if got := names("ordered"); !slices.Equal(got, []string{"earlier", "later"}) {
		t.Errorf("ordered has %v", got)
	}
	ordered := p.Target("ordered").Plan
	if ordered.Default != rules.Deny || ordered.Families != rules.OnlyIPv4 || !ordered.Rules[1].Log || ordered.Rules[0].Log {
		t.Errorf("plan %+v", ordered)
	}
	if p.Target("ordered").Path != "ordered.nft" {
		t.Errorf("path %q", p.Target("ordered").Path)
	}
	left := map[string]string{}
	for _, r := range p.Rules {
		left[r.Name] = r.LeftOut
	}
	if diff := cmp.Diff(map[string]string{"later": "", "off": "it is not enabled", "gone": "it expired on 2020-02-29", "earlier": ""}, left); diff != "" {
		t.Error(diff)
	}
	if p.Rules[0].Description != "why it is here" {
		t.Errorf("description %q", p.Rules[0].Description)
	}
}

// A rule lasts to the end of its last day, where the user is.
func TestExpiryDay(t *testing.T) {
	src := `
rule "r" {
  action   = "allow"
  to       = set.lan
  services = [service.web]
  expires  = "2026-11-23"
}` + ruleTail
	kiritimati := time.FixedZone("", 14*3600)
	for _, tt := range []struct {
		now  time.Time
		gone bool
	}{
		{time.Date(2026, 11, 23, 23, 59, 59, 0, time.UTC), false},
		{time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), true},
		{time.Date(2026, 11, 24, 0, 0, 0, 0, kiritimati), true},
		{time.Date(2026, 11, 23, 23, 0, 0, 0, kiritimati), false},
	} {
		opt := testOptions(nil)
		opt.Now = tt.now
		f, _ := Load("test.hcl", []byte(src), opt)
		p, _ := f.Compile(nil)
		if got := p.Rules[0].LeftOut != ""; got != tt.gone {
			t.Errorf("at %s: expired %v", tt.now, got)
		}
	}
}

func TestBothClasses(t *testing.T) {
	p := clean(t, `
rule "r" {
  action   = "allow"
  to       = set.lan
  services = [service.web]
}
target "generic" "rules" {}
target "generic" "routes" {
  include = ["192.0.2.0/24", set.lan]
}`+ruleTail)
	if got := p.Target("rules").Plan; got.Default != rules.Continue || got.Rules[0].Name != "r" {
		t.Errorf("%+v", got)
	}
	got := p.Target("routes").Plan
	if got.Default != rules.Bypass || got.Rules[0].Verdict != rules.Tunnel || got.Rules[0].To.Name() != "routes_include" ||
		!got.Rules[0].To.Contains(addr("10.1.1.1")) {
		t.Errorf("%+v", got)
	}
	if p.Target("routes").Path != "routes.txt" {
		t.Errorf("path %s", p.Target("routes").Path)
	}
}

func TestLists(t *testing.T) {
	p := clean(t, `
variable "sites" { default = ["westeurope", "northeurope"] }
variable "extra" { default = ["192.0.2.0/24", "198.51.100.7"] }
variable "wide" { default = true }
feed "azure" {}
set "a" { include = [for s in var.sites : tag(feed.azure, "AzureCloud.${s}")] }
set "b" { include = [var.extra, ["203.0.113.0/24"], var.wide ? set.c : "10.0.0.0/8"] }
set "c" { include = var.wide ? ["203.0.113.5-203.0.113.9", "2001:db8::"] : [] }
set "d" { include = tag(feed.azure, [for s in var.sites : "AzureCloud.${s}" if s != "westeurope"]) }
set "e" { include = [for i, s in var.extra : s if i == 1] }
`)
	for name, want := range map[string]ipranges.Set{
		"a": ipranges.MustParse("20.1.0.0/16", "20.2.0.0/16", "2603:1020::/32", "2603:1021::/32"),
		"b": ipranges.MustParse("192.0.2.0/24", "198.51.100.7", "203.0.113.0/24", "2001:db8::"),
		"c": ipranges.MustParse("203.0.113.5-203.0.113.9", "2001:db8::"),
		"d": ipranges.MustParse("20.2.0.0/16", "2603:1021::/32"),
		"e": ipranges.MustParse("198.51.100.7"),
	} {
		if got, _ := p.Set(name); !got.Set.Equal(want) {
			t.Errorf("set %s holds something else", name)
		}
	}
	if got, _ := p.Set("a"); !slices.Equal(got.Feeds, []string{"azure"}) {
		t.Errorf("feeds of a: %v", got.Feeds)
	}
}

// Sets that depend on one another through a long chain need no deep stack.
func TestLongChain(t *testing.T) {
	var b strings.Builder
	const n = 2000
	for i := range n {
		b.WriteString("set \"s" + itoa(i) + "\" {\n include = [set.s" + itoa(i+1) + "]\n}\n")
	}
	b.WriteString("set \"s" + itoa(n) + "\" {\n include = [\"192.0.2.0/24\"]\n}\n")
	p, list := check(t, "test.hcl", b.String(), nil)
	if list.HasErrors() {
		t.Fatal(show(list[:1], b.String()))
	}
	if s, _ := p.Set("s0"); !s.Set.Contains(addr("192.0.2.1")) {
		t.Error("the first set lost its addresses")
	}
}

// Compile is safe for concurrent use, for a server that renews its feeds.
func TestConcurrentCompile(t *testing.T) {
	f, _ := Load("test.hcl", []byte(sample), testOptions(nil))
	cats := map[string]*catalog.Catalog{"azure": testCatalog(t)}
	done := make(chan *Program)
	for range 4 {
		go func() {
			p, _ := f.Compile(cats)
			done <- p
		}()
	}
	for range 4 {
		if p := <-done; len(p.Targets) != 3 {
			t.Errorf("%d targets", len(p.Targets))
		}
	}
}

// The design's own example of a mistake.
func TestNoTagForCommunicationServices(t *testing.T) {
	for _, name := range []string{"AzureComunicationServices", "CommunicationServices.WestEurope"} {
		_, list := check(t, "test.hcl", "feed \"azure\" {}\nset \"a\" { include = [tag(feed.azure, \""+name+"\")] }\n", nil)
		i := slices.IndexFunc(list, func(d diag.Diagnostic) bool { return d.Severity == diag.Error })
		if i < 0 || !strings.Contains(list[i].Detail, "docs/acs.md") || !strings.Contains(list[i].Summary, "change 398") {
			t.Errorf("%s: %s", name, show(list, ""))
		}
	}
}

// A misspelt reference is one mistake: what it was meant for is not unused.
func TestTypoIsOneMistake(t *testing.T) {
	for _, refs := range []string{"set.ofices|service.web", "offices|service.web", "sets.offices|service.web", "set.offices|service.wep", `set.offices|"web"`} {
		to, service, _ := strings.Cut(refs, "|")
		_, list := check(t, "test.hcl", "set \"offices\" { include = [\"192.0.2.0/24\"] }\nservice \"web\" { tcp = [443] }\n"+
			"rule \"r\" {\n action = \"allow\"\n to = ["+to+"]\n services = ["+service+"]\n}\ntarget \"nftables\" \"edge\" {}\n", nil)
		if len(list) != 1 || !strings.Contains(list[0].Fix, "set.offices") && !strings.Contains(list[0].Fix, "service.web") {
			t.Errorf("%s: %s", refs, show(list, ""))
		}
	}
}
