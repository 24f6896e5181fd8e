package rules

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
)

var routeCaps = Caps{Families: BothFamilies, Verdicts: []Verdict{Bypass, Tunnel}, Defaults: []Verdict{Tunnel, Bypass},
	RouteBytes: func(p netip.Prefix) int { return len("route " + p.String() + "\n") }}

func percent(p Percent) *Percent { return &p }

// scattered is n random prefixes of each family, in clusters that a cover can join.
func scattered(rng *rand.Rand, n int) ipranges.Set {
	var b ipranges.Builder
	for range n {
		if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(rng.IntN(4)), byte(rng.IntN(256)), 0}), 22+rng.IntN(3)).Masked()); err != nil {
			panic(err)
		}
		if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom16([16]byte{0x26, 0x03, 0x10, byte(rng.IntN(4)), byte(rng.IntN(256))}), 38+rng.IntN(3)).Masked()); err != nil {
			panic(err)
		}
	}
	return b.Set()
}

// TestBudgets holds every kind of budget, in both directions and for lists that are
// written as their opposite, to what it promises.
func TestBudgets(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	limits := map[string][]RouteLimit{
		"routes":            {{Max: 40, Families: BothFamilies, Device: "the box", Source: "a test"}},
		"routes together":   {{Max: 70, Families: BothFamilies, Shared: true, Device: "the box", Source: "a test"}},
		"together and each": {{Max: 70, Families: BothFamilies, Shared: true, Device: "the box", Source: "a test"}, {Max: 42, Families: OnlyIPv6, Device: "the box", Source: "a test"}},
		"bytes":             {{Max: 900, Families: BothFamilies, Bytes: true, Device: "the box", Source: "a test"}},
		"bytes together":    {{Max: 1700, Families: BothFamilies, Bytes: true, Shared: true, Device: "the box", Source: "a test"}},
		"routes and bytes":  {{Max: 50, Families: BothFamilies, Device: "the box", Source: "a test"}, {Max: 900, Families: BothFamilies, Bytes: true, Device: "the box", Source: "a test"}},
		"one family":        {{Max: 30, Families: OnlyIPv4, Device: "the box", Source: "a test"}},
	}
	for name, limit := range limits {
		for _, v := range []Verdict{Bypass, Tunnel} {
			for _, over := range []bool{false, true} {
				for _, complement := range []Verdict{Continue, Bypass} {
					t.Run(fmt.Sprintf("%s, %s, over %v, complement %v", name, v, over, complement != Continue), func(t *testing.T) {
						set := scattered(rng, 100)
						must := ipranges.MustParse("20.0.7.0/24", "2603:1001:700::/40")
						set = set.Union(must)
						protect := ipranges.MustParse("20.1.0.0/20", "2603:1002::/36").Minus(set)
						caps := routeCaps
						caps.RouteLimits, caps.Complement = limit, Complement{complement, BothFamilies}
						p := RoutePlan("vpn", BothFamilies, v, set)
						if _, _, errs := Lower(p, caps); len(errs) == 0 {
							t.Fatal("without a budget the list is not refused")
						}
						p.Budget = &Budget{Must: In("must", must), Protect: In("protect", protect)}
						if over {
							p.Budget.Added = percent(1e6)
						} else {
							p.Budget.Missing = percent(100)
						}
						got, losses, errs := Lower(p, caps)
						if len(errs) > 0 {
							t.Fatal(errs[0])
						}
						checkFitted(t, p, got, losses, over, must, protect)
						if errs := overRoutes(got, caps); len(errs) > 0 {
							t.Error(errs[0])
						}
					})
				}
			}
		}
	}
}

func checkFitted(t *testing.T, p, got *Plan, losses []Loss, over bool, must, protect ipranges.Set) {
	t.Helper()
	wanted, _ := p.Routes()
	gotten, ok := got.Routes()
	want, v, list, w := wanted.Set, wanted.Way, gotten.Set, gotten.Way
	if !ok || v != w {
		t.Fatal("the direction is lost")
	}
	more, less := list.Minus(want), want.Minus(list)
	if over && !less.IsEmpty() || !over && !more.IsEmpty() {
		t.Error("the list differs in the direction that was not asked for")
	}
	if more.Overlaps(protect) || more.Overlaps(ipranges.SpecialUse()) {
		t.Error("protected addresses are in the list")
	}
	if !list.Covers(must) {
		t.Error("a part of must is left out")
	}
	priced := ipranges.Set{}
	for _, l := range losses {
		if l.Price == nil || l.Price.Added != over || l.Price.Count.IsZero() {
			t.Fatalf("loss %+v", l)
		}
		priced = priced.Union(l.Price.Set)
	}
	if !priced.Equal(more.Union(less)) {
		t.Error("the prices are not the difference")
	}
}

