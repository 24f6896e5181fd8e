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
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
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
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults: []rules.Verdict{rules.Tunnel, rules.Bypass},
		NoBypass: map[ipranges.Family]string{ipranges.IPv6: "OpenVPN 2.6 clients refuse a pushed net_gateway_ipv6, and take it into the tunnel from their own file (but see the option ipv6)"},
	},
	Load: renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "no limit; 7,400 pushed ones take 376 messages and 3.5 s", Source: "measured, OpenVPN 2.6.14"},
		{Name: "line", Value: "256 characters", Source: "OpenVPN 2.6.14, OPTION_LINE_SIZE"},
		{Name: "IPv6 past the tunnel", Value: "none by net_gateway_ipv6", Source: "measured, OpenVPN 2.6.14: it is refused, or routed into the tunnel", Option: "ipv6"},
	},
	Extension: ".conf",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, defaults, build) }

type renderer struct {
	side string
	ipv6 string
	hook uplink.Script // for the families that a script has
	env  renderers.Env
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if opt.Side != client && opt.Side != server {
		all.Option("side", fmt.Sprintf("no side %q", opt.Side), "client or server")
	}
	// The file's own line names it, and OpenVPN neither takes blanks and quotes there
	// nor a line of over 256 bytes.
	if base := path.Base(env.Path); len(base) > 150 || strings.ContainsAny(base, " \t\"'\\#;") {
		all.Option("path", fmt.Sprintf("OpenVPN cannot be given a file called %.40q", base), "choose a short name without blanks, quotes and marks")
	}
	r := &renderer{side: opt.Side, ipv6: opt.IPv6, env: env}
	all.Add(checkWays(opt, env))
	r.hook = uplink.Script{Name: env.Name, Past: "the tunnel", Protocol: opt.Protocol, Metric: opt.Metric}
	for f, way := range map[ipranges.Family]string{ipranges.IPv4: opt.IPv4, ipranges.IPv6: opt.IPv6} {
		if way == script {
			r.hook.Families = append(r.hook.Families, f)
		}
	}
	slices.Sort(r.hook.Families)
	r.hook.File = path.Join(opt.Folder, path.Base(r.scriptPath()))
	all.Add(r.hook.Check())
	return &renderers.Target{Renderer: r, Caps: r.caps(), Claims: r.hook.Claims("each script takes the routes of the other away")}, all.Err()
}

// checkWays looks at the options of the script, and at who can have it.
func checkWays(opt Options, env renderers.Env) error {
	var all renderers.Mistakes
	own := Options{Side: opt.Side, IPv6: opt.IPv6, Folder: defaults.Folder, Protocol: defaults.Protocol, Metric: defaults.Metric}
	if opt.IPv4 != "" && opt.IPv4 != script {
		all.Option("ipv4", fmt.Sprintf("no way %q", opt.IPv4), `"script", or leave it out for net_gateway`)
	}
	if opt.IPv6 != "" && opt.IPv6 != script && opt.IPv6 != complement {
		all.Option("ipv6", fmt.Sprintf("no way %q", opt.IPv6), `"script" or "complement"`)
	}
	if all.Err() != nil {
		return all.Err()
	}
	if opt.IPv6 == script && opt.Side == server {
		all.Option("ipv6", "a server pushes no scripts to its clients", `ipv6 = "complement", or side = "client" and a script on each client`)
	}
	if opt.IPv4 == script && opt.Side == server {
		all.Option("ipv4", "a server pushes no scripts to its clients", `leave it out, or say side = "client" and put a script on each client`)
	}
	if opt.IPv4 != script && opt.IPv6 != script {
		if opt != own {
			all.Option("ipv6", "folder, protocol and metric are of a script, and there is none", `remove them, or say ipv6 = "script"`)
		}
		return all.Err()
	}
	if !uplink.IsPath(opt.Folder) || !path.IsAbs(opt.Folder) || path.Clean(opt.Folder) != opt.Folder || len(opt.Folder) > 60 {
		all.Option("folder", fmt.Sprintf("%.80q is no plain absolute path of at most 60 bytes", opt.Folder),
			"write the client's folder, of letters, digits, dots, dashes, underscores and slashes")
	}
	if !uplink.IsPath(path.Base(env.Path)) {
		all.Option("path", fmt.Sprintf("%.80q is no plain file name, and a shell reads that of the script", path.Base(env.Path)),
			"use letters, digits, dots, dashes and underscores")
	}
	return all.Err()
}

// caps says whether IPv6 goes past the tunnel, whether it is written as its complement,
// and how long a route's line is.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteBytes = r.routeBytes
	if r.ipv6 != "" {
		caps.NoBypass = nil
	}
	if r.ipv6 == complement {
		caps.Complement = rules.Complement{Of: rules.Bypass, Families: rules.OnlyIPv6}
	}
	return caps
}

// scriptPath is where the script goes.
func (r *renderer) scriptPath() string {
	name := strings.TrimSuffix(r.env.Path, path.Ext(r.env.Path)) + ".sh"
	if len(r.hook.Families) == 1 {
		return renderers.FamilyPath(name, r.hook.Families[0])
	}
	return name
}

// scripted reports whether the script has a family.
func (r *renderer) scripted(f ipranges.Family) bool { return slices.Contains(r.hook.Families, f) }

// families are those that the script has.
func (r *renderer) families() (fams rules.Families) {
	for _, f := range r.hook.Families {
		fams |= familiesOf(ipranges.Full(f))
	}
	return fams
}

