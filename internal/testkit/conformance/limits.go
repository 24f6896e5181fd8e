package conformance

import (
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/rules"
)

// Isolated is n prefixes of a family that no shorter list can say.
func Isolated(f ipranges.Family, n int) ipranges.Set {
	var b ipranges.Builder
	for i := range n {
		if f == ipranges.IPv4 {
			add(&b, netip.AddrFrom4([4]byte{byte(20 + i>>15), byte(i >> 7), byte(i << 1), 0}), 24)
		} else {
			add(&b, netip.AddrFrom16([16]byte{0x26, 0x03, 0x10, byte(i >> 15), byte(i >> 7), byte(i << 1)}), 48)
		}
	}
	return b.Set()
}

// limits fills the list of routes to each limit of the target, and one over: the one
// is rendered, and the other refused with the limit, its source and its option.
func (s *suite) limits(t testing.TB) {
	r := s.build(t, "edge")
	caps := r.Caps
	if c := caps.Complement; (c.Of == 0) != (c.Families == 0) {
		t.Errorf("the complement %+v lacks its direction or its families", c)
	}
	for _, l := range caps.RouteLimits {
		if l.Families == 0 || l.Device == "" || l.Source == "" {
			t.Errorf("the limit %+v lacks its families, device or source", l)
		}
		if l.Of != 0 && l.Of != s.verdict(t) {
			continue // the target's own test has the other direction
		}
		for _, f := range caps.Families.List() {
			if _, lacks := caps.NoBypass[f]; lacks && s.verdict(t) == rules.Bypass || !l.Families.Has(f) {
				continue
			}
			plan := func(n int) *rules.Plan {
				p := routes(s.verdict(t), rules.In("many", Isolated(f, n)))
				p.Families = rules.Only(f)
				return p
			}
			most := sort.Search(l.Max+1, func(n int) bool {
				_, _, errs := rules.Lower(plan(n+1), caps)
				return len(errs) > 0
			})
			if most == 0 || most > l.Max || !l.Bytes && caps.Complement.Of != s.verdict(t) && most != lowest(caps, s.verdict(t), f) {
				t.Errorf("%s: %d routes are taken, and the limit is %d", f, most, l.Max)
				continue
			}
			lowered := lower(t, r, plan(most))
			s.readBack(t, r, s.render(t, r, lowered), lowered)
			_, _, errs := rules.Lower(plan(most+1), caps)
			checkOver(t, caps, errs)
		}
	}
}

// lowest is the most routes of a family that the limits let pass.
func lowest(caps rules.Caps, v rules.Verdict, f ipranges.Family) int {
	n := 1 << 20
	for _, l := range caps.RouteLimits {
		if !l.Bytes && l.Families.Has(f) && (l.Of == 0 || l.Of == v) {
			n = min(n, l.Max)
		}
	}
	return n
}

// checkOver holds one of the errors to a limit's number, source and option.
func checkOver(t testing.TB, caps rules.Caps, errs []*rules.RuleError) {
	t.Helper()
	for _, e := range errs {
		for _, l := range caps.RouteLimits {
			if strings.Contains(e.Cause, strconv.Itoa(l.Max)) && strings.Contains(e.Cause, l.Source) && strings.Contains(e.Fix, l.Option) && l.Source != "" {
				return
			}
		}
	}
	t.Errorf("no error names a limit with its source and option: %v", errs)
}

// budget gives the target a list that has to be cut or widened to fit: it renders what
// the budget made of it.
func (s *suite) budget(t testing.TB) {
	if s.verdict(t) == rules.Allow {
		return // rules are exact
	}
	r := s.build(t, "edge")
	caps := r.Caps
	limit := 25
	if caps.Complement.Of == s.verdict(t) {
		limit = 400 // a single prefix leaves up to 128 others
	}
	hundred := rules.Percent(1e9)
	for _, added := range []bool{false, true} {
		p := s.plan(t, rules.In("many", manyRanges(9, 60)))
		p.Budget = &rules.Budget{Limits: []rules.RouteLimit{{Max: limit, Families: rules.BothFamilies, Device: "the budget", Source: "line 1"}}, Missing: &hundred}
		if added {
			p.Budget.Missing, p.Budget.Added = nil, &hundred
		}
		lowered, losses, errs := rules.Lower(p, caps)
		if len(errs) > 0 {
			t.Fatal(errs[0])
		}
		if len(losses) == 0 || rules.Compare(p, lowered) == nil {
			t.Fatal("the budget changes nothing: the case tests nothing")
		}
		s.readBack(t, r, s.render(t, r, lowered), lowered)
	}
}