// TestOptimum checks a whole small list by hand.
func TestOptimum(t *testing.T) {
	set := ipranges.MustParse("20.0.0.0/24", "20.0.2.0/24", "20.0.4.0/24", "30.0.0.0/22")
	caps := routeCaps
	caps.RouteLimits = []RouteLimit{{Max: 2, Families: BothFamilies, Device: "the box", Source: "a test", Option: "max_routes"}}
	for _, tt := range []struct {
		v      Verdict
		budget *Budget
		want   string
		price  string
	}{
		{Bypass, &Budget{Missing: percent(50)}, "20.0.4.0/24,30.0.0.0/22", "2 IPv4 routes in place of 4: leaves out 512 addresses, 29%"},
		{Bypass, &Budget{Missing: percent(50), Must: In("m", ipranges.MustParse("20.0.0.7"))}, "20.0.0.0/24,30.0.0.0/22", "leaves out 512"},
		{Tunnel, &Budget{Added: percent(90)}, "20.0.0.0/21,30.0.0.0/22", "2 IPv4 routes in place of 4: adds 1,280 addresses, 71%"},
		{Tunnel, &Budget{Missing: percent(50)}, "20.0.4.0/24,30.0.0.0/22", "leaves out 512"},
		{Bypass, &Budget{Added: percent(90), Protect: In("p", ipranges.MustParse("20.0.6.0/24"))}, "", "2 routes are too few for IPv4: it needs 3 at least"},
		{Bypass, &Budget{Missing: percent(20)}, "", "leaves out 512 addresses, 29%, over 20%; the box takes 2 routes (a test)|max_missing = \"29%\", or max_routes = 3 where"},
		{Bypass, &Budget{}, "", "the budget does not say that it may|add max_missing = \"29%\""},
		{Bypass, &Budget{Missing: percent(9), Must: In("m", ipranges.MustParse("9.9.9.9"))}, "", "must holds 9.9.9.9"},
		{Bypass, &Budget{Added: percent(9), Protect: In("p", ipranges.MustParse("20.0.0.0/16"))}, "", "protect holds 20.0.0.0-20.0.0.255"},
		{Bypass, nil, "", "IPv4 4 routes, and the box takes 2 (a test)|max_routes = N"},
	} {
		p := RoutePlan("vpn", OnlyIPv4, tt.v, set)
		p.Budget = tt.budget
		got, losses, errs := Lower(p, caps)
		if tt.want == "" {
			cause, fix, _ := strings.Cut(tt.price, "|")
			if len(errs) != 1 || !strings.Contains(errs[0].Cause, cause) || !strings.Contains(errs[0].Fix, fix) || errs[0].Option == "" {
				t.Errorf("%v: %+v, not %q", tt.budget, errs, tt.price)
			}
			continue
		}
		if len(errs) > 0 {
			t.Errorf("%v: %v", tt.budget, errs[0])
			continue
		}
		routes, _ := got.Routes()
		list := routes.Set
		if text := strings.TrimSuffix(string(list.AppendPrefixes(nil, ipranges.IPv4, "", ",")), ","); text != tt.want {
			t.Errorf("the list is %s, not %s", text, tt.want)
		}
		if len(losses) != 1 || !strings.Contains(losses[0].Reason, tt.price) {
			t.Errorf("losses %+v, not %q", losses, tt.price)
		}
	}
}

// TestJointBudgets holds budgets for both families to what they promise: a family is
// without a route only where every other split costs more, and prices are within what is
// allowed wherever a split can have that.
func TestJointBudgets(t *testing.T) {
	two := ipranges.MustParse("20.0.0.0/16", "20.2.0.0/16", "2a01:111:f400::/48", "2a01:111:f402::/48")
	for _, tt := range []struct {
		k       int
		missing Percent
		limits  []RouteLimit
		want    string // routes of each family, or a part of the error
	}{
		{2, 60, nil, "1 1"},
		{3, 60, nil, "1 2"},
		{3, 49, nil, "keeps both families within 49%"},
		{1, 100, nil, "0 1"},
		{2, 100, nil, "1 1"}, // as cheap as 0 2
		{1, 60, nil, "no split of 1 routes keeps both families within 60%"},
		{3, 60, []RouteLimit{{Max: 1, Families: OnlyIPv6, Device: BudgetDevice}}, "2 1"},
		{4, 10, nil, "2 2"},
	} {
		p := RoutePlan("vpn", BothFamilies, Bypass, two)
		p.Budget = &Budget{Missing: percent(tt.missing), Limits: append(tt.limits, RouteLimit{Max: tt.k, Families: BothFamilies, Shared: true, Device: BudgetDevice})}
		got, _, errs := Lower(p, routeCaps)
		text := ""
		if len(errs) > 0 {
			text = errs[0].Cause
		} else {
			routes, _ := got.Routes()
			list := routes.Set
			text = fmt.Sprintf("%d %d", list.NumPrefixes(ipranges.IPv4), list.NumPrefixes(ipranges.IPv6))
		}
		if !strings.Contains(text, tt.want) {
			t.Errorf("%d routes, %s: %q, not %q", tt.k, tt.missing, text, tt.want)
		}
	}
}

