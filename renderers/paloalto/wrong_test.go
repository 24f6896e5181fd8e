package paloalto

import (
	"slices"
	"testing"

	"sallyport/internal/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

// TestKnownWrongOutputs holds the target to what other generators were seen to get
// wrong, by the numbers of internal/pipeline's test of that name. The fifth, old
// prefixes that stay after a reload, and the sixth, a second load that fails, are
// TestLoadContract and TestChangeOfOptions; the eighth is iptables' alone, and the ninth
// is TestTwoWeeks.
func TestKnownWrongOutputs(t *testing.T) {
	for _, opt := range []Options{edl(), objects()} {
		for _, opt.Syntax = range []string{syntaxSet, syntaxXML} {
			t.Run(opt.Form+" "+opt.Syntax, func(t *testing.T) { wrongOutputs(t, opt) })
		}
	}
}

func wrongOutputs(t *testing.T, opt Options) {
	r, err := Kind().Build(&opt, renderers.Env{Name: "edge", Path: "edge.set"})
	if err != nil {
		t.Fatal(err)
	}
	rule := func(v rules.Verdict, name string, to ipranges.Set) rules.Rule {
		return rules.Rule{Name: name, Verdict: v, From: rules.Any(), To: rules.In(name, to), Services: []rules.Service{media}}
	}
	plan := func(families rules.Families, list ...rules.Rule) *rules.Plan {
		return &rules.Plan{Name: "edge", Families: families, Rules: list}
	}
	cloud, four := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"), ipranges.MustParse("13.64.0.0/11")
	both, six, allow := rules.BothFamilies, rules.OnlyIPv6, rules.Allow
	for _, tt := range []struct {
		name    string
		plan    *rules.Plan
		refused bool
		lost    int
	}{
		{"1: excluding everything becomes allow any", plan(both, rule(allow, "none", four.Minus(ipranges.MustParse("12.0.0.0/6")))), true, 0},
		{"2: a family without addresses becomes allow any", plan(six, rule(allow, "four", four)), true, 0},
		{"2: the same beside another rule", plan(six, rule(allow, "four", four), rule(allow, "cloud", cloud)), false, 1},
		{"3: ports lost or crossed between protocols", plan(both, rule(allow, "cloud", cloud)), false, 0},
		{"4: an exclusion matches everything", plan(both, rule(allow, "some", cloud.Minus(ipranges.MustParse("20.202.7.0/24", "2603:1063:7::/48")))), false, 0},
		{"7: a shadowed rule ends without a file and without an error", plan(both, rule(allow, "wide", cloud.Union(four)), rule(rules.Deny, "narrow", four)), false, 0},
	} {
		lowered, losses, errs := rules.Lower(tt.plan, renderers.CapsOf(Kind(), r))
		if refused := len(errs) > 0; refused != tt.refused || !refused && len(losses) != tt.lost {
			t.Errorf("%s: %v, %+v", tt.name, errs, losses)
			continue
		}
		if tt.refused {
			lowered = tt.plan // past the check: still not any
		}
		files, err := r.Render(lowered)
		if tt.refused && err != nil {
			continue
		}
		if err != nil || len(files) == 0 || len(files[0].Data) == 0 {
			t.Errorf("%s: %d files: %v", tt.name, len(files), err)
			continue
		}
		got, err := r.ReadBack(files)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if d := rules.Compare(lowered, got); d != nil {
			t.Errorf("%s: %v", tt.name, d)
		}
	}
}

// TestTwoWeeks counts the lines that two weeks of Azure change, against the prefixes
// that are in one of the shortest lists and not in the other.
func TestTwoWeeks(t *testing.T) {
	for _, opt := range []Options{edl(), objects()} {
		for _, opt.Syntax = range []string{syntaxSet, syntaxXML} {
			t.Run(opt.Form+" "+opt.Syntax, func(t *testing.T) { twoWeeks(t, opt) })
		}
	}
}

func twoWeeks(t *testing.T, opt Options) {
	var published [2][]renderers.File
	var prefixes [2][]byte
	for i, change := range []string{"396", "398"} {
		c, err := azure.Decode(realfeed.Read(t, "azure/ServiceTags_Public_change"+change+".json"), azure.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := c.Set("AzureCloud")
		prefixes[i] = slices.Concat(s.AppendPrefixes(nil, ipranges.IPv4, "", "\n"), s.AppendPrefixes(nil, ipranges.IPv6, "", "\n"))
		published[i] = renderWith(t, opt, planOf(allow("calls", rules.Any(), rules.In("azure", s), media)), published[0])
	}
	changed := conformance.ChangedLines(prefixes[0], prefixes[1])
	lines := 0
	for i, f := range published[1] {
		lines += conformance.ChangedLines(published[0][i].Data, f.Data)
	}
	t.Logf("%d changed prefixes change %d lines", changed, lines)
	if lines == 0 || lines > 3*changed {
		t.Errorf("%d changed prefixes change %d lines", changed, lines)
	}
}
