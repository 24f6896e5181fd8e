package conformance

import (
	"testing"

	"sallyport/ipranges"
	"sallyport/rules"
)

// wrongOutputs gives a packet filter the plans of which other generators were seen to
// make something wrong. Their numbers are these, and the others are shown elsewhere:
//
//  1. excluding everything becomes allow any
//  2. a family without addresses becomes allow any
//  3. ports are lost, or crossed between protocols
//  4. an exclusion matches everything
//  5. old prefixes stay after a reload: the tests of each target's load contract
//  6. what is rendered does not load, or not twice: the same
//  7. a shadowed rule ends without a file and without an error: it depends on no target.
//     rules/policy's TestFixtures, testdata/shadow.hcl, and internal/pipeline's
//     TestWrongOutputsFromThePolicy
//  8. a tree of chains too deep for iptables-nft: iptables' TestVerdictsOnEveryBoundary
//     and TestTrieStaysShallow
//  9. thousands of changed lines for a few prefixes: the suite's week
func (s *suite) wrongOutputs(t testing.TB) {
	r := s.build(t, "edge")
	caps := r.Caps
	if s.verdict(t) != rules.Allow || caps.OnlyNames {
		return // a list of routes has neither ports nor denials, and one of names no addresses
	}
	both, four := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"), ipranges.MustParse("13.64.0.0/11")
	rule := func(name string, to ipranges.Set) rules.Rule {
		return allow(name, rules.Any(), rules.In(name, to), media)
	}
	six := filter(rule("four", four))
	six.Families = rules.OnlyIPv6
	beside := filter(rule("four", four), rule("cloud", both))
	beside.Families = rules.OnlyIPv6
	for _, tt := range []struct {
		name    string
		plan    *rules.Plan
		refused bool // with nothing left
		lost    int  // rules
	}{
		{"1", filter(rule("none", four.Minus(ipranges.MustParse("12.0.0.0/6")))), true, 0},
		{"2", six, true, 0},
		{"2, beside another rule", beside, false, 1},
		{"3", filter(rule("cloud", both)), false, 0},
		{"3, with more services", filter(allow("cloud", rules.Any(), rules.In("cloud", both), media, mixed)), false, 0},
		{"4", filter(rule("some", both.Minus(ipranges.MustParse("20.202.7.0/24", "2603:1063:7::/48")))), false, 0},
	} {
		if tt.plan.Families &= caps.Families; tt.plan.Families == 0 {
			continue // of a table of the other family
		}
		lowered, losses, errs := rules.Lower(tt.plan, caps)
		if refused := len(errs) > 0; refused != tt.refused || !refused && len(losses) != tt.lost {
			t.Errorf("%s: %v, %+v", tt.name, errs, losses)
			continue
		}
		if tt.refused {
			lowered = tt.plan // past the check: still not any
		}
		files, err := r.Render(lowered)
		if tt.refused && err != nil || tt.refused && s.variant.NoReadBack {
			continue
		}
		if err != nil || len(files) == 0 || len(files[0].Data) == 0 {
			t.Errorf("%s: %d files: %v", tt.name, len(files), err)
			continue
		}
		s.readBack(t, r, files, lowered)
	}
}
