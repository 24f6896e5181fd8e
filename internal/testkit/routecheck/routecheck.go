// Package routecheck compares where a host of the lab sends packets with where a
// plan of routes says that they go.
package routecheck

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/lab"
	"sallyport/ipranges"
	"sallyport/rules"
)

// AzureCloud is conformance.AzureCloud.
func AzureCloud(tb testing.TB, change int) ipranges.Set {
	tb.Helper()
	return conformance.AzureCloud(tb, change)
}

// Probes are the first, the last and the just-outside addresses of every prefix of
// set that a router would forward.
func Probes(set ipranges.Set) []netip.Addr {
	var list []netip.Addr
	for _, f := range rules.BothFamilies.List() {
		for p := range set.Prefixes(f) {
			r := ipranges.Set{}
			var b ipranges.Builder
			if err := b.AddPrefix(p); err == nil {
				r = b.Set()
			}
			for one := range r.All() {
				for _, a := range []netip.Addr{one.From(), one.To(), one.From().Prev(), one.To().Next()} {
					if a.IsValid() && lab.Forwardable(a) {
						list = append(list, a)
					}
				}
			}
		}
	}
	return list
}

// Devices asks the kernel of h by which device it would send to each address; ""
// where it has no route. It runs ip route get, in one batch a family.
func Devices(tb testing.TB, h *lab.Host, addrs []netip.Addr) map[netip.Addr]string {
	tb.Helper()
	found := map[netip.Addr]string{}
	for _, is4 := range []bool{true, false} {
		var batch strings.Builder
		for _, a := range addrs {
			if a.Is4() == is4 {
				fmt.Fprintf(&batch, "route get %s\n", a)
			}
		}
		flag := "-6"
		if is4 {
			flag = "-4"
		}
		// With -force, ip goes on after an address without a route, and fails at the end.
		out, err := h.Exec(batch.String(), "ip", flag, "-o", "-force", "-batch", "-")
		if err != nil && !strings.Contains(err.Error(), "unreachable") {
			tb.Fatal(err)
		}
		for line := range strings.Lines(out) {
			words := strings.Fields(line)
			a, err := netip.ParseAddr(words[0])
			if err != nil {
				tb.Fatalf("ip route get answers %q", line)
			}
			for i := range words[:len(words)-1] {
				if words[i] == "dev" {
					found[a] = words[i+1]
					break
				}
			}
		}
	}
	return found
}

// Expect holds h to p: what bypasses leaves by uplink, what is tunnelled by tunnel,
// at every boundary of set, and what is of families that p does not speak of is not
// asked about. It fails tb unless there is some of both.
func Expect(tb testing.TB, h *lab.Host, p *rules.Plan, set ipranges.Set, uplink, tunnel string) {
	tb.Helper()
	probes := Probes(set)
	devices := Devices(tb, h, probes)
	count := map[rules.Verdict]int{}
	wrong := 0
	for _, a := range probes {
		v, _ := p.Decide(rules.Flow{Src: a, Dst: a, Proto: rules.UDP, Point: 3478})
		count[v]++
		want := map[rules.Verdict]string{rules.Bypass: uplink, rules.Tunnel: tunnel}[v]
		if v != rules.Continue && devices[a] != want {
			if wrong++; wrong <= 5 {
				tb.Errorf("%s: %v by the plan, and the route is by %q, not %q", a, v, devices[a], want)
			}
		}
	}
	switch {
	case wrong > 0:
		tb.Fatalf("%d of %d routes are wrong", wrong, len(probes))
	case count[rules.Bypass] == 0 || count[rules.Tunnel] == 0:
		tb.Fatalf("all of %d routes go one way: this test shows nothing", len(probes))
	}
	tb.Logf("%d routes asked for, %d bypass and %d are tunnelled", len(probes), count[rules.Bypass], count[rules.Tunnel])
}
