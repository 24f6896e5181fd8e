// Package azurevpn renders plans of routes for the Azure VPN Client: the routes in the
// clientconfig element of its profile, azurevpnconfig.xml, that go past the tunnel
// (excluderoutes) or through it (includeroutes).
//
// The element comes alone, to be pasted over the empty one of a profile, or in a copy
// of the user's own profile with all else byte-equal. One route a line, in address order.
//
// Quirks, from Microsoft Learn, "Configure Azure VPN Client optional settings" (VPN
// Gateway, and the like page of Virtual WAN; 2026-11-23). Nothing was loaded into a client:
//   - an untouched profile holds <clientconfig i:nil="true" />, and there must be one
//     clientconfig only: macOS refuses two.
//   - a route element has one destination and one mask, which is a prefix length.
//   - every example is of IPv4, and no page gives the form of an IPv6 route: IPv6 is
//     refused. IPv6 inside of the tunnel is a preview of dual-stack gateways ("Configure
//     IPv6 for VPN Gateway"); without it no IPv6 enters the tunnel.
//   - elements of the profile are in the order of the alphabet, as .NET's data contracts
//     write them, and a reader of those passes over what comes out of order: our list is
//     put before an includeroutes, and behind all else.
package azurevpn

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Form   string `policy:"form" doc:"fragment: the clientconfig element, for a profile of yours; merge: your profile with the routes in it"`
	Config string `policy:"config" doc:"merge: your azurevpnconfig.xml, relative to the policy's folder"`
}

// Forms.
const (
	formFragment = "fragment"
	formMerge    = "merge"
)

const settingsPage = "Microsoft Learn, Configure Azure VPN Client optional settings"

var info = renderers.Info{
	Name:    "azurevpn",
	Title:   "Azure VPN Client",
	Summary: "Azure VPN Client: routes past the tunnel or through it, for its profile azurevpnconfig.xml",
	Caps: rules.Caps{
		Families: rules.OnlyIPv4,
		Verdicts: []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults: []rules.Verdict{rules.Tunnel, rules.Bypass},
	},
	Load:       renderers.Restart,
	Placements: []string{formFragment, formMerge},
	Limits: []renderers.Limit{
		{Name: "routes", Value: "none documented", Source: settingsPage},
		{Name: "IPv6 routes", Value: "no form documented", Source: settingsPage},
		{Name: "destinations in a route element", Value: "1", Source: settingsPage},
	},
	Warnings:  map[string]string{"profile-routes": "routes of the profile itself contradict the list"},
	Extension: ".xml",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, Options{Form: formFragment}, build) }

type renderer struct {
	opt     Options
	env     renderers.Env
	profile *profile // merge
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	r := &renderer{opt: opt, env: env}
	switch {
	case opt.Form == formFragment && opt.Config != "":
		return nil, &renderers.OptionError{Option: "config", Cause: "a fragment is for a profile that sallyport does not see",
			Fix: `remove config, or use form = "merge"`}
	case opt.Form == formFragment:
		return r.target(), nil
	case opt.Form != formMerge:
		return nil, &renderers.OptionError{Option: "form", Cause: fmt.Sprintf("no form %.60q", opt.Form), Fix: "fragment or merge"}
	case opt.Config == "":
		return nil, &renderers.OptionError{Option: "config", Cause: "a merge needs the profile that the routes go into",
			Fix: `name the azurevpnconfig.xml that you downloaded: config = "azurevpnconfig.xml"`}
	}
	data, err := env.Read(opt.Config)
	if err != nil {
		return nil, &renderers.OptionError{Option: "config", Cause: err.Error(), Fix: "paths are relative to the policy's folder"}
	}
	if r.profile, err = parseProfile(data); err != nil {
		return nil, &renderers.OptionError{Option: "config", Cause: fmt.Sprintf("%s: %v", renderers.Clean(opt.Config), err),
			Fix: "name azurevpnconfig.xml from the folder AzureVPN of the profile that your gateway gives for download"}
	}
	return r.target(), nil
}

