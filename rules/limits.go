package rules

import (
	"fmt"
	"net/netip"

	"sallyport/ipranges"
)

// RouteLimit is a bound on the list of routes that a target's device takes. It is
// data: Lower enforces it, and targets show it.
type RouteLimit struct {
	Max      int
	Bytes    bool     // of the routes in the target's own text, as Caps.RouteBytes counts them; otherwise the number of routes
	Shared   bool     // one bound for both families together; otherwise for each
	Families Families // that it bounds; a limit of none bounds nothing
	Of       Verdict  // the direction of lists that it bounds, Bypass or Tunnel; zero: either
	Device   string   // what has the limit, to begin a sentence: "the GlobalProtect app"
	Source   string   // where it is documented or was measured
	Option   string   // the target's option that changes it; empty when none does
}

// bounds reports whether the limit speaks of f.
func (l RouteLimit) bounds(f ipranges.Family) bool { return l.Families.Has(f) }

// units is n of what the limit counts.
func (l RouteLimit) units(n int) string {
	if l.Bytes {
		return fmt.Sprintf("%d bytes of routes", n)
	}
	if n == 1 {
		return "1 route"
	}
	return fmt.Sprintf("%d routes", n)
}

// String has the device, the limit and the source.
func (l RouteLimit) String() string {
	var each string
	switch {
	case l.Shared:
		each = ", both families together"
	case l.Families == BothFamilies:
		each = " of each family"
	default:
		each = " of " + l.Families.String()
	}
	return fmt.Sprintf("%s takes %s%s (%s)", l.Device, l.units(l.Max), each, l.Source)
}

// size is what the routes of set cost in f, as the limit counts.
func (l RouteLimit) size(set ipranges.Set, f ipranges.Family, cost func(netip.Prefix) int) int {
	if !l.Bytes {
		return set.NumPrefixes(f)
	}
	n := 0
	for p := range set.Prefixes(f) {
		n += cost(p)
	}
	return n
}

// overRoutes has an error for each limit that the routes of p exceed. Any budget has
// been spent by then.
func overRoutes(p *Plan, caps Caps) []*RuleError {
	list, ok := p.Routes()
	if !ok {
		return nil
	}
	listed := writtenOf(p, caps, list.Set)
	var errs []*RuleError
	for _, l := range limitsFor(list.Way, caps.RouteLimits) {
		total := 0
		for _, f := range p.Families.List() {
			if !l.bounds(f) {
				continue
			}
			n := l.size(listed, f, caps.RouteBytes)
			total += n
			if n > l.Max && !l.Shared {
				errs = append(errs, l.over(n, f.String()+" ", list.Way))
			}
		}
		if l.Shared && total > l.Max {
			errs = append(errs, l.over(total, "", list.Way))
		}
	}
	return errs
}

// over is the error for a list of direction v that is over the limit.
func (l RouteLimit) over(n int, family string, v Verdict) *RuleError {
	word := "max_missing"
	if v == Tunnel {
		word = "max_added"
	}
	e := &RuleError{Option: "budget", Cause: fmt.Sprintf("%s%s, and %s takes %d (%s)", family, l.units(n), l.Device, l.Max, l.Source),
		Fix: fmt.Sprintf(`let it cost something, budget { %s = "..." }, at the price that sallyport budget shows`, word)}
	if l.Option != "" {
		e.Fix += fmt.Sprintf("; or say %s = N where your device takes more", l.Option)
	}
	return e
}

// limitsFor are those that bound lists of a direction.
func limitsFor(v Verdict, all []RouteLimit) []RouteLimit {
	var list []RouteLimit
	for _, l := range all {
		if l.Of == 0 || l.Of == v {
			list = append(list, l)
		}
	}
	return list
}
