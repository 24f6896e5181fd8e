package conformance

import (
	"slices"
	"testing"

	"sallyport/ipranges"
	"sallyport/rules"
)

// emptyRule gives the target rules that match nothing, past the check that would have
// dropped them: they must not turn into "any". That is the first of what other generators
// were seen to make wrong. The numbers of these are:
//
//  1. excluding everything becomes allow any
//  2. a family without addresses becomes allow any
//  3. ports are lost, or crossed between protocols: the cases with several of them
//  4. an exclusion matches everything: the cases with holes
//  5. old prefixes stay after a reload: the tests of each target's load contract
//  6. what is rendered does not load, or not twice: the same
//  7. a shadowed rule ends without a file and without an error: it depends on no target.
//     rules/policy's TestFixtures, testdata/shadow.hcl, and internal/pipeline's
//     TestWrongOutputsFromThePolicy
//  8. a tree of chains too deep for iptables-nft: iptables' TestVerdictsOnEveryBoundary
//     and TestTrieStaysShallow
//  9. thousands of changed lines for a few prefixes: the suite's week
func (s *suite) emptyRule(t testing.TB) {
	r := s.build(t, "edge")
	none := rules.In("none", ipranges.Set{})
	if r.Caps.OnlyNames || s.verdict(t) != rules.Allow {
		p := s.plan(t, none)
		if r.Caps.OnlyNames {
			p.Rules[0].To = rules.Named("none", nil)
		}
		if _, _, errs := rules.Lower(p, r.Caps); len(errs) == 0 {
			t.Error("a list of nothing is not refused")
		}
		return
	}
	six := filter(allow("none", rules.Any(), only6, media))
	six.Families = rules.OnlyIPv4
	for _, c := range []Case{
		{"no destination", filter(allow("none", rules.Any(), none, media))},
		{"no source", filter(allow("none", none, cloud, media))},
		{"no service", filter(allow("none", rules.Any(), cloud))},
		{"an empty service", filter(allow("none", rules.Any(), cloud, rules.NewService("nothing")))},
		{"no common family", filter(allow("none", lan4, only6, media))},
		{"nothing in the plan's family", six},
	} {
		both := *c.Plan
		both.Rules = append(slices.Clone(both.Rules), allow("calls", rules.Any(), only4, media))
		if _, losses, errs := rules.Lower(c.Plan, r.Caps); len(errs) == 0 {
			t.Errorf("%s: a plan without any effect is not refused: %+v", c.Name, losses)
		}
		_, losses, errs := rules.Lower(&both, r.Caps)
		if len(errs) == 0 && (len(losses) != 1 || losses[0].Rule != "none" || !losses[0].Dropped) {
			t.Errorf("%s: the dropped rule is not reported: %+v", c.Name, losses)
		}
		for _, p := range []*rules.Plan{c.Plan, &both} {
			if p.Families &= r.Caps.Families; p.Families == 0 || s.variant.NoReadBack {
				continue
			}
			if files, err := r.Render(p); err == nil {
				s.readBack(t, r, files, p)
			}
		}
	}
}

// unsupported checks that each feature that the caps lack is refused.
func (s *suite) unsupported(t testing.TB) {
	r := s.build(t, "edge")
	caps := r.Caps
	rejected, logged := deny("x", rules.Any(), cloud, media), allow("x", rules.Any(), cloud, media)
	rejected.Reject, logged.Log = true, true
	refused := func(feature string, lacks bool, p *rules.Plan) {
		_, _, errs := rules.Lower(p, caps)
		if (len(errs) > 0) != lacks {
			t.Errorf("%s: lacking is %v, and lowering says %v", feature, lacks, errs)
		}
	}
	p := filter(allow("x", rules.Any(), cloud, media))
	p.Families = caps.Families
	if caps.OnlyNames {
		refused("addresses", true, p)
		p.Rules[0].To, p.Rules[0].Services = hosts, []rules.Service{https}
		refused("names", false, p)
		return
	}
	base := func(r rules.Rule) *rules.Plan { q := *p; q.Rules = []rules.Rule{r}; return &q }
	if slices.Contains(caps.Verdicts, rules.Allow) {
		refused("ports", !caps.Ports, p)
		refused("names", !caps.Names, base(allow("x", rules.Any(), hosts, https)))
		refused("wildcards", !caps.Names || !caps.Wildcards, base(allow("x", rules.Any(), wildcards, https)))
		if caps.Ports {
			refused("sources", !caps.Sources, base(allow("x", lan, cloud, media)))
			refused("log", !caps.Log, base(logged))
			refused("icmp", !caps.ICMP, base(allow("x", rules.Any(), cloud, ping)))
			refused("protocols", !caps.Protocols, base(allow("x", rules.Any(), cloud, rules.NewService("gre", rules.All(rules.GRE)))))
		}
	}
	if slices.Contains(caps.Verdicts, rules.Deny) && caps.Ports {
		refused("reject", !caps.Reject, base(rejected))
	}
	bypass := routes(rules.Bypass, cloud)
	bypass.Families = s.plan(t, cloud).Families
	refused("bypass", !slices.Contains(caps.Verdicts, rules.Bypass), bypass)
	bypass.Families = caps.Families
	refused("bypass of every family", !slices.Contains(caps.Verdicts, rules.Bypass) || len(caps.NoBypass) > 0, bypass)
	both := filter(allow("x", rules.Any(), cloud, media))
	refused("families", caps.Families != rules.BothFamilies || !caps.Ports, both)
}

// shown renders a rule that logs, and one that answers what it denies, where the target can:
// no plan that is read back tells them from the others, so the output must.
func (s *suite) shown(t testing.TB) {
	r := s.build(t, "edge")
	if r.Caps.OnlyNames || s.verdict(t) != rules.Allow || s.variant.NoReadBack { // such as a template of the user's
		return
	}
	p := filter(deny("no", rules.Any(), inner, media), allow("calls", rules.Any(), cloud, media))
	p.Families = r.Caps.Families
	changed := func(feature string, change func(*rules.Rule)) {
		other := *p
		other.Rules = slices.Clone(p.Rules)
		change(&other.Rules[0])
		before, _ := s.rendered(t, r, p)
		if after, _ := s.rendered(t, r, &other); equalFiles(before, after) {
			t.Errorf("no file shows that a rule says %s", feature)
		}
	}
	if r.Caps.Log {
		changed("log", func(r *rules.Rule) { r.Log = true })
	}
	if r.Caps.Reject {
		changed("reject", func(r *rules.Rule) { r.Reject = true })
	}
}

// otherWay holds a variant that is for one way of routes to refusing the other.
func (s *suite) otherWay(t testing.TB) {
	if s.variant.Only == 0 {
		return
	}
	r := s.build(t, "edge")
	p := routes(opposite(s.variant.Only), cloud)
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		return
	}
	_, err := r.Render(lowered)
	if err == nil {
		t.Error("a list of the other way is rendered")
	}
	checkMistake(t, "a list of the other way", err)
}
