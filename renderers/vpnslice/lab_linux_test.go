package vpnslice

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/rules"
)

// These tests run the script that is rendered with vpn-slice itself, or with a stand-in,
// which records its arguments, or does on Linux what vpn-slice's source (0.16.1,
// do_connect in __main__.py) does with the VPN's addresses and the prefixes among them.

const recorder = `printf '%s\n' "$reason" "$@"`

const standIn = `[ "$reason" = connect ] || exit 0
ip link set dev "$TUNDEV" up mtu "${INTERNAL_IP4_MTU:-1400}"
[ -z "${INTERNAL_IP6_ADDRESS-}" ] || ip -6 address add "$INTERNAL_IP6_ADDRESS" dev "$TUNDEV" || exit 1
for a in ${INTERNAL_IP6_DNS-}; do
	through="$through
route replace $a dev $TUNDEV"
done
for a; do
	case $a in
	-*) ;;
	%*) # ip warns of each length: "only /32 (or none) is supported"
		found=$(ip route get "${a#%}" 2>/dev/null) || exit 1
		past="$past
route replace ${a#%} $(echo "$found" | sed -nE 's/.*( via [^ ]+)?( dev [^ ]+).*/\1\2/p')" ;;
	*) through="$through
route replace $a dev $TUNDEV" ;;
	esac
done
printf '%s\n' "$through" "$past" | ip -batch -`

// client is a host with the script and a stand-in for vpn-slice.
type client struct {
	*lab.Host
	dir string
}

