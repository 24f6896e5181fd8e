package rules

import (
	"strings"
	"testing"

	"sallyport/ipranges"
)

// TestNoBypass: a family that cannot go past the VPN is refused where a plan sends it
// there, and nowhere else.
func TestNoBypass(t *testing.T) {
	caps := Caps{Families: BothFamilies, Verdicts: []Verdict{Bypass, Tunnel}, Defaults: []Verdict{Bypass, Tunnel},
		NoBypass: map[ipranges.Family]string{ipranges.IPv6: "it has no way"}}
	both, only4 := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"), ipranges.MustParse("20.202.0.0/16")
	for _, tt := range []struct {
		name    string
		plan    *Plan
		refused bool
	}{
		{"both past it", RoutePlan("x", BothFamilies, Bypass, both), true},
		{"IPv6 past it", RoutePlan("x", OnlyIPv6, Bypass, both), true},
		{"IPv4 past it", RoutePlan("x", OnlyIPv4, Bypass, both), false},
		{"a list without IPv6", RoutePlan("x", BothFamilies, Bypass, only4), false},
		{"both through it", RoutePlan("x", BothFamilies, Tunnel, both), false},
	} {
		lowered, _, errs := Lower(tt.plan, caps)
		switch {
		case !tt.refused && (len(errs) > 0 || Compare(tt.plan, lowered) != nil):
			t.Errorf("%s: %v", tt.name, errs)
		case tt.refused && (len(errs) != 1 || !strings.Contains(errs[0].Cause, "IPv6") || errs[0].Fix == "" || errs[0].Rule == ""):
			t.Errorf("%s: %v", tt.name, errs)
		}
	}
}
