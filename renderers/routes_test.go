package renderers

import (
	"strings"
	"testing"
	"testing/fstest"

	"sallyport/ipranges"
	"sallyport/rules"
)

func TestRouteHeaderTellsTheDirection(t *testing.T) {
	set := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		for _, fams := range []rules.Families{rules.OnlyIPv4, rules.OnlyIPv6, rules.BothFamilies} {
			p := rules.RoutePlan("edge", fams, v, set)
			p.Provenance.Notes = []string{"x\nroutes: include of IPv4: nothing"}
			lines := RouteHeader(p)
			gotV, gotF, err := ReadRouteHeader(lines)
			if err != nil || gotV != v || gotF != fams {
				t.Errorf("%v of %v reads as %v of %v, %v", v, fams, gotV, gotF, err)
			}
			if text := strings.Join(lines, "\n"); strings.Contains(text, "IPv6 is left") != (fams == rules.OnlyIPv4) || !strings.Contains(text, "every protocol and port") {
				t.Errorf("%v of %v:\n%s", v, fams, text)
			}
		}
	}
	for _, bad := range [][]string{nil, {"routes: "}, {"routes: nothing of IPv4: x"}, {"routes: bypass of IPv5: x"},
		{"routes: bypass of IPv4: x", "routes: include of IPv4: x"}, {" routes: bypass of IPv4: x"}} {
		if v, f, err := ReadRouteHeader(bad); err == nil {
			t.Errorf("%q reads as %v of %v", bad, v, f)
		}
	}
}

func TestFamilyPath(t *testing.T) {
	for in, want := range map[string]string{"vpn.batch": "vpn.v6.batch", "a.b/vpn": "a.b/vpn.v6", "x/y.z.conf": "x/y.z.v6.conf"} {
		if got := FamilyPath(in, ipranges.IPv6); got != want {
			t.Errorf("%s gives %s", in, got)
		}
	}
}

func TestExecuteTakesTheUsersTemplate(t *testing.T) {
	own := fstest.MapFS{"iproute/batch.tmpl": {Data: []byte("mine {{.A}}\n\n")}}
	got, err := Execute("iproute", "batch.tmpl", own, map[string]string{"A": "b"})
	if err != nil || string(got) != "mine b\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Execute("iproute", "batch.tmpl", own, map[string]string{}); err == nil {
		t.Error("a key that is missing is no error")
	}
}
