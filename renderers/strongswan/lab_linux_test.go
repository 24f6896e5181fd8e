package strongswan

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/rules"
)

// TestPathsOnEveryBoundary loads the whole Azure cloud of change 396 past the tunnel,
// then change 398, which must leave what a fresh 398 does, and takes it out again.
func TestPathsOnEveryBoundary(t *testing.T) {
	old, now := routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398)
	s := newSwan(t, "")
	before := s.state(t)
	s.load(t, mustRender(t, options(), bypass(now)))
	fresh := sorted(s.state(t))
	s.load(t, mustRender(t, options(), bypass(old)))
	s.expect(t, bypass(old), datagrams(old, 3478))

	log := s.log(t)
	s.load(t, mustRender(t, options(), bypass(now)))
	if got := sorted(s.state(t)); got != fresh {
		t.Error("398 after 396 is not what 398 alone is")
	}
	s.expect(t, bypass(now), datagrams(now.Union(old), 3479))
	// What both weeks list was not touched.
	plus, minus := ipranges.Diff(old, now)
	touched := strings.Count(strings.TrimPrefix(s.log(t), log), "installing 'p")
	changed := numPrefixes(plus) + numPrefixes(minus)
	if touched == 0 || touched > 3*changed {
		t.Errorf("%d changed prefixes, and %d policies were installed or uninstalled", changed, touched)
	}

	if err := os.Remove(filepath.Join(s.dir, "conf.d", "edge.conf")); err != nil {
		t.Fatal(err)
	}
	s.load(t, nil)
	if after := s.state(t); after != before {
		t.Errorf("after removal there is\n%s\nnot\n%s", after, before)
	}
}

// TestNarrower loads a list of both families and then one of IPv4 alone, which leaves what
// it does by itself.
func TestNarrower(t *testing.T) {
	narrow := mustRender(t, options(), rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4)))
	s := newSwan(t, "")
	s.load(t, narrow)
	fresh := sorted(s.state(t))
	s.load(t, mustRender(t, options(), bypass(relays)))
	if sorted(s.state(t)) == fresh {
		t.Fatal("IPv6 makes no difference")
	}
	s.load(t, narrow)
	if got := sorted(s.state(t)); got != fresh {
		t.Errorf("after a list of both families there is\n%s\nnot\n%s", got, fresh)
	}
}

// TestPorts lets the ports of calls past the tunnel, and no port beside them. Routes
// are the machine's own, as the page asks for.
func TestPorts(t *testing.T) {
	s := newSwan(t, "install_routes = no")
	r, files, err := render(t, options("udp/3478-3481", "tcp/443"), bypass(relays))
	if err != nil {
		t.Fatal(err)
	}
	s.load(t, files)
	p, err := r.read(files)
	if err != nil {
		t.Fatal(err)
	}
	var flows []flow
	for _, port := range []uint16{443, 3471, 3472, 3477, 3478, 3479, 3480, 3481, 3482, 3487, 3488} {
		flows = append(flows, datagrams(relays, port)...)
	}
	for _, a := range []string{"52.112.0.1", "2603:1063::1", "9.9.9.9", "2620:fe::9"} {
		for _, port := range []uint16{442, 443, 444, 3478} {
			flows = append(flows, flow{netip.AddrPortFrom(netip.MustParseAddr(a), port), rules.TCP})
		}
	}
	s.expect(t, p, flows)
}

// TestWhyPortsNeedTheMachinesOwnRoutes holds what the page says of table 220: charon
// throws the prefixes of a bypass out of it, but not those of one by ports, so that
// this takes the tunnel's route: for a virtual IP one with that as source, and one
// without a router where the tunnel's ends are of the other family.
func TestWhyPortsNeedTheMachinesOwnRoutes(t *testing.T) {
	s := newSwan(t, "")
	s.Client.MustRun(t, "ip", "addr", "add", "198.51.100.9/32", "dev", "eth0")
	routes := func() (four, six string) {
		return s.Client.MustRun(t, "ip", "-o", "route", "get", "52.112.0.1"), s.Client.MustRun(t, "ip", "-o", "route", "get", "2603:1063::1")
	}
	s.load(t, mustRender(t, options(), bypass(relays)))
	s.Client.MustRun(t, "ip", "route", "replace", "default", "via", "10.20.0.1", "dev", "eth0", "src", "198.51.100.9", "table", "220", "proto", "static")
	if four, six := routes(); strings.Contains(four, "src 198.51.100.9") || !strings.Contains(six, "via fd20::1") {
		t.Errorf("a bypass without ports takes the tunnel's routes: %s%s", four, six)
	}
	s.load(t, mustRender(t, options("udp/3478-3481"), bypass(relays)))
	if four, six := routes(); !strings.Contains(four, "src 198.51.100.9") || strings.Contains(six, "via ") {
		t.Errorf("a bypass by ports takes %s%s: the page and the header can promise more", four, six)
	}
}

// TestInclude gives the list to the admin's own child.
func TestInclude(t *testing.T) {
	set := relays.Union(ipranges.MustParse("9.9.9.9", "2620:fe::9", "198.51.100.0-198.51.100.130"))
	admin := strings.Replace(tunnel, "all {", "all : sallyport_edge {", 1)
	admin = strings.Replace(admin, "        remote_ts = 0.0.0.0/0,::/0\n", "", 1)
	s := newSwan(t, "")
	s.write(t, "swanctl.conf", admin+"include conf.d/*.conf\n")
	s.load(t, mustRender(t, options(), include(set)))
	s.expect(t, include(set), datagrams(set, 3478))
	s.load(t, mustRender(t, options(), include(relays)))
	s.expect(t, include(relays), datagrams(set, 3479))
}

// TestTheLongestMessage loads as many prefixes of a family as the limit lets pass.
// (charon installs them in the square of their time, so they are not started.)
func TestTheLongestMessage(t *testing.T) {
	s := newSwan(t, "")
	var b ipranges.Builder
	for i := range 6000 {
		b.AddSet(ipranges.MustParse(fmt.Sprintf("2603:1000:%x:8000::/50", 0x1000+2*i)))
		r := rendered.Target(t, Kind(), options())
		if i%50 != 0 {
			continue
		}
		if _, _, errs := rules.Lower(bypass(b.Set()), r.Caps); len(errs) > 0 {
			break
		}
	}
	var list []string
	for p := range b.Set().Prefixes(ipranges.IPv6) {
		list = append(list, p.String())
	}
	full := ipranges.MustParse(list[:len(list)-50]...)
	if n := full.NumPrefixes(ipranges.IPv6); n < 4000 || n > 5900 {
		t.Fatalf("%d prefixes fit", n)
	}
	files := mustRender(t, options(), bypass(full))
	files[0].Data = []byte(strings.ReplaceAll(string(files[0].Data), "start_action = trap", "start_action = none"))
	s.load(t, files)
}
