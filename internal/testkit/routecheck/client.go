package routecheck

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
)

// Client is a host whose uplink is eth0, with routers at 10.20.0.1 and fd20::1, and
// that has a VPN, the device vpn0, which carries nothing yet.
func Client(tb testing.TB) *lab.Host {
	tb.Helper()
	need.Program(tb, "ip")
	h := lab.New(tb).Client
	h.MustRun(tb, "ip", "link", "add", "vpn0", "type", "veth", "peer", "name", "vpnfar")
	h.MustRun(tb, "ip", "link", "set", "vpnfar", "up")
	h.MustRun(tb, "ip", "link", "set", "vpn0", "up")
	h.MustRun(tb, "ip", "addr", "add", "198.51.100.2/24", "dev", "vpn0")
	h.MustRun(tb, "ip", "addr", "add", "fd99::2/64", "dev", "vpn0", "nodad")
	h.Settle(tb, "vpn0", "vpnfar")
	return h
}

// TakeDefault sends everything into the VPN by halves, which win over a default
// route: OpenVPN does so.
func TakeDefault(tb testing.TB, h *lab.Host) {
	tb.Helper()
	for _, half := range []string{"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"} {
		h.MustRun(tb, "ip", "route", "add", half, "dev", "vpn0")
	}
}

// Table is the routes of both families in the main table of h, without the numbers of the
// kernel's nexthop objects, which tell only how many there have been.
func Table(tb testing.TB, h *lab.Host) string {
	tb.Helper()
	table := h.MustRun(tb, "ip", "-4", "route", "show", "table", "main") + h.MustRun(tb, "ip", "-6", "route", "show", "table", "main")
	return numbered.ReplaceAllString(table, " nhid N ")
}

var numbered = regexp.MustCompile(` nhid \d+ `)

// Of is the lines of Table with routes of protocols, as ip shows them, in order.
func Of(tb testing.TB, h *lab.Host, protocols ...string) string {
	tb.Helper()
	var list []string
	for line := range strings.Lines(Table(tb, h)) {
		if slices.ContainsFunc(protocols, func(p string) bool { return strings.Contains(line, " proto "+p) }) {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return strings.Join(list, "")
}
