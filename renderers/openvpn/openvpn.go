// Package openvpn renders plans of routes as a part of an OpenVPN configuration, for
// a client or for a server that pushes them to its clients.
//
// What goes past the tunnel is a route by way of net_gateway, the router that the
// client had before; what goes through it is a route without a gateway. One route a
// line, in address order.
//
// IPv6 goes past the tunnel in one of two other ways, which the option ipv6 names: by a
// script that the client's hooks run (package uplink), or because routes for all other
// IPv6 addresses lead into the tunnel, which then must not take the default route. The
// script can have IPv4, too (option ipv4): it finds the uplink where OpenVPN does not.
//
// Quirks, OpenVPN 2.6.14 (Debian 12), tried in November 2026:
//   - IPv6 cannot be sent past the tunnel. A client refuses a pushed
//     "route-ipv6 P net_gateway_ipv6"; in its own file it warns, and then routes P
//     into the tunnel. So without the option a bypass that holds IPv6 is refused.
//   - net_gateway is undefined, or 0.0.0.0, and its routes fail, where the default route
//     names no router (PPP, LTE, another tunnel), or two, or stands in another table.
//   - "route-ipv6 ::/0" meets the default route that the client has; the two halves
//     of it win over that.
//   - A prefix with host bits set is taken, and its route is missing. Prefixes here
//     come from sets, which have none.
//   - --show-ciphers --config F and the like take wrong masks: only a connection tells.
package openvpn

import (
	"bytes"
	"fmt"
	"net/netip"
	"path"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/linuxroutes"
	"sallyport/renderers/routes/uplink"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Side     string `policy:"side" doc:"client: lines for a client's file; server: lines that a server pushes"`
	IPv4     string `policy:"ipv4" doc:"bypass: how IPv4 goes past the tunnel. script: as for ipv6, for clients whose default route names no router, or more than one; absent: by net_gateway"`
	IPv6     string `policy:"ipv6" doc:"bypass: how IPv6 goes past the tunnel. script: a shell script for Linux clients, run by hooks of the client's file; complement: routes for all other IPv6 into a tunnel that takes no IPv6 default route; absent: not at all"`
	Folder   string `policy:"folder" doc:"script: where the script is on the client"`
	Protocol int    `policy:"protocol" doc:"script: the number that marks routes as ours; the next higher one is ours, too"`
	Metric   int    `policy:"metric" doc:"script: the metric of the routes"`
}

const (
	client = "client"
	server = "server"

	script     = "script"
	complement = "complement"
)

var defaults = Options{Side: client, Folder: "/etc/openvpn/client", Protocol: linuxroutes.DefaultProtocol, Metric: linuxroutes.DefaultMetric}

var info = renderers.Info{
	Name:    "openvpn",
	Title:   "OpenVPN",
	Summary: "OpenVPN: routes past the tunnel (IPv4) or through it, for a client or pushed by a server",
	Caps:    withoutIPv6(routes.Caps()),
	Load:    renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "no limit; 7,400 pushed ones take 376 messages and 3.5 s", Source: "measured, OpenVPN 2.6.14"},
		{Name: "line", Value: "256 characters", Source: "OpenVPN 2.6.14, OPTION_LINE_SIZE"},
		{Name: "IPv6 past the tunnel", Value: "none by net_gateway_ipv6", Source: "measured, OpenVPN 2.6.14: it is refused, or routed into the tunnel", Option: "ipv6"},
	},
	Extension: ".conf",
}

const noGateway6 = "OpenVPN 2.6 clients refuse a pushed net_gateway_ipv6, and take it into the tunnel from their own file (but see the option ipv6)"

func withoutIPv6(caps rules.Caps) rules.Caps {
	caps.NoBypass = map[ipranges.Family]string{ipranges.IPv6: noGateway6}
	return caps
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, defaults, build) }