func newClient(t *testing.T, program string) *client {
	need.Program(t, "unshare")
	c := &client{routecheck.Client(t), t.TempDir()}
	c.write(t, "vpn-slice", "#!/bin/sh\n"+program+"\n")
	c.write(t, "hosts", "127.0.0.1 localhost\n")
	if err := os.Mkdir(filepath.Join(c.dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// run runs the script as openconnect does: by a shell, with the environment that it
// sets. The client's /run is a folder of the test's.
func (c *client) run(t *testing.T, reason string, environment ...string) (stdout, stderr string, err error) {
	t.Helper()
	env := append([]string{"env", "PATH=" + c.dir + ":" + os.Getenv("PATH"), "reason=" + reason, "TUNDEV=vpn0"}, environment...)
	args := append([]string{"-m", "sh", "-c", "mount --bind " + c.dir + "/run /run && exec \"$@\" 2>" + c.dir + "/stderr", "sh"}, env...)
	stdout, err = c.Run("unshare", append(args, "/bin/sh", "-c", c.dir+"/edge.sh --banner")...)
	said, readErr := os.ReadFile(filepath.Join(c.dir, "stderr"))
	if readErr != nil {
		t.Fatal(readErr)
	}
	return stdout, string(said), err
}

const v6 = "INTERNAL_IP6_ADDRESS=fd99::3"

// TestArguments are those of the whole Azure cloud, as they are, behind the user's own.
func TestArguments(t *testing.T) {
	set := routecheck.AzureCloud(t, 398)
	for _, verdict := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		c := newClient(t, recorder)
		c.write(t, "edge.sh", string(render(t, rules.RoutePlan("edge", rules.BothFamilies, verdict, set))[0].Data))
		for _, environment := range [][]string{{v6}, {"INTERNAL_IP6_NETMASK=fd99::2/64"}, nil} {
			out, said, err := c.run(t, "connect", environment...)
			if err != nil || said != "" {
				t.Fatalf("%v: %s", err, said)
			}
			want := "connect\n--banner\n"
			mark := ""
			if verdict == rules.Bypass {
				mark, want = "%", want+"0.0.0.0/1\n128.0.0.0/1\n"
			}
			want = string(set.AppendPrefixes([]byte(want), ipranges.IPv4, mark, "\n"))
			if verdict == rules.Bypass && environment != nil {
				want += "::/1\n8000::/1\n"
			}
			if verdict == rules.Tunnel || environment != nil {
				want = string(set.AppendPrefixes([]byte(want), ipranges.IPv6, mark, "\n"))
			}
			if out != want {
				t.Errorf("%v, %v: %d bytes of arguments differ from %d", verdict, environment, len(out), len(want))
			}
		}
		for _, reason := range []string{"pre-init", "disconnect", "reconnect"} {
			if out, said, err := c.run(t, reason, v6); err != nil || said != "" || out != reason+"\n--banner\n" {
				t.Errorf("%s: %v: %s%s", reason, err, out, said)
			}
		}
	}
}

// TestRoutesOnEveryBoundary connects with one list and then with another: every
// boundary goes where the list says, and after disconnecting, or connecting anew without
// that, nothing of the old list is there.
func TestRoutesOnEveryBoundary(t *testing.T) {
	relays := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")
	others := ipranges.MustParse("52.112.0.0/14", "9.9.9.9", "2620:fe::9", "23.0.0.0/9")
	for _, verdict := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		c := newClient(t, standIn)
		start := routecheck.Table(t, c.Host)
		for i, list := range []ipranges.Set{relays, others, relays} {
			p := rules.RoutePlan("edge", rules.BothFamilies, verdict, list)
			c.write(t, "edge.sh", string(render(t, p)[0].Data))
			if _, said, err := c.run(t, "connect", v6); err != nil || said != "" {
				t.Fatalf("%v: %s", err, said)
			}
			routecheck.Expect(t, c.Host, p, relays.Union(others), "eth0", "vpn0")
			if i == 0 { // openconnect is killed, and the device goes with it
				c.tunnelGone(t)
				continue
			}
			// The list has changed since.
			c.write(t, "edge.sh", string(render(t, rules.RoutePlan("edge", rules.BothFamilies, verdict, ipranges.MustParse("52.122.0.0/15", "2620:fe::9")))[0].Data))
			if _, said, err := c.run(t, "disconnect", v6); err != nil || said != "" {
				t.Fatalf("%v: %s", err, said)
			}
			c.tunnelGone(t)
			if got := routecheck.Table(t, c.Host); got != start {
				t.Errorf("after disconnecting:\n%s\nat the start:\n%s", got, start)
			}
		}
	}
}

// tunnelGone takes away what the tunnel's device was given, as its end does.
func (c *client) tunnelGone(t *testing.T) {
	t.Helper()
	c.MustRun(t, "ip", "-6", "address", "del", "fd99::3", "dev", "vpn0")
	for _, f := range []string{"-4", "-6"} {
		for line := range strings.Lines(c.MustRun(t, "ip", f, "route", "show", "dev", "vpn0")) {
			if !strings.Contains(line, "proto kernel") {
				c.MustRun(t, "ip", f, "route", "del", strings.Fields(line)[0], "dev", "vpn0")
			}
		}
	}
}

// TestWithoutIPv6OutsideTheTunnel the script says so, and the rest is in force.
func TestWithoutIPv6OutsideTheTunnel(t *testing.T) {
	c := newClient(t, standIn)
	c.MustRun(t, "ip", "-6", "route", "del", "default")
	set := ipranges.MustParse("52.112.0.0/14", "2603:1063::/38")
	c.write(t, "edge.sh", string(render(t, rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set))[0].Data))
	_, said, err := c.run(t, "connect", v6)
	if err != nil || !strings.Contains(said, "there is no IPv6 past the tunnel") {
		t.Errorf("%v: %q", err, said)
	}
	for a, device := range routecheck.Devices(t, c.Host, routecheck.Probes(set)) {
		if want := map[bool]string{true: "eth0", false: "vpn0"}[set.Contains(a) && a.Is4()]; device != want {
			t.Errorf("%s leaves by %s", a, device)
		}
	}
}

// real is vpn-slice itself.
func real(t *testing.T) string {
	return "exec " + need.Tool(t, "python/bin/vpn-slice") + ` "$@"`
}