// TestJointOptimum compares joint budgets with every choice of the set's prefixes.
func TestJointOptimum(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	empty := 0
	for range 400 {
		var b ipranges.Builder
		for range 1 + rng.IntN(5) {
			if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(2 * rng.IntN(8)), 0, 0}), 16+rng.IntN(3))); err != nil {
				t.Fatal(err)
			}
		}
		for range 1 + rng.IntN(5) {
			if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom16([16]byte{0x26, 3, byte(2 * rng.IntN(8))}), 24+rng.IntN(3))); err != nil {
				t.Fatal(err)
			}
		}
		set := b.Set()
		var all []netip.Prefix
		for _, f := range BothFamilies.List() {
			for p := range set.Prefixes(f) {
				all = append(all, p)
			}
		}
		var must ipranges.Set
		if rng.IntN(3) == 0 {
			must = setOf(all[:1])
		}
		allowed := Percent([]float64{100, 100, 60, 30}[rng.IntN(4)])
		k := 1 + rng.IntN(len(all))
		price := func(list ipranges.Set) (sum float64, ok bool) {
			ok = list.Covers(must) && !list.IsEmpty()
			for _, f := range BothFamilies.List() {
				whole := cover.CountOf(set, f)
				part := cover.CountOf(set.Minus(list), f).Percent(whole)
				ok = ok && part <= float64(allowed)+1e-9
				sum += part
			}
			return sum, ok
		}
		best, bestBoth := 1e9, 1e9
		for choice := range 1 << len(all) {
			if bits.OnesCount(uint(choice)) > k {
				continue
			}
			var chosen []netip.Prefix
			for i, p := range all {
				if choice>>i&1 == 1 {
					chosen = append(chosen, p)
				}
			}
			list := setOf(chosen)
			if sum, ok := price(list); ok {
				best = min(best, sum)
				if list.Has(ipranges.IPv4) && list.Has(ipranges.IPv6) {
					bestBoth = min(bestBoth, sum)
				}
			}
		}
		p := RoutePlan("vpn", BothFamilies, Bypass, set)
		p.Budget = &Budget{Missing: &allowed, Must: In("must", must), Limits: []RouteLimit{{Max: k, Families: BothFamilies, Shared: true, Device: BudgetDevice}}}
		got, _, errs := Lower(p, routeCaps)
		if len(errs) > 0 {
			if best < 1e9 {
				t.Errorf("%v, %d routes, %s, must %v: %v, and it can be had for %f %%", set, k, allowed, must, errs[0], best)
			}
			continue
		}
		routes, _ := got.Routes()
		list := routes.Set
		sum, ok := price(list)
		both := list.Has(ipranges.IPv4) && list.Has(ipranges.IPv6)
		if !ok || sum > best+1e-6 || !both && bestBoth < best+1e-6 || list.NumPrefixes(ipranges.IPv4)+list.NumPrefixes(ipranges.IPv6) > k {
			t.Errorf("%v, %d routes, %s, must %v: %v for %f %%, and it can be had for %f %%", set, k, allowed, must, list, sum, best)
		}
		if !both {
			empty++
		}
	}
	if empty < 10 {
		t.Errorf("only %d lists are without a family: this test shows little", empty)
	}
}