type renderer struct {
	routes.File
	side string
	hook uplink.Script // for the families that a script has
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if opt.Side != client && opt.Side != server {
		all.Option("side", "client or server",
			"no side %q", opt.Side)
	}
	// The file's own line names it, and OpenVPN neither takes blanks and quotes there
	// nor a line of over 256 bytes.
	if base := path.Base(env.Path); len(base) > 150 || strings.ContainsAny(base, " \t\"'\\#;") {
		all.Option("path", "choose a short name without blanks, quotes and marks",
			"OpenVPN cannot be given a file called %.40q", base)
	}
	all.Add(checkWays(opt, env))
	r := &renderer{side: opt.Side}
	r.File = routes.File{Env: env, Kind: info.Name, Template: opt.Side + ".conf.tmpl", Comment: short, Data: r.data,
		Form: routes.Form{Mark: "#", Rows: r.rows, Body: r.halves, Check: r.check, Divide: r.withoutHooks},
		Load: renderers.File{Mode: routes.Plain, On: "the OpenVPN client", Use: "openvpn --config CLIENT.ovpn --config {}",
			Hand: "CLIENT.ovpn is your own file; a line 'config {}' in it does the same"}}
	if opt.Side == server {
		r.Load.On, r.Load.Use = "the OpenVPN server", ""
		r.Load.Hand = "put a line 'config {}' into the server's file, and restart the server after each change"
	}
	if opt.IPv4 == script {
		r.Elsewhere |= rules.OnlyIPv4
	}
	if opt.IPv6 == script {
		r.Elsewhere |= rules.OnlyIPv6
	}
	r.hook = uplink.Script{Name: env.Name, Past: "the tunnel", Protocol: opt.Protocol, Metric: opt.Metric, Families: r.Elsewhere.List()}
	r.hook.File = path.Join(opt.Folder, path.Base(r.scriptPath()))
	all.Add(r.hook.Check())
	caps := info.Caps
	caps.RouteBytes = r.RouteBytes(rules.Bypass) // a limit does not know the direction: these are the longer lines
	if opt.IPv6 != "" {
		caps.NoBypass = nil
	}
	if opt.IPv6 == complement {
		r.Complement = rules.OnlyIPv6
		caps.Complement = rules.Complement{Of: rules.Bypass, Families: rules.OnlyIPv6}
	}
	return &renderers.Target{Renderer: r, Caps: caps, Claims: r.hook.Claims("each script takes the routes of the other away")}, all.Err()
}

// checkWays looks at the options of the script, and at who can have it.
func checkWays(opt Options, env renderers.Env) error {
	var all renderers.Mistakes
	own := Options{Side: opt.Side, IPv6: opt.IPv6, Folder: defaults.Folder, Protocol: defaults.Protocol, Metric: defaults.Metric}
	if opt.IPv4 != "" && opt.IPv4 != script {
		all.Option("ipv4", `"script", or leave it out for net_gateway`,
			"no way %q", opt.IPv4)
	}
	if opt.IPv6 != "" && opt.IPv6 != script && opt.IPv6 != complement {
		all.Option("ipv6", `"script" or "complement"`,
			"no way %q", opt.IPv6)
	}
	if all.Err() != nil {
		return all.Err()
	}
	if opt.IPv6 == script && opt.Side == server {
		all.Option("ipv6", `ipv6 = "complement", or side = "client" and a script on each client`,
			"a server pushes no scripts to its clients")
	}
	if opt.IPv4 == script && opt.Side == server {
		all.Option("ipv4", `leave it out, or say side = "client" and put a script on each client`,
			"a server pushes no scripts to its clients")
	}
	if opt.IPv4 != script && opt.IPv6 != script {
		if opt != own {
			all.Option("ipv6", `remove them, or say ipv6 = "script"`,
				"folder, protocol and metric are of a script, and there is none")
		}
		return all.Err()
	}
	if !uplink.IsPath(opt.Folder) || !path.IsAbs(opt.Folder) || path.Clean(opt.Folder) != opt.Folder || len(opt.Folder) > 60 {
		all.Option("folder", "write the client's folder, of letters, digits, dots, dashes, underscores and slashes",
			"%.80q is no plain absolute path of at most 60 bytes", opt.Folder)
	}
	if !uplink.IsPath(path.Base(env.Path)) {
		all.Option("path", "use letters, digits, dots, dashes and underscores",
			"%.80q is no plain file name, and a shell reads that of the script", path.Base(env.Path))
	}
	return all.Err()
}

