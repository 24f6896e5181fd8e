package wireguard

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/internal/testkit/turns"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests bring tunnels up with wg-quick and wireguard-go, in a namespace of
// their own whose uplink is eth0. The peer does not exist: what is asked is by which
// device packets would leave.

// tunnel is a configuration that wg-quick has brought up.
type tunnel struct {
	host *lab.Host
	name string // of the interface; the control socket of wireguard-go is the machine's
	file string
}

func newTunnel(t *testing.T, suffix string) *tunnel {
	for _, p := range []string{"wg", "wg-quick", "wireguard-go", "nft", "ip", "sysctl"} {
		need.Program(t, p)
	}
	name := fmt.Sprintf("sp%d%s", os.Getpid()%100000, suffix)
	return &tunnel{lab.New(t).Client, name, filepath.Join(t.TempDir(), name+".conf")}
}

// up writes the admin's configuration with our lines where they belong, and brings
// the tunnel up. It returns what wg-quick says.
func (w *tunnel) up(t *testing.T, interfaceLines, peerLines string) string {
	t.Helper()
	key := w.host.MustRun(t, "wg", "genkey")
	peer := w.host.MustExec(t, w.host.MustRun(t, "wg", "genkey"), "wg", "pubkey")
	text := "[Interface]\nPrivateKey = " + key + "Address = 198.51.100.2/24, fd99::2/64\n" + interfaceLines +
		"\n[Peer]\nPublicKey = " + peer + "Endpoint = 10.20.0.1:51820\n" + peerLines
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.host.Run("sh", "-c", "wg-quick down "+w.file+" >"+w.file+".down 2>&1 </dev/null")
		os.Remove("/var/run/wireguard/" + w.name + ".sock") // ends wireguard-go, if it still runs
	})
	return w.quick(t, "up")
}

// quick runs wg-quick with its output in a file: wireguard-go, which it leaves
// running, would keep a pipe open.
func (w *tunnel) quick(t *testing.T, what string) string {
	t.Helper()
	log := w.file + "." + what
	_, err := w.host.Run("sh", "-c", fmt.Sprintf("WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go wg-quick %s %s >%s 2>&1 </dev/null", what, w.file, log))
	text, readErr := os.ReadFile(log)
	if err != nil || readErr != nil {
		t.Fatalf("wg-quick %s: %v, %v\n%s", what, err, readErr, text)
	}
	return string(text)
}

// unexpected are the lines of a log that are neither commands nor about the missing
// kernel module.
func unexpected(log string) []string {
	var list []string
	for line := range strings.Lines(log) {
		l := strings.TrimSpace(line)
		if l == "" || strings.HasPrefix(l, "[#]") || strings.HasPrefix(l, "[!] Missing WireGuard kernel module") ||
			strings.ContainsAny(l, "│┌└") || l == "Error: Unknown device type." || l == "Error: Peer netns reference is invalid." /* of a lab that ends */ {
			continue
		}
		list = append(list, l)
	}
	return list
}

// lab options: the client's uplink is eth0, and the batch files are in folder.
func uplinkOf(folder string) *Options {
	return options(func(o *Options) {
		o.Gateway4, o.Gateway6, o.Device, o.Folder = "10.20.0.1", "fd20::1", "eth0", folder
	})
}

func mustRender(t *testing.T, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	return rendered.Files(t, rendered.Target(t, Kind(), opt), p)
}

// install writes the batch files to the client's folder and returns the fragment.
func install(t *testing.T, folder string, files []renderers.File) string {
	t.Helper()
	rendered.Write(t, folder, files)
	return string(files[len(files)-1].Data)
}

const everything = "AllowedIPs = 0.0.0.0/0\nAllowedIPs = ::/0\n"

