// Package vpnslice renders plans of routes as a script for openconnect or vpnc that
// runs vpn-slice with a list of prefixes.
//
// What goes through the tunnel is a prefix, and what goes past it %prefix, beside the
// halves of the address space that take the rest in. The prefixes are arguments of
// their own. As the usual --script 'vpn-slice ...' all of them would be one argument,
// and Linux takes at most 131,072 bytes in one (execve(2), MAX_ARG_STRLEN).
//
// Quirks, vpn-slice 0.16.1, from its source (github.com/dlenski/vpn-slice,
// vpn_slice/__main__.py and linux.py, read 2026-11-23):
//   - It takes no default route from the VPN: what no argument names stays outside. The
//     halves are used in place of 0.0.0.0/0, which would replace the default route.
//   - A prefix to leave alone gets the route that "ip route get" finds before the tunnel
//     has any. Without one vpn-slice ends there, and the tunnel has no routes at all; so
//     the script looks first whether there is one. iproute2 6.1 warns of the length of
//     each such prefix, "only /32 (or none) is supported", and answers all the same.
//   - It ends before any route at an IPv6 address that the system does not take: IPv6 is
//     off, or the MTU is below 1280 (github.com/dlenski/vpn-slice, issues 38, 148 and 154,
//     2020 to 2024). So the script hides the VPN's IPv6 from it there.
//   - It never takes these routes away, so the script does, on Linux.
package vpnslice

import (
	"net/netip"
	"path"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	MaxBytes int `policy:"max_bytes" doc:"how many bytes of arguments the client's system takes"`
}

// defaultMaxBytes is what macOS takes, the least of the systems that vpn-slice runs
// on, less 248,576 bytes for the environment.
const defaultMaxBytes = 800000

const limitSource = "macOS, execve(2), ARG_MAX 1,048,576 with the environment; Linux takes 2,097,152, measured on Linux 6.18"

var info = renderers.Info{
	Name:    "vpnslice",
	Title:   "vpn-slice",
	Summary: "vpn-slice: a script for openconnect with routes past the tunnel or through it",
	Caps:    routes.Caps(),
	Load:    renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "bytes of arguments", Value: "800,000; about 30,000 IPv4 routes", Source: limitSource, Option: "max_bytes"},
	},
	Extension: ".sh",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, Options{MaxBytes: defaultMaxBytes}, build) }

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if opt.MaxBytes < 0 {
		all.Option("max_bytes", "use a number above 0",
			"%d bytes hold no route", opt.MaxBytes)
	}
	if opt.MaxBytes == 0 {
		opt.MaxBytes = defaultMaxBytes
	}
	caps := info.Caps
	caps.RouteBytes = routeBytes
	caps.RouteLimits = []rules.RouteLimit{{Max: opt.MaxBytes, Families: rules.BothFamilies, Bytes: true, Shared: true,
		Device: "the client's system", Source: limitSource, Option: "max_bytes"}}
	return &renderers.Target{Caps: caps, Renderer: &routes.File{
		Form: routes.Form{Mark: "#", Rows: rows, Script: true, First: routes.Shell, Body: body(env)}, Env: env, Kind: info.Name,
		Load: renderers.File{Mode: routes.Runs, On: "the client", Use: "openconnect --script {} SERVER"},
	}}, all.Err()
}

// routeBytes is an argument with its mark, the zero behind it, and its pointer.
func routeBytes(p netip.Prefix) int { return len("%") + len(p.String()) + 1 + 8 }

func rows(_ ipranges.Family, way rules.Verdict) routes.Rows {
	if way == rules.Bypass {
		return routes.Rows{Row: routes.Row{Before: "%"}}
	}
	return routes.Rows{}
}

// part is the prefixes of one family, a line each.
type part struct {
	Number   int
	Prefixes string
}

// body makes the script without its header.
func body(env renderers.Env) func(list rules.RouteList, _ []byte) ([]byte, error) {
	return func(list rules.RouteList, _ []byte) ([]byte, error) {
		var parts []part
		for _, f := range rules.BothFamilies.List() {
			if list.Set.Has(f) {
				parts = append(parts, part{int(f), string(rows(f, list.Way).Append(nil, list.Set, f))})
			}
		}
		return renderers.Execute("vpnslice", "script.sh.tmpl", nil, map[string]any{
			"File": renderers.Clean(path.Base(env.Path)), "Name": env.Name, "Bypass": list.Way == rules.Bypass,
			"IPv4": list.Families.Has(ipranges.IPv4), "IPv6": list.Families.Has(ipranges.IPv6),
			"First4": first(list.Set, ipranges.IPv4), "First6": first(list.Set, ipranges.IPv6), "Lists": parts,
		})
	}
}

// first is the first address of a family, or "".
func first(set ipranges.Set, f ipranges.Family) string {
	for p := range set.Prefixes(f) {
		return p.Addr().String()
	}
	return ""
}
