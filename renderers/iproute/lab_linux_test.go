package iproute

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests load what is rendered into the kernel, in a namespace of its own: a
// client whose VPN, the device vpn0, took the default routes, as OpenVPN does.

func render(t testing.TB, opt *Options, p *rules.Plan) []renderers.File {
	t.Helper()
	return rendered.Files(t, rendered.Target(t, Kind(), opt), p)
}

// script writes the files and runs the script among them.
func script(t *testing.T, h *lab.Host, files []renderers.File, what string) error {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "it's a $(folder)")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	rendered.Write(t, dir, files)
	out, err := h.Run("sh", filepath.Join(dir, "edge."+what+".sh"))
	if out != "" {
		t.Errorf("%s says %q", what, out)
	}
	return err
}

func load(t *testing.T, h *lab.Host, files []renderers.File) {
	t.Helper()
	if err := script(t, h, files, "load"); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, h *lab.Host, files []renderers.File) {
	t.Helper()
	if err := script(t, h, files, "remove"); err != nil {
		t.Fatal(err)
	}
}

// lists are the files that are loaded.
func lists(files []renderers.File) []renderers.File {
	return slices.DeleteFunc(slices.Clone(files), func(f renderers.File) bool { return strings.HasSuffix(f.Path, ".sh") })
}

// TestRoutes loads lists into the kernel.
func TestRoutes(t *testing.T) {
	n := hops
	n.Protocol = "213"
	n.Tries = true
	n.Start = func(t *testing.T, h *lab.Host) func([]renderers.File) {
		var last []renderers.File
		return func(files []renderers.File) {
			if len(files) > 0 {
				load(t, h, files)
				last = files
				return
			}
			remove(t, h, last)
			remove(t, h, last) // there is nothing to remove any more
		}
	}
	n.Run(t)
}

// TestExceptionsOfAnInclude go by the uplink. A wrong next hop for them is refused
// before anything goes another way; the first try may have left its mark on one route,
// which the next load takes away.
func TestExceptionsOfAnInclude(t *testing.T) {
	h := routecheck.Client(t)
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, withHole)
	load(t, h, render(t, options(into), p))
	routecheck.Expect(t, h, p, withHole, "eth0", "vpn0")
	start := routecheck.Table(t, h)
	for _, f := range lists(render(t, options(func(o *Options) { into(o); o.OtherGateway4, o.OtherGateway6 = "203.0.113.1", "2001:db8:5::1" }), p)) {
		if out, err := h.Exec(string(f.Data), "ip", flagOf(f), "-batch", "-"); err == nil {
			t.Errorf("%s is loaded: %s", f.Path, out)
		}
	}
	routecheck.Expect(t, h, p, withHole, "eth0", "vpn0")
	load(t, h, render(t, options(into), p))
	if got := routecheck.Table(t, h); got != start {
		t.Errorf("the next load leaves\n%s", got)
	}
}

// withHole is shorter with exceptions, in both families.
var withHole = ipranges.MustParse("20.0.0.0/10", "2603::/20").Minus(ipranges.MustParse("20.9.9.9", "20.33.0.0/16", "2603:8:8::/48"))

// into is the tunnel's hop with the uplink's for exceptions.
func into(o *Options) {
	o.Device, o.Exceptions = "vpn0", true
	o.OtherGateway4, o.OtherGateway6, o.OtherDevice = "10.20.0.1", "fd20::1", "eth0"
}

// TestAnotherTable is one that packets are looked up in before the main one.
func TestAnotherTable(t *testing.T) {
	h := routecheck.Client(t)
	h.MustRun(t, "ip", "-4", "rule", "add", "pref", "100", "table", "177")
	h.MustRun(t, "ip", "-6", "rule", "add", "pref", "100", "table", "177")
	set := ipranges.MustParse("20.202.0.0/16", "9.9.9.9", "2603:1063::/38", "2620:fe::9")
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, set)
	files := render(t, options(func(o *Options) { o.Device, o.Table = "vpn0", "177" }), p)
	load(t, h, files)
	routecheck.Expect(t, h, p, set, "eth0", "vpn0")
	remove(t, h, files)
	for a, device := range routecheck.Devices(t, h, routecheck.Probes(set)) {
		if device != "eth0" {
			t.Errorf("after removal %s goes by %s", a, device)
		}
	}
}