// TestRoutesOnEveryBoundary brings a tunnel up that carries everything but the whole
// Azure cloud, refreshes the list while it is up, and takes it down.
func TestRoutesOnEveryBoundary(t *testing.T) {
	old, now := routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398)
	w, folder := newTunnel(t, "r"), t.TempDir()
	before := table(t, w.host)
	hooks := install(t, folder, mustRender(t, uplinkOf(folder), bypass(rules.BothFamilies, old)))
	if list := unexpected(w.up(t, hooks, everything)); len(list) > 0 {
		t.Errorf("wg-quick up says %q", list)
	}
	routecheck.Expect(t, w.host, bypass(rules.BothFamilies, old), old, "eth0", w.name)

	files := mustRender(t, uplinkOf(folder), bypass(rules.BothFamilies, now))
	if again := install(t, folder, files); withoutComments(again) != withoutComments(hooks) {
		t.Error("a new feed changes the hooks")
	}
	for _, f := range files {
		if f.Use != "" {
			w.host.MustRun(t, "sh", "-c", strings.ReplaceAll(f.Use, "{}", filepath.Join(folder, f.Path)))
		}
	}
	routecheck.Expect(t, w.host, bypass(rules.BothFamilies, now), now.Union(old), "eth0", w.name)
	if list := unexpected(w.quick(t, "down")); len(list) > 0 {
		t.Errorf("wg-quick down says %q", list)
	}
	if after := table(t, w.host); after != before {
		t.Errorf("after wg-quick down the routes are\n%s\nnot\n%s", after, before)
	}
}

// TestScript does the same without options for the uplink: a script finds it. Then the
// network changes under the tunnel, and IPv6 is gone from it.
func TestScript(t *testing.T) {
	old, now := routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398)
	w, opt := newTunnel(t, "s"), options(func(o *Options) { o.Folder = t.TempDir() })
	before := table(t, w.host)
	files := mustRender(t, opt, bypass(rules.BothFamilies, old))
	if list := unexpected(w.up(t, install(t, opt.Folder, files), everything)); len(list) > 0 {
		t.Errorf("wg-quick up says %q", list)
	}
	routecheck.Expect(t, w.host, bypass(rules.BothFamilies, old), old, "eth0", w.name)

	hooks := withoutComments(string(files[1].Data))
	files = mustRender(t, opt, bypass(rules.BothFamilies, now))
	if again := install(t, opt.Folder, files); withoutComments(again) != hooks {
		t.Error("a new feed changes the hooks")
	}
	script := filepath.Join(opt.Folder, files[0].Path)
	refresh := func() string {
		return w.host.MustRun(t, "sh", "-c", "exec 2>&1; "+strings.ReplaceAll(files[0].Use, "{}", script))
	}
	if said := refresh(); said != "" {
		t.Errorf("the refresh says %q", said)
	}
	routecheck.Expect(t, w.host, bypass(rules.BothFamilies, now), now.Union(old), "eth0", w.name)

	w.host.MustRun(t, "ip", "link", "add", "wlan0", "type", "veth", "peer", "name", "air")
	w.host.MustRun(t, "ip", "link", "set", "air", "up")
	w.host.MustRun(t, "ip", "link", "set", "wlan0", "up")
	w.host.MustRun(t, "ip", "addr", "add", "192.0.2.7/24", "dev", "wlan0")
	w.host.MustRun(t, "ip", "-4", "route", "replace", "default", "via", "192.0.2.1", "dev", "wlan0")
	w.host.MustRun(t, "ip", "-6", "route", "del", "default")
	if said := refresh(); said != "edge: no default route of IPv6 outside of the tunnel: its list is not loaded\n" {
		t.Errorf("on another network the script says %q", said)
	}
	moved := bypass(rules.OnlyIPv4, now.Only(ipranges.IPv4))
	routecheck.Expect(t, w.host, moved, now.Only(ipranges.IPv4), "wlan0", w.name)
	for a, device := range routecheck.Devices(t, w.host, routecheck.Probes(relays.Only(ipranges.IPv6))) {
		if device != w.name {
			t.Errorf("%s leaves by %s", a, device)
		}
	}
	w.host.MustRun(t, "ip", "link", "del", "wlan0")
	w.host.MustRun(t, "ip", "-4", "route", "add", "default", "via", "10.20.0.1", "dev", "eth0", "onlink")
	w.host.MustRun(t, "ip", "-6", "route", "add", "default", "via", "fd20::1", "dev", "eth0", "onlink")
	if said := refresh(); said != "" {
		t.Errorf("back again the script says %q", said)
	}
	routecheck.Expect(t, w.host, bypass(rules.BothFamilies, now), relays, "eth0", w.name)

	if list := unexpected(w.quick(t, "down")); len(list) > 0 {
		t.Errorf("wg-quick down says %q", list)
	}
	if after := table(t, w.host); after != before {
		t.Errorf("after wg-quick down the routes are\n%s\nnot\n%s", after, before)
	}
}

