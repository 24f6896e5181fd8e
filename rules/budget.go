package rules

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
)

// BudgetDevice is the device of the policy's own limits.
const BudgetDevice = "the budget"

// Budget allows a list of routes to differ from its set, so that it fits a device:
// to hold more addresses, or to leave some out. Without one a list is exact or
// refused. It is immutable.
type Budget struct {
	Limits  []RouteLimit // the policy's own, beside those of the target
	Added   *Percent     // how much more the list may hold, of each family's set
	Missing *Percent     // how much it may leave out; one of the two at most
	Must    Addresses    // never left out
	Protect Addresses    // never added, beside special-use addresses, which never are
}

// fitting is one list being fitted into the limits of its target and its budget.
type fitting struct {
	p      *Plan
	caps   Caps
	limits []RouteLimit
	listed ipranges.Set
	over   bool // the list may hold more; otherwise it may leave out
}

// fit spends p's budget: it returns p with a list that is within all limits, and the
// price in each family that has one.
func fit(p *Plan, caps Caps) (*Plan, []Loss, []*RuleError) {
	list, ok := p.Routes()
	if !ok || p.Budget == nil {
		return p, nil, nil
	}
	b, listed, v := p.Budget, list.Set, list.Way
	f := &fitting{p: p, caps: caps, limits: limitsFor(v, slices.Concat(caps.RouteLimits, b.Limits)), listed: listed,
		over: b.Added != nil || b.Missing == nil && v == Tunnel}
	if errs := append(f.check(), f.countable()...); len(errs) > 0 {
		return nil, nil, errs
	}
	written := f.written(listed)
	if f.fits(written) {
		return p, nil, nil
	}
	covers, err := f.choose(written)
	if err != nil {
		return nil, nil, []*RuleError{err}
	}
	return f.priced(covers)
}

// written is what the target writes for a list.
func (f *fitting) written(list ipranges.Set) ipranges.Set {
	return writtenOf(f.p, f.caps, list)
}

// Routes is the list of prefixes that a target with the caps writes for p, a plan of
// routes: what it lists, or all other addresses. ok is false for other plans.
func (c Caps) Routes(p *Plan) (list ipranges.Set, ok bool) {
	listed, ok := p.Routes()
	if !ok {
		return list, false
	}
	return writtenOf(p, c, listed.Set), true
}

// writtenOf is written for a plan and caps.
func writtenOf(p *Plan, caps Caps, list ipranges.Set) ipranges.Set {
	v := opposite[p.Default]
	var out ipranges.Set
	for _, fam := range p.Families.List() {
		out = out.Union(caps.Written(v, fam, list))
	}
	return out
}

// meant is the list that a target means by what it writes: what it leaves out belongs
// where the plan has it.
func (f *fitting) meant(written ipranges.Set) ipranges.Set {
	v := opposite[f.p.Default]
	var out ipranges.Set
	for _, fam := range f.p.Families.List() {
		left := f.caps.meant(v, fam, f.listed).Minus(f.caps.Written(v, fam, f.listed))
		out = out.Union(f.caps.meant(v, fam, written.Only(fam).Union(left)))
	}
	return out
}

// flipped reports whether the target writes the complement in a family: what is added to
// it is left out of the list.
func (f *fitting) flipped(fam ipranges.Family) bool {
	v := opposite[f.p.Default]
	return f.caps.writesOpposite(v, fam)
}

// check reports a budget that contradicts its list.
func (f *fitting) check() []*RuleError {
	var errs []*RuleError
	b := f.p.Budget
	if rest := b.Must.only(f.p.Families).Set().Minus(f.listed); !rest.IsEmpty() {
		errs = append(errs, &RuleError{Option: "budget.must", Cause: fmt.Sprintf("must holds %s, which the list does not", firstOf(rest)),
			Fix: "put it into the list, or take it out of must"})
	}
	if both := b.Protect.Set().Intersect(f.listed); !both.IsEmpty() {
		errs = append(errs, &RuleError{Option: "budget.protect", Cause: fmt.Sprintf("protect holds %s, which the list holds too", firstOf(both)),
			Fix: "take it out of the list, or out of protect"})
	}
	return errs
}

