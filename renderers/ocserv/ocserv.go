// Package ocserv renders plans of routes as lines of ocserv's configuration, which
// tells clients at connecting what enters their tunnel.
//
// What goes past the tunnel is "no-route", beside "route = default"; what goes through
// it is "route", without a default. The lines serve as a file for users or groups, or
// in ocserv.conf itself. Clients are openconnect, Cisco Secure Client and the like.
//
// Quirks, ocserv 1.1.6 with openconnect 9.01 and vpnc-scripts 20220510 (Debian 12),
// tried in November 2026:
//   - Both families can be excluded: X-CSTP-Split-Exclude and X-CSTP-Split-Exclude-IP6.
//   - In the file of a user or group, route and no-route each replace those of
//     ocserv.conf: a list of no-route alone would leave its routes, and no default.
//     "route = default" takes out every other route of the same file.
//   - Where a tunnel has addresses of a family and no included route of it, vpnc-script
//     takes the family's default route: so an include has to have both, or leave one
//     out on purpose.
//   - openconnect hands all options to its script in one variable, CISCO_CSTP_OPTIONS,
//     and Linux takes at most 131,072 bytes in one (execve(2), MAX_ARG_STRLEN). Past it
//     the script does not run, and the tunnel is up without any route.
//   - A line of several thousand characters makes ocserv drop the whole file of a user,
//     comment or not.
package ocserv

import (
	"fmt"
	"net/netip"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	MaxBytes int `policy:"max_bytes" doc:"how many bytes of routes the clients take, as the protocol writes them; more, where none of them is openconnect on Linux"`
}

// defaultMaxBytes leaves 3,072 of the 131,072 bytes to all other options.
const defaultMaxBytes = 128000

const limitSource = "Linux, execve(2), MAX_ARG_STRLEN 131,072; measured with openconnect 9.01: 2,800 IPv4 routes"

var info = renderers.Info{
	Name:    "ocserv",
	Title:   "ocserv",
	Summary: "ocserv: routes past the tunnel or through it, for openconnect and Cisco's clients",
	Caps:    routes.Caps(),
	Load:    renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "bytes of routes", Value: "128,000; about 2,800 IPv4 routes", Source: limitSource, Option: "max_bytes"},
		{Name: "routes, for Cisco's clients", Value: "see the client's own", Source: "Cisco Secure Client: 2,500 of a family, fewer in old mobile versions"},
		{Name: "line", Value: "400 characters in what is written here", Source: "measured, ocserv 1.1.6: 500 are taken, 5,000 are not"},
	},
	Extension: ".conf",
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
		Device: "openconnect on Linux", Source: limitSource, Option: "max_bytes"}}
	return &renderers.Target{Caps: caps, Renderer: &routes.File{
		Form: form, Env: env, Kind: info.Name, Template: "routes.conf.tmpl", Comment: short,
		Load: renderers.File{Mode: routes.Plain, Use: "occtl reload", On: "the VPN server with ocserv",
			Hand: "once, in ocserv.conf: default-user-config = {}"},
	}}, all.Err()
}

// routeBytes is what openconnect's variable holds for a route past the tunnel, which
// is as long as one through it.
func routeBytes(p netip.Prefix) int {
	if p.Addr().Is4() {
		return routes.Row{Before: "X-CSTP-Split-Exclude=", Mask: "/"}.Bytes(p)
	}
	return routes.Row{Before: "X-CSTP-Split-Exclude-IP6="}.Bytes(p)
}

var form = routes.Form{
	Mark:  "#",
	Check: check,
	Rows: func(_ ipranges.Family, way rules.Verdict) routes.Rows {
		if way == rules.Bypass {
			return routes.Rows{Row: routes.Row{Before: "no-route = ", Mask: "/"}}
		}
		return routes.Rows{Row: routes.Row{Before: "route = ", Mask: "/"}}
	},
	Body: func(list rules.RouteList, rows []byte) ([]byte, error) {
		if list.Way == rules.Bypass {
			rows = append([]byte("route = default\n"), rows...)
		}
		return rows, nil
	},
}

// check refuses an include without one of its families, in which clients would send
// everything through the tunnel.
func check(list rules.RouteList) error {
	for _, f := range list.Families.List() {
		if list.Way == rules.Tunnel && !list.Set.Has(f) {
			return list.Refuse(fmt.Sprintf("it has no %s, and where the server gives out %[1]s addresses clients would send all %[1]s through the tunnel", f),
				"say in the target which families you mean, such as families = [\"ipv4\"], and give out no addresses of the other; or list some of both")
		}
	}
	return nil
}

// maxComment is well below the length of line at which ocserv gives a file up.
const maxComment = 400

func short(line string) string { return line[:min(len(line), maxComment)] }