// TestNarrower brings a tunnel up with a list of IPv4 where routes of an earlier one of both
// families are loaded, by the script and by batch files: nothing of IPv6 is left of it. The
// commands of the header do the same without a restart.
func TestNarrower(t *testing.T) {
	narrow := bypass(rules.OnlyIPv4, relays.Only(ipranges.IPv4))
	for name, opt := range map[string]func(folder string) *Options{
		"b": uplinkOf,
		"s": func(folder string) *Options { return options(func(o *Options) { o.Folder = folder }) },
	} {
		w, folder := newTunnel(t, name), t.TempDir()
		load := func() {
			files := mustRender(t, opt(folder), bypass(rules.BothFamilies, relays))
			install(t, folder, files)
			for _, f := range files {
				if f.Use != "" {
					w.host.MustRun(t, "sh", "-c", strings.ReplaceAll(f.Use, "{}", filepath.Join(folder, f.Path)))
				}
			}
			if table := table(t, w.host); !strings.Contains(table, "2603:1063::/38") {
				t.Fatalf("%s: the first list is not loaded:\n%s", name, table)
			}
		}
		expect := func(what string) {
			t.Helper()
			table := table(t, w.host)
			if strings.Contains(table, "2603:1063::/38") || !strings.Contains(table, "52.112.0.0/14 via 10.20.0.1 dev eth0 proto 213") {
				t.Errorf("%s, %s:\n%s", name, what, table)
			}
		}
		load()
		hooks := install(t, folder, mustRender(t, opt(folder), narrow))
		if list := unexpected(w.up(t, hooks, everything)); len(list) > 0 {
			t.Errorf("%s: wg-quick up says %q", name, list)
		}
		expect("wg-quick up")
		load()
		install(t, folder, mustRender(t, opt(folder), narrow))
		_, refresh, _ := strings.Cut(hooks, "# Refresh: ")
		refresh, _, _ = strings.Cut(refresh, "# Remove: ")
		for line := range strings.Lines(refresh) {
			if command, ok := strings.CutPrefix(line, "#   "); ok && !strings.HasPrefix(command, " ") {
				w.host.MustRun(t, "sh", "-c", command)
			}
		}
		expect("the header's commands")
		w.quick(t, "down")
		if table := table(t, w.host); strings.Contains(table, "proto 213") {
			t.Errorf("%s: wg-quick down leaves\n%s", name, table)
		}
	}
}

// TestTwoAtOnce loads the batch files of two lists at once, by the commands that are
// printed: the result is one of the two, whole.
func TestTwoAtOnce(t *testing.T) {
	h := routecheck.Client(t)
	loads := turns.Loads{Run: h.Run, State: func() string { return routecheck.Of(t, h, "213", "214") }}
	for i, set := range []ipranges.Set{relays, ipranges.MustParse("20.202.0.0/16", "52.120.0.0/14", "9.9.9.9", "2603:1063::/38", "2620:fe::/48")} {
		folder := t.TempDir()
		files := mustRender(t, uplinkOf(folder), bypass(rules.BothFamilies, set))
		install(t, folder, files)
		v := &loads.Of[i]
		at := slices.IndexFunc(files, func(f renderers.File) bool { return f.Use != "" })
		v.Command = strings.ReplaceAll(files[at].Use, "{}", filepath.Join(folder, files[at].Path)) // of IPv4: families have files of their own
		h.MustRun(t, "sh", "-c", v.Command)
		v.State = loads.State()
	}
	loads.AtOnce(t, turns.Rounds(60, 400))
}