// countable refuses a budget in bytes where the target cannot say what a route takes.
func (f *fitting) countable() []*RuleError {
	for _, l := range f.limits {
		if l.Bytes && f.caps.RouteBytes == nil {
			return []*RuleError{{Option: "budget.bytes", Cause: "the target does not count the bytes of its routes", Fix: "write routes = N in place of bytes"}}
		}
	}
	return nil
}

func firstOf(s ipranges.Set) string {
	for r := range s.All() {
		return r.String()
	}
	return ""
}

// fits reports whether what is written is within all limits.
func (f *fitting) fits(written ipranges.Set) bool {
	for _, l := range f.limits {
		total := 0
		for _, fam := range f.p.Families.List() {
			if !l.bounds(fam) {
				continue
			}
			n := l.size(written, fam, f.caps.RouteBytes)
			if total += n; n > l.Max || l.Shared && total > l.Max {
				return false
			}
		}
	}
	return true
}

// priced is the plan with the chosen list, and its prices, where they are within what
// the budget allows.
func (f *fitting) priced(written ipranges.Set) (*Plan, []Loss, []*RuleError) {
	list := f.meant(written)
	var losses []Loss
	var errs []*RuleError
	for _, fam := range f.p.Families.List() {
		difference := list.Minus(f.listed).Only(fam)
		if !f.over {
			difference = f.listed.Minus(list).Only(fam)
		}
		if difference.IsEmpty() {
			continue
		}
		price := &Price{Family: fam, Added: f.over, Routes: written.NumPrefixes(fam), Exact: f.written(f.listed).NumPrefixes(fam), Limit: f.tightest(fam),
			Set: difference, Count: cover.CountOf(difference, fam), Whole: cover.CountOf(f.listed, fam)}
		if e := f.tooMuch(price); e != nil {
			errs = append(errs, e)
		}
		if !list.Has(fam) && (list.IsEmpty() || !f.joint()) {
			errs = append(errs, &RuleError{Option: "budget", Cause: fmt.Sprintf("nothing of %s is left in the list", fam), Fix: f.roomier()})
		}
		losses = append(losses, Loss{Rule: f.p.Rules[0].Name, Place: f.p.Rules[0].Place, Price: price, Reason: price.String()})
	}
	if len(errs) > 0 {
		return nil, nil, errs
	}
	out := *f.p
	rule := f.p.Rules[0]
	rule.To = In(rule.To.Name(), list)
	out.Rules = []Rule{rule}
	return &out, losses, nil
}

// limitWord is the name of the budget's argument that bounds the price, and its value.
func (f *fitting) limitWord() (word string, limit *Percent) {
	if f.over {
		return "max_added", f.p.Budget.Added
	}
	return "max_missing", f.p.Budget.Missing
}

// allowed is the highest price that the budget lets a family have; false where it sets
// no bound.
func (f *fitting) allowed(fam ipranges.Family) (cover.Count, bool) {
	_, limit := f.limitWord()
	if limit == nil {
		return cover.Count{}, false
	}
	return cover.CountOf(f.listed, fam).Part(float64(*limit)), true
}

// tooMuch is the error for a price that the budget does not mention, or that is over what
// it allows, with the nearest budget that would do.
func (f *fitting) tooMuch(p *Price) *RuleError {
	word, limit := f.limitWord()
	enough := roundUp(p.Percent())
	bound := ""
	if p.Limit.Max > 0 && p.Limit.Device != BudgetDevice {
		bound = fmt.Sprintf("; %s takes %s (%s)", p.Limit.Device, p.Limit.units(p.Limit.Max), p.Limit.Source)
	}
	if limit == nil {
		return &RuleError{Option: "budget", Cause: fmt.Sprintf("%s, and the budget does not say that it may%s", p, bound), Fix: fmt.Sprintf("add %s = %q", word, enough)}
	}
	allowed, _ := f.allowed(p.Family)
	if p.Count.Cmp(allowed) <= 0 {
		return nil
	}
	e := &RuleError{Option: "budget." + word, Fix: fmt.Sprintf("the nearest that can be: %s = %q", word, enough)}
	e.Cause = fmt.Sprintf("%s, over %s%s", p, *limit, bound)
	if ShortPercent(p.Percent()) == limit.String() {
		e.Cause = fmt.Sprintf("%s, over %s by %s%s", p, *limit, ShortPercent(p.Percent()-float64(*limit)), bound)
	}
	if k, ok := f.routesFor(p.Family, allowed); ok && !p.Limit.Bytes && !p.Limit.Shared {
		switch {
		case p.Limit.Device == BudgetDevice:
			e.Fix += fmt.Sprintf(", or %d %s routes", k, p.Family)
		case p.Limit.Option != "":
			e.Fix += fmt.Sprintf(", or %s = %d where your device takes as many", p.Limit.Option, k)
		}
	}
	return e
}

