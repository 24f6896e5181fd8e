package bird

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests run BIRD on a client whose VPN, the device vpn0, took the default
// routes, with what is rendered included in its configuration.

// daemon is a running BIRD.
type daemon struct {
	*lab.Host
	dir      string
	expected string // what BIRD may say besides that all is well
}

func (d *daemon) file(name string) string { return filepath.Join(d.dir, name) }

// admin is the configuration that includes ours: it has a static route of its own, and
// lets ours into the kernel as the file's header says. Without a larger buffer BIRD
// warns, after some thousand routes at once, that it missed the kernel's answers to them.
const admin = `log "%s/log" all;
router id 10.20.0.2;
protocol device { }
protocol kernel { netlink rx buffer 8388608; ipv4 { export where proto = "sallyport_edge_v4" || proto = "own"; }; }
protocol kernel { netlink rx buffer 8388608; ipv6 { export where proto = "sallyport_edge_v6"; }; }
protocol static own { ipv4; route 198.19.0.0/24 via "eth0"; }
`

// start runs BIRD with files included, until all its routes are in the kernel.
func start(t *testing.T, h *lab.Host, files []renderers.File) *daemon {
	t.Helper()
	need.Program(t, "bird")
	need.Program(t, "birdc")
	d := &daemon{Host: h, dir: t.TempDir()}
	d.publish(t, files)
	cmd := exec.Command("bird", "-f", "-c", d.file("bird.conf"), "-s", d.file("ctl"), "-P", d.file("pid"))
	out, err := os.Create(d.file("out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if _, err := h.Start(cmd); err != nil {
		t.Fatal(err)
	}
	d.settle(t, files)
	t.Cleanup(func() {
		for _, name := range []string{"out", "log"} {
			text, err := os.ReadFile(d.file(name))
			for line := range strings.Lines(string(text)) {
				known := d.expected != "" && strings.Contains(line, d.expected)
				if err != nil || !known && !strings.Contains(line, "<INFO>") {
					t.Errorf("BIRD says %q, %v", line, err)
				}
			}
		}
	})
	return d
}

// publish writes the configuration, which BIRD itself has to find good.
func (d *daemon) publish(t *testing.T, files []renderers.File) {
	t.Helper()
	conf := fmt.Sprintf(admin, d.dir)
	for _, f := range files {
		write(t, d.file(f.Path), string(f.Data))
		conf += fmt.Sprintf("include \"%s\";\n", d.file(f.Path))
	}
	write(t, d.file("bird.conf"), conf)
	if out := d.MustRun(t, "bird", "-p", "-c", d.file("bird.conf")); out != "" {
		t.Errorf("bird -p says %q", out)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (d *daemon) birdc(t *testing.T, words ...string) string {
	t.Helper()
	return d.MustRun(t, "birdc", append([]string{"-s", d.file("ctl")}, words...)...)
}

// load puts files in the place of the last ones, and runs their command.
func (d *daemon) load(t *testing.T, files []renderers.File) {
	t.Helper()
	d.publish(t, files)
	command := "birdc configure"
	if len(files) > 0 {
		command = files[0].Use
	}
	if out := d.birdc(t, strings.Fields(command)[1:]...); !strings.Contains(out, "\nReconfigured") && !strings.Contains(out, "\nReconfiguration in progress") {
		t.Fatalf("%s answers %q", command, out)
	}
	d.settle(t, files)
}

// settle waits until the kernel has the routes that files list, and the admin's.
func (d *daemon) settle(t *testing.T, files []renderers.File) {
	t.Helper()
	want := 1
	for _, f := range files {
		want += strings.Count(string(f.Data), "\troute ")
	}
	routecheck.Await(t, d.Host, "bird", want, files)
}

func bypass(s ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, s)
}

// TestRoutes loads lists into the kernel.
func TestRoutes(t *testing.T) {
	n := hops
	n.Protocol = "bird"
	n.Start = func(t *testing.T, h *lab.Host) func([]renderers.File) {
		d := start(t, h, nil)
		return func(files []renderers.File) { d.load(t, files) }
	}
	n.Run(t)
}

// TestAnotherTable has the routes in a table that the admin declares, and without his
// word none of them gets into the kernel.
func TestAnotherTable(t *testing.T) {
	h := routecheck.Client(t)
	opt := options(func(o *Options) { o.Gateway4, o.Table4 = "10.20.0.1", "uplink4" })
	files := render(t, opt, rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, ipranges.MustParse("52.112.0.0/14")))
	d := start(t, h, nil)
	declared := []renderers.File{{Path: "0.conf", Data: []byte("ipv4 table uplink4;\n")}, files[0]}
	d.publish(t, declared)
	d.birdc(t, "configure")
	if out := d.birdc(t, "show", "route", "table", "uplink4"); !strings.Contains(out, "52.112.0.0/14") || !strings.Contains(out, "via 10.20.0.1 on eth0") {
		t.Error(out)
	}
	if got := routecheck.Table(t, h); strings.Contains(got, "52.112.0.0") {
		t.Errorf("a table without a kernel protocol is in the kernel:\n%s", got)
	}
}

// TestAMistakeElsewhereChangesNothing: BIRD keeps the configuration that it has.
func TestAMistakeElsewhereChangesNothing(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	set := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")
	files := render(t, options(gateways), bypass(set))
	d := start(t, h, files)
	loaded := routecheck.Table(t, h)
	write(t, d.file("bird.conf"), "protocol static {\n")
	if out, err := h.Run("birdc", "-s", d.file("ctl"), "configure"); err == nil && !strings.Contains(out, "syntax error") {
		t.Errorf("a broken bird.conf is loaded: %s", out)
	}
	if got := routecheck.Table(t, h); got != loaded {
		t.Errorf("the routes have changed:\n%s", got)
	}
}

// TestTheUplinkComesBack: the kernel forgets routes of a link that goes down, and BIRD
// puts them back.
func TestTheUplinkComesBack(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14")
	files := render(t, options(gateways), bypass(set))
	d := start(t, h, files)
	d.expected = "Received route ::/0 with strange next-hop" // the lab's own, whose link is down
	h.MustRun(t, "ip", "link", "set", "eth0", "down")
	if got := routecheck.Table(t, h); strings.Contains(got, "52.112.0.0") {
		t.Fatalf("the link is down, and the routes are there:\n%s", got)
	}
	h.MustRun(t, "ip", "link", "set", "eth0", "up")
	d.settle(t, files)
	routecheck.Expect(t, h, bypass(set), set, "eth0", "vpn0")
}
