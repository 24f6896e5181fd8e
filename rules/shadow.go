package rules

import (
	"iter"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"sallyport/ipranges"
)

// Shadow is a rule that earlier rules leave nothing to decide.
type Shadow struct {
	Rule *Rule
	By   []*Rule // the earlier rules that cover it between them
	// Essential says that what a default of deny lets pass before the rules takes
	// part in covering it.
	Essential bool
}

// maxSteps bounds the work of Shadowed for one rule, and ShadowWork that for all rules, in
// steps of about a tenth of a microsecond. Past it, rules are taken as not shadowed, which
// costs a warning, never a rule.
const (
	maxSteps   = 100_000
	ShadowWork = 3_000_000
)

// Shadowed finds the rules of p that can never decide a flow, by set algebra: a
// rule counts when the union of the earlier ones covers it. Results point into
// p.Rules. It takes its steps from work, ShadowWork at first, and reports whether all
// rules could be judged.
//
// Most rules are not shadowed, and a flow at a corner of what they match shows it: axes
// tell which rules hold it.
func Shadowed(p *Plan, work *int) (shadows []Shadow, all bool) {
	all = true
	x := newRuleIndex(p)
	*work -= x.size()
	for i := range p.Rules {
		rest := []region{x.regions[i]}
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
		h := hunt{ruleIndex: x, rule: i, others: x.hiders(i), steps: maxSteps, work: work}
		if slices.ContainsFunc(rest, func(g region) bool { return h.survives(g, 0) }) {
			all = all && h.steps >= 0 && *work >= 0
			continue
		}
		slices.Sort(h.by)
		var by []*Rule
		for _, j := range slices.Compact(h.by) {
			by = append(by, &p.Rules[j])
		}
		shadows = append(shadows, Shadow{&p.Rules[i], by, essential})
	}
	return shadows, all
}

// ruleIndex finds the rules of a plan that match a flow, and those that meet another rule.
type ruleIndex struct {
	plan     *Plan
	families []ipranges.Family // of the plan
	regions  []region
	from, to map[ipranges.Family]*axis[netip.Addr]
	points   *axis[uint32]
	holders  nameHolders
	unnamed  ruleBits            // rules to addresses
	lists    map[string]ruleBits // by the name of a list: the rules that hide its names
}

func newRuleIndex(p *Plan) *ruleIndex {
	x := &ruleIndex{plan: p, families: p.Families.List(), regions: make([]region, len(p.Rules)), lists: map[string]ruleBits{},
		from: map[ipranges.Family]*axis[netip.Addr]{}, to: map[ipranges.Family]*axis[netip.Addr]{}}
	var sources, dests sameSets
	var edges []edge[uint32]
	var unnamed, anyService []int
	for i := range p.Rules {
		r, g := &p.Rules[i], regionOf(&p.Rules[i], p.Families)
		x.regions[i] = g
		sources.add(r.From.IsAny(), g.from, i)
		dests.add(r.To.IsAny() || r.To.ByName(), g.to, i)
		if r.AnyService() {
			anyService = append(anyService, i)
		} else {
			edges = appendEdges(edges, g.matches, bitsOf(i))
		}
		if !r.To.ByName() {
			unnamed = append(unnamed, i)
		}
	}
	if len(p.Rules) < 2 {
		return x // nothing comes first
	}
	for _, f := range x.families {
		x.from[f] = addressAxis(len(p.Rules), f, &sources)
		x.to[f] = addressAxis(len(p.Rules), f, &dests)
	}
	x.points = pointAxis(len(p.Rules), append(edges, edge[uint32]{rules: bitsOf(anyService...)}))
	x.holders, x.unnamed = holdersOf(p.Rules), bitsOf(unnamed...)
	return x
}

// size is the steps that it took to make x.
func (x *ruleIndex) size() int {
	if x.points == nil {
		return 0
	}
	n := x.points.numWords
	for f := range x.from {
		n += x.from[f].numWords + x.to[f].numWords
	}
	return n / 4
}

// hiders is the rules that a rule may be hidden by, as far as names go: rules to addresses,
// and those to every name of its own.
func (x *ruleIndex) hiders(rule int) ruleBits {
	to := x.plan.Rules[rule].To
	if !to.ByName() {
		return x.unnamed
	}
	list, ok := x.lists[to.Name()]
	if !ok {
		list = x.unnamed.or(x.holders.ofAll(to.Patterns()))
		x.lists[to.Name()] = list
	}
	return list
}

// hunt looks for a flow of a rule that no earlier rule takes.
type hunt struct {
	*ruleIndex
	rule   int
	others ruleBits     // rules that count
	near   [][]ruleBits // for each family: rules that are in all of these may meet the rule
	by     []int        // earlier rules that took something
	steps  int          // left
	work   *int         // left, for all rules
}

// survives reports whether the earlier rules from number j on leave anything of g. It
// goes down one part at a time and ends with the first that is left: most rules are
// not shadowed, and their first part shows it.
func (h *hunt) survives(g region, j int) bool {
	if h.rule == 0 || h.cornerLeft(g) {
		return true
	}
	for j = h.next(j); j < h.rule; j = h.next(j + 1) {
		if *h.work--; !g.meets(h.regions[j]) {
			continue
		}
		*h.work -= 4 * (g.size() + h.regions[j].size())
		if h.steps--; h.steps < 0 || *h.work < 0 {
			return true
		}
		h.by = append(h.by, j)
		parts := g.minus(h.regions[j])
		return slices.ContainsFunc(parts, func(part region) bool { return h.survives(part, j+1) })
	}
	return true
}

// cornerLeft reports whether no earlier rule takes one of the flows at the corners of g: an
// end of its first sources, of its first destinations and of its first service.
func (h *hunt) cornerLeft(g region) bool {
	*h.work -= 4
	services := h.points.atEnds(g.matches.stretches())
	for _, f := range h.families {
		if !g.from.Has(f) || !g.to.Has(f) {
			continue
		}
		sources, dests := h.from[f].atEnds(ends(g.from.Ranges(f))), h.to[f].atEnds(ends(g.to.Ranges(f)))
		for corner := range 8 {
			j := first(0, everyRule, dests[corner&1], sources[corner>>1&1], services[corner>>2], h.others)
			if j < 0 || j >= h.rule {
				return true
			}
		}
	}
	return false
}

// next is the first rule from number j on that may meet the rule of h.
func (h *hunt) next(j int) int {
	if h.near == nil {
		h.findNear()
	}
	next := h.rule
	for _, sets := range h.near {
		if k := first(j, everyRule, sets...); k >= 0 {
			next = min(next, k)
		}
	}
	return next
}

func (h *hunt) findNear() {
	r, g := &h.plan.Rules[h.rule], h.regions[h.rule]
	common := []ruleBits{h.others}
	if !r.AnyService() {
		common = append(common, h.points.meeting(h.work, g.matches.stretches()))
	}
	for _, f := range h.families {
		sets := slices.Clone(common)
		if !r.From.IsAny() {
			sets = append(sets, h.from[f].meeting(h.work, ends(g.from.Ranges(f))))
		}
		if !r.To.IsAny() && !r.To.ByName() {
			sets = append(sets, h.to[f].meeting(h.work, ends(g.to.Ranges(f))))
		}
		h.near = append(h.near, sets)
	}
}

// ends yields the first and the last address of each range.
func ends(ranges iter.Seq[netipx.IPRange]) iter.Seq2[netip.Addr, netip.Addr] {
	return func(yield func(lo, hi netip.Addr) bool) {
		for r := range ranges {
			if !yield(r.From(), r.To()) {
				return
			}
		}
	}
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