// hintRoutes bounds the curve that is made for a hint alone: its time grows with it.
const hintRoutes = 4096

// routesFor is how many routes of a family cost no more than allowed; false where that
// is not known.
func (f *fitting) routesFor(fam ipranges.Family, allowed cover.Count) (int, bool) {
	curve, err := f.curve(fam, hintRoutes, cover.OverPrices)
	if err != nil {
		return 0, false
	}
	k, ok := curve.Nearest(allowed)
	return k, ok && k > 0
}

// roundUp is a percentage that is not below p, with two digits that count.
func roundUp(p float64) string {
	digits, scale := 0, 1.0
	for p > 0 && p*scale < 10 && digits < 12 {
		digits, scale = digits+1, scale*10
	}
	return strconv.FormatFloat(math.Ceil(p*scale)/scale, 'f', digits, 64) + "%"
}

func (f *fitting) roomier() string {
	return `raise the limit, or leave the family out on purpose with families = ["ipv4"] or ["ipv6"]`
}

// tightest is the limit that binds a family most, for messages.
func (f *fitting) tightest(fam ipranges.Family) RouteLimit {
	var out RouteLimit
	for _, l := range f.limits {
		if l.bounds(fam) && (out.Max == 0 || l.Bytes == out.Bytes && l.Max < out.Max) {
			out = l
		}
	}
	return out
}

// curve is the price of every number of routes in a family: of what is written.
func (f *fitting) curve(fam ipranges.Family, most int, over func(ipranges.Set, ipranges.Family, int, ipranges.Set) *cover.Curve) (*cover.Curve, error) {
	written, whole := f.written(f.listed), cover.CountOf(f.listed, fam)
	if f.over != f.flipped(fam) {
		return over(written, fam, most, f.never(fam)).Of(whole), nil
	}
	c, err := cover.UnderCurve(written, fam, f.always(fam))
	if err != nil {
		return nil, err
	}
	return c.Of(whole), nil
}

// never is what must not be added to what is written: special-use and protected
// addresses; in a complement, the addresses that the list must keep.
func (f *fitting) never(fam ipranges.Family) ipranges.Set {
	v := opposite[f.p.Default]
	if f.flipped(fam) {
		return f.p.Budget.Must.Set().Union(f.caps.Unwritten[v])
	}
	return ipranges.SpecialUse().Union(f.caps.Unwritten[v]).Union(f.p.Budget.Protect.Set())
}

// always is what must stay written.
func (f *fitting) always(fam ipranges.Family) ipranges.Set {
	if !f.flipped(fam) {
		return f.p.Budget.Must.Set().Only(fam)
	}
	return ipranges.SpecialUse().Union(f.p.Budget.Protect.Set()).Intersect(f.written(f.listed)).Only(fam)
}

// setOf is prefixes as a set.
func setOf(list []netip.Prefix) ipranges.Set {
	s, err := ipranges.FromPrefixes(list...)
	if err != nil {
		panic(fmt.Sprintf("a cover has an invalid prefix: %v", err)) // they come from a set
	}
	return s
}

// PriceCurve is the price of every number of routes of a family, up to most, that p's
// target could write: of adding addresses to the list, or of leaving some out. What p's
// budget says of must and protect holds for it. Prices are shares of the list, also where
// its target writes the complement. An error may be a *RuleError.
func PriceCurve(p *Plan, caps Caps, family ipranges.Family, added bool, most int) (*cover.Curve, error) {
	list, ok := p.Routes()
	if !ok {
		return nil, errors.New("the plan is no list of routes")
	}
	q := *p
	if q.Budget == nil {
		q.Budget = &Budget{}
	}
	f := &fitting{p: &q, caps: caps, listed: list.Set, over: added}
	if errs := f.check(); len(errs) > 0 {
		return nil, errs[0]
	}
	return f.curve(family, most, cover.OverPrices)
}
