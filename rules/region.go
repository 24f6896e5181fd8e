package rules

import (
	"slices"

	"sallyport/ipranges"
)

// region is a box of flows: every source, destination and service of it
// together. Rules are regions, so set algebra on regions answers exactly what a
// list of rules does.
type region struct {
	from, to ipranges.Set
	matches  Matches
}

func regionOf(r *Rule, fams Families) region {
	within := func(a Addresses) ipranges.Set {
		var out ipranges.Set
		for _, f := range fams.List() {
			out = out.Union(a.Set().Only(f))
		}
		return out
	}
	to := r.To
	if to.ByName() {
		to = Any() // a name may have any address
	}
	return region{within(r.From), within(to), r.Matches()}
}

// empty reports whether no flow is in g. A flow's source and destination are of
// one family.
func (g region) empty() bool {
	if len(g.matches) == 0 {
		return true
	}
	for _, f := range BothFamilies.List() {
		if g.from.Has(f) && g.to.Has(f) {
			return false
		}
	}
	return true
}

// meets reports whether a flow is in both, without making what they share.
func (g region) meets(h region) bool {
	if !g.matches.meets(h.matches) {
		return false
	}
	for _, f := range BothFamilies.List() {
		if g.from.Only(f).Overlaps(h.from.Only(f)) && g.to.Only(f).Overlaps(h.to.Only(f)) {
			return true
		}
	}
	return false
}

func (g region) intersect(h region) region {
	return region{g.from.Intersect(h.from), g.to.Intersect(h.to), g.matches.Intersect(h.matches)}
}

// minus is g without h, as at most three regions:
//
//	sources outside h | destinations outside h | services outside h
func (g region) minus(h region) []region {
	common := g.intersect(h)
	if common.empty() {
		return []region{g}
	}
	var out []region
	for _, part := range []region{
		{g.from.Minus(h.from), g.to, g.matches},
		{common.from, g.to.Minus(h.to), g.matches},
		{common.from, common.to, g.matches.Minus(h.matches)},
	} {
		if !part.empty() {
			out = append(out, part)
		}
	}
	return out
}

// size is about how many steps an operation on g takes.
func (g region) size() int {
	n := len(g.matches)
	for _, f := range BothFamilies.List() {
		n += g.from.NumRanges(f) + g.to.NumRanges(f)
	}
	return 1 + n/8
}

// Shadow is a rule that earlier rules leave nothing to decide.
type Shadow struct {
	Rule *Rule
	By   []*Rule // the earlier rules that cover it between them
	// Essential says that what a default of deny lets pass before the rules takes
	// part in covering it.
	Essential bool
}

// maxSteps bounds the work of Shadowed for one rule, and ShadowWork that for all rules, in
// steps of about a tenth of a microsecond, of which 2,000 rules to disjoint addresses need
// two thirds. Past it, rules are taken as not shadowed, which costs a warning, never a
// rule.
const (
	maxSteps   = 100_000
	ShadowWork = 3_000_000
)

// Shadowed finds the rules of p that can never decide a flow, by set algebra: a
// rule counts when the union of the earlier ones covers it. Results point into
// p.Rules. It takes its steps from work, ShadowWork at first, and reports whether all
// rules could be judged.
func Shadowed(p *Plan, work *int) (shadows []Shadow, all bool) {
	all = true
	regions := make([]region, len(p.Rules))
	for i := range p.Rules {
		regions[i] = regionOf(&p.Rules[i], p.Families)
	}
	for i := range p.Rules {
		rest := []region{regions[i]}
		if rest[0].empty() {
			continue // emptiness is reported for itself
		}
		essential := false
		if p.Default == Deny {
			rest, essential = withoutEssential(rest[0])
		}
		if *work < 0 {
			return shadows, false
		}
		h := hunt{earlier: regions[:i], by: make([]bool, i), steps: maxSteps, work: work}
		for j := range h.earlier {
			to := p.Rules[j].To // a rule to names hides only rules to some of these names
			h.skip = append(h.skip, to.ByName() && !to.HasNames(p.Rules[i].To))
		}
		if slices.ContainsFunc(rest, func(g region) bool { return h.survives(g, 0) }) {
			all = all && h.steps >= 0 && *work >= 0
			continue
		}
		var by []*Rule
		for j, hit := range h.by {
			if hit {
				by = append(by, &p.Rules[j])
			}
		}
		shadows = append(shadows, Shadow{&p.Rules[i], by, essential})
	}
	return shadows, all
}

// hunt looks for a flow of a rule that no earlier rule takes.
type hunt struct {
	earlier []region
	skip    []bool // earlier rules that do not count
	by      []bool // earlier rules that took something
	steps   int    // left
	work    *int   // left, for all rules
}

// survives reports whether the earlier rules from number j on leave anything of g. It
// goes down one part at a time and ends with the first that is left: most rules are
// not shadowed, and their first part shows it.
func (h *hunt) survives(g region, j int) bool {
	for ; j < len(h.earlier); j++ {
		if *h.work--; h.skip[j] || !g.meets(h.earlier[j]) {
			continue
		}
		*h.work -= 4 * (g.size() + h.earlier[j].size())
		if h.steps--; h.steps < 0 || *h.work < 0 {
			return true
		}
		h.by[j] = true
		parts := g.minus(h.earlier[j])
		return slices.ContainsFunc(parts, func(part region) bool { return h.survives(part, j+1) })
	}
	return true
}

// withoutEssential takes from g what Decide lets pass before any rule, and reports
// whether that was anything.
func withoutEssential(g region) (rest []region, some bool) {
	rest = []region{g}
	for _, f := range BothFamilies.List() {
		whole := ipranges.Full(f)
		essential := region{whole, whole, Essential(f)}
		var next []region
		for _, part := range rest {
			some = some || !part.intersect(essential).empty()
			next = append(next, part.minus(essential)...)
		}
		rest = next
	}
	return rest, some
}
