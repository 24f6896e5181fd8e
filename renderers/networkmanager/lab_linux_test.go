package networkmanager

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/rules"
)

// These tests give what is rendered to a NetworkManager of their own: in the client of
// a lab, with a bus, profiles and state of its own.

// manager is a NetworkManager whose uplink is eth0.
type manager struct {
	host *lab.Host
	dir  string
	bus  string
}

// start makes /sys and what NetworkManager keeps at fixed places the process's own.
// Where /sys cannot be written, NetworkManager waits for no udev.
const start = `set -e
mount --make-rprivate /
mount -t sysfs -o ro sysfs /sys
mkdir -p /run/NetworkManager /var/lib/NetworkManager
mount -t tmpfs tmpfs /run/NetworkManager
mount -t tmpfs tmpfs /var/lib/NetworkManager
exec NetworkManager --no-daemon --config="$0/nm.conf" --config-dir="$0/none" --system-config-dir="$0/none" \
	--intern-config="$0/intern" --state-file="$0/state" --pid-file="$0/pid" >"$0/log" 2>&1
`

func newManager(t *testing.T) *manager {
	for _, p := range []string{"NetworkManager", "nmcli", "dbus-daemon", "unshare", "mount", "ip"} {
		need.Program(t, p)
	}
	m := &manager{host: routecheck.Client(t), dir: t.TempDir()}
	m.bus = "unix:path=" + m.dir + "/bus"
	m.write(t, "nm.conf", "[main]\nplugins=keyfile\ndns=none\nauth-polkit=false\nno-auto-default=*\n[keyfile]\npath="+m.dir+"/connections\n"+
		"[logging]\nlevel=WARN\nbackends=stderr\n[connectivity]\nenabled=false\n")
	m.write(t, "bus.conf", `<busconfig><type>session</type><listen>`+m.bus+`</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy></busconfig>`)
	if err := os.Mkdir(filepath.Join(m.dir, "connections"), 0o700); err != nil {
		t.Fatal(err)
	}
	bus := exec.Command("dbus-daemon", "--config-file="+m.dir+"/bus.conf", "--nofork", "--nopidfile")
	if _, err := m.host.Start(bus); err != nil {
		t.Fatal(err)
	}
	m.wait(t, "the bus", func() bool { _, err := os.Stat(m.dir + "/bus"); return err == nil })
	daemon := exec.Command("unshare", "-m", "sh", "-c", start, m.dir)
	daemon.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+m.bus)
	if _, err := m.host.Start(daemon); err != nil {
		t.Fatal(err)
	}
	m.wait(t, "NetworkManager", func() bool { _, err := m.nmcli("general"); return err == nil })
	return m
}

func (m *manager) wait(t *testing.T, what string, ready func() bool) {
	t.Helper()
	await.NoError(t, what, func() error {
		if ready() {
			return nil
		}
		log, _ := os.ReadFile(m.dir + "/log")
		return fmt.Errorf("NetworkManager says %q", log)
	})
}

func (m *manager) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (m *manager) nmcli(args ...string) (string, error) {
	return m.host.Run("env", append([]string{"DBUS_SYSTEM_BUS_ADDRESS=" + m.bus, "LC_ALL=C", "nmcli"}, args...)...)
}

func (m *manager) mustNmcli(t *testing.T, args ...string) {
	t.Helper()
	if out, err := m.nmcli(args...); err != nil {
		log, _ := os.ReadFile(m.dir + "/log")
		t.Fatalf("%v\n%s\n%s", err, out, log)
	}
}

// install copies a profile, and lets its device take it.
func (m *manager) install(t *testing.T, name, text string, apply ...string) {
	t.Helper()
	m.write(t, filepath.Join("connections", name), text)
	m.mustNmcli(t, "connection", "reload")
	m.mustNmcli(t, apply...)
	log, err := os.ReadFile(m.dir + "/log")
	if err != nil || len(log) > 0 {
		t.Errorf("NetworkManager warns: %v\n%s", err, log)
	}
}

