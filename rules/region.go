package rules

import "sallyport/ipranges"

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

// Shadow is a rule that earlier rules leave nothing to decide.
type Shadow struct {
	Rule *Rule
	By   []*Rule // the earlier rules that cover it between them
	// Essential says that what a default of deny lets pass before the rules takes
	// part in covering it.
	Essential bool
}

// maxRegions bounds the work of Shadowed for one rule: past it, the rule is
// taken as not shadowed, which costs a warning, never a rule.
const maxRegions = 4096

// Shadowed finds the rules of p that can never decide a flow, by set algebra: a
// rule counts when the union of the earlier ones covers it. Results point into
// p.Rules.
func Shadowed(p *Plan) []Shadow {
	var shadows []Shadow
	regions := make([]region, len(p.Rules))
	for i := range p.Rules {
		regions[i] = regionOf(&p.Rules[i], p.Families)
	}
	for i := range p.Rules {
		rest := []region{regions[i]}
		if rest[0].empty() {
			continue // emptiness is reported for itself
		}
		var by []*Rule
		essential := false
		if p.Default == Deny {
			rest, essential = withoutEssential(rest[0])
		}
		for j := 0; j < i && len(rest) > 0 && len(rest) <= maxRegions; j++ {
			if to := p.Rules[j].To; to.ByName() && !to.HasNames(p.Rules[i].To) {
				continue // it hides rules to names that it has, and no others
			}
			earlier := regions[j]
			var next []region
			hit := false
			for _, g := range rest {
				hit = hit || !g.intersect(earlier).empty()
				next = append(next, g.minus(earlier)...)
			}
			if hit {
				by = append(by, &p.Rules[j])
			}
			rest = next
		}
		if len(rest) == 0 {
			shadows = append(shadows, Shadow{&p.Rules[i], by, essential})
		}
	}
	return shadows
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
