package uplink

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/routecheck"
	"sallyport/internal/testkit/turns"
	"sallyport/ipranges"
	"sallyport/rules"
)

// laptop is a client whose VPN, vpn0, has the halves of each family, and the script.
type laptop struct {
	*lab.Host
	script string
}

func newLaptop(t *testing.T, set ipranges.Set) *laptop {
	need.Program(t, "sh")
	l := &laptop{routecheck.Client(t), filepath.Join(t.TempDir(), "edge.sh")}
	routecheck.TakeDefault(t, l.Host)
	l.install(t, set)
	return l
}

func (l *laptop) install(t *testing.T, set ipranges.Set) {
	t.Helper()
	if err := os.WriteFile(l.script, []byte(render(t, both, set)), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs the script, and returns what it says.
func (l *laptop) run(t *testing.T, args ...string) string {
	t.Helper()
	return l.MustRun(t, "sh", append([]string{"-c", `exec sh "$0" "$@" 2>&1`, l.script}, args...)...)
}

func bypass(set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set)
}

// TestRoutesOnEveryBoundary loads change 396 and then 398 of the whole Azure cloud, and
// takes them away. Change 398 after 396 is what 398 alone is.
func TestRoutesOnEveryBoundary(t *testing.T) {
	old, now := routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398)
	l, fresh := newLaptop(t, old), newLaptop(t, now)
	before := routecheck.Table(t, l.Host)
	said := l.run(t, "up", "vpn0")
	routecheck.Expect(t, l.Host, bypass(old), old, "eth0", "vpn0")
	l.install(t, now)
	said += l.run(t, "up", "vpn0")
	routecheck.Expect(t, l.Host, bypass(now), now.Union(old), "eth0", "vpn0")
	said += fresh.run(t, "up", "vpn0")
	if routecheck.Table(t, l.Host) != routecheck.Table(t, fresh.Host) {
		t.Error("398 after 396 is not what 398 alone is")
	}
	said += l.run(t, "down")
	if after := routecheck.Table(t, l.Host); after != before {
		t.Errorf("after down the routes are\n%s\nnot\n%s", after, before)
	}
	if said != "" {
		t.Errorf("the script says %q", said)
	}
}

// TestFamilies: one without a default route is left out aloud, one that left the list
// goes, and one that is only the tunnel's is none.
func TestFamilies(t *testing.T) {
	l := newLaptop(t, relays)
	l.MustRun(t, "ip", "-6", "route", "del", "default")
	if said := l.run(t, "up", "vpn0"); said != "edge: no default route of IPv6 outside of the tunnel: its list is not loaded\n" {
		t.Errorf("the script says %q", said)
	}
	ways := routecheck.Devices(t, l.Host, routecheck.Probes(relays))
	for a, device := range ways {
		if want := bypassDevice(a.Is4() && relays.Contains(a)); device != want {
			t.Errorf("%s leaves by %s", a, device)
		}
	}
	l.MustRun(t, "ip", "-4", "route", "replace", "default", "dev", "vpn0")
	if said := l.run(t, "up", "vpn0"); strings.Count(said, "no default route") != 2 {
		t.Errorf("with the tunnel's default route the script says %q", said)
	}
	if table := routecheck.Table(t, l.Host); strings.Contains(table, "proto 213") {
		t.Errorf("routes of a network that is gone stay:\n%s", table)
	}
	l.MustRun(t, "ip", "-4", "route", "replace", "default", "via", "10.20.0.1", "dev", "eth0")
	l.run(t, "up", "vpn0")
	l.install(t, relays.Only(ipranges.IPv6))
	l.run(t, "up", "vpn0")
	if table := routecheck.Table(t, l.Host); strings.Contains(table, "proto 213") {
		t.Errorf("routes of a family that left the list stay:\n%s", table)
	}
}

func bypassDevice(bypass bool) string {
	if bypass {
		return "eth0"
	}
	return "vpn0"
}

