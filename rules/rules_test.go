package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
)

var (
	wide   = In("wide", ipranges.MustParse("20.0.0.0/8", "2603::/16"))
	narrow = In("narrow", ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
	other  = In("other", ipranges.MustParse("9.9.9.9"))
	media  = NewService("media", Ports(UDP, 3478, 3481), Ports(TCP, 443, 443))
	low    = NewService("low", Ports(UDP, 0, 3479), All(TCP))
	high   = NewService("high", Ports(UDP, 3480, 65535))
)

func plan(list ...Rule) *Plan {
	return &Plan{Name: "test", Families: BothFamilies, Rules: list}
}

func rule(name string, v Verdict, from, to Addresses, services ...Service) Rule {
	return Rule{Name: name, Verdict: v, From: from, To: to, Services: services}
}

func flow(dst string, p Protocol, port uint16) Flow {
	d := netip.MustParseAddr(dst)
	src := netip.MustParseAddr("10.0.0.1")
	if d.Is6() {
		src = netip.MustParseAddr("fd00::1")
	}
	return Flow{Src: src, Dst: d, Proto: p, Point: port}
}

func TestDecide(t *testing.T) {
	p := plan(
		rule("hole", Deny, Any(), narrow, NewService("one", Ports(UDP, 3479, 3479))),
		rule("calls", Allow, Any(), wide, media),
		rule("nothing", Allow, Any(), Any()),
		rule("nowhere", Allow, Any(), Addresses{}, AnyService()),
	)
	for _, tt := range []struct {
		flow Flow
		want Verdict
		rule string
	}{
		{flow("20.202.0.1", UDP, 3478), Allow, "calls"},
		{flow("20.202.0.1", UDP, 3479), Deny, "hole"},
		{flow("20.203.0.1", UDP, 3479), Allow, "calls"},
		{flow("20.202.0.1", TCP, 3478), Continue, ""}, // no cross product
		{flow("20.202.0.1", UDP, 443), Continue, ""},
		{flow("20.202.0.1", TCP, 443), Allow, "calls"},
		{flow("21.0.0.0", UDP, 3478), Continue, ""},
		{flow("2603:1063::1", UDP, 3481), Allow, "calls"},
		{flow("2604::", UDP, 3481), Continue, ""},
	} {
		v, r := p.Decide(tt.flow)
		name := ""
		if r != nil {
			name = r.Name
		}
		if v != tt.want || name != tt.rule {
			t.Errorf("%v: %v by %q, not %v by %q", tt.flow, v, name, tt.want, tt.rule)
		}
	}
}

func TestDefaultDenyLetsTheEssentialPass(t *testing.T) {
	p := plan(rule("calls", Allow, Any(), wide, media))
	p.Default = Deny
	for _, tt := range []struct {
		flow Flow
		want Verdict
	}{
		{flow("255.255.255.255", UDP, 67), Allow},
		{flow("ff02::1:2", UDP, 547), Allow},
		{flow("ff02::1:ff00:1", ICMPv6, 135<<8), Allow},
		{flow("ff02::16", ICMPv6, 143<<8), Allow},
		{flow("ff02::2", ICMPv6, 137<<8), Deny}, // redirect
		{flow("255.255.255.255", UDP, 547), Deny},
		{flow("9.9.9.9", UDP, 53), Deny},
	} {
		if got, _ := p.Decide(tt.flow); got != tt.want {
			t.Errorf("%v: %v, not %v", tt.flow, got, tt.want)
		}
	}
	p.Families = OnlyIPv4
	if got, _ := p.Decide(flow("2603:1063::1", UDP, 3478)); got != Continue {
		t.Errorf("a family that is not the plan's: %v", got)
	}
}

// TestMatchesAgainstBits compares the algebra of protocol and port pairs with bits
// in a small world: two protocols of eight points, all pairs of random sets.
func TestMatchesAgainstBits(t *testing.T) {
	type world [2][8]bool
	protos := []Protocol{TCP, UDP}
	rng := rand.New(rand.NewPCG(1, 1))
	random := func() (Matches, world) {
		var list []Match
		var w world
		for range rng.IntN(5) {
			p, lo := rng.IntN(2), rng.IntN(8)
			hi := lo + rng.IntN(8-lo)
			list = append(list, Match{protos[p], uint16(lo), uint16(hi)})
			for i := lo; i <= hi; i++ {
				w[p][i] = true
			}
		}
		return NewMatches(list...), w
	}
	check := func(what string, got Matches, want func(p, i int) bool) {
		t.Helper()
		for p := range protos {
			for i := range 8 {
				if got.Has(protos[p], uint16(i)) != want(p, i) {
					t.Fatalf("%s: %v at %v %d", what, got, protos[p], i)
				}
			}
		}
		if !slices.Equal(got, NewMatches(got...)) {
			t.Fatalf("%s: %v is not in normal form", what, got)
		}
	}
	for range 20_000 {
		a, wa := random()
		b, wb := random()
		check("set", a, func(p, i int) bool { return wa[p][i] })
		check("minus", a.Minus(b), func(p, i int) bool { return wa[p][i] && !wb[p][i] })
		check("intersect", a.Intersect(b), func(p, i int) bool { return wa[p][i] && wb[p][i] })
	}
}

func TestMatchText(t *testing.T) {
	for _, m := range []Match{
		Ports(UDP, 3478, 3481), Ports(TCP, 443, 443), All(TCP), All(ESP), All(Protocol(99)), Ports(UDP, 0, 0), Ports(UDP, 65535, 65535),
		ICMPType(ICMP, 8), ICMPCode(ICMP, 3, 4), {ICMPv6, 130 << 8, 136<<8 | 255}, {ICMP, 3<<8 | 200, 11<<8 | 1}, All(ICMPv6),
	} {
		got, err := ParseMatch(m.String())
		if err != nil || got != m {
			t.Errorf("%v reads back as %v, %v", m, got, err)
		}
	}
	for _, bad := range []string{"", "udp/", "udp/a", "udp/2-1", "udp/65536", "what/1", "icmp/256", "icmp/3.256", "udp/1-2-3", "256"} {
		if m, err := ParseMatch(bad); err == nil {
			t.Errorf("%q is read as %v", bad, m)
		}
	}
}

func TestICMPPartsCoverExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		lo := rng.IntN(2048)
		m := Match{ICMP, uint16(lo), uint16(lo + rng.IntN(2048))}
		if rng.IntN(10) == 0 {
			m.Hi = 65535
		}
		next := int(m.Lo)
		for _, p := range m.ICMPParts() {
			whole := p.Lo&255 == 0 && p.Hi&255 == 255
			if int(p.Lo) != next || !whole && p.Lo>>8 != p.Hi>>8 {
				t.Fatalf("%v: part %v", m, p)
			}
			next = int(p.Hi) + 1
		}
		if next != int(m.Hi)+1 {
			t.Fatalf("%v ends at %d", m, next)
		}
	}
}

