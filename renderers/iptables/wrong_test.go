package iptables

import (
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// TestKnownWrongOutputs holds the target to what other generators were seen to get
// wrong, by the numbers of internal/pipeline's test of that name. The others need the
// kernel or the real feed. The fifth, old prefixes that stay after a reload, and the
// sixth, output that does not load, or not twice: TestReloadEqualsFresh,
// TestRetiredObjectsGo and TestNoStateBetween. The eighth, a tree too deep for
// iptables-nft: TestVerdictsOnEveryBoundary, which loads it, and TestTrieStaysShallow.
// The ninth, thousands of changed lines: TestWeeklyChangeStaysSmall.
func TestKnownWrongOutputs(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.Name, func(t *testing.T) { wrongOutputs(t, *v.Options.(*Options)) })
	}
}

func wrongOutputs(t *testing.T, opt Options) {
	r, err := Kind().Build(&opt, renderers.Env{Name: "edge", Path: "edge.rules"})
	if err != nil {
		t.Fatal(err)
	}
	media := rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.TCP, 443, 443))
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
