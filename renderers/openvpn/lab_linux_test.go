package openvpn

import (
	"fmt"
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
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests connect an OpenVPN client to an OpenVPN server, across a router, with
// what is rendered in the file of one of them.

// vpn is a lab with a folder of configurations.
type vpn struct {
	*lab.Lab
	dir    string
	remote string // the server's address
}

func newVPN(t *testing.T) *vpn {
	need.Program(t, "openvpn")
	need.Program(t, "ip")
	v := &vpn{Lab: lab.New(t), dir: t.TempDir()}
	makePKI(t, v.dir)
	for _, p := range v.Server.Addrs() {
		if p.Addr().Is4() {
			v.remote = p.Addr().String()
		}
	}
	if err := os.Mkdir(filepath.Join(v.dir, "ccd"), 0o700); err != nil {
		t.Fatal(err)
	}
	return v
}

// start runs OpenVPN with a configuration until it is connected. It returns its log.
func (v *vpn) start(t *testing.T, h *lab.Host, name, config string) (stop func(), log string) {
	t.Helper()
	file := filepath.Join(v.dir, name+".conf")
	write(t, file, []byte(config))
	out, err := os.Create(file + ".log")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("openvpn", "--cd", v.dir, "--config", file)
	cmd.Stdout, cmd.Stderr = out, out
	stop, err = h.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	await.NoError(t, name, func() (err error) {
		text, err = os.ReadFile(file + ".log")
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(string(text), "Exiting due to fatal error"):
			t.Fatalf("%s does not connect:\n%s", name, text)
		case !strings.Contains(string(text), "Initialization Sequence Completed"):
			return fmt.Errorf("it does not connect:\n%s", text)
		}
		return nil
	})
	return stop, string(text)
}

const common = "dev tun\ntopology subnet\nca ca.crt\ncipher AES-256-GCM\nverb 3\nnobind\n"

func serverConfig(lines string) string {
	return strings.Replace(common, "nobind\n", "", 1) + "dev-type tun\nproto udp4\nport 1194\ndh none\ncert server.crt\nkey server.key\n" +
		"server 10.88.0.0 255.255.255.0\nserver-ipv6 fd88::/64\nkeepalive 10 60\nclient-config-dir ccd\n" + lines
}

func (v *vpn) clientConfig(lines string) string {
	return common + "client\nproto udp4\nremote " + v.remote + " 1194\nremote-cert-tls server\ncert client.crt\nkey client.key\n" + lines
}

// warnings are the lines of a log that somebody should read. That a client without a
// password may be cached in memory, and the like, is no business of routes.
func warnings(log string) []string {
	var list []string
	for line := range strings.Lines(log) {
		for _, word := range []string{"WARNING", "Warning", "ERROR", "rror:", "Options error", "failed", "ignor"} {
			if strings.Contains(line, word) {
				list = append(list, strings.TrimSpace(line))
				break
			}
		}
	}
	return list
}

const (
	takesAll  = "redirect-gateway def1 ipv6"
	takesIPv4 = "redirect-gateway def1"
)

// connect starts a server and a client, with the rendered file in the place that the
// test names, and returns the client's log and how to end both.
func (v *vpn) connect(t *testing.T, place string, files []renderers.File, redirect string) (stop func(), log string) {
	t.Helper()
	for _, f := range files {
		write(t, filepath.Join(v.dir, f.Path), f.Data)
	}
	var inServer, inClient string
	if redirect != "" {
		inServer = fmt.Sprintf("push \"%s\"\n", redirect)
	}
	switch place {
	case client:
		inClient = "config edge.conf\n"
	case server:
		inServer += "config edge.conf\n"
	case "ccd":
		write(t, filepath.Join(v.dir, "ccd", client), []byte("config "+filepath.Join(v.dir, "edge.conf")+"\n"))
	}
	stopServer, serverLog := v.start(t, v.Server, "the-server", serverConfig(inServer))
	stopClient, log := v.start(t, v.Client, "the-client", v.clientConfig(inClient))
	if list := warnings(serverLog + log); len(list) > 0 {
		t.Errorf("OpenVPN warns: %q", list[:min(len(list), 5)])
	}
	return func() { stopClient(); stopServer() }, log
}

func (v *vpn) clientRoutes(t *testing.T) string {
	return v.Client.MustRun(t, "ip", "-4", "route") + v.Client.MustRun(t, "ip", "-6", "route")
}