// expect waits until the kernel has as many routes of ours as p lists, which
// NetworkManager adds after it has answered, and holds the host to p.
func (m *manager) expect(t *testing.T, p *rules.Plan, set ipranges.Set) {
	t.Helper()
	routes, _ := p.Routes()
	listed := routes.Set
	m.wait(t, "the list of routes", func() bool {
		table := routecheck.Table(t, m.host)
		for _, f := range rules.BothFamilies.List() {
			for prefix := range listed.Prefixes(f) {
				if text := strings.TrimSuffix(strings.TrimSuffix(prefix.String(), "/32"), "/128"); !strings.Contains(table, text+" ") {
					return false
				}
			}
		}
		return true
	})
	routecheck.Expect(t, m.host, p, set, "eth0", "vpn0")
}

func uplinkWith(t *testing.T, set ipranges.Set) string {
	t.Helper()
	_, files, err := render(t, options(merged), plan(rules.Bypass, set), "")
	if err != nil {
		t.Fatal(err)
	}
	return string(files[0].Data)
}

var reapply = []string{"device", "reapply", "eth0"}

// TestRoutesOnEveryBoundary keeps the whole Azure cloud on the uplink, change 396 and
// then 398, while the uplink stays up, and takes the routes away again.
func TestRoutesOnEveryBoundary(t *testing.T) {
	old, now := routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398)
	m := newManager(t)
	routecheck.TakeDefault(t, m.host)
	own, err := os.ReadFile(uplinkFile)
	if err != nil {
		t.Fatal(err)
	}
	m.install(t, "office.nmconnection", string(own), "connection", "up", "office")
	before := routecheck.Table(t, m.host)

	m.install(t, "office.nmconnection", uplinkWith(t, old), reapply...)
	m.expect(t, plan(rules.Bypass, old), old)
	m.install(t, "office.nmconnection", uplinkWith(t, now), reapply...)
	m.expect(t, plan(rules.Bypass, now), now.Union(old))
	again := routecheck.Table(t, m.host)
	m.install(t, "office.nmconnection", uplinkWith(t, now), "connection", "up", "office")
	m.expect(t, plan(rules.Bypass, now), now)
	if fresh := routecheck.Table(t, m.host); sortedLines(fresh) != sortedLines(again) {
		t.Error("398 after 396 is not what 398 alone is")
	}

	m.install(t, "office.nmconnection", string(own), reapply...)
	m.wait(t, "the state of before", func() bool { return sortedLines(routecheck.Table(t, m.host)) == sortedLines(before) })
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestNarrower reapplies a profile whose list has lost IPv6: its routes go.
func TestNarrower(t *testing.T) {
	m := newManager(t)
	routecheck.TakeDefault(t, m.host)
	m.install(t, "office.nmconnection", uplinkWith(t, relays), "connection", "up", "office")
	m.expect(t, plan(rules.Bypass, relays), relays)
	narrow := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4))
	_, files, err := render(t, options(merged), narrow, "")
	if err != nil {
		t.Fatal(err)
	}
	m.install(t, "office.nmconnection", string(files[0].Data), reapply...)
	await.Until(t, "IPv6's routes to go", func() bool { return !strings.Contains(routecheck.Table(t, m.host), "2603:1063::/38") })
	m.expect(t, narrow, relays.Only(ipranges.IPv4))
}

// vpnProfile stands for a VPN: a link whose only way to the world would be its own.
const vpnProfile = `[connection]
id=vpn
uuid=0b0f3f0e-1f6b-4b1e-8a55-4d2a6f1d2222
type=ethernet
interface-name=vpn0
autoconnect=false
[ipv4]
method=manual
address1=198.51.100.2/24
[ipv6]
method=manual
address1=fd99::2/64
`

// TestIncludeForReal sends a list into the VPN, and a shorter one after it.
func TestIncludeForReal(t *testing.T) {
	set := relays.Union(ipranges.MustParse("9.9.9.9", "2620:fe::9", "203.0.113.0-203.0.113.130"))
	m := newManager(t)
	own, err := os.ReadFile(uplinkFile)
	if err != nil {
		t.Fatal(err)
	}
	m.install(t, "office.nmconnection", string(own), "connection", "up", "office")
	for _, list := range []ipranges.Set{set, relays} {
		p := plan(rules.Tunnel, list)
		_, files, err := render(t, options(func(o *Options) { o.Profile = "vpn" }), p, vpnProfile)
		if err != nil {
			t.Fatal(err)
		}
		m.install(t, "vpn.nmconnection", string(files[0].Data), "connection", "up", "vpn")
		m.expect(t, p, set)
	}
}

