package rules

import (
	"fmt"
	"strconv"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
)

// bounds is what the limits leave to one family.
type bounds struct {
	routes, bytes int // -1: no limit
}

func tighter(have, limit int) int {
	if have < 0 {
		return limit
	}
	return min(have, limit)
}

// boundsOf collects the limits for one family, and those that both share.
func (f *fitting) boundsOf(fam ipranges.Family) (own, shared bounds) {
	own, shared = bounds{-1, -1}, bounds{-1, -1}
	for _, l := range f.limits {
		if !l.bounds(fam) {
			continue
		}
		b := &own
		if l.Shared {
			b = &shared
		}
		if l.Bytes {
			b.bytes = tighter(b.bytes, l.Max)
		} else {
			b.routes = tighter(b.routes, l.Max)
		}
	}
	return own, shared
}

// choose finds the cheapest list within all limits, as it is written. A budget in
// routes alone, or in bytes alone, is met at the lowest price there is. Where both bind
// a family, the cheaper of the two optima that meets the other is taken.
func (f *fitting) choose(written ipranges.Set) (ipranges.Set, *RuleError) {
	var out ipranges.Set
	families := f.p.Families.List()
	if len(families) == 2 {
		if _, shared := f.boundsOf(families[0]); shared.routes >= 0 || shared.bytes >= 0 {
			return f.share(written, shared)
		}
	}
	for _, fam := range families {
		own, shared := f.boundsOf(fam)
		if shared.routes >= 0 {
			own.routes = tighter(own.routes, shared.routes)
		}
		if shared.bytes >= 0 {
			own.bytes = tighter(own.bytes, shared.bytes)
		}
		part, err := f.family(written, fam, own)
		if err != nil {
			return out, err
		}
		out = out.Union(part)
	}
	return out, nil
}

// family fits one family into its own bounds.
func (f *fitting) family(written ipranges.Set, fam ipranges.Family, b bounds) (ipranges.Set, *RuleError) {
	whole := written.Only(fam)
	if b.met(whole, fam, f.caps) {
		return whole, nil
	}
	var failed *RuleError
	if b.routes >= 0 {
		part, err := f.byRoutes(fam, b.routes)
		if err == nil && b.met(part, fam, f.caps) {
			return part, nil
		}
		failed = err
	}
	if b.bytes >= 0 {
		part, err := f.byBytes(written, fam, b.bytes)
		if err == nil && b.met(part, fam, f.caps) {
			return part, nil
		}
		if failed == nil {
			failed = err
		}
	}
	if failed == nil {
		failed = &RuleError{Option: "budget", Cause: fmt.Sprintf("no list of %s meets the limits of routes and of bytes together", fam),
			Fix: "lower the limit of routes in the budget until it meets that of bytes"}
	}
	return ipranges.Set{}, failed
}

// met reports whether a part is within b.
func (b bounds) met(part ipranges.Set, fam ipranges.Family, caps Caps) bool {
	if b.routes >= 0 && part.NumPrefixes(fam) > b.routes {
		return false
	}
	return b.bytes < 0 || RouteLimit{Bytes: true}.size(part, fam, caps.RouteBytes) <= b.bytes
}

func (f *fitting) byRoutes(fam ipranges.Family, k int) (ipranges.Set, *RuleError) {
	curve, err := f.curve(fam, k)
	if err != nil {
		return ipranges.Set{}, &RuleError{Option: "budget.must", Cause: err.Error(), Fix: "correct must or the list"}
	}
	list, ok := curve.Cover(k)
	if !ok {
		return ipranges.Set{}, f.tooSmall(fam, fmt.Sprintf("%d routes", k), fmt.Sprintf("%d", curve.Least()))
	}
	return setOf(list), nil
}

func (f *fitting) byBytes(written ipranges.Set, fam ipranges.Family, budget int) (ipranges.Set, *RuleError) {
	prices, err := f.prices(written, fam)
	if err != nil {
		return ipranges.Set{}, &RuleError{Option: "budget.must", Cause: err.Error(), Fix: "correct must or the list"}
	}
	c, ok := prices.At(budget)
	if !ok {
		return ipranges.Set{}, f.tooSmall(fam, fmt.Sprintf("%d bytes", budget), fmt.Sprintf("%d bytes", prices.Least()))
	}
	return setOf(c.Prefixes), nil
}

func (f *fitting) prices(written ipranges.Set, fam ipranges.Family) (*cover.Bytes, error) {
	if f.over != f.flipped(fam) {
		return cover.OverBytes(written, fam, f.caps.RouteBytes, f.never(fam))
	}
	return cover.UnderBytes(written, fam, f.caps.RouteBytes, f.always(fam))
}

