// Package changes describes how a new plan differs from the one before it, so that an
// administrator can approve it: ranges of sets, routes, and rules that became wider.
//
// It compares two plans of one target: the one that was read back from the published files,
// and the new one. It matches rules by name. A target may split a rule into one for each
// family or protocol, so that all rules of one name count as one.
package changes

import (
	"math/big"
	"net/netip"
	"slices"

	"sallyport/ipranges"
	"sallyport/rules"
)

// Summary is what changed in the decisions of a target. The zero value says that they are
// the same, and that only form, options or comments of the output may differ.
type Summary struct {
	Rules   []Rule
	Lists   []List // of addresses: sets of rules, or routes
	Default string // how the default changed, such as "continue to deny"; empty if it did not
	Order   bool   // the rules that both plans have are in another order
}

// IsZero reports whether all decisions are the same.
func (s Summary) IsZero() bool {
	return len(s.Rules) == 0 && len(s.Lists) == 0 && s.Default == "" && !s.Order
}

// How a rule changed.
const (
	Added   = "new"
	Removed = "gone"
	Wider   = "wider"
	Narrow  = "narrower"
	Both    = "wider and narrower"
	Turned  = "another action"
)

// Rule is a rule that changed.
type Rule struct {
	Name    string
	Verdict rules.Verdict // in the new plan; of a removed rule, in the old one
	What    string
	// Protocols and ports that it matches only in the new plan, and only in the old one.
	ServicesAdded, ServicesRemoved rules.Matches
}

// List is a set of addresses of one family that changed.
type List struct {
	Name   string // of the set; empty for routes
	Routes bool   // counted as the prefixes that the target writes, otherwise as ranges
	Family ipranges.Family
	// Added and Removed count ranges or routes, or the names of a set of host names.
	Added, Removed int
	Names          bool
	// How many addresses were added and removed, and how many there were before.
	AddressesAdded, AddressesRemoved, Before *big.Int
}

// Percent is the growth in addresses; it is negative if there are fewer. It is not ok if
// there were none before.
func (l List) Percent() (percent float64, ok bool) {
	if l.Before == nil || l.Before.Sign() == 0 {
		return 0, false
	}
	d := new(big.Int).Sub(l.AddressesAdded, l.AddressesRemoved)
	f, _ := new(big.Rat).SetFrac(d.Mul(d, big.NewInt(100)), l.Before).Float64()
	return f, true
}

// Of compares two plans of a target with the caps. Names of sets are those of plan, from
// which now was rendered.
func Of(old, now, plan *rules.Plan, caps rules.Caps) Summary {
	var s Summary
	if old.Default != now.Default {
		s.Default = old.Default.String() + " to " + now.Default.String()
	}
	was, isRoutes := caps.Routes(old)
	is, stillRoutes := caps.Routes(now)
	if isRoutes && stillRoutes {
		for _, f := range rules.BothFamilies.List() {
			l := listOf(was, is, f)
			l.Routes = true
			l.Added, l.Removed = prefixesApart(was, is, f)
			s.keep(l)
		}
		return s
	}
	s.rules(merge(old), merge(now), setNames(plan))
	return s
}

// keep adds a list that changed.
func (s *Summary) keep(l List) {
	if l.Added+l.Removed > 0 {
		s.Lists = append(s.Lists, l)
	}
}

// listOf compares two sets in a family, by ranges.
func listOf(was, is ipranges.Set, f ipranges.Family) List {
	came, went := is.Minus(was), was.Minus(is)
	return List{Family: f, Added: came.NumRanges(f), Removed: went.NumRanges(f),
		AddressesAdded: came.Count(f), AddressesRemoved: went.Count(f), Before: was.Count(f)}
}