// TestNmcliTakesEveryRoute has nmcli read what is rendered, and counts.
func TestNmcliTakesEveryRoute(t *testing.T) {
	need.Program(t, "nmcli")
	set := routecheck.AzureCloud(t, 398)
	own, err := os.ReadFile(uplinkFile)
	if err != nil {
		t.Fatal(err)
	}
	_, files, err := render(t, options(gateways), plan(rules.Bypass, set), "")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nmcli", "--offline", "connection", "modify", "connection.zone", "")
	cmd.Stdin = strings.NewReader(string(own) + string(files[0].Data))
	var warnings strings.Builder
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Fatalf("%v: %s", err, warnings.String())
	}
	want := 1 + set.NumPrefixes(ipranges.IPv4) + set.NumPrefixes(ipranges.IPv6)
	if got := strings.Count(string(out), "\nroute"); got != want {
		t.Errorf("nmcli reads %d routes of %d", got, want)
	}
	for _, f := range rules.BothFamilies.List() {
		for p := range set.Prefixes(f) {
			if !strings.Contains(string(out), fmt.Sprintf("=%s,", p)) {
				t.Errorf("%s is not among what nmcli reads", p)
			}
		}
	}
}

// TestNetworkManagerTakesTheForms loads each form of a profile, and what comes of it, into
// NetworkManager itself: what it takes we take, and the other way round, and the output
// has the routes.
func TestNetworkManagerTakesTheForms(t *testing.T) {
	m := newManager(t)
	only := func(o *Options) { o.Gateway4, o.Profile = "192.0.2.1", "office.nmconnection" }
	p := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4))
	n := 0
	file := map[string]string{}
	for name, form := range forms {
		n++
		file[name] = fmt.Sprintf("form%d", n)
		text := strings.ReplaceAll(form.text, "UUID", fmt.Sprintf("11111111-2222-3333-4444-5555555555%02d", n))
		m.write(t, filepath.Join("connections", file[name]+"-own.nmconnection"), strings.ReplaceAll(text, "11111111-", "22222222-"))
		if !form.taken {
			continue
		}
		r, err := buildWith(t, options(only), text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files, err := r.Render(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.write(t, filepath.Join("connections", file[name]+"-out.nmconnection"), string(files[0].Data))
	}
	m.mustNmcli(t, "connection", "reload")
	list, err := m.nmcli("-t", "-f", "FILENAME,UUID", "connection", "show")
	if err != nil {
		t.Fatal(err)
	}
	uuid := map[string]string{}
	for line := range strings.Lines(list) {
		path, id, _ := strings.Cut(strings.TrimSpace(line), ".nmconnection:")
		uuid[filepath.Base(path)] = id
	}
	for name, form := range forms {
		if _, taken := uuid[file[name]+"-own"]; taken != form.taken {
			t.Errorf("%s: NetworkManager takes it: %v", name, taken)
		}
		id, taken := uuid[file[name]+"-out"]
		if taken != form.taken {
			t.Errorf("%s: NetworkManager takes what comes of it: %v", name, taken)
		}
		if !taken {
			continue
		}
		routes, err := m.nmcli("-t", "-f", "ipv4.routes", "connection", "show", id)
		for prefix := range relays.Prefixes(ipranges.IPv4) {
			if err != nil || !strings.Contains(routes, prefix.String()+" 192.0.2.1") {
				t.Errorf("%s: %v, the routes are %s", name, err, routes)
			}
		}
		if strings.Contains(form.text, "198.51.100.0/24") && !strings.Contains(routes, "198.51.100.0/24 192.0.2.9") {
			t.Errorf("%s: the user's routes are lost: %s", name, routes)
		}
	}
}