func (r *renderer) target() *renderers.Target {
	return &renderers.Target{Renderer: r, Claims: r.claims(), Advice: r.advice}
}

// claims: the output is a changed copy of the user's profile.
func (r *renderer) claims() []renderers.Claim {
	if r.opt.Form != formMerge {
		return nil
	}
	return []renderers.Claim{{File: r.opt.Config, Option: "config", Cost: "each output is that profile without the other's routes",
		Fix: "put the routes into one target, or let the second begin with the first one's output: config = ..."}}
}

// lists are the elements that hold routes, by where those go.
var lists = map[rules.Verdict]string{rules.Bypass: "excluderoutes", rules.Tunnel: "includeroutes"}

const clientConfig = "clientconfig"

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	header := renderers.RouteHeader(p)
	if r.opt.Form == formMerge {
		return r.renderMerge(header, set, v)
	}
	for i := range header {
		header[i] = renderers.XMLComment(header[i])
	}
	data, err := renderers.Execute("azurevpn", "fragment.xml.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Bypass": v == rules.Bypass,
		"Element": fragment(set, v),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: mode, Data: data,
		On: "the clients", Hand: "put the element of {} into your azurevpnconfig.xml, and import that anew"}}, nil
}

func (r *renderer) renderMerge(header []string, set ipranges.Set, v rules.Verdict) ([]renderers.File, error) {
	if err := r.checkOverlap(set, v); err != nil {
		return nil, err
	}
	s, err := r.profile.slot(v)
	if err != nil {
		return nil, &rules.RuleError{Option: "config", Cause: fmt.Sprintf("%s: %v", renderers.Clean(r.opt.Config), err), Fix: "correct it, or download it again"}
	}
	steps, err := renderers.Execute("azurevpn", "merge.txt.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Bypass": v == rules.Bypass, "List": lists[v], "File": renderers.Clean(path.Base(r.env.Path)), "Config": renderers.Clean(r.opt.Config),
	})
	if err != nil {
		return nil, err
	}
	merged := slices.Concat(r.profile.data[:s.start], r.profile.fill(s, set), r.profile.data[s.end:])
	stepsPath := strings.TrimSuffix(r.env.Path, path.Ext(r.env.Path)) + ".steps.txt"
	return []renderers.File{{Path: r.env.Path, Mode: secret, Data: merged, From: r.opt.Config,
		On: "the clients", Hand: "import {} in the Azure VPN Client"}, {Path: stepsPath, Mode: mode, Data: steps}}, nil
}

// Modes of files. A profile holds the serversecret, which all clients share.
const (
	mode   = fs.FileMode(0o644)
	secret = fs.FileMode(0o600)
)

// fragment is the element for a profile that sallyport does not see.
func fragment(set ipranges.Set, v rules.Verdict) string {
	return nested([]string{clientConfig, lists[v]}, items(set), "", "  ")
}

// row is a route element.
var row = routes.Row{Before: "<route><destination>", Slash: "</destination><mask>", After: "</mask></route>"}

// items are the route elements of set.
func items(set ipranges.Set) []string {
	list := make([]string, 0, set.NumPrefixes(ipranges.IPv4))
	for p := range set.Prefixes(ipranges.IPv4) {
		list = append(list, row.Line(p))
	}
	return list
}

// nested writes items, a line each, inside of elements, outermost first. The first
// line is without its indent, and the last without its newline.
func nested(elements, items []string, indent, step string) string {
	var b strings.Builder
	for i, e := range elements {
		b.WriteString("\n" + indent + strings.Repeat(step, i) + "<" + e + ">")
	}
	deep := "\n" + indent + strings.Repeat(step, len(elements))
	for _, item := range items {
		b.WriteString(deep)
		b.WriteString(item)
	}
	for i := len(elements) - 1; i >= 0; i-- {
		b.WriteString("\n" + indent + strings.Repeat(step, i) + "</" + elements[i] + ">")
	}
	return strings.TrimPrefix(b.String(), "\n"+indent)
}
