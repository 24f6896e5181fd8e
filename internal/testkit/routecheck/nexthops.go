package routecheck

import (
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

// NextHops is a target with the options of renderers/routes/nexthop, for its contract, and for
// tests that every one of these passes on a real kernel.
type NextHops struct {
	Kind renderers.Kind
	// Options are the kind's options with these next hops.
	Options func(to nexthop.ToOptions, other nexthop.OtherOptions) any
	// Start makes h load files: in place of the last ones, until the kernel has their routes.
	// Without files, the last ones are removed.
	Start func(t *testing.T, h *lab.Host) (load func([]renderers.File))
	// Protocol is that of the target's routes, as ip shows it.
	Protocol string
	// Tries says that the target adds routes for a moment and takes them away again, so that
	// what the kernel tells of routes that go shows nothing.
	Tries bool
}

// The next hops of Client: its uplink, its VPN, and the VPN by a gateway behind it.
var (
	toUplink  = nexthop.ToOptions{Gateway4: "10.20.0.1", Gateway6: "fd20::1", Device: "eth0"}
	toVPN     = nexthop.ToOptions{Device: "vpn0"}
	toVPNHop  = nexthop.ToOptions{Gateway4: "198.51.100.1", Gateway6: "fd99::1", Device: "vpn0"}
	butVPN    = nexthop.OtherOptions{Exceptions: true, OtherDevice: "vpn0"}
	butUplink = nexthop.OtherOptions{Exceptions: true, OtherGateway4: "10.20.0.1", OtherGateway6: "fd20::1", OtherDevice: "eth0"}
	noOther   nexthop.OtherOptions
)

// Run runs all of them.
func (n NextHops) Run(t *testing.T) {
	t.Run("every boundary", n.everyBoundary)
	t.Run("exceptions", n.exceptions)
	t.Run("exceptions of an include", n.exceptionsOfAnInclude)
	t.Run("include", n.include)
	t.Run("narrower", n.narrower)
}

// Mistakes are those in the options of next hops.
func (n NextHops) Mistakes() []conformance.Mistake {
	var list []conformance.Mistake
	wrong := func(option string, to nexthop.ToOptions, other nexthop.OtherOptions) {
		list = append(list, conformance.Wrong(option, n.Options(to, other)))
	}
	wrong("device", nexthop.ToOptions{Gateway4: "192.0.2.1"}, noOther)
	wrong("device", nexthop.ToOptions{Device: "eth0;reboot"}, noOther)
	wrong("gateway4", nexthop.ToOptions{Gateway4: "router.example", Device: "eth0"}, noOther)
	wrong("gateway4", nexthop.ToOptions{Gateway4: "2001:db8::1", Device: "eth0"}, noOther)
	wrong("gateway6", nexthop.ToOptions{Gateway6: "192.0.2.1", Device: "eth0"}, noOther)
	wrong("gateway6", nexthop.ToOptions{Gateway6: "fe80::1%eth0", Device: "eth0"}, noOther)
	wrong("exceptions", toUplink, nexthop.OtherOptions{OtherDevice: "tun0"})
	wrong("other_device", toUplink, nexthop.OtherOptions{Exceptions: true})
	wrong("other_device", nexthop.ToOptions{Device: "eth0"}, nexthop.OtherOptions{Exceptions: true, OtherDevice: "eth0"})
	wrong("other_gateway4", toUplink, nexthop.OtherOptions{Exceptions: true, OtherDevice: "tun0", OtherGateway4: "fd99::1"})
	return list
}

func (n NextHops) render(t *testing.T, to nexthop.ToOptions, other nexthop.OtherOptions, p *rules.Plan) []renderers.File {
	t.Helper()
	return rendered.Files(t, rendered.Target(t, n.Kind, n.Options(to, other)), p)
}

// behindVPN is a client whose VPN took the default routes.
func (n NextHops) behindVPN(t *testing.T) (*lab.Host, func([]renderers.File)) {
	t.Helper()
	h := Client(t)
	TakeDefault(t, h)
	return h, n.Start(t, h)
}

func bypass(set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set)
}

func include(set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, set)
}

