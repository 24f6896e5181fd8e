package frr

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/internal/testkit/turns"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests run FRR's zebra and staticd on a client whose VPN, the device vpn0, took
// the default routes, and load what is rendered with its own script.

const daemons = "/usr/lib/frr/"

// router is a host with FRR.
type router struct {
	*lab.Host
	dir      string
	expected []string // what FRR may warn of
}

func (r *router) file(name string) string { return filepath.Join(r.dir, name) }

// start runs zebra and staticd with their sockets in a folder of their own. What they
// warn of fails the test.
func start(t *testing.T, h *lab.Host) *router {
	t.Helper()
	need.Program(t, "vtysh")
	r := &router{Host: h, dir: folder(t), expected: []string{"MPLS"}} // which some kernels have not
	r.daemon(t, "zebra")
	r.daemon(t, "staticd")
	t.Cleanup(func() {
		for _, name := range []string{"zebra.log", "staticd.log"} {
			text, err := os.ReadFile(r.file(name))
			for line := range strings.Lines(string(text)) {
				if err != nil || !slices.ContainsFunc(r.expected, func(text string) bool { return strings.Contains(line, text) }) {
					t.Errorf("%s: %q, %v", name, line, err)
				}
			}
		}
	})
	return r
}

// folder is for files that FRR writes, which gives root up before it does.
func folder(t *testing.T) string {
	t.Helper()
	frr, err := user.Lookup("frr")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "frr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	uid, _ := strconv.Atoi(frr.Uid)
	gid, _ := strconv.Atoi(frr.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (r *router) daemon(t *testing.T, name string) (stop func()) {
	t.Helper()
	cmd := exec.Command(need.Program(t, daemons+name), "-u", "frr", "-g", "frr", "--vty_socket", r.dir, "-z", r.file("zserv.api"),
		"-i", r.file(name+".pid"), "-f", "/dev/null", "-P", "0", "--log", "file:"+r.file(name+".log"), "--log-level", "warnings")
	stop, err := r.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	await.Until(t, "an answer of "+name, func() bool {
		out, err := r.Run("vtysh", "--vty_socket", r.dir, "-d", name, "-c", "show version")
		return err == nil && strings.Contains(out, "FRR")
	})
	return stop
}

// shell runs a command for a shell, with a vtysh that finds our FRR, and returns what
// it says.
func (r *router) shell(t *testing.T, command string) (string, error) {
	t.Helper()
	vtysh := "#!/bin/sh\nexec " + need.Program(t, "vtysh") + " --vty_socket " + r.dir + " \"$@\"\n"
	if err := os.WriteFile(r.file("vtysh"), []byte(vtysh), 0o755); err != nil {
		t.Fatal(err)
	}
	return r.Run("sh", "-c", "PATH="+r.dir+":$PATH; exec 2>&1; "+command)
}

// mustShell is shell for commands that succeed and have nothing to say.
func (r *router) mustShell(t *testing.T, command string) {
	t.Helper()
	if out, err := r.shell(t, command); err != nil || out != "" {
		t.Errorf("%s: %v, and says %q", command, err, out)
	}
}

// load checks the list with vtysh and runs the script, until the kernel has as many
// routes of FRR's as files list, and more than these.
func (r *router) load(t *testing.T, files []renderers.File, more int) {
	t.Helper()
	rendered.Write(t, r.dir, files)
	r.mustShell(t, "vtysh -C -f "+r.file(files[0].Path))
	r.mustShell(t, strings.ReplaceAll(files[1].Use, "{}", r.file(files[1].Path)))
	routecheck.Await(t, r.Host, "static", count(files)+more, files)
}

// count is how many routes files list.
func count(files []renderers.File) int {
	return strings.Count(string(files[0].Data), "\nip")
}

func (r *router) settle(t *testing.T, want int) {
	t.Helper()
	routecheck.Await(t, r.Host, "static", want, nil)
}

// remove runs the command that the file's header gives.
func (r *router) remove(t *testing.T, files []renderers.File) {
	t.Helper()
	_, rest, ok := strings.Cut(string(files[0].Data), "! Remove: ")
	line, _, _ := strings.Cut(rest, "\n")
	if !ok {
		t.Fatal("the list does not say how to remove it")
	}
	r.mustShell(t, line)
}

func bypass(s ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, s)
}

// TestRoutes loads lists into the kernel.
func TestRoutes(t *testing.T) {
	n := hops
	n.Protocol = "static"
	n.Start = func(t *testing.T, h *lab.Host) func([]renderers.File) {
		r := start(t, h)
		var last []renderers.File
		return func(files []renderers.File) {
			if len(files) > 0 {
				r.load(t, files, 0)
				last = files
				return
			}
			r.remove(t, last)
			r.settle(t, 0)
		}
	}
	n.Run(t)
}

// TestTheAdminsRoutesStay has static routes of the admin's for prefixes of ours, by
// other next hops and in another table, and one under a tag that ours is a part of.
func TestTheAdminsRoutesStay(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	r := start(t, h)
	const own = "ip route 52.112.0.0/14 10.20.0.9 eth0\nip route 52.112.0.0/14 10.20.0.1 eth0 table 99\n" +
		"ipv6 route 2603:1063::/38 fd20::9 eth0\nip route 198.18.7.0/24 vpn0 tag 2130\n"
	r.admin(t, own)
	r.settle(t, 3)
	start := routecheck.Table(t, h)
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38")
	for _, s := range []ipranges.Set{set, set.Minus(ipranges.MustParse("52.112.0.0/14")), set} {
		files := render(t, options(gateways), bypass(s))
		r.load(t, files, 4-count(files)) // the admin's win for the same prefix
		r.has(t, own)
		r.remove(t, files)
		r.settle(t, 3)
		if got := routecheck.Table(t, h); got != start {
			t.Errorf("after removal:\n%s\nat the start:\n%s", got, start)
		}
	}
}

// admin gives FRR routes of the admin's.
func (r *router) admin(t *testing.T, lines string) {
	t.Helper()
	if err := os.WriteFile(r.file("own.conf"), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	r.mustShell(t, "vtysh -f "+r.file("own.conf"))
}

func (r *router) has(t *testing.T, lines string) {
	t.Helper()
	out, err := r.shell(t, "vtysh -c 'show running-config'")
	for line := range strings.Lines(lines) {
		if err != nil || !strings.Contains(out, "\n"+line) {
			t.Errorf("%q is gone, %v:\n%s", line, err, out)
		}
	}
}

// TestTheAdminsOwnRoute for one of our prefixes and by our next hop would become ours:
// the script refuses the list, and nothing has changed.
func TestTheAdminsOwnRoute(t *testing.T) {
	for _, own := range []string{
		"ip route 52.112.0.0/14 10.20.0.1 eth0\n", "ip route 52.112.0.0/14 10.20.0.1 eth0 tag 7 99\n",
		"ip route 52.112.0.0/14 10.20.0.1 eth0 99\n", "ipv6 route 2603:1063::/38 fd20::1 eth0 tag 2130\n",
	} {
		h := routecheck.Client(t)
		r := start(t, h)
		r.admin(t, own)
		r.settle(t, 1)
		files := render(t, options(gateways), bypass(ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38")))
		rendered.Write(t, r.dir, files)
		prefix, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(own, "ip route "), "ipv6 route "), " ")
		out, err := r.shell(t, strings.ReplaceAll(files[1].Use, "{}", r.file(files[1].Path)))
		if err == nil || !strings.Contains(out, prefix) || !strings.Contains(out, "not under tag 213") {
			t.Errorf("beside %q the list is loaded, %v: %s", own, err, out)
		}
		r.has(t, own)
		r.settle(t, 1)
	}
}

// TestTableAndDistance are read back by the script as FRR shows them.
func TestTableAndDistance(t *testing.T) {
	h := routecheck.Client(t)
	r := start(t, h)
	opt := options(func(o *Options) { gateways(o); o.Distance, o.Table = 7, 177 })
	for _, text := range [][]string{{"20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38"}, {"52.112.0.0/14", "2603:1063::/38"}} {
		set := ipranges.MustParse(text...)
		files := render(t, opt, bypass(set))
		r.load(t, files, -count(files)) // none in the main table
		var got string
		await.NoError(t, "the routes of table 177", func() error {
			got = h.MustRun(t, "ip", "-4", "route", "show", "table", "177") + h.MustRun(t, "ip", "-6", "route", "show", "table", "177")
			if strings.Count(got, "\n") != len(text) {
				return fmt.Errorf("they are\n%s", got)
			}
			return nil
		})
		for _, prefix := range text {
			if !strings.Contains(got, prefix+" ") || strings.Count(got, "\n") != len(text) {
				t.Errorf("of %v, the table has\n%s", text, got)
			}
		}
	}
}

// TestWithoutStaticd the script fails, where vtysh does not.
func TestWithoutStaticd(t *testing.T) {
	need.Program(t, "vtysh")
	r := &router{Host: routecheck.Client(t), dir: folder(t)}
	r.daemon(t, "zebra")
	files := render(t, options(gateways), bypass(ipranges.MustParse("52.112.0.0/14")))
	rendered.Write(t, r.dir, files)
	out, err := r.shell(t, strings.ReplaceAll(files[1].Use, "{}", r.file(files[1].Path)))
	if err == nil || !strings.Contains(out, "is staticd running?") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAWrongGateway loads a list over another one, by way of a gateway that is not on
// the link: nothing leaves by it, and everything is in the VPN.
func TestAWrongGateway(t *testing.T) {
	h := routecheck.Client(t)
	h.MustRun(t, "ip", "route", "del", "default")
	routecheck.TakeDefault(t, h)
	r := start(t, h)
	r.expected = append(r.expected, "Route 20.202.0.0/16 failed to install")
	set := ipranges.MustParse("20.202.0.0/16")
	files := render(t, options(func(o *Options) { o.Gateway4 = "203.0.113.1" }), rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, set))
	r.load(t, files, -1)
	for a, device := range routecheck.Devices(t, h, routecheck.Probes(set)) {
		if device != "vpn0" {
			t.Errorf("%s leaves by %s", a, device)
		}
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

// TestTwoAtOnce runs the scripts of two lists at once: FRR has one of the two, whole. A
// load that is killed is put right by the next.
func TestTwoAtOnce(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	r := start(t, h)
	// Of a client that was killed, while it was read from or written to.
	r.expected = append(r.expected, "vtysh_read: read failed on vtysh client", "vtysh_flush: write error", "buffer_flush_available: write error")
	loads := turns.Loads{Run: r.Run, State: func() string {
		out, err := r.shell(t, "vtysh -c 'show running-config' | grep ' tag '")
		if err != nil && out != "" {
			t.Fatal(err)
		}
		return out
	}}
	for i, set := range []ipranges.Set{relays, ipranges.MustParse("20.202.0.0/16", "52.120.0.0/14", "9.9.9.9", "2603:1063::/38", "2620:fe::/48")} {
		files := render(t, options(gateways), bypass(set))
		for j := range files {
			files[j].Path = fmt.Sprintf("list%d%s", i, strings.TrimPrefix(files[j].Path, "edge"))
		}
		rendered.Write(t, r.dir, files)
		r.mustShell(t, "sh "+r.file(files[1].Path))
		loads.Of[i] = turns.Version{Command: "PATH=" + r.dir + ":$PATH; exec sh " + r.file(files[1].Path) + " 2>&1", State: loads.State()}
	}
	loads.AtOnce(t, turns.Rounds(20, 200))
	loads.Killed(t, turns.Rounds(5, 50))
}
