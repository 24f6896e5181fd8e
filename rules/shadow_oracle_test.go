package rules

import "slices"

// slowShadowed is Shadowed by every pair of rules.
func slowShadowed(p *Plan, work *int) (shadows []Shadow, all bool) {
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
		h := slowHunt{earlier: regions[:i], by: make([]bool, i), steps: maxSteps, work: work}
		for j := range h.earlier {
			to := p.Rules[j].To // a rule to names hides only rules to some of these names
			h.skip = append(h.skip, to.ByName() && (!p.Rules[i].To.ByName() || to.Lacks(p.Rules[i].To.Patterns()) != ""))
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

// slowHunt looks for a flow of a rule that no earlier rule takes.
type slowHunt struct {
	earlier []region
	skip    []bool // earlier rules that do not count
	by      []bool // earlier rules that took something
	steps   int    // left
	work    *int   // left, for all rules
}

// survives reports whether the earlier rules from number j on leave anything of g. It
// goes down one part at a time and ends with the first that is left: most rules are
// not shadowed, and their first part shows it.
func (h *slowHunt) survives(g region, j int) bool {
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