// shadows is Shadowed with all the work that it may take.
func shadows(p *Plan) []Shadow {
	work := ShadowWork
	list, _ := Shadowed(p, &work)
	return list
}

func TestShadowed(t *testing.T) {
	lan := In("lan", ipranges.MustParse("10.0.0.0/8"))
	half1 := In("half1", ipranges.MustParse("20.0.0.0/9", "2603::/17"))
	half2 := In("half2", ipranges.MustParse("20.128.0.0/9", "2603:8000::/17"))
	for _, tt := range []struct {
		name  string
		plan  *Plan
		want  string // the shadowed rule, "" for none
		count int    // of the rules that cover it
	}{
		{"the same twice", plan(rule("a", Allow, Any(), wide, media), rule("b", Deny, Any(), wide, media)), "b", 1},
		{"inside", plan(rule("a", Allow, Any(), wide, AnyService()), rule("b", Allow, lan, narrow, media)), "b", 1},
		{"not inside", plan(rule("a", Allow, Any(), narrow, media), rule("b", Allow, Any(), wide, media)), "", 0},
		{"covered by two sets together", plan(rule("a", Allow, Any(), half1, media), rule("b", Deny, Any(), half2, media), rule("c", Allow, lan, wide, media)), "c", 2},
		{"covered by two services together", plan(rule("a", Allow, Any(), wide, low), rule("b", Deny, Any(), wide, high), rule("c", Allow, Any(), narrow, media)), "c", 2},
		{"all but one port", plan(rule("a", Allow, Any(), wide, NewService("s", Ports(UDP, 3478, 3480), Ports(TCP, 443, 443))), rule("c", Allow, Any(), narrow, media)), "", 0},
		{"all but the other family", plan(rule("a", Allow, Any(), In("w4", ipranges.MustParse("20.0.0.0/8")), AnyService()), rule("c", Allow, Any(), narrow, media)), "", 0},
		{"any by any", plan(rule("a", Allow, Any(), Any(), AnyService()), rule("c", Deny, lan, other, media)), "c", 1},
		{"disjoint", plan(rule("a", Allow, Any(), other, media), rule("c", Allow, Any(), narrow, media)), "", 0},
	} {
		got := shadows(tt.plan)
		switch {
		case tt.want == "" && len(got) > 0:
			t.Errorf("%s: %s is taken as shadowed", tt.name, got[0].Rule.Name)
		case tt.want != "" && (len(got) != 1 || got[0].Rule.Name != tt.want || len(got[0].By) != tt.count):
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// TestShadowedAgainstDecide checks random plans: a rule is shadowed exactly when
// no flow of any class reaches it.
func TestShadowedAgainstDecide(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for round := range 300 {
		p := randomPlan(rng)
		reached := map[string]bool{}
		for _, f := range classFlows(p, p) {
			if _, r := p.Decide(f); r != nil {
				reached[r.Name] = true
			}
		}
		shadowed := map[string]bool{}
		for _, s := range shadows(p) {
			shadowed[s.Rule.Name] = true
		}
		for i := range p.Rules {
			r := &p.Rules[i]
			if regionOf(r, p.Families).empty() {
				continue
			}
			if shadowed[r.Name] == reached[r.Name] {
				t.Fatalf("round %d: rule %s shadowed %v, reached %v:\n%+v", round, r.Name, shadowed[r.Name], reached[r.Name], p.Rules)
			}
		}
	}
}

// randomPlan makes a plan of few rules in a world so small that they overlap.
func randomPlan(rng *rand.Rand) *Plan {
	addresses := func(name string) Addresses {
		if rng.IntN(5) == 0 {
			return Any()
		}
		lo := rng.IntN(6)
		hi := lo + rng.IntN(6-lo)
		return In(name, ipranges.MustParse(fmt.Sprintf("10.0.0.%d-10.0.0.%d", lo, hi)))
	}
	p := plan()
	p.Families = OnlyIPv4
	for i := range 2 + rng.IntN(4) {
		lo := uint16(rng.IntN(4))
		s := NewService("s", Ports(UDP, lo, lo+uint16(rng.IntN(3))))
		if rng.IntN(6) == 0 {
			s = AnyService()
		}
		name := fmt.Sprintf("r%d", i)
		p.Rules = append(p.Rules, rule(name, Verdict(1+rng.IntN(2)), addresses(name+"_from"), addresses(name+"_to"), s))
	}
	return p
}

// classFlows is every combination of the small world, and of what lies outside.
func classFlows(...*Plan) []Flow {
	var flows []Flow
	for src := range 8 {
		for dst := range 8 {
			for port := range uint16(8) {
				flows = append(flows, Flow{Src: netip.AddrFrom4([4]byte{10, 0, 0, byte(src)}), Dst: netip.AddrFrom4([4]byte{10, 0, 0, byte(dst)}), Proto: UDP, Point: port})
			}
			flows = append(flows, Flow{Src: netip.AddrFrom4([4]byte{10, 0, 0, byte(src)}), Dst: netip.AddrFrom4([4]byte{10, 0, 0, byte(dst)}), Proto: TCP, Point: 1})
		}
	}
	return flows
}

// TestCompareAgainstEveryFlow checks Compare in the small world, where every flow
// can be asked.
func TestCompareAgainstEveryFlow(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	equal := 0
	for range 2000 {
		a, b := randomPlan(rng), randomPlan(rng)
		if rng.IntN(2) == 0 { // make equal plans likely
			*b = *a
			b.Rules = append(slices.Clone(a.Rules), rule("more", Allow, Any(), In("more", ipranges.MustParse("10.0.0.3")), media))
		}
		same := true
		for _, f := range classFlows() {
			va, _ := a.Decide(f)
			vb, _ := b.Decide(f)
			same = same && va == vb
		}
		d := Compare(a, b)
		if d == nil && !same {
			t.Fatalf("a difference is missed:\n%+v\n%+v", a, b)
		}
		if d != nil {
			va, _ := a.Decide(d.Flow)
			vb, _ := b.Decide(d.Flow)
			if va == vb || va != d.A || vb != d.B {
				t.Fatalf("the difference is none: %v", d)
			}
		} else {
			equal++
		}
	}
	if equal == 0 {
		t.Error("no two plans were equal: this test shows little")
	}
}

func TestLower(t *testing.T) {
	full := Caps{Families: BothFamilies, Verdicts: []Verdict{Allow, Deny}, Defaults: []Verdict{Continue, Deny},
		Sources: true, Ports: true, ICMP: true, Protocols: true, Reject: true, Log: true, Ranges: true}
	calls := rule("calls", Allow, Any(), narrow, media)
	p := plan(calls, rule("v6", Allow, Any(), In("six", ipranges.MustParse("2603::/16")), media))

	if got, losses, errs := Lower(p, full); len(errs)+len(losses) > 0 || Compare(p, got) != nil {
		t.Errorf("full caps: %v %v", losses, errs)
	}
	four := full
	four.Families = OnlyIPv4
	if _, _, errs := Lower(p, four); len(errs) != 1 || errs[0].Fix == "" {
		t.Errorf("a family that the target lacks is not refused: %v", errs)
	}
	p4 := *p
	p4.Families = OnlyIPv4
	got, losses, errs := Lower(&p4, four)
	if len(errs) > 0 || len(losses) != 1 || losses[0].Rule != "v6" || !losses[0].Dropped || len(got.Rules) != 1 {
		t.Errorf("on purpose: %+v %v %v", got, losses, errs)
	}
	if Compare(&p4, got) != nil {
		t.Error("the lowered plan decides otherwise")
	}
	limited := full
	limited.MaxElements = 1
	two := plan(rule("calls", Allow, Any(), In("two", ipranges.MustParse("1.1.1.1", "3.3.3.3")), media))
	if _, _, errs := Lower(two, limited); len(errs) != 1 {
		t.Errorf("one over the limit: %v", errs)
	}
	limited.MaxElements = 2
	if _, _, errs := Lower(two, limited); len(errs) != 0 {
		t.Errorf("at the limit: %v", errs)
	}
	limited.MaxRules = 1
	if _, _, errs := Lower(p, limited); len(errs) != 1 {
		t.Errorf("one rule over the limit: %v", errs)
	}
	for _, empty := range []*Plan{plan(rule("x", Allow, Any(), In("none", ipranges.Set{}), media)), plan(rule("x", Allow, Any(), narrow)), plan()} {
		if _, _, errs := Lower(empty, full); len(errs) == 0 {
			t.Errorf("a plan of nothing is accepted: %+v", empty)
		}
	}
}

// TestUnmatched: what a target never finds in packets of a family is refused where the
// rule speaks of that family, and nowhere else.
func TestUnmatched(t *testing.T) {
	caps := Caps{Families: BothFamilies, Verdicts: []Verdict{Allow, Deny}, Defaults: []Verdict{Continue}, Sources: true, Ports: true, Protocols: true,
		Unmatched: map[ipranges.Family]map[Protocol]string{ipranges.IPv6: ExtensionHeaders()}}
	four, six := In("four", ipranges.MustParse("20.0.0.0/8")), In("six", ipranges.MustParse("2603::/16"))
	both := In("both", four.Set().Union(six.Set()))
	headers := NewService("headers", All(0), All(43), All(44), All(60))
	for _, tt := range []struct {
		name     string
		from, to Addresses
		families Families
		service  Service
		refused  bool
		fix      string
	}{
		{"to IPv6", Any(), six, BothFamilies, headers, true, "rules = [rule.NAME]"},
		{"to both", Any(), both, BothFamilies, headers, true, `families = ["ipv4"]`},
		{"to anywhere", Any(), Any(), BothFamilies, NewService("one", All(60), Ports(UDP, 1, 2)), true, `families = ["ipv4"]`},
		{"to anywhere in IPv4", Any(), Any(), OnlyIPv4, headers, false, ""},
		{"to IPv4", Any(), four, BothFamilies, headers, false, ""},
		{"from IPv4", four, both, BothFamilies, headers, false, ""},
		{"other protocols", Any(), both, BothFamilies, NewService("others", All(41), All(50), All(51), All(59), All(135)), false, ""},
		{"every protocol", Any(), both, BothFamilies, AnyService(), false, ""},
	} {
		p := plan(rule("x", Deny, tt.from, tt.to, tt.service))
		p.Families = tt.families
		_, _, errs := Lower(p, caps)
		if refused := len(errs) > 0; refused != tt.refused || refused && (errs[0].Rule != "x" || !strings.Contains(errs[0].Fix, tt.fix)) {
			t.Errorf("%s: %+v", tt.name, errs)
		}
	}
}

func TestListed(t *testing.T) {
	everywhere := []Service{AnyService()}
	p := &Plan{Families: BothFamilies, Default: Tunnel, Rules: []Rule{
		{Name: "stay", Verdict: Tunnel, From: Any(), To: In("hole", ipranges.MustParse("20.202.7.0/24")), Services: everywhere},
		{Name: "out", Verdict: Bypass, From: Any(), To: narrow, Services: everywhere},
	}}
	list, ok := p.Routes()
	set, v := list.Set, list.Way
	want := narrow.Set().Minus(ipranges.MustParse("20.202.7.0/24"))
	if !ok || v != Bypass || !set.Equal(want) {
		t.Errorf("%v %v %v", set, v, ok)
	}
	if d := Compare(p, RoutePlan("x", BothFamilies, v, set)); d != nil {
		t.Errorf("the list decides otherwise: %v", d)
	}
	p.Families = OnlyIPv4
	if list, _ := p.Routes(); list.Set.Has(ipranges.IPv6) {
		t.Error("a family that is not the plan's is listed")
	}
	for name, bad := range map[string]*Plan{
		"a filter":   plan(rule("calls", Allow, Any(), wide, media)),
		"a source":   {Families: BothFamilies, Default: Tunnel, Rules: []Rule{{Verdict: Bypass, From: narrow, To: narrow, Services: everywhere}}},
		"a service":  {Families: BothFamilies, Default: Tunnel, Rules: []Rule{{Verdict: Bypass, From: Any(), To: narrow, Services: []Service{media}}}},
		"a default":  {Families: BothFamilies, Default: Deny},
		"an allowed": {Families: BothFamilies, Default: Tunnel, Rules: []Rule{{Verdict: Allow, From: Any(), To: narrow, Services: everywhere}}},
	} {
		if _, ok := bad.Routes(); ok {
			t.Errorf("%s is taken for a list of routes", name)
		}
	}
}

func TestShadowedByTheEssential(t *testing.T) {
	p := plan(rule("dhcp", Deny, Any(), Any(), NewService("dhcp", Ports(UDP, 67, 67))),
		rule("rest", Deny, Any(), Any(), AnyService()))
	if got := shadows(p); len(got) != 0 {
		t.Errorf("without a default of deny: %+v", got)
	}
	p.Default, p.Families = Deny, OnlyIPv4
	if got := shadows(p); len(got) != 1 || got[0].Rule.Name != "dhcp" || !got[0].Essential || len(got[0].By) != 0 {
		t.Errorf("with a default of deny: %+v", got)
	}
}

// BenchmarkCompare compares a plan of 300 overlapping rules with one that has one of them
// twice: the cost of a self-check where the rules are not the same one by one.
func BenchmarkCompare(b *testing.B) {
	p := plan()
	for i := range 300 {
		name := fmt.Sprintf("r%d", i)
		to := In(name, ipranges.MustParse(fmt.Sprintf("20.%d.%d.0-20.%d.255.255", i/256, i%256, 1+i/256)))
		from := In(name+"_from", ipranges.MustParse(fmt.Sprintf("10.%d.%d.0-10.%d.255.255", i/256, i%256, 1+i/256)))
		p.Rules = append(p.Rules, rule(name, Verdict(1+i%2), from, to, NewService("s", Ports(UDP, uint16(i), 1000))))
	}
	q := *p
	q.Rules = append(slices.Clone(p.Rules), p.Rules[0])
	for b.Loop() {
		if d := Compare(p, &q); d != nil {
			b.Fatal(d)
		}
	}
}

// BenchmarkShadowed looks at narrow rules with wide ones behind them, twice as many each
// time: the cost of one warning must grow with the rules, not with their square.
func BenchmarkShadowed(b *testing.B) {
	for _, n := range []int{150, 300, 600} {
		p := plan()
		for i := range n {
			to, ports := fmt.Sprintf("20.%d.%d.0/24", i/256, i%256), Ports(UDP, uint16(1000+2*i), uint16(1000+2*i))
			if i >= n/2 {
				to, ports = fmt.Sprintf("20.%d.0.0/16", i%64), Ports(UDP, uint16(i), uint16(40000+i))
			}
			name := fmt.Sprintf("r%d", i)
			p.Rules = append(p.Rules, rule(name, Allow, Any(), In(name, ipranges.MustParse(to)), NewService("s", ports)))
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				shadows(p)
			}
		})
	}
}