// TestScriptTellsOfAKillSwitch has the one that wg-quick(8) shows.
func TestScriptTellsOfAKillSwitch(t *testing.T) {
	need.Program(t, "iptables")
	w, opt := newTunnel(t, "k"), options(func(o *Options) { o.Folder = t.TempDir() })
	const killSwitch = "PostUp = iptables -I OUTPUT ! -o %i -m mark ! --mark $(wg show %i fwmark) -m addrtype ! --dst-type LOCAL -j REJECT\n"
	log := w.up(t, killSwitch+install(t, opt.Folder, mustRender(t, opt, bypass(rules.BothFamilies, relays))), everything)
	if !strings.Contains(log, "edge: a firewall rule here stops what does not leave by "+w.name) {
		t.Errorf("wg-quick up does not tell of the kill switch:\n%s", log)
	}
}

func table(t *testing.T, h *lab.Host) string {
	return h.MustRun(t, "ip", "-4", "route") + h.MustRun(t, "ip", "-6", "route") + h.MustRun(t, "ip", "rule")
}

func withoutComments(text string) string {
	_, lines := renderers.Uncomment([]byte(text), "#")
	return strings.Join(lines, "\n")
}

// TestAllowedIPs brings tunnels up by lists of what enters them: an include, and the
// complement of a bypass, of both families and of one.
func TestAllowedIPs(t *testing.T) {
	for i, tt := range []struct {
		name string
		opt  *Options
		plan *rules.Plan
	}{
		{"include", options(func(*Options) {}), rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, relays)},
		{"bypass", options(allowed), bypass(rules.BothFamilies, relays)},
		{"bypass of IPv4", options(allowed), bypass(rules.OnlyIPv4, relays)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTunnel(t, fmt.Sprint("a", i))
			list := string(mustRender(t, tt.opt, tt.plan)[0].Data)
			if list := unexpected(w.up(t, "", list)); len(list) > 0 {
				t.Errorf("wg-quick up says %q", list)
			}
			routecheck.Expect(t, w.host, tt.plan, relays, "eth0", w.name)
			if tt.plan.Families == rules.OnlyIPv4 {
				for a, device := range routecheck.Devices(t, w.host, routecheck.Probes(relays.Only(ipranges.IPv6))) {
					if device != w.name {
						t.Errorf("%s leaves by %s", a, device)
					}
				}
			}
		})
	}
}

// TestTheTunnelComesUpWithoutItsRoutes is a laptop on another network: the gateway is
// not there. The tunnel comes up, says so, and carries everything.
func TestTheTunnelComesUpWithoutItsRoutes(t *testing.T) {
	w, folder := newTunnel(t, "x"), t.TempDir()
	opt := uplinkOf(folder)
	opt.Gateway4, opt.Gateway6 = "203.0.113.1", "2001:db8:7::1"
	log := w.up(t, install(t, folder, mustRender(t, opt, bypass(rules.BothFamilies, relays))), everything)
	for _, f := range []string{"IPv4", "IPv6"} {
		if !strings.Contains(log, "edge: the "+f+" routes are not loaded, and what they list stays in the tunnel\n") {
			t.Errorf("wg-quick up does not say that the %s routes are missing:\n%s", f, log)
		}
	}
	for a, device := range routecheck.Devices(t, w.host, routecheck.Probes(relays)) {
		if device != w.name {
			t.Errorf("%s leaves by %s", a, device)
		}
	}
}
