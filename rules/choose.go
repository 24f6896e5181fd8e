package rules

import (
	"fmt"
	"math"
	"slices"

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
	if f.joint() {
		_, shared := f.boundsOf(families[0])
		return f.share(written, shared)
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
	curve, err := f.curve(fam, k, cover.OverCurve)
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

// tooSmall is the error for a limit that no list can meet.
func (f *fitting) tooSmall(fam ipranges.Family, have, least string) *RuleError {
	why := "must cannot be left out"
	if f.over {
		why = "protected and special-use addresses lie between"
	}
	return &RuleError{Option: "budget", Cause: fmt.Sprintf("%s are too few for %s: it needs %s at least, because %s", have, fam, least, why),
		Fix: "raise the limit, or shorten must or protect"}
}

// share fits both families into one budget: the split with the smallest sum of relative
// prices, each as a share of its family's set, of those that keep to what the budget
// allows. A family is left without a route only where that has a smaller sum than every
// split with routes of both. Of equal sums it takes the one that gives IPv4 the least.
func (f *fitting) share(written ipranges.Set, shared bounds) (ipranges.Set, *RuleError) {
	own4, _ := f.boundsOf(ipranges.IPv4)
	own6, _ := f.boundsOf(ipranges.IPv6)
	var failed *RuleError
	if shared.routes >= 0 {
		list, err := f.shareRoutes(shared.routes, own4.routes, own6.routes)
		if err == nil && f.fits(list) || err != nil && shared.bytes < 0 {
			return list, err
		}
		failed = err
	}
	if shared.bytes < 0 { // the bytes are bounded for each family: what one saves is no use to the other
		four, err := f.family(written, ipranges.IPv4, own4)
		if err != nil {
			return four, err
		}
		own6.routes = tighter(own6.routes, shared.routes-four.NumPrefixes(ipranges.IPv4))
		six, err := f.family(written, ipranges.IPv6, own6)
		return four.Union(six), err
	}
	list, err := f.shareBytes(written, shared, own4, own6)
	if err != nil && failed != nil {
		err = failed
	}
	return list, err
}

// sides are the curves of both families with their bounds. With both, each listed family
// has at least one route; with priced, at least as many as keep its price within what the
// budget allows.
func (f *fitting) sides(k int, most map[ipranges.Family]int, both, priced bool) (list [2]cover.Side, err error) {
	for i, fam := range BothFamilies.List() {
		curve, err := f.curve(fam, k, cover.OverCurve)
		if err != nil {
			return list, err
		}
		side := cover.Side{Curve: curve, High: max(most[fam], 0)}
		if both && f.listed.Has(fam) {
			side.Low = 1
		}
		if allowed, ok := f.allowed(fam); ok && priced {
			low, _ := curve.Nearest(allowed)
			side.Low = max(side.Low, low)
		}
		list[i] = side
	}
	return list, nil
}

// shareRoutes is share for routes alone, at the lowest price there is.
func (f *fitting) shareRoutes(k, most4, most6 int) (ipranges.Set, *RuleError) {
	most := map[ipranges.Family]int{ipranges.IPv4: most4, ipranges.IPv6: most6}
	written := f.written(f.listed)
	var best ipranges.Set
	lowest := math.Inf(1)
	for _, both := range []bool{true, false} {
		sides, err := f.sides(k, most, both, true)
		if err != nil {
			return best, &RuleError{Option: "budget.must", Cause: err.Error(), Fix: "correct must or the list"}
		}
		four, six, ok := cover.Joint(sides[0], sides[1], k)
		if !ok {
			continue
		}
		a, _ := sides[0].Curve.Cover(four)
		b, _ := sides[1].Curve.Cover(six)
		list := setOf(append(a, b...))
		if sum, _ := f.relative(written, list); sum < lowest-noise {
			best, lowest = list, sum
		}
	}
	if math.IsInf(lowest, 1) {
		return best, f.noSplit(k, most)
	}
	return best, nil
}

// noise is how far two equal sums of percentages can differ by rounding.
const noise = 1e-9

// noSplit says why no split of k routes will do: because none is as short, or because
// none keeps to what the budget allows, and then which comes nearest.
func (f *fitting) noSplit(k int, most map[ipranges.Family]int) *RuleError {
	sides, err := f.sides(k, most, false, false)
	if err != nil {
		return &RuleError{Option: "budget.must", Cause: err.Error(), Fix: "correct must or the list"}
	}
	a, b := sides[0].Curve, sides[1].Curve
	lowest, at := math.Inf(1), 0
	for i := max(sides[0].Low, a.Least()); i <= k; i++ {
		j := k - i
		if n := most[ipranges.IPv4]; n > 0 && i > n {
			break
		}
		if n := most[ipranges.IPv6]; n > 0 {
			j = min(j, n)
		}
		pa, ok4 := a.Price(i)
		pb, ok6 := b.Price(j)
		if worst := max(pa.Percent(a.Size()), pb.Percent(b.Size())); ok4 && ok6 && j >= sides[1].Low && worst < lowest {
			lowest, at = worst, i
		}
	}
	word, limit := f.limitWord()
	if math.IsInf(lowest, 1) || limit == nil {
		return &RuleError{Option: "budget", Cause: fmt.Sprintf("%d routes are too few for both families: IPv4 needs %d and IPv6 %d at least",
			k, max(sides[0].Low, a.Least()), max(sides[1].Low, b.Least())), Fix: "raise the limit, or shorten must or protect"}
	}
	return &RuleError{Option: "budget." + word, Cause: fmt.Sprintf("no split of %d routes keeps both families within %s", k, *limit),
		Fix: fmt.Sprintf("the nearest that can be: %s = %q, with %d IPv4 and %d IPv6 routes", word, roundUp(lowest), at, k-at)}
}

// splits is the number of steps that a budget of bytes for both families is divided into.
const splits = 64

// shareBytes is share where bytes are shared: of the splits in steps, and of those that
// give one family just what it needs at least or can use at most. What IPv4 leaves of
// its part goes to IPv6.
func (f *fitting) shareBytes(written ipranges.Set, shared, own4, own6 bounds) (ipranges.Set, *RuleError) {
	tries := []int{}
	for i := range splits + 1 {
		tries = append(tries, shared.bytes*i/splits)
	}
	for i, fam := range BothFamilies.List() {
		prices, err := f.prices(written, fam)
		if err != nil {
			return ipranges.Set{}, &RuleError{Option: "budget.must", Cause: err.Error(), Fix: "correct must or the list"}
		}
		for _, n := range []int{prices.Least(), prices.Exact()} {
			if i == 1 {
				n = shared.bytes - n
			}
			tries = append(tries, n)
		}
	}
	slices.Sort(tries)
	var best ipranges.Set
	var failed *RuleError
	lowest, bad, bare := math.Inf(1), true, true
	for _, n := range slices.Compact(tries) {
		if n < 0 || n > shared.bytes {
			continue
		}
		list, err := f.split(written, n, shared, own4, own6)
		if err != nil {
			failed = err
			continue
		}
		sum, over := f.relative(written, list)
		without := f.lacks(list)
		better := sum < lowest-noise || sum < lowest+noise && bare && !without
		if over != bad && bad || over == bad && better {
			best, lowest, bad, bare = list, sum, over, without
		}
	}
	if math.IsInf(lowest, 1) {
		return best, failed
	}
	return best, nil
}

// split gives IPv4 at most n bytes, and IPv6 what is left.
func (f *fitting) split(written ipranges.Set, n int, shared, own4, own6 bounds) (ipranges.Set, *RuleError) {
	own4.bytes = tighter(own4.bytes, n)
	four, err := f.family(written, ipranges.IPv4, own4)
	if err != nil {
		return four, err
	}
	left := shared.bytes - RouteLimit{Bytes: true}.size(four, ipranges.IPv4, f.caps.RouteBytes)
	own6.bytes = tighter(own6.bytes, left)
	if shared.routes >= 0 {
		own6.routes = tighter(own6.routes, shared.routes-four.NumPrefixes(ipranges.IPv4))
	}
	six, err := f.family(written, ipranges.IPv6, own6)
	return four.Union(six), err
}

// relative is the sum over the families of the price as a share of the set, and whether
// one of them is over what the budget allows.
func (f *fitting) relative(written, list ipranges.Set) (sum float64, over bool) {
	for _, fam := range BothFamilies.List() {
		differ := cover.CountOf(written.Minus(list).Union(list.Minus(written)), fam)
		if allowed, ok := f.allowed(fam); ok && differ.Cmp(allowed) > 0 {
			over = true
		}
		sum += differ.Percent(cover.CountOf(f.listed, fam))
	}
	return sum, over
}

// lacks reports whether a family that is listed has nothing left in what is written.
func (f *fitting) lacks(written ipranges.Set) bool {
	list := f.meant(written)
	return slices.ContainsFunc(BothFamilies.List(), func(fam ipranges.Family) bool { return f.listed.Has(fam) && !list.Has(fam) })
}

// joint reports whether both families share a limit.
func (f *fitting) joint() bool {
	families := f.p.Families.List()
	if len(families) != 2 {
		return false
	}
	_, shared := f.boundsOf(families[0])
	return shared.routes >= 0 || shared.bytes >= 0
}