// familiesOf are the families that a set has addresses of.
func familiesOf(set ipranges.Set) (fams rules.Families) {
	if set.Has(ipranges.IPv4) {
		fams |= rules.OnlyIPv4
	}
	if set.Has(ipranges.IPv6) {
		fams |= rules.OnlyIPv6
	}
	return fams
}

// divide parts a list in what the script has and what the file lists.
func (r *renderer) divide(set ipranges.Set) (scripted, own ipranges.Set) {
	for _, f := range r.hook.Families {
		scripted = scripted.Union(set.Only(f))
	}
	return scripted, set.Minus(scripted)
}

// hooks are the lines that run the script.
func (r *renderer) hooks() []string {
	return []string{
		"script-security 2",
		fmt.Sprintf(`route-up "/bin/sh %s up"`, r.hook.File),
		fmt.Sprintf(`route-pre-down "/bin/sh %s down"`, r.hook.File),
	}
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	if v == rules.Tunnel && (r.ipv6 != "" || len(r.hook.Families) > 0) {
		return nil, list.Refuse("the options ipv4 and ipv6 are about what goes past the tunnel, and this is a list of what goes through it",
			"remove them")
	}
	header := renderers.RouteHeader(p)
	scripted, own := r.divide(set)
	var hooks []string
	var files []renderers.File
	if len(r.hook.Families) > 0 { // with an empty list, too: it takes away what an earlier one left
		data, err := r.hook.Render(header, scripted)
		if err != nil {
			return nil, err
		}
		files = append(files, renderers.File{Path: r.scriptPath(), Mode: fs.FileMode(0o755), Data: data, Use: "sh {} up", Undo: "sh {} down",
			On: "the Linux client, while the tunnel is up", Hand: "copy {} to " + r.hook.File + " for the hooks"})
		hooks = r.hooks()
	}
	for i, l := range header {
		header[i] = l[:min(len(l), maxComment)]
	}
	data, err := renderers.Execute("openvpn", r.side+".conf.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Bypass": v == rules.Bypass, "File": renderers.Clean(path.Base(r.env.Path)), "Hooks": hooks, "Script": r.hook.File,
		"Scripted": r.families(), "Gateway": v == rules.Bypass && own.Has(ipranges.IPv4),
		"Complement": r.ipv6 == complement && p.Families.Has(ipranges.IPv6), "Routes": string(r.routes(own, p.Families, v)),
	})
	if err != nil {
		return nil, err
	}
	main := renderers.File{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: data}
	if r.side == server {
		main.On, main.Hand = "the OpenVPN server", "put a line 'config {}' into the server's file, and restart the server after each change"
	} else {
		main.On, main.Hand = "the OpenVPN client", "CLIENT.ovpn is your own file; a line 'config {}' in it does the same"
		main.Use = "openvpn --config CLIENT.ovpn --config {}"
	}
	return append([]renderers.File{main}, files...), nil
}

// maxComment keeps the header's lines, with their mark, below the 256 characters at
// which OpenVPN gives a file up, comment or not.
const maxComment = 240

// words around a route's network on a line of the side.
func (r *renderer) words(f ipranges.Family, v rules.Verdict) (before, after string) {
	before = "route "
	if f == ipranges.IPv6 {
		before = "route-ipv6 "
	}
	if v == rules.Bypass && f == ipranges.IPv4 {
		after = " net_gateway"
	}
	if r.side == server {
		before, after = `push "`+before, after+`"`
	}
	return before, after
}

// routeBytes counts the line of a prefix, its end included. It cannot know the list's
// direction, and counts an IPv4 route past the tunnel, which is the longer one.
func (r *renderer) routeBytes(p netip.Prefix) int {
	var text [64]byte
	f := ipranges.FamilyOf(p.Addr())
	if r.scripted(f) {
		return len(ipranges.AppendPrefix(text[:0], p)) + len("\n")
	}
	before, after := r.words(f, rules.Bypass)
	n := len(before) + len(after) + len("\n")
	if f == ipranges.IPv6 {
		return n + len(ipranges.AppendPrefix(text[:0], p))
	}
	return n + len(p.Addr().AppendTo(text[:0])) + len(" ") + len(netmask(p.Bits()).AppendTo(text[:0]))
}

// routes are the lines for a list: of IPv6 past the tunnel, the complement, if any.
func (r *renderer) routes(set ipranges.Set, fams rules.Families, v rules.Verdict) []byte {
	dst := slices.Grow([]byte(nil), 64*(set.NumPrefixes(ipranges.IPv4)+set.NumPrefixes(ipranges.IPv6)))
	before, after := r.words(ipranges.IPv4, v)
	for p := range set.Prefixes(ipranges.IPv4) {
		dst = append(dst, before...)
		dst = p.Addr().AppendTo(dst)
		dst = append(dst, ' ')
		dst = netmask(p.Bits()).AppendTo(dst)
		dst = append(append(dst, after...), '\n')
	}
	before, after = r.words(ipranges.IPv6, v)
	switch {
	case v == rules.Tunnel:
		return set.AppendPrefixes(dst, ipranges.IPv6, before, after+"\n")
	case r.ipv6 != complement || !fams.Has(ipranges.IPv6):
		return dst
	case !set.Has(ipranges.IPv6):
		return append(dst, before+"::/1"+after+"\n"+before+"8000::/1"+after+"\n"...)
	}
	return set.Complement(ipranges.IPv6).AppendPrefixes(dst, ipranges.IPv6, before, after+"\n")
}

// netmask is a prefix length the way OpenVPN wants it for IPv4: 255.252.0.0.
func netmask(bits int) netip.Addr {
	m := uint32(uint64(0xffffffff) << (32 - bits))
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}
