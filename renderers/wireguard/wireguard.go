// Package wireguard renders plans of routes for WireGuard clients, as fragments of
// the client's own configuration.
//
// What goes past the tunnel has two forms. "routes" is for Linux: the tunnel
// carries everything (AllowedIPs = 0.0.0.0/0, ::/0), wg-quick's policy rule lets
// routes of the main table win over it, and ours are loaded and removed by its
// hooks. These run a script, which finds the uplink of each family when it runs
// (package uplink), or, where options name the uplink, load one ip -batch file a family.
// "allowed_ips" is for clients that run no commands: AllowedIPs that hold all other
// addresses. What goes through the tunnel is AllowedIPs in both forms.
//
// Quirks, wireguard-tools 1.0.20210914 (Debian 12) unless said otherwise:
//   - wg-quick's time goes with the square of a line's length (1,000 AllowedIPs on
//     one line 19 s, 26,541 on as many lines 2.1 s): one a line (2026-11).
//   - wg-quick keeps its own packets out of the tunnel only where AllowedIPs holds a
//     /0; with a list that holds the server's address they would go round in a circle.
//     Apps for phones and Windows bind their socket to the uplink instead.
//   - in Apple's clients a tunnel whose AllowedIPs hold a part of 0.0.0.0/8, other than
//     0.0.0.0/0, comes up and carries nothing (github.com/eduvpn/apple, issue 475 and pull
//     request 516, 2023; bivlked/amneziawg-installer, issue 42, 2026; the WireGuard app's
//     own list of all but private addresses begins at 1.0.0.0/8): it is left out. Nothing
//     of the kind is known of ::/8.
//   - Android refuses a tunnel with a route that begins at a loopback address, such as
//     127.0.0.0/8 (android.net.VpnService.Builder, check): none is written.
//   - a hook that fails stops "wg-quick up" and takes the tunnel down: ours say what
//     is missing and let the tunnel come up.
package wireguard

import (
	"fmt"
	"net/netip"
	"path"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/linuxroutes"
	"sallyport/renderers/routes/nexthop"
	"sallyport/renderers/routes/uplink"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Form     string `policy:"form" doc:"bypass: routes, for Linux with wg-quick; allowed_ips, all other addresses as AllowedIPs, for clients that run no commands"`
	Gateway4 string `policy:"gateway4" doc:"routes: your uplink's IPv4 router, as ip route shows it behind default via; without gateways and device a script finds them"`
	Gateway6 string `policy:"gateway6" doc:"routes: your uplink's IPv6 router"`
	Device   string `policy:"device" doc:"routes: the uplink's device, such as eth0; alone, without gateways, for a link with one other end"`
	Folder   string `policy:"folder" doc:"routes: where the script or the batch files are on the client"`
	Protocol int    `policy:"protocol" doc:"routes: the number that marks routes as ours; the next higher one is ours, too"`
	Metric   int    `policy:"metric" doc:"routes: their metric; where another route is for the same prefix, the lower one wins"`
}

// Forms of a list of what goes past the tunnel.
const (
	formRoutes  = "routes"
	formAllowed = "allowed_ips"
)

var info = renderers.Info{
	Name:    "wireguard",
	Title:   "WireGuard",
	Summary: "WireGuard clients: routes past the tunnel run by wg-quick's hooks, or AllowedIPs",
	Caps:    routes.Caps(),
	Load:    renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "AllowedIPs", Value: "no limit known; wg-quick up takes 8 s for 2,819", Source: "measured, wireguard-tools 1.0.20210914 with wireguard-go"},
		{Name: "AllowedIPs on Android", Value: "what fits into 1 MB; a warning above 4,000", Source: "developer.android.com, TransactionTooLargeException; wgtunnel/android issue 827, 2025"},
	},
	Warnings:  map[string]string{"android-routes": "the list may be longer than Android takes"},
	Extension: ".conf",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, defaults, build)
}

var defaults = Options{Form: formRoutes, Folder: "/etc/wireguard", Protocol: linuxroutes.DefaultProtocol, Metric: linuxroutes.DefaultMetric}

