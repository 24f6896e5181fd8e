package rules

import "sallyport/ipranges"

// Listed is what a plan of routes lists: the addresses, within the plan's
// families, that it sends the other way than its default. It is Bypass with a
// default of Tunnel, for a list of what leaves the VPN, and Tunnel with a default
// of Bypass, for a list of what enters it.
//
// ok is false when p is no plan of routes: when its default is neither, or a rule
// tells sources or services apart.
func (p *Plan) Listed() (set ipranges.Set, v Verdict, ok bool) {
	switch p.Default {
	case Tunnel:
		v = Bypass
	case Bypass:
		v = Tunnel
	default:
		return set, 0, false
	}
	var decided ipranges.Set
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.From.IsAny() || !r.AnyService() || r.Verdict != Bypass && r.Verdict != Tunnel {
			return ipranges.Set{}, 0, false
		}
		to := r.To.only(p.Families).Set()
		if r.Verdict == v {
			set = set.Union(to.Minus(decided))
		}
		decided = decided.Union(to)
	}
	for _, f := range BothFamilies.List() {
		if !p.Families.Has(f) {
			set = set.Minus(set.Only(f))
		}
	}
	return set, v, true
}

// RoutePlan is a plan that lists set: the inverse of Listed, for reading back.
func RoutePlan(name string, fams Families, v Verdict, set ipranges.Set) *Plan {
	def := Tunnel
	if v == Tunnel {
		def = Bypass
	}
	return &Plan{Name: name, Families: fams, Default: def, Rules: []Rule{{
		Name: "routes", Verdict: v, From: Any(), To: In("routes", set), Services: []Service{AnyService()}}}}
}
