package rules

import "sallyport/ipranges"

// RouteList is what a plan of routes lists: the addresses that go the other way than all
// others. The zero value is no list; get one from Plan.Routes.
type RouteList struct {
	Set      ipranges.Set // within Families
	Way      Verdict      // of Set: Bypass for what leaves the VPN, Tunnel for what enters it
	Families Families     // that the list speaks of; routes of the others stay as they are
	Rule     *Rule        // that errors about the list name: the plan's first; nil where there is none
}

// Routes is p as a list of routes. ok is false when p is none: when its default is
// neither Tunnel nor Bypass, or a rule tells sources or services apart.
func (p *Plan) Routes() (list RouteList, ok bool) {
	list = RouteList{Way: opposite[p.Default], Families: p.Families}
	if list.Way == 0 {
		return RouteList{}, false
	}
	var decided ipranges.Set
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.From.IsAny() || !r.AnyService() || opposite[r.Verdict] == 0 {
			return RouteList{}, false
		}
		to := r.To.only(p.Families).Set()
		if r.Verdict == list.Way {
			list.Set = list.Set.Union(to.Minus(decided))
		}
		decided = decided.Union(to)
	}
	for _, f := range BothFamilies.List() {
		if !p.Families.Has(f) {
			list.Set = list.Set.Minus(list.Set.Only(f))
		}
	}
	if len(p.Rules) > 0 {
		list.Rule = &p.Rules[0]
	}
	return list, true
}

// opposite maps each direction to the other one.
var opposite = map[Verdict]Verdict{Tunnel: Bypass, Bypass: Tunnel}

// Refuse is the error of a target that cannot carry the list.
func (l RouteList) Refuse(cause, fix string) *RuleError {
	if l.Rule == nil {
		return &RuleError{Cause: cause, Fix: fix}
	}
	return l.Rule.Refuse(cause, fix)
}

// Refuse is the error of a target that cannot carry the rule.
func (r *Rule) Refuse(cause, fix string) *RuleError {
	return &RuleError{Rule: r.Name, Place: r.Place, Cause: cause, Fix: fix}
}

// RoutePlan is a plan that lists set: the inverse of Routes, for reading back.
func RoutePlan(name string, fams Families, v Verdict, set ipranges.Set) *Plan {
	return &Plan{Name: name, Families: fams, Default: opposite[v], Rules: []Rule{{
		Name: "routes", Verdict: v, From: Any(), To: In("routes", set), Services: []Service{AnyService()}}}}
}