type renderer struct {
	opt    Options
	env    renderers.Env
	routes linuxroutes.Routes // of the families that have a next hop; none: the script finds it
	script uplink.Script
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	r := &renderer{opt: opt, env: env}
	switch opt.Form {
	case formAllowed:
		own := defaults
		own.Form = formAllowed
		if opt != own {
			return nil, &renderers.OptionError{Option: "form", Cause: "AllowedIPs have no gateway, device, folder, protocol number and metric",
				Fix: `remove these options, or use form = "routes"`}
		}
		return r.target(), nil
	case formRoutes:
	default:
		return nil, &renderers.OptionError{Option: "form", Cause: fmt.Sprintf("no form %q", opt.Form), Fix: "routes or allowed_ips"}
	}
	var all renderers.Mistakes
	if !uplink.IsPath(opt.Folder) || !path.IsAbs(opt.Folder) || path.Clean(opt.Folder) != opt.Folder {
		all.Option("folder", "write the client's folder, of letters, digits, dots, dashes, underscores and slashes",
			"%.80q is no plain absolute path", opt.Folder)
	}
	if !uplink.IsPath(path.Base(env.Path)) {
		all.Option("path", "use letters, digits, dots, dashes and underscores",
			"%.80q is no plain file name, and hooks are read by a shell", path.Base(env.Path))
	}
	r.script = uplink.Script{Name: env.Name, File: path.Join(opt.Folder, path.Base(r.scriptPath())), Past: "the tunnel",
		Families: rules.BothFamilies.List(), Protocol: opt.Protocol, Metric: opt.Metric}
	all.Add(r.script.Check())
	if opt.Gateway4+opt.Gateway6+opt.Device != "" {
		ways, err := nexthop.Parse(nexthop.ToOptions{Gateway4: opt.Gateway4, Gateway6: opt.Gateway6, Device: opt.Device}, nexthop.OtherOptions{})
		all.Add(err)
		r.routes = linuxroutes.Routes{Table: "main", Protocol: opt.Protocol, Metric: opt.Metric, Ways: ways}
	}
	return r.target(), all.Err()
}

func (r *renderer) target() *renderers.Target {
	return &renderers.Target{Renderer: r, Caps: r.caps(), Claims: r.claims(), Advice: r.advice}
}

// caps says which family has no next hop, what is written as its complement, and how
// long a route's line is.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteBytes = scriptBytes
	caps.Unwritten = map[rules.Verdict]ipranges.Set{rules.Tunnel: thisNetwork}
	switch {
	case r.opt.Form == formAllowed:
		caps.Complement = rules.Complement{Of: rules.Bypass, Families: rules.BothFamilies}
		caps.Unwritten[rules.Bypass] = thisNetwork
		return caps
	case len(r.routes.By) > 0:
		hops := r.routes.Caps(r.routes.Form())
		caps.NoBypass = hops.NoBypass
		caps.RouteBytes = func(p netip.Prefix) int {
			if caps.NoBypass[ipranges.FamilyOf(p.Addr())] != "" {
				return scriptBytes(p) // only an include has it
			}
			return hops.RouteBytes(p)
		}
	}
	return caps
}

// scriptBytes counts the line of a prefix, its end included. It cannot know the list's
// direction: where this is open it counts the longer of the two lines, which for a
// script's list is the AllowedIPs of an include.
func scriptBytes(p netip.Prefix) int { return rows.Bytes(p) }

// claims: routes past the tunnel are kept under their numbers. AllowedIPs have none.
func (r *renderer) claims() []renderers.Claim {
	const cost = "of two lists past a tunnel, each takes the routes of the other away (an include has none of them)"
	switch {
	case r.opt.Form != formRoutes:
		return nil
	case len(r.routes.By) > 0:
		return r.routes.Claims(r.routes.Families(), cost)
	}
	return r.script.Claims(cost)
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	if v == rules.Bypass && r.opt.Form == formRoutes {
		if len(r.routes.By) == 0 {
			return r.renderScript(p, set)
		}
		return r.renderHooks(p, list)
	}
	return r.renderAllowed(p, list)
}

// Where files of routes past the tunnel go.
const (
	linuxClient    = "the Linux client, while the tunnel is up"
	interfaceLines = "once: put the lines of {} into the section [Interface] of its wg-quick file"
)