// TestFormsOfDefaultRoutes are those of networks other than the lab's.
func TestFormsOfDefaultRoutes(t *testing.T) {
	const ours = " proto 213 metric 13"
	for route, want := range map[string]string{
		"default via 10.20.0.9 dev eth0 metric 50":                                        "via 10.20.0.9 dev eth0" + ours,
		"default dev eth0 metric 50":                                                      "dev eth0 proto 213 scope link metric 13",
		"default via 203.0.113.1 dev eth0 onlink metric 50":                               "via 203.0.113.1 dev eth0" + ours + " onlink",
		"default via inet6 fd20::7 dev eth0 metric 50":                                    "via inet6 fd20::7 dev eth0" + ours,
		"default metric 50 nexthop via 10.20.0.8 dev eth0 nexthop via 10.20.0.9 dev eth0": "via 10.20.0.8 dev eth0" + ours,
	} {
		l := newLaptop(t, relays)
		l.MustRun(t, "ip", "-4", "route", "del", "default")
		l.MustRun(t, "ip", "-4", "route", "add", "unreachable", "default", "metric", "900")
		l.MustRun(t, "ip", append([]string{"-4", "route", "add"}, strings.Fields(route)...)...)
		if said := l.run(t, "up", "vpn0"); said != "" {
			t.Errorf("%s: the script says %q", route, said)
		}
		if table := routecheck.Table(t, l.Host); !strings.Contains(table, "52.112.0.0/14 "+want+" ") {
			t.Errorf("%s: not %s:\n%s", route, want, table)
		}
	}
}

// TestIPv6Off: where IPv6 is switched off, the script says that its list is not loaded, and
// IPv4's is.
func TestIPv6Off(t *testing.T) {
	l := newLaptop(t, relays)
	l.MustRun(t, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
	if said := l.run(t, "up", "vpn0"); said != "edge: no default route of IPv6 outside of the tunnel: its list is not loaded\n" {
		t.Errorf("the script says %q", said)
	}
	routecheck.Expect(t, l.Host, rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4)), relays.Only(ipranges.IPv4), "eth0", "vpn0")
	if said := l.run(t, "down"); said != "" {
		t.Errorf("down says %q", said)
	}
}

// TestOtherTables: a default route that is not in the main table is found where every
// packet is looked up in its table, and not where only some are.
func TestOtherTables(t *testing.T) {
	for name, tt := range map[string]struct {
		rule  string
		found bool
	}{
		"before the main table": {"pref 30000 table 100", true},
		"behind it":             {"pref 32800 table 100", true},
		"of marked packets":     {"pref 30000 fwmark 7 table 100", false},
		"of one source":         {"pref 30000 from 192.0.2.7 table 100", false},
	} {
		l := newLaptop(t, relays)
		l.MustRun(t, "ip", "-4", "route", "del", "default")
		l.MustRun(t, "ip", "-4", "route", "add", "default", "via", "10.20.0.1", "dev", "eth0", "table", "100")
		l.MustRun(t, "ip", append([]string{"-4", "rule", "add"}, strings.Fields(tt.rule)...)...)
		said := l.run(t, "up", "vpn0")
		loaded := strings.Contains(routecheck.Table(t, l.Host), "52.112.0.0/14 via 10.20.0.1 dev eth0 proto 213")
		if loaded != tt.found || (said == "") != tt.found {
			t.Errorf("%s: loaded %v, and the script says %q", name, loaded, said)
		}
	}
}

// TestKillSwitch: rules that stop what does not leave by the tunnel are told of.
func TestKillSwitch(t *testing.T) {
	need.Program(t, "iptables")
	need.Program(t, "nft")
	l := newLaptop(t, relays)
	l.MustRun(t, "iptables", "-A", "OUTPUT", "!", "-o", "vpn0", "-m", "mark", "!", "--mark", "7", "-j", "REJECT")
	if said := l.run(t, "up", "vpn0"); !strings.Contains(said, "kill switch") {
		t.Errorf("of iptables' kill switch the script says %q", said)
	}
	l.MustRun(t, "iptables", "-F", "OUTPUT")
	if said := l.run(t, "up", "vpn0"); said != "" {
		t.Errorf("without a kill switch the script says %q", said)
	}
	l.MustExec(t, `table inet k { chain o { type filter hook output priority 0; oifname != "vpn0" drop; }; }`, "nft", "-f", "-")
	if said := l.run(t, "up", "vpn0"); !strings.Contains(said, "kill switch") {
		t.Errorf("of nft's kill switch the script says %q", said)
	}
}