// TestWithoutIPv6OnTheClient: a VPN that hands out IPv6 where the client has it switched
// off, or too small an MTU for it, carries IPv4 as the list says, in both directions.
func TestWithoutIPv6OnTheClient(t *testing.T) {
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")
	const given = "TUNDEV=vpn0 VPNGATEWAY=192.0.2.1 INTERNAL_IP4_ADDRESS=10.9.0.2 INTERNAL_IP4_DNS=10.9.0.53 INTERNAL_IP6_NETMASK=fd99::3/64 INTERNAL_IP6_DNS=fd99::53 " + v6
	off := func(device string) string {
		return "echo 1 >/proc/sys/net/ipv6/conf/" + device + "/disable_ipv6"
	}
	for name, tt := range map[string]struct{ change, mtu, said string }{
		"off everywhere":   {off("all"), "1400", "IPv6 is off here"},
		"off on the VPN's": {off("vpn0"), "1400", "IPv6 is off here"},
		"a small MTU":      {"true", "1182", "the tunnel's MTU is 1182, and IPv6 needs 1280"},
	} {
		for program, text := range map[string]string{"vpn-slice": real(t), "stand-in": standIn} {
			for _, fams := range []rules.Families{rules.BothFamilies, rules.OnlyIPv4} {
				if testing.Short() && (program == "stand-in" || fams != rules.BothFamilies) {
					continue
				}
				for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
					t.Run(strings.Join([]string{name, program, fams.String(), v.String()}, " "), func(t *testing.T) {
						c := newClient(t, text)
						c.MustRun(t, "sh", "-c", tt.change)
						listed := set
						if fams == rules.OnlyIPv4 {
							listed = set.Only(ipranges.IPv4)
						}
						p := rules.RoutePlan("edge", fams, v, listed)
						c.write(t, "edge.sh", string(render(t, p)[0].Data))
						_, said, err := c.run(t, "connect", append(strings.Fields(given), "INTERNAL_IP4_MTU="+tt.mtu)...)
						if err != nil || !strings.Contains(said, "edge: "+tt.said+": the tunnel carries none of it\n") {
							t.Fatalf("%v: %s", err, said)
						}
						only4 := rules.RoutePlan("edge", rules.OnlyIPv4, v, set.Only(ipranges.IPv4))
						routecheck.Expect(t, c.Host, only4, set.Only(ipranges.IPv4), "eth0", "vpn0")
						if table := c.MustRun(t, "ip", "-6", "route"); strings.Contains(table, "vpn0 metric 1024") {
							t.Errorf("IPv6 enters the tunnel:\n%s", table)
						}
					})
				}
			}
		}
	}
}

// TestVPNSliceItself holds the script to the plan in both directions, with IPv6.
func TestVPNSliceItself(t *testing.T) {
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		c := newClient(t, real(t))
		p := rules.RoutePlan("edge", rules.BothFamilies, v, set)
		c.write(t, "edge.sh", string(render(t, p)[0].Data))
		if _, said, err := c.run(t, "connect", "VPNGATEWAY=192.0.2.1", "INTERNAL_IP4_ADDRESS=10.9.0.2", "INTERNAL_IP4_MTU=1400", v6, "INTERNAL_IP6_NETMASK=fd99::3/64"); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		routecheck.Expect(t, c.Host, p, set, "eth0", "vpn0")
	}
}

// TestWithoutIPv4OutsideTheTunnel the script says so, and the rest is in force.
func TestWithoutIPv4OutsideTheTunnel(t *testing.T) {
	for program, text := range map[string]string{"vpn-slice": real(t), "stand-in": standIn} {
		c := newClient(t, text)
		c.MustRun(t, "ip", "-4", "route", "del", "default")
		set := ipranges.MustParse("52.112.0.0/14", "2603:1063::/38")
		c.write(t, "edge.sh", string(render(t, rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set))[0].Data))
		_, said, err := c.run(t, "connect", "VPNGATEWAY=fd20::9", "INTERNAL_IP4_ADDRESS=10.9.0.2", "INTERNAL_IP4_MTU=1400", v6, "INTERNAL_IP6_NETMASK=fd99::3/64")
		if err != nil || !strings.Contains(said, "there is no IPv4 past the tunnel") {
			t.Errorf("%s: %v: %q", program, err, said)
		}
		for a, device := range routecheck.Devices(t, c.Host, routecheck.Probes(set)) {
			if want := map[bool]string{true: "eth0", false: "vpn0"}[set.Contains(a) && a.Is6()]; device != want {
				t.Errorf("%s: %s leaves by %s", program, a, device)
			}
		}
	}
}

// TestTheLimit: as many bytes as we take are taken by this system, and it has a limit.
func TestTheLimit(t *testing.T) {
	list := func(n int) (set ipranges.Set, bytes int) {
		set = conformance.Isolated(ipranges.IPv4, n)
		for p := range set.Prefixes(ipranges.IPv4) {
			bytes += routeBytes(p)
		}
		return set, bytes
	}
	most := sort.Search(50000, func(n int) bool { _, bytes := list(n + 1); return bytes > defaultMaxBytes })
	for n, refused := range map[int]bool{most: false, 3 * most: true} {
		c := newClient(t, "echo $#")
		set, _ := list(n)
		c.write(t, "edge.sh", string(render(t, rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, set))[0].Data))
		out, said, err := c.run(t, "connect")
		if refused && (err == nil || !strings.Contains(said, "Argument list too long")) || !refused && out != fmt.Sprintln(n+3) {
			t.Errorf("%d routes: %v: %s%s", n, err, out, said)
		}
	}
}