// TestJointBytesLeaveAFamily: where bytes are shared, a family may go, too.
func TestJointBytesLeaveAFamily(t *testing.T) {
	var list []string
	for i := range 50 {
		list = append(list, fmt.Sprintf("20.0.%d.0/24", 2*i))
	}
	set := ipranges.MustParse(append(list, "2a01:111:f400::/48")...)
	line := len("route 2a01:111:f400::/48\n")
	for bytes, want := range map[int]string{line: "0 1", line + len("route 20.0.98.0/24\n"): "1 1", len("route 20.0.0.0/24\n"): "1 0", 3: ""} {
		p := RoutePlan("vpn", BothFamilies, Bypass, set)
		p.Budget = &Budget{Missing: percent(100), Limits: []RouteLimit{{Max: bytes, Families: BothFamilies, Bytes: true, Shared: true, Device: BudgetDevice}}}
		got, losses, errs := Lower(p, routeCaps)
		if want == "" {
			if len(errs) == 0 {
				t.Errorf("%d bytes leave an empty list", bytes)
			}
			continue
		}
		if len(errs) > 0 {
			t.Errorf("%d bytes: %v", bytes, errs[0])
			continue
		}
		routes, _ := got.Routes()
		out := routes.Set
		if text := fmt.Sprintf("%d %d", out.NumPrefixes(ipranges.IPv4), out.NumPrefixes(ipranges.IPv6)); text != want || len(losses) == 0 {
			t.Errorf("%d bytes leave %s routes, not %s: %v", bytes, text, want, losses)
		}
	}
}

// TestJointBytesHandOver holds that what IPv4 leaves of shared bytes goes to IPv6, and
// that a part just as large as IPv4's least is tried.
func TestJointBytesHandOver(t *testing.T) {
	var list []string
	for i := range 50 {
		list = append(list, fmt.Sprintf("20.0.%d.0/24", 2*i))
	}
	four := ipranges.MustParse(list...)
	set := four.Union(ipranges.MustParse("2a01:111:f400::/48", "2a01:111:f402::/48"))
	bytes := RouteLimit{Bytes: true}.size(set, ipranges.IPv4, routeCaps.RouteBytes) + len("route 2a01:111:f400::/48\n")
	p := RoutePlan("vpn", BothFamilies, Bypass, set)
	p.Budget = &Budget{Missing: percent(60), Must: In("must", four), Limits: []RouteLimit{{Max: bytes, Families: BothFamilies, Bytes: true, Shared: true, Device: BudgetDevice}}}
	got, _, errs := Lower(p, routeCaps)
	if len(errs) > 0 {
		t.Fatal(errs[0])
	}
	if out, _ := got.Routes(); !out.Set.Covers(four) || out.Set.NumPrefixes(ipranges.IPv6) != 1 {
		t.Errorf("%d and %d routes", out.Set.NumPrefixes(ipranges.IPv4), out.Set.NumPrefixes(ipranges.IPv6))
	}
}

// TestBytesNobodyCounts holds that a budget of bytes is refused where the target does
// not count them.
func TestBytesNobodyCounts(t *testing.T) {
	caps := routeCaps
	caps.RouteBytes = nil
	p := RoutePlan("vpn", OnlyIPv4, Bypass, ipranges.MustParse("20.0.0.0/24", "20.0.2.0/24"))
	p.Budget = &Budget{Missing: percent(60), Limits: []RouteLimit{{Max: 20, Families: BothFamilies, Bytes: true, Device: BudgetDevice}}}
	if _, _, errs := Lower(p, caps); len(errs) != 1 || errs[0].Option != "budget.bytes" {
		t.Errorf("%v", errs)
	}
}

// TestExactCostsNothing holds that a budget that is not needed changes nothing.
func TestExactCostsNothing(t *testing.T) {
	caps := routeCaps
	caps.RouteLimits = []RouteLimit{{Max: 4, Families: BothFamilies, Device: "the box", Source: "a test"}}
	p := RoutePlan("vpn", OnlyIPv4, Bypass, ipranges.MustParse("20.0.0.0/24", "20.0.2.0/24", "20.0.4.0/24", "30.0.0.0/22"))
	p.Budget = &Budget{Missing: percent(50)}
	got, losses, errs := Lower(p, caps)
	if len(errs)+len(losses) > 0 || Compare(p, got) != nil {
		t.Errorf("%v, %v", losses, errs)
	}
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]string{"60%": "60%", " 2.5 % ": "2.5%", "0%": "0%", "250%": "250%"} {
		var p Percent
		if err := p.UnmarshalText([]byte(text)); err != nil || p.String() != want {
			t.Errorf("%q: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"60", "%", "-1%", "NaN%", "Inf%", "1e99%", "half"} {
		var p Percent
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, p)
		}
	}
	for p, want := range map[float64]string{0: "0%", 100: "100%", 49.49: "49%", 3.03: "3.0%", 0.224: "0.22%", 0.00213: "0.0021%"} {
		if got := ShortPercent(p); got != want {
			t.Errorf("%v is %s, not %s", p, got, want)
		}
	}
	for p, want := range map[float64]string{28.57: "29%", 5.001: "5.1%", 0.2201: "0.23%", 100: "100%"} {
		if got := roundUp(p); got != want {
			t.Errorf("%v rounds up to %s, not %s", p, got, want)
		}
	}
}
