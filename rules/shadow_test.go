package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sallyport/ipranges"
)

// someAddresses makes addresses of a small world: anything, host names, or some ranges of
// either family, one of which may reach the end of all addresses.
func someAddresses(rng *rand.Rand, name string, names bool) Addresses {
	switch k := rng.IntN(8); {
	case k == 0:
		return Any()
	case k == 1 && names:
		patterns := []string{"a.x.de", "b.x.de", "*.x.de", "*.de", "c.a.x.de"}
		return Named(name, patterns[rng.IntN(3):3+rng.IntN(3)])
	case k == 2:
		return In(name, ipranges.MustParse("10.0.0.4-255.255.255.255", "::4-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
	}
	var list []string
	for range 1 + rng.IntN(3) {
		lo := rng.IntN(8)
		form := []string{"10.0.0.%d-10.0.0.%d", "::%d-::%d"}[rng.IntN(2)]
		list = append(list, fmt.Sprintf(form, lo, lo+rng.IntN(8-lo)))
	}
	return In(name, ipranges.MustParse(list...))
}

// worldPlan makes a plan of both families, names and every kind of service.
func worldPlan(rng *rand.Rand, most int) *Plan {
	p := plan()
	p.Default = Verdict(rng.IntN(3))
	p.Families = Families(1 + rng.IntN(3))
	for i := range 1 + rng.IntN(most) {
		var services []Service
		for range rng.IntN(5) + 1 {
			lo := uint16(rng.IntN(4))
			s := NewService("s", Ports([]Protocol{UDP, TCP}[rng.IntN(2)], lo, lo+uint16(rng.IntN(3))))
			switch rng.IntN(12) {
			case 0:
				s = AnyService()
			case 1:
				s = NewService("essential", Essential(ipranges.IPv4)...)
			case 2:
				s = NewService("icmp", All(ICMP), ICMPType(ICMPv6, uint8(130+rng.IntN(9))), All(255))
			}
			services = append(services, s)
		}
		name := fmt.Sprintf("r%d", i)
		p.Rules = append(p.Rules, rule(name, Verdict(1+rng.IntN(2)), someAddresses(rng, name+"_from", false), someAddresses(rng, name+"_to", true), services...))
	}
	return p
}

// TestShadowedAsByPairs holds Shadowed against a search that looks at every pair of rules.
func TestShadowedAsByPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	found, by := 0, 0
	for round := range rounds(t) {
		p := worldPlan(rng, 4+60*(round%200/199))
		work := 1 << 40
		want, _ := slowShadowed(p, &work)
		got, all := Shadowed(p, &work)
		same := func(a, b Shadow) bool {
			return a.Rule == b.Rule && a.Essential == b.Essential && slices.Equal(a.By, b.By)
		}
		if !all || !slices.EqualFunc(got, want, same) {
			t.Fatalf("round %d: %+v, not %+v, of\n%+v", round, got, want, p)
		}
		for _, s := range got {
			found, by = found+1, by+len(s.By)
		}
	}
	if found == 0 || by == found {
		t.Errorf("%d rules are shadowed by %d: this test shows little", found, by)
	}
}

func rounds(t *testing.T) int {
	if testing.Short() {
		return 3_000
	}
	return 100_000
}