// everyBoundary loads change 396 and then 398 of the whole Azure cloud as a bypass: every
// boundary goes where 398 says, the state is that of a fresh 398, nothing that both have
// was ever away, and after removal the state is that of the start.
func (n NextHops) everyBoundary(t *testing.T) {
	old, now := AzureCloud(t, 396), AzureCloud(t, 398)
	h, load := n.behindVPN(t)
	empty := Table(t, h)
	load(n.render(t, toUplink, noOther, bypass(old)))
	Expect(t, h, bypass(old), old, "eth0", "vpn0")

	withdrawn := Withdrawn(t, h)
	files := n.render(t, toUplink, noOther, bypass(now))
	load(files)
	Expect(t, h, bypass(now), now.Union(old), "eth0", "vpn0")
	deleted := withdrawn()
	for _, prefix := range deleted {
		listed := func(f renderers.File) bool { return strings.Contains(string(f.Data), "route "+prefix+" ") }
		if !n.Tries && slices.ContainsFunc(files, listed) {
			t.Errorf("%s was away for a moment", prefix)
		}
	}
	if len(deleted) == 0 {
		t.Error("no route was withdrawn: the monitor shows nothing")
	}

	loaded := Table(t, h)
	load(files)
	if Table(t, h) != loaded {
		t.Error("loading it again changes the routes")
	}
	fresh, loadFresh := n.behindVPN(t)
	loadFresh(files)
	if Table(t, fresh) != loaded {
		t.Error("change 398 loaded after 396 differs from 398 alone")
	}
	load(nil)
	if got := Table(t, h); got != empty {
		t.Errorf("after removal the routes are\n%s\nnot\n%s", got, empty)
	}
}

// exceptions loads change 396 and then 398 with routes both ways: every boundary goes where
// the list says, by fewer routes.
func (n NextHops) exceptions(t *testing.T) {
	old, now := AzureCloud(t, 396), AzureCloud(t, 398)
	h, load := n.behindVPN(t)
	start := Table(t, h)
	load(n.render(t, toUplink, butVPN, bypass(old)))
	Expect(t, h, bypass(old), old, "eth0", "vpn0")
	load(n.render(t, toUplink, butVPN, bypass(now)))
	Expect(t, h, bypass(now), now.Union(old), "eth0", "vpn0")
	routes := func(table string) int { return strings.Count(table, " proto "+n.Protocol+" ") }
	some, all := routes(Table(t, h))-routes(start), now.NumPrefixes(ipranges.IPv4)+now.NumPrefixes(ipranges.IPv6)
	t.Logf("%d routes instead of %d", some, all)
	if some >= all {
		t.Error("exceptions save nothing")
	}
	load(nil)
	if got := Table(t, h); got != start {
		t.Errorf("after removal the routes are\n%s\nnot\n%s", got, start)
	}
}

// exceptionsOfAnInclude go by the uplink.
func (n NextHops) exceptionsOfAnInclude(t *testing.T) {
	set := ipranges.MustParse("20.0.0.0/10", "2603::/20").Minus(ipranges.MustParse("20.9.9.9", "20.33.0.0/16", "2603:8:8::/48"))
	h := Client(t)
	n.Start(t, h)(n.render(t, toVPN, butUplink, include(set)))
	Expect(t, h, include(set), set, "eth0", "vpn0")
}

// include lists what goes into the VPN, by its device and by a gateway behind it. Then IPv6
// leaves the list, and its routes leave the kernel; and then all of them.
func (n NextHops) include(t *testing.T) {
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38", "9.9.9.9", "2620:fe::9")
	for _, to := range []nexthop.ToOptions{toVPN, toVPNHop} {
		h := Client(t)
		load := n.Start(t, h)
		load(n.render(t, to, noOther, include(set)))
		Expect(t, h, include(set), set, "eth0", "vpn0")
		less := include(set.Only(ipranges.IPv4))
		load(n.render(t, to, noOther, less))
		Expect(t, h, less, set, "eth0", "vpn0")
		load(nil)
		for a, device := range Devices(t, h, Probes(set)) {
			if device != "eth0" {
				t.Errorf("after removal %s goes by %s", a, device)
			}
		}
	}
}

// narrower loads a list of both families and then one of a single family: the state is that
// of the second alone.
func (n NextHops) narrower(t *testing.T) {
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38")
	for _, fams := range []rules.Families{rules.OnlyIPv4, rules.OnlyIPv6} {
		h, load := n.behindVPN(t)
		start := Table(t, h)
		load(n.render(t, toUplink, noOther, bypass(set)))
		one := n.render(t, toUplink, noOther, rules.RoutePlan("edge", fams, rules.Bypass, set))
		load(one)
		fresh, loadFresh := n.behindVPN(t)
		loadFresh(one)
		if got, want := Table(t, h), Table(t, fresh); got != want || strings.Contains(got, "52.112.0.0/14") == strings.Contains(got, "2603:1063::/38") {
			t.Errorf("%s after a list of both families:\n%s\nwanted:\n%s", fams, got, want)
		}
		load(nil)
		if got := Table(t, h); got != start {
			t.Errorf("after removal:\n%s\nat the start:\n%s", got, start)
		}
	}
}
