package wireguard

import (
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// allowedIn are the prefixes of a file.
func allowedIn(t *testing.T, files []renderers.File) (list []netip.Prefix, set ipranges.Set) {
	t.Helper()
	for line := range strings.Lines(string(files[0].Data)) {
		if text, ok := strings.CutPrefix(line, allowedKey); ok {
			p, err := ipranges.ParsePrefix(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
	}
	set, err := ipranges.FromPrefixes(list...)
	if err != nil {
		t.Fatal(err)
	}
	return list, set
}

// TestClientsTakeTheirAllowedIPs: no prefix but a whole family overlaps 0.0.0.0/8, none
// begins at a loopback address, nothing else is missing, and the list is read back whole.
func TestClientsTakeTheirAllowedIPs(t *testing.T) {
	every := ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6))
	for name, tt := range map[string]struct {
		v    rules.Verdict
		fams rules.Families
		list ipranges.Set
	}{
		"media":                       {rules.Bypass, rules.BothFamilies, relays},
		"of IPv4 alone":               {rules.Bypass, rules.OnlyIPv4, relays.Only(ipranges.IPv4)},
		"of IPv6 alone":               {rules.Bypass, rules.OnlyIPv6, relays.Only(ipranges.IPv6)},
		"beside 0.0.0.0/8":            {rules.Bypass, rules.BothFamilies, ipranges.MustParse("1.0.0.0/8", "2603:1063::/38")},
		"beside loopback":             {rules.Bypass, rules.BothFamilies, ipranges.MustParse("126.0.0.0/8", "128.0.0.0/8")},
		"half of what is beside it":   {rules.Bypass, rules.BothFamilies, ipranges.MustParse("126.128.0.0/9")},
		"a part of 0.0.0.0/8":         {rules.Bypass, rules.BothFamilies, ipranges.MustParse("0.1.0.0/16", "52.112.0.0/14")},
		"all of 0.0.0.0/8":            {rules.Bypass, rules.BothFamilies, ipranges.MustParse("0.0.0.0/8", "52.112.0.0/14")},
		"a part of loopback":          {rules.Bypass, rules.BothFamilies, ipranges.MustParse("127.0.0.1", "52.112.0.0/14")},
		"all but a network":           {rules.Bypass, rules.BothFamilies, every.Minus(ipranges.MustParse("10.0.0.0/8", "fd00::/8"))},
		"through: media":              {rules.Tunnel, rules.BothFamilies, relays},
		"through: everything":         {rules.Tunnel, rules.BothFamilies, every},
		"through: all but media":      {rules.Tunnel, rules.BothFamilies, every.Minus(relays)},
		"through: all but one":        {rules.Tunnel, rules.OnlyIPv4, ipranges.Full(ipranges.IPv4).Minus(ipranges.MustParse("192.0.2.1"))},
		"through: a part of 0/8":      {rules.Tunnel, rules.OnlyIPv4, ipranges.MustParse("0.0.0.0-1.2.3.4")},
		"through: a part of loopback": {rules.Tunnel, rules.OnlyIPv4, ipranges.MustParse("127.0.0.53", "10.0.0.0/8")},
	} {
		p := rules.RoutePlan("edge", tt.fams, tt.v, tt.list)
		files, err := render(t, options(allowed), p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		list, set := allowedIn(t, files)
		for _, prefix := range list {
			if prefix.Addr().Is4() && prefix.Bits() > 0 && (prefix.Overlaps(netip.MustParsePrefix("0.0.0.0/8")) || prefix.Addr().IsLoopback()) {
				t.Errorf("%s: %s is written", name, prefix)
			}
		}
		want := tt.list
		if tt.v == rules.Bypass {
			want = every.Minus(tt.list)
		}
		if more := set.Minus(want); !more.IsEmpty() {
			t.Errorf("%s: %v enters the tunnel, too", name, more)
		}
		if less := want.Minus(set).Minus(unroutable); !less.IsEmpty() {
			t.Errorf("%s: %v does not enter the tunnel", name, less)
		}
		r, _ := Kind().Build(options(allowed), renderers.Env{Name: "edge", Path: "edge.conf"})
		if got, err := r.ReadBack(files); err != nil || rules.Compare(p, got) != nil {
			t.Errorf("%s: it reads back as %v, %v", name, got, err)
		}
	}
	if _, err := render(t, options(allowed), rules.RoutePlan("edge", rules.OnlyIPv4, rules.Tunnel, ipranges.MustParse("0.0.0.0/9"))); err == nil {
		t.Error("a list of which nothing can be written is written")
	}
}

// TestBudgetsOfWhatIsWritten: a budget counts the lines that are written, and what is
// left out of them is no price.
func TestBudgetsOfWhatIsWritten(t *testing.T) {
	for _, tt := range []struct {
		v    rules.Verdict
		list ipranges.Set
	}{
		{rules.Bypass, relays},
		{rules.Bypass, relays.Union(ipranges.MustParse("0.1.0.0/16", "126.0.0.0/8", "151.101.12.0/24"))},
		{rules.Tunnel, ipranges.Full(ipranges.IPv4).Minus(relays).Union(relays.Only(ipranges.IPv6))},
	} {
		for _, added := range []bool{false, true} {
			p := rules.RoutePlan("edge", rules.BothFamilies, tt.v, tt.list)
			hundred := rules.Percent(1e30)
			if !added {
				hundred = 100
			}
			p.Budget = &rules.Budget{Limits: []rules.RouteLimit{{Max: 20, Families: rules.OnlyIPv4, Device: rules.BudgetDevice, Source: "a test"}}, Missing: &hundred}
			if added {
				p.Budget.Missing, p.Budget.Added = nil, &hundred
			}
			r := rendered.Target(t, Kind(), options(allowed))
			lowered, losses, errs := rules.Lower(p, r.Caps)
			if len(errs) > 0 {
				t.Errorf("%v, added %v: %v", tt.v, added, errs[0])
				continue
			}
			files, err := r.Render(lowered)
			if err != nil {
				t.Fatal(err)
			}
			list, set := allowedIn(t, files)
			n := 0
			for _, prefix := range list {
				if prefix.Addr().Is4() {
					n++
				}
			}
			if n > 20 || n == 0 || set.Overlaps(thisNetwork) {
				t.Errorf("%v, added %v: %d IPv4 lines of %v", tt.v, added, n, set)
			}
			for _, l := range losses {
				if l.Price != nil && l.Price.Set.Overlaps(thisNetwork) {
					t.Errorf("%v, added %v: what is left out is priced: %s", tt.v, added, l.Reason)
				}
			}
			if got, err := r.ReadBack(files); err != nil || rules.Compare(lowered, got) != nil {
				t.Errorf("%v, added %v: it reads back otherwise: %v", tt.v, added, err)
			}
		}
	}
}

// TestAdvice: who writes so many AllowedIPs that a phone may fail is told.
func TestAdvice(t *testing.T) {
	var b ipranges.Builder
	for i := range 4500 {
		if err := b.AddPrefix(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 7), byte(i << 1), 0}), 24)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		change func(*Options)
		v      rules.Verdict
		list   ipranges.Set
		told   bool
	}{
		{allowed, rules.Bypass, b.Set(), true},
		{allowed, rules.Bypass, relays, false},
		{func(*Options) {}, rules.Tunnel, b.Set(), true},
		{allowed, rules.Tunnel, relays, false},
		{func(*Options) {}, rules.Bypass, b.Set(), false},
	} {
		r := rendered.Target(t, Kind(), options(tt.change))
		advice := r.Advice(rules.RoutePlan("edge", rules.OnlyIPv4, tt.v, tt.list))
		if (len(advice) > 0) != tt.told || tt.told && (advice[0].Fix == "" || !strings.Contains(advice[0].Cause, "AllowedIPs")) {
			t.Errorf("%v of %d prefixes: %v", tt.v, tt.list.NumPrefixes(ipranges.IPv4), advice)
		}
	}
}