// tooSmall says that no list at all is as small.
func (f *fitting) tooSmall(fam ipranges.Family, have, least string) *RuleError {
	why := "must cannot be left out"
	if f.over {
		why = "protected and special-use addresses lie between"
	}
	return &RuleError{Option: "budget", Cause: fmt.Sprintf("%s are too few for %s: it needs %s at least, because %s", have, fam, least, why),
		Fix: "raise the limit, or shorten must or protect"}
}

// splits is into how many steps a budget of bytes for both families is divided.
const splits = 64

// share fits both families into one budget: the split with the smallest sum of relative
// prices, each as a share of its family's set. Of equal sums it takes the one that gives
// IPv4 the least.
func (f *fitting) share(written ipranges.Set, shared bounds) (ipranges.Set, *RuleError) {
	own4, _ := f.boundsOf(ipranges.IPv4)
	own6, _ := f.boundsOf(ipranges.IPv6)
	if shared.bytes < 0 && own4.bytes < 0 && own6.bytes < 0 {
		return f.shareRoutes(shared.routes, own4.routes, own6.routes)
	}
	var best ipranges.Set
	var failed *RuleError
	lowest := -1.0
	for i := 1; i < splits; i++ {
		four, six := own4, own6
		if shared.bytes >= 0 {
			four.bytes, six.bytes = tighter(own4.bytes, shared.bytes*i/splits), tighter(own6.bytes, shared.bytes-shared.bytes*i/splits)
		}
		if shared.routes >= 0 {
			four.routes, six.routes = tighter(own4.routes, shared.routes*i/splits), tighter(own6.routes, shared.routes-shared.routes*i/splits)
		}
		a, err4 := f.family(written, ipranges.IPv4, four)
		b, err6 := f.family(written, ipranges.IPv6, six)
		if err4 != nil || err6 != nil {
			if failed = err4; failed == nil {
				failed = err6
			}
			continue
		}
		if sum := f.relative(written, a.Union(b)); lowest < 0 || sum < lowest {
			best, lowest = a.Union(b), sum
		}
	}
	if lowest < 0 {
		return best, failed
	}
	return best, nil
}

// relative is the sum over the families of the price as a share of the set.
func (f *fitting) relative(written, list ipranges.Set) float64 {
	sum := 0.0
	for _, fam := range BothFamilies.List() {
		a, b := cover.CountOf(written, fam).Float64(), cover.CountOf(list, fam).Float64()
		if whole := cover.CountOf(f.listed, fam).Float64(); whole > 0 {
			sum += max(a-b, b-a) / whole
		}
	}
	return sum
}

// shareRoutes is share for routes alone, at the lowest price there is.
func (f *fitting) shareRoutes(k, most4, most6 int) (ipranges.Set, *RuleError) {
	a, err := f.curve(ipranges.IPv4, k)
	b, err6 := f.curve(ipranges.IPv6, k)
	if err == nil {
		err = err6
	}
	if err != nil {
		return ipranges.Set{}, &RuleError{Option: "budget.must", Cause: err.Error(), Fix: "correct must or the list"}
	}
	most4, most6 = tighter(most4, k), tighter(most6, k)
	if most4 < a.Least() {
		return ipranges.Set{}, f.tooSmall(ipranges.IPv4, fmt.Sprintf("%d routes", most4), strconv.Itoa(a.Least()))
	}
	if most6 < b.Least() {
		return ipranges.Set{}, f.tooSmall(ipranges.IPv6, fmt.Sprintf("%d routes", most6), strconv.Itoa(b.Least()))
	}
	whole4, whole6 := cover.CountOf(f.listed, ipranges.IPv4).Float64(), cover.CountOf(f.listed, ipranges.IPv6).Float64()
	best, lowest := -1, 0.0
	for i := a.Least(); i <= min(k-b.Least(), most4); i++ {
		pa, _ := a.Price(i)
		pb, ok := b.Price(min(k-i, most6))
		if !ok {
			continue
		}
		if sum := ratio(pa, whole4) + ratio(pb, whole6); best < 0 || sum < lowest {
			best, lowest = i, sum
		}
	}
	if best < 0 {
		return ipranges.Set{}, &RuleError{Option: "budget", Cause: fmt.Sprintf("%d routes are too few: IPv4 needs %d and IPv6 %d at least", k, a.Least(), b.Least()),
			Fix: "raise the limit, or shorten must or protect"}
	}
	four, _ := a.Cover(best)
	six, _ := b.Cover(min(k-best, most6))
	return setOf(append(four, six...)), nil
}

func ratio(c cover.Count, whole float64) float64 {
	if c.IsZero() {
		return 0
	}
	return c.Float64() / whole
}