// TestWatch changes the network, link and all, under the script.
func TestWatch(t *testing.T) {
	l := newLaptop(t, relays)
	cmd := exec.Command("sh", l.script, "watch", "vpn0")
	heard, says, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	cmd.Stderr = says // as all that it starts
	stop, err := l.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	says.Close()
	until := func(what, want string, there bool) {
		t.Helper()
		await.NoError(t, what, func() error {
			if table := routecheck.Table(t, l.Host); strings.Contains(table, want) != there {
				return fmt.Errorf("of %q, it is %v that it is in\n%s", want, !there, table)
			}
			return nil
		})
	}
	until("at the start", "52.112.0.0/14 via 10.20.0.1 dev eth0 proto 213", true)
	until("at the start", "2603:1063::/38 via fd20::1 dev eth0 proto 213", true)
	l.MustRun(t, "ip", "-4", "route", "replace", "default", "via", "10.20.0.9", "dev", "eth0")
	until("another gateway", "52.112.0.0/14 via 10.20.0.9 dev eth0 proto 213", true)
	l.MustRun(t, "ip", "-6", "route", "del", "default")
	until("IPv6 is gone", "2603:1063::/38", false)
	l.MustRun(t, "ip", "-6", "route", "add", "default", "via", "fd20::1", "dev", "eth0", "table", "100")
	l.MustRun(t, "ip", "-6", "rule", "add", "pref", "32800", "table", "100")
	until("IPv6 is in another table", "2603:1063::/38 via fd20::1 dev eth0 proto 213", true)
	l.MustRun(t, "ip", "-6", "rule", "del", "pref", "32800")
	until("IPv6 is gone again", "2603:1063::/38", false)

	l.MustRun(t, "ip", "link", "add", "wlan0", "type", "veth", "peer", "name", "air")
	l.MustRun(t, "ip", "link", "set", "air", "up")
	l.MustRun(t, "ip", "link", "set", "wlan0", "up")
	l.MustRun(t, "ip", "addr", "add", "192.0.2.7/24", "dev", "wlan0")
	l.MustRun(t, "ip", "link", "set", "eth0", "down")
	l.MustRun(t, "ip", "-4", "route", "add", "default", "via", "192.0.2.1", "dev", "wlan0")
	until("another link", "52.112.0.0/14 via 192.0.2.1 dev wlan0 proto 213", true)

	l.MustRun(t, "ip", "link", "del", "vpn0")
	if err := heard.SetReadDeadline(await.Deadline()); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(heard)
	if err != nil {
		t.Errorf("the script, or its monitor, outlives its tunnel: %v", err)
	}
	if strings.Count(string(said), "no default route of IPv6") == 0 || strings.Contains(string(said), "are not loaded") {
		t.Errorf("the script says %q", said)
	}
}

// TestAWrongGateway changes nothing but what it says.
func TestAWrongGateway(t *testing.T) {
	l := newLaptop(t, relays)
	before := routecheck.Table(t, l.Host)
	fake := t.TempDir()
	// An ip whose default route is by way of a gateway that is on no link.
	text := "#!/bin/sh\n[ \"$1 $2\" = '-o -4' ] && echo 'default via 203.0.113.9 dev eth0' && exit\nexec " + need.Program(t, "ip") + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(fake, "ip"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := l.Run("env", "PATH="+fake+":"+os.Getenv("PATH"), "sh", "-c", `exec sh "$0" up vpn0 2>&1`, l.script)
	if err == nil || !strings.Contains(out, "the IPv4 routes via 203.0.113.9 dev eth0 are not loaded") {
		t.Errorf("%v: the script says %q", err, out)
	}
	l.run(t, "down")
	if after := routecheck.Table(t, l.Host); after != before {
		t.Errorf("after down the routes are\n%s", after)
	}
}

// ours is the routes that l has of the script's.
func (l *laptop) ours(t *testing.T) string { return routecheck.Of(t, l.Host, "213", "214") }

// loads are those of two lists that have some in common.
func loads(t *testing.T) turns.Loads {
	t.Helper()
	l := newLaptop(t, relays)
	loads := turns.Loads{Run: l.Run, State: func() string { return l.ours(t) }}
	for i := range loads.Of {
		var b ipranges.Builder
		for j := range 40 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i + j%2), byte(j), 0}), 24)
			q := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x26, 0x03, byte(i + j%2), byte(j)}), 32)
			if err := errors.Join(b.AddPrefix(p), b.AddPrefix(q)); err != nil {
				t.Fatal(err)
			}
		}
		fresh := newLaptop(t, b.Set())
		fresh.run(t, "up", "vpn0")
		loads.Of[i] = turns.Version{Command: "exec sh " + fresh.script + " up vpn0 2>&1", State: fresh.ours(t)}
	}
	return loads
}

// goes is a removal beside the second list.
func goes(l turns.Loads) turns.Loads {
	l.Of[0] = turns.Version{Command: strings.Replace(l.Of[0].Command, " up ", " down ", 1)}
	return l
}

// TestTwoAtOnce runs the scripts of two lists at once, and one beside a removal.
func TestTwoAtOnce(t *testing.T) {
	l := loads(t)
	l.AtOnce(t, turns.Rounds(160, 1000))
	goes(l).AtOnce(t, turns.Rounds(40, 200))
}

// TestKilled ends a load at many moments: the next one finishes it, and so does a removal.
func TestKilled(t *testing.T) {
	l := loads(t)
	l.Killed(t, turns.Rounds(40, 400))
	goes(l).Killed(t, turns.Rounds(20, 200))
}