// TestTheAdminsRoutesStay has a route for one of our prefixes, and one under the
// default protocol number of another target.
func TestTheAdminsRoutesStay(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	own := []string{"52.112.0.0/14 via 10.20.0.9 dev eth0", "2603:1063::/38 via fd20::9 dev eth0 metric 1024", "198.18.7.0/24 dev vpn0 proto 215"}
	for _, r := range own {
		h.MustRun(t, "ip", append([]string{"route", "add"}, strings.Fields(r)...)...)
	}
	start := routecheck.Table(t, h)
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38")
	for _, s := range []ipranges.Set{set, set.Minus(ipranges.MustParse("52.112.0.0/14")), set} {
		files := render(t, options(gateways), rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, s))
		load(t, h, files)
		got := routecheck.Table(t, h)
		for _, r := range own {
			if !strings.Contains(got, strings.TrimSuffix(r, " proto 215")) {
				t.Errorf("%q is gone:\n%s", r, got)
			}
		}
		remove(t, h, files)
		if got := routecheck.Table(t, h); got != start {
			t.Errorf("after removal:\n%s\nat the start:\n%s", got, start)
		}
	}
}

// TestAWrongGatewayChangesNothing loads a list over another one, by way of a
// gateway that is not on the link: it is refused, and the old list stays.
func TestAWrongGatewayChangesNothing(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
	load(t, h, render(t, options(gateways), p))
	start := routecheck.Table(t, h)
	files := render(t, options(func(o *Options) { o.Gateway4, o.Gateway6 = "203.0.113.1", "2001:db8:5::1" }), p)
	if err := script(t, h, files, "load"); err == nil {
		t.Error("it is loaded")
	}
	for _, f := range lists(files) {
		if out, err := h.Exec(string(f.Data), "ip", flagOf(f), "-batch", "-"); err == nil {
			t.Errorf("%s is loaded: %s", f.Path, out)
		}
	}
	if got := routecheck.Table(t, h); got != start {
		t.Errorf("the routes have changed:\n%s", got)
	}
}

// flagOf is ip's option for the family of a file.
func flagOf(f renderers.File) string {
	if strings.Contains(f.Path, ".v6.") {
		return "-6"
	}
	return "-4"
}

// TestNoGap asks for a route after each command of a load over an earlier list: a
// prefix that both lists hold never leaves the uplink, and one that is withdrawn does.
func TestNoGap(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38", "2620:fe::/48"))
	next := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, ipranges.MustParse("52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"))
	load(t, h, render(t, options(gateways), p))
	for _, f := range lists(render(t, options(gateways), next)) {
		kept, gone := "52.112.0.1", "20.202.0.1"
		if flagOf(f) == "-6" {
			kept, gone = "2603:1063::1", "2620:fe::9"
		}
		// The script pipes twice into ip -batch: do the same, with questions between.
		first := h.MustExec(t, string(f.Data), "sed", "-n", "/^route replace/s/ proto 213 / proto 214 /p")
		asked := 0
		for _, part := range []string{first, string(f.Data)} {
			var batch strings.Builder
			for line := range strings.Lines(part) {
				if strings.HasPrefix(line, "route ") {
					fmt.Fprintf(&batch, "%sroute get %s\n", line, kept)
				}
			}
			out := h.MustExec(t, batch.String(), "ip", flagOf(f), "-o", "-batch", "-")
			if n := strings.Count(out, "dev eth0"); n == 0 || n != strings.Count(out, "\n") {
				t.Errorf("%s: not all by eth0:\n%s", f.Path, out)
			}
			asked += strings.Count(out, "\n")
		}
		if asked < 5 {
			t.Errorf("%s: asked only %d times", f.Path, asked)
		}
		if out := h.MustRun(t, "ip", "route", "get", gone); !strings.Contains(out, "dev vpn0") {
			t.Errorf("%s: withdrawn, and still past the VPN: %s", f.Path, out)
		}
	}
}

// TestAFileOfIPv6WithoutItsFlag leaves the other family's routes alone.
func TestAFileOfIPv6WithoutItsFlag(t *testing.T) {
	h := routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
	files := render(t, options(gateways), p)
	load(t, h, files)
	start := routecheck.Table(t, h)
	for _, f := range lists(files) {
		h.MustExec(t, string(f.Data), "ip", "-batch", "-")
	}
	if got := routecheck.Table(t, h); got != start {
		t.Errorf("a plain ip -batch leaves\n%s\nnot\n%s", got, start)
	}
}