// prefixesApart counts the prefixes that only is, and only was, has.
func prefixesApart(was, is ipranges.Set, f ipranges.Family) (came, went int) {
	old := map[netip.Prefix]bool{}
	for p := range was.Prefixes(f) {
		old[p] = true
	}
	for p := range is.Prefixes(f) {
		if !old[p] {
			came++
		}
		delete(old, p)
	}
	return came, len(old)
}

// merged is all rules of one name as one rule.
type merged struct {
	name     string
	verdict  rules.Verdict
	from, to ipranges.Set
	names    []string
	services rules.Matches
}

func merge(p *rules.Plan) []merged {
	var list []merged
	for i := range p.Rules {
		r := &p.Rules[i]
		k := slices.IndexFunc(list, func(m merged) bool { return m.name == r.Name })
		if k < 0 {
			list, k = append(list, merged{name: r.Name, verdict: r.Verdict}), len(list)
		}
		m := &list[k]
		m.from, m.to = m.from.Union(r.From.Set()), m.to.Union(r.To.Set())
		m.names = append(m.names, r.To.Patterns()...)
		m.services = rules.NewMatches(slices.Concat(m.services, r.Matches())...)
	}
	for i := range list {
		slices.Sort(list[i].names)
		list[i].names = slices.Compact(list[i].names)
	}
	return list
}

// setNames are the names of the sets that rules go to.
func setNames(p *rules.Plan) map[string]string {
	names := map[string]string{}
	for i := range p.Rules {
		names[p.Rules[i].Name] = p.Rules[i].To.Name()
	}
	return names
}

// rules compares rules of the same name, in the order of now, and what is gone.
func (s *Summary) rules(was, is []merged, sets map[string]string) {
	told := map[string]bool{}
	var before, after []string
	for _, m := range is {
		k := slices.IndexFunc(was, func(o merged) bool { return o.name == m.name })
		if k < 0 {
			s.Rules = append(s.Rules, Rule{Name: m.name, Verdict: m.verdict, What: Added})
			continue
		}
		after = append(after, m.name)
		if r, changed := compare(&was[k], &m); changed {
			s.Rules = append(s.Rules, r)
		}
		if set := sets[m.name]; !told[set] {
			told[set] = true
			s.lists(set, &was[k], &m)
		}
	}
	for _, o := range was {
		if !slices.ContainsFunc(is, func(m merged) bool { return m.name == o.name }) {
			s.Rules = append(s.Rules, Rule{Name: o.name, Verdict: o.verdict, What: Removed})
			continue
		}
		before = append(before, o.name)
	}
	s.Order = !slices.Equal(before, after)
}

// lists compares the destinations of two rules with one name.
func (s *Summary) lists(set string, was, is *merged) {
	for _, f := range rules.BothFamilies.List() {
		l := listOf(was.to, is.to, f)
		l.Name = set
		s.keep(l)
	}
	names := List{Name: set, Names: true}
	for _, n := range is.names {
		if !slices.Contains(was.names, n) {
			names.Added++
		}
	}
	for _, n := range was.names {
		if !slices.Contains(is.names, n) {
			names.Removed++
		}
	}
	s.keep(names)
}

// compare says how a rule changed.
func compare(was, is *merged) (Rule, bool) {
	r := Rule{Name: is.name, Verdict: is.verdict,
		ServicesAdded: is.services.Minus(was.services), ServicesRemoved: was.services.Minus(is.services)}
	missing := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(n string) bool { return !slices.Contains(b, n) })
	}
	wider := len(r.ServicesAdded) > 0 || !was.to.Covers(is.to) || !was.from.Covers(is.from) || missing(is.names, was.names)
	narrower := len(r.ServicesRemoved) > 0 || !is.to.Covers(was.to) || !is.from.Covers(was.from) || missing(was.names, is.names)
	switch {
	case was.verdict != is.verdict:
		r.What = Turned
	case wider && narrower:
		r.What = Both
	case wider:
		r.What = Wider
	case narrower:
		r.What = Narrow
	}
	return r, r.What != ""
}