// TestRoutesOnEveryBoundary connects with the whole Azure cloud of change 396 past the
// tunnel, reconnects with change 398, and disconnects.
func TestRoutesOnEveryBoundary(t *testing.T) {
	old, now := routecheck.AzureCloud(t, 396).Only(ipranges.IPv4), routecheck.AzureCloud(t, 398).Only(ipranges.IPv4)
	for _, place := range []string{client, server, "ccd"} {
		t.Run(place, func(t *testing.T) {
			v := newVPN(t)
			side := server
			if place == client {
				side = client
			}
			before := v.clientRoutes(t)
			plan := func(s ipranges.Set) *rules.Plan { return rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, s) }
			stop, _ := v.connect(t, place, render(t, side, plan(old)), takesAll)
			routecheck.Expect(t, v.Client, plan(old), old, "eth0", "tun0")
			stop()
			stop, _ = v.connect(t, place, render(t, side, plan(now)), takesAll)
			routecheck.Expect(t, v.Client, plan(now), now.Union(old), "eth0", "tun0")
			// IPv6, which the plan leaves alone, is in the tunnel, as the server wants it.
			v6 := ipranges.MustParse("2603:1063::/38")
			for a, device := range routecheck.Devices(t, v.Client, routecheck.Probes(v6)) {
				if device != "tun0" {
					t.Errorf("%s leaves by %s", a, device)
				}
			}
			stop()
			if after := v.clientRoutes(t); after != before {
				t.Errorf("after the tunnel the routes are\n%s\nnot\n%s", after, before)
			}
		})
	}
}

// TestBothFamilies does the same with both families past the tunnel, in each way that
// the option ipv6 has, and ends as it began.
func TestBothFamilies(t *testing.T) {
	old, now := routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398)
	plan := func(s ipranges.Set) *rules.Plan { return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, s) }
	for _, tt := range []struct{ place, side, ipv6, redirect string }{
		{client, client, script, takesAll},
		{client, client, complement, takesIPv4},
		{server, server, complement, takesIPv4},
	} {
		t.Run(tt.ipv6+" of the "+tt.side, func(t *testing.T) {
			v := newVPN(t)
			opt := options(tt.side, tt.ipv6)
			if tt.ipv6 == script {
				opt.Folder = shortFolder(t, v.dir)
			}
			before := v.clientRoutes(t)
			stop, log := v.connect(t, tt.place, renderWith(t, opt, plan(old)), tt.redirect)
			routecheck.Expect(t, v.Client, plan(old), old, "eth0", "tun0")
			stop()
			stop, more := v.connect(t, tt.place, renderWith(t, opt, plan(now)), tt.redirect)
			routecheck.Expect(t, v.Client, plan(now), now.Union(old), "eth0", "tun0")
			stop()
			if after := v.clientRoutes(t); after != before {
				t.Errorf("after the tunnel the routes are\n%s\nnot\n%s", after, before)
			}
			if strings.Contains(log+more, "edge: ") {
				t.Errorf("the script says something:\n%s%s", log, more)
			}
		})
	}
}

// TestNarrower connects with a list of IPv4 where a client that was killed has left routes
// of both families: they go.
func TestNarrower(t *testing.T) {
	v := newVPN(t)
	opt := options(client, script)
	opt.Folder = shortFolder(t, v.dir)
	both := renderWith(t, opt, rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays))
	write(t, filepath.Join(v.dir, both[1].Path), both[1].Data)
	v.Client.MustRun(t, "sh", filepath.Join(v.dir, both[1].Path), "up")
	if table := v.clientRoutes(t); !strings.Contains(table, "2603:1063::/38") {
		t.Fatalf("the first list is not there:\n%s", table)
	}
	narrow := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4))
	stop, _ := v.connect(t, client, renderWith(t, opt, narrow), takesAll)
	defer stop()
	routecheck.Expect(t, v.Client, narrow, relays.Only(ipranges.IPv4), "eth0", "tun0")
	if table := v.clientRoutes(t); strings.Contains(table, "2603:1063::/38") {
		t.Errorf("routes of an earlier list are left:\n%s", table)
	}
}