// renderScript writes the script, and the hooks that run it.
func (r *renderer) renderScript(p *rules.Plan, set ipranges.Set) ([]renderers.File, error) {
	header := renderers.RouteHeader(p)
	text, err := r.script.Render(header, set)
	if err != nil {
		return nil, err
	}
	data, err := renderers.Execute("wireguard", "script.conf.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Tunnel": r.env.Name, "Script": r.script.File, "Hooks": r.scriptHooks(),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{
		{Path: r.scriptPath(), Mode: routes.Runs, Data: text, Use: "sh {} up", Undo: "sh {} down",
			On: linuxClient, Hand: "once: copy {} to " + r.script.File + " for the hooks"},
		{Path: r.env.Path, Mode: routes.Plain, Data: data, On: linuxClient, Hand: interfaceLines},
	}, nil
}

// scriptPath is where the script goes.
func (r *renderer) scriptPath() string {
	return strings.TrimSuffix(r.env.Path, path.Ext(r.env.Path)) + ".sh"
}

// scriptHooks run the script, which says itself what is missing. wg-quick puts the
// tunnel's name in place of %i.
func (r *renderer) scriptHooks() []string {
	return []string{
		fmt.Sprintf("PostUp = sh %s up %%i || true", r.script.File),
		fmt.Sprintf("PreDown = sh %s down || true", r.script.File),
	}
}

// renderHooks writes a batch file for each family that is listed, and the hooks
// that load them.
func (r *renderer) renderHooks(p *rules.Plan, list rules.RouteList) ([]renderers.File, error) {
	header := renderers.RouteHeader(p)
	var files []renderers.File
	var load, remove []string
	for _, f := range rules.BothFamilies.List() {
		if !list.Set.Has(f) {
			load = append(load, r.remove(f)) // of an earlier list
			continue
		}
		text, err := r.routes.Text(list, f)
		if err != nil {
			return nil, err
		}
		fresh := inTurn(r.routes.Load(f, r.installed(f)))
		load, remove = append(load, fresh), append(remove, r.remove(f))
		data, err := renderers.Execute("wireguard", "batch.tmpl", r.env.Templates, map[string]any{
			"Header": header, "Family": f.String(), "Hop": r.routes.By[f].String(), "Protocol": r.routes.Protocol, "Metric": r.routes.Metric,
			"Plain": inTurn(linuxroutes.LoadPlain(f, r.installed(f))), "Load": fresh, "Remove": r.remove(f), "Routes": text,
		})
		if err != nil {
			return nil, err
		}
		files = append(files, renderers.File{Path: r.batchPath(f), Mode: routes.Plain, Data: data, Use: inTurn(r.routes.Load(f, "{}")), Undo: r.remove(f),
			On: linuxClient, Hand: "once: copy {} to " + r.installed(f) + " for the hooks"})
	}
	data, err := renderers.Execute("wireguard", "hooks.conf.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Tunnel": r.env.Name, "Folder": r.opt.Folder, "Load": load, "Remove": remove, "Hooks": r.hooks(list.Set),
	})
	if err != nil {
		return nil, err
	}
	return append(files, renderers.File{Path: r.env.Path, Mode: routes.Plain, Data: data, On: linuxClient, Hand: interfaceLines}), nil
}

// batchPath is where a family's batch file goes.
func (r *renderer) batchPath(f ipranges.Family) string {
	return renderers.FamilyPath(strings.TrimSuffix(r.env.Path, path.Ext(r.env.Path))+".batch", f)
}

// installed is the path of a family's batch file on the client.
func (r *renderer) installed(f ipranges.Family) string {
	return path.Join(r.opt.Folder, path.Base(r.batchPath(f)))
}

// hooks are the lines that load and remove routes. Those of a family that is not in set,
// which an earlier list may have left, go when the tunnel comes.
func (r *renderer) hooks(set ipranges.Set) []string {
	var up, down []string
	for _, f := range rules.BothFamilies.List() {
		if set.Has(f) {
			up = append(up, fmt.Sprintf(`PostUp = %s || echo "%s: the %s routes are not loaded, and what they list stays in the tunnel" >&2`,
				inTurn(linuxroutes.LoadPlain(f, r.installed(f))), r.env.Name, f))
		} else {
			up = append(up, fmt.Sprintf("PostUp = %s 2>/dev/null || true", r.remove(f)))
		}
		down = append(down, fmt.Sprintf("PreDown = %s 2>/dev/null || true", r.remove(f)))
	}
	return append(up, down...)
}

// remove is the command that takes all routes of a family away.
func (r *renderer) remove(f ipranges.Family) string {
	return inTurn(linuxroutes.Routes{Table: "main", Protocol: r.opt.Protocol}.Remove(f))
}

// inTurn is a command for a shell that waits for other loads on the machine: it takes the
// lock that the scripts take (templates/shell), and goes on without one where there is no
// flock.
func inTurn(command string) string {
	return "{ flock 9; " + command + "; } 9</proc/self/ns/net"
}
