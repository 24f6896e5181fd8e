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