// TestUplinks connects clients whose default route OpenVPN cannot use, or can: with the
// script the list goes past the tunnel everywhere, and the rest into it. Without one the
// routes by net_gateway are missing but for a plain router, which is why there is one.
func TestUplinks(t *testing.T) {
	gateway := "10.20.0.1"
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)
	only4 := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4))
	for name, tt := range map[string]struct {
		uplink  [][]string
		without string // the device by which a listed address leaves without the script
	}{
		"a router":           {[][]string{{"route", "add", "default", "via", gateway, "dev", "eth0"}}, "eth0"},
		"on the link":        {[][]string{{"route", "add", "default", "dev", "eth0"}}, "tun0"},
		"two routers":        {[][]string{{"route", "add", "default", "nexthop", "via", gateway, "dev", "eth0", "nexthop", "via", "10.20.0.9", "dev", "eth0"}}, "tun0"},
		"in another table":   {[][]string{{"route", "add", "default", "via", gateway, "dev", "eth0", "table", "100"}, {"rule", "add", "pref", "32800", "table", "100"}}, "tun0"},
		"by way of IPv6":     {[][]string{{"route", "add", "default", "via", "inet6", "fd20::7", "dev", "eth0"}}, "tun0"},
		"a router not on it": {[][]string{{"route", "add", "default", "via", "203.0.113.1", "dev", "eth0", "onlink"}}, "tun0"},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "on the link" {
				need.Time(t, "one of these takes 5 s")
			}
			v := newVPN(t)
			v.Client.MustRun(t, "ip", "route", "add", v.remote, "via", gateway, "dev", "eth0")
			v.Client.MustRun(t, "ip", "-4", "route", "del", "default")
			for _, args := range tt.uplink {
				v.Client.MustRun(t, "ip", append([]string{"-4"}, args...)...)
			}
			before := v.clientRoutes(t)
			// OpenVPN does not always find a default route to redirect.
			const halves = "route 0.0.0.0 128.0.0.0\nroute 128.0.0.0 128.0.0.0\nroute-ipv6 ::/1\nroute-ipv6 8000::/1\n"
			stopServer, _ := v.start(t, v.Server, "the-server", serverConfig(""))
			defer stopServer()

			opt := bothScripted()
			opt.Folder = shortFolder(t, v.dir)
			for _, f := range renderWith(t, opt, p) {
				write(t, filepath.Join(v.dir, f.Path), f.Data)
			}
			stop, log := v.start(t, v.Client, "scripted", v.clientConfig(halves+"config edge.conf\n"))
			routecheck.Expect(t, v.Client, p, relays, "eth0", "tun0")
			if strings.Contains(log, "edge: ") {
				t.Errorf("the script says something:\n%s", log)
			}
			stop()
			if after := v.clientRoutes(t); after != before {
				t.Errorf("after the tunnel the routes are\n%s\nnot\n%s", after, before)
			}

			for _, f := range render(t, client, only4) {
				write(t, filepath.Join(v.dir, f.Path), f.Data)
			}
			v.start(t, v.Client, "plain", v.clientConfig(halves+"config edge.conf\n"))
			inside := netip.MustParseAddr("52.112.0.1")
			if device := routecheck.Devices(t, v.Client, []netip.Addr{inside})[inside]; device != tt.without {
				t.Errorf("without the script %s leaves by %s, not %s: what the pages say is not so", inside, device, tt.without)
			}
		})
	}
}

// shortFolder is a name for dir that the option folder takes.
func shortFolder(t *testing.T, dir string) string {
	t.Helper()
	parent, err := os.MkdirTemp("/tmp", "ovpn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Symlink(dir, parent+"/d"); err != nil {
		t.Fatal(err)
	}
	return parent + "/d"
}

// TestScriptWithoutIPv6 connects a client that has no IPv6 outside: the script says so,
// and the tunnel carries what it can.
func TestScriptWithoutIPv6(t *testing.T) {
	v := newVPN(t)
	opt := options(client, script)
	opt.Folder = shortFolder(t, v.dir)
	v.Client.MustRun(t, "ip", "-6", "route", "del", "default")
	stop, log := v.connect(t, client, renderWith(t, opt, rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)), takesAll)
	defer stop()
	if !strings.Contains(log, "edge: no default route of IPv6 outside of the tunnel: its list is not loaded") {
		t.Errorf("the script does not say that IPv6 stays in the tunnel:\n%s", log)
	}
	for a, device := range routecheck.Devices(t, v.Client, routecheck.Probes(relays)) {
		want := "tun0"
		if a.Is4() && relays.Contains(a) {
			want = "eth0"
		}
		if device != want {
			t.Errorf("%s leaves by %s", a, device)
		}
	}
}

// TestInclude sends both families of a list, and nothing else, into the tunnel.
func TestInclude(t *testing.T) {
	set := relays.Union(ipranges.MustParse("9.9.9.9", "2620:fe::9", "198.51.100.0-198.51.100.130"))
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, set)
	for _, side := range []string{client, server} {
		t.Run(side, func(t *testing.T) {
			v := newVPN(t)
			stop, _ := v.connect(t, side, render(t, side, p), "")
			routecheck.Expect(t, v.Client, p, set, "eth0", "tun0")
			// The next list lacks some, which go.
			less := rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, relays)
			stop()
			stop, _ = v.connect(t, side, render(t, side, less), "")
			defer stop()
			routecheck.Expect(t, v.Client, less, set, "eth0", "tun0")
		})
	}
}

// TestWhyIPv6IsRefused holds the fact that the refusal rests on: when an OpenVPN comes
// that can send IPv6 past its tunnel, this test fails, and the target can do more.
func TestWhyIPv6IsRefused(t *testing.T) {
	const route = "route-ipv6 2603:1063::/38 net_gateway_ipv6"
	inside := netip.MustParseAddr("2603:1063::1")
	for _, side := range []string{client, server} {
		v := newVPN(t)
		text := route + "\n"
		if side == server {
			text = fmt.Sprintf("push \"%s\"\n", route)
		}
		write(t, filepath.Join(v.dir, "edge.conf"), []byte(text))
		inServer, inClient := fmt.Sprintf("push \"%s\"\n", takesAll), ""
		if side == client {
			inClient = "config edge.conf\n"
		} else {
			inServer += "config edge.conf\n"
		}
		v.start(t, v.Server, "the-server", serverConfig(inServer))
		_, log := v.start(t, v.Client, "the-client", v.clientConfig(inClient))
		if device := routecheck.Devices(t, v.Client, []netip.Addr{inside})[inside]; device != "tun0" {
			t.Errorf("in the %s's file, net_gateway_ipv6 sends IPv6 out by %q:\n%s", side, device, log)
		}
	}
}