// scriptPath is where the script goes.
func (r *renderer) scriptPath() string {
	name := strings.TrimSuffix(r.Env.Path, path.Ext(r.Env.Path)) + ".sh"
	if len(r.hook.Families) == 1 {
		return renderers.FamilyPath(name, r.hook.Families[0])
	}
	return name
}

// hooks are the lines that run the script, if there is one.
func (r *renderer) hooks() []string {
	if r.Elsewhere == 0 {
		return nil
	}
	return []string{
		"script-security 2",
		fmt.Sprintf(`route-up "/bin/sh %s up"`, r.hook.File),
		fmt.Sprintf(`route-pre-down "/bin/sh %s down"`, r.hook.File),
	}
}

// rows are the lines of the side; of a family that the script has, its lines there.
func (r *renderer) rows(f ipranges.Family, way rules.Verdict) routes.Rows {
	if r.Elsewhere.Has(f) {
		return routes.Rows{}
	}
	row := routes.Row{Before: "route ", Mask: " "}
	if f == ipranges.IPv6 {
		row.Before = "route-ipv6 "
	} else if way == rules.Bypass {
		row.After = " net_gateway"
	}
	if r.side == server {
		row.Before, row.After = `push "`+row.Before, row.After+`"`
	}
	return routes.Rows{Row: row}
}

// halves writes all of IPv6 as its two halves where it is the complement of a list.
func (r *renderer) halves(list rules.RouteList, rows []byte) ([]byte, error) {
	if list.Way == rules.Bypass && r.Complement != 0 {
		row := func(p string) []byte {
			return r.rows(ipranges.IPv6, list.Way).Row.Append(nil, netip.MustParsePrefix(p))
		}
		rows = bytes.Replace(rows, row("::/0"), append(row("::/1"), row("8000::/1")...), 1)
	}
	return rows, nil
}

// check refuses what the side does not send past the tunnel, and ways past it where there
// is nothing to send.
func (r *renderer) check(list rules.RouteList) error {
	switch {
	case list.Way == rules.Tunnel && r.Elsewhere|r.Complement != 0:
		return list.Refuse("the options ipv4 and ipv6 are about what goes past the tunnel, and this is a list of what goes through it",
			"remove them")
	case list.Way == rules.Bypass && !(r.Elsewhere | r.Complement).Has(ipranges.IPv6) && list.Set.Has(ipranges.IPv6):
		return list.Refuse(noGateway6, `say families = ["ipv4"], or see the option ipv6`)
	}
	return nil
}

// short keeps the header's lines, with their mark, below the 256 characters at which
// OpenVPN gives a file up, comment or not.
func short(line string) string { return line[:min(len(line), maxComment)] }

const maxComment = 240

// data is what the template says besides the routes.
func (r *renderer) data(list rules.RouteList) map[string]any {
	return map[string]any{"Hooks": r.hooks(), "Script": r.hook.File, "Scripted": r.Elsewhere,
		"Gateway":    list.Way == rules.Bypass && !r.Elsewhere.Has(ipranges.IPv4) && list.Set.Has(ipranges.IPv4),
		"Complement": r.Complement&list.Families != 0}
}

// Render implements renderers.Renderer. A script comes with an empty list, too: it takes
// away what an earlier one left.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	files, err := r.File.Render(p)
	if err != nil || r.Elsewhere == 0 {
		return files, err
	}
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	var scripted ipranges.Set
	for _, f := range r.hook.Families {
		scripted = scripted.Union(list.Set.Only(f))
	}
	data, err := r.hook.Render(renderers.RouteHeader(p), scripted)
	if err != nil {
		return nil, err
	}
	return append(files, renderers.File{Path: r.scriptPath(), Mode: routes.Runs, Data: data, Use: "sh {} up", Undo: "sh {} down",
		On: "the Linux client, while the tunnel is up", Hand: "copy {} to " + r.hook.File + " for the hooks"}), nil
}
