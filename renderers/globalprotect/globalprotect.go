// Package globalprotect renders plans of routes as the split tunnel of a Palo Alto
// Networks GlobalProtect gateway: the access routes that the clients of one client
// setting keep out of the tunnel, or send through it.
//
// They come as set commands, or as an element tree with a script that loads it. The
// list that is written is ours as a whole. Set adds to a list and never takes away, so
// each load first deletes the list in the candidate configuration; a commit then makes
// the new one effective at once. What else the client setting holds stays as it is.
//
// Quirks, with where they are documented (2026-11-23; nothing was tried on a device):
//   - one list holds both families, and its limit is for both together: 100 exclude
//     access routes, 200 with app 4.1 and later (PAN-OS web interface help 10.1 and
//     11.2, "GlobalProtect Gateways Client Settings Tab"). None is documented for
//     include routes; the same one is taken.
//   - app and gateway send to the longer prefix, whichever list it is in; without any
//     include route all else enters the tunnel (PAN-OS New Features Guide 8.0, "Split
//     Tunnel to Exclude by Access Route").
//   - names take a license, and on Windows they cover TCP only (GlobalProtect
//     Administrator's Guide 9.1, "Configure a Split Tunnel Based on the Domain and
//     Application"), so media needs the routes.
//   - the elements are those of Palo Alto Networks' own libraries (pango,
//     network/globalprotect/gateway; pan-os-python, panos/globalprotect.py).
package globalprotect

import (
	"bytes"
	"fmt"
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
	Form      string      `policy:"form" doc:"set: commands for configuration mode; xml: the element tree, with a script that loads it"`
	Gateway   string      `policy:"gateway,required" doc:"the GlobalProtect gateway"`
	Config    string      `policy:"config,required" doc:"the entry of its client settings (Agent > Client Settings) that the routes are for"`
	VSYS      string      `policy:"vsys" doc:"the virtual system of the gateway where there are several, such as vsys2"`
	Template  string      `policy:"template" doc:"Panorama: the template that holds the gateway"`
	Domains   rules.Hosts `policy:"domains" doc:"host names that go the same way, names.NAME; needs a GlobalProtect license, and is for TCP on Windows"`
	MaxRoutes int         `policy:"max_routes" doc:"how many routes a client setting takes, both families together: 200 where every app is 4.1 or later"`
}

// Forms.
const (
	formSet = "set"
	formXML = "xml"
)

// Lengths and numbers that PAN-OS allows: for names, the web interface help,
// "GlobalProtect Gateways General Tab" and "Client Settings Tab"; for domains, the
// GlobalProtect Administrator's Guide 10.1, "Configure a Split Tunnel Based on the
// Domain and Application".
const (
	maxName     = 31
	maxTemplate = 63
	maxDomains  = 200
	maxRoutes   = 100
)

const limitSource = "PAN-OS web interface help, GlobalProtect Gateways, Client Settings"

var info = renderers.Info{
	Name:    "globalprotect",
	Title:   "GlobalProtect",
	Summary: "Palo Alto Networks GlobalProtect gateway: access routes past the tunnel or through it, as set commands or XML",
	Caps:    routes.Caps(routeLimits(maxRoutes)...),
	Load:    renderers.Transaction,
	Limits: []renderers.Limit{
		{Name: "routes, both families together", Value: "100; 200 with app 4.1 and later", Source: limitSource, Option: "max_routes"},
		{Name: "domains", Value: "200", Source: "GlobalProtect Administrator's Guide, Configure a Split Tunnel Based on the Domain and Application"},
		{Name: "name of a gateway or a client setting", Value: "31 characters", Source: "PAN-OS web interface help, GlobalProtect Gateways"},
		{Name: "Chromebooks", Value: "no exclude routes for Android on them; IPv4 only", Source: limitSource},
	},
	Extension: ".set",
}

func routeLimits(most int) []rules.RouteLimit {
	return []rules.RouteLimit{{Max: most, Families: rules.BothFamilies, Shared: true, Device: "the GlobalProtect app", Source: limitSource, Option: "max_routes"}}
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Form: formSet, MaxRoutes: maxRoutes}, build)
}

type renderer struct {
	opt    Options
	env    renderers.Env
	form   routes.Form
	main   string // the path of the first file
	script string // the path of the file of commands: the first, or that which loads it
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	r := &renderer{opt: opt, env: env}
	if err := r.check(); err != nil {
		return nil, err
	}
	r.main, r.script = paths(opt.Form, env)
	r.form = routes.Form{Mark: "#", Rows: r.rows, Body: r.body}
	if opt.Form == formXML {
		r.form.Divide = routes.DivideXML
	}
	caps := info.Caps
	caps.RouteBytes = r.form.RouteBytes(rules.Bypass) // of commands the longer ones; the direction is not known yet
	caps.RouteLimits = routeLimits(opt.MaxRoutes)
	return &renderers.Target{Renderer: r, Caps: caps, Claims: r.claims()}, nil
}

// paths are those of the first file of a form, and of its file of commands.
func paths(form string, env renderers.Env) (main, script string) {
	main = env.Path
	if form == formSet {
		return main, main
	}
	if !env.PathGiven {
		main = strings.TrimSuffix(main, info.Extension) + ".xml"
	}
	return main, strings.TrimSuffix(main, path.Ext(main)) + ".load.set"
}

// claims is what the target takes for itself.
func (r *renderer) claims() []renderers.Claim {
	thing := fmt.Sprintf("client setting %s of gateway %s, %s", r.opt.Config, r.opt.Gateway, r.vsys())
	if r.opt.Template != "" {
		thing += ", template " + r.opt.Template
	}
	return []renderers.Claim{{Thing: thing, Option: "config", MayDiffer: true,
		Cost: "each load deletes the other's list, or the two lists contradict each other about all other addresses",
		Fix:  "where both are for one firewall, put both lists into one target, or name another client setting"}}
}

// Elements of split-tunneling, by where what they list goes.
var (
	routeElement  = map[rules.Verdict]string{rules.Bypass: "exclude-access-route", rules.Tunnel: "access-route"}
	domainElement = map[rules.Verdict]string{rules.Bypass: "exclude-domains", rules.Tunnel: "include-domains"}
)

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	v := list.Way
	if err := r.leftBehind(v); err != nil {
		return nil, err
	}
	body, err := r.form.Text(list)
	if err != nil {
		return nil, err
	}
	data := map[string]any{
		"Header": renderers.RouteHeader(p), "Bypass": v == rules.Bypass,
		"File": fileName(r.main), "Script": fileName(r.script), "Delete": r.deletes(v), "Tree": string(body),
	}
	if r.opt.Form == formSet {
		data["Commands"] = strings.TrimPrefix(string(body), r.deleting(v))
		text, err := renderers.Execute("globalprotect", "main.set.tmpl", r.env.Templates, data)
		if err != nil {
			return nil, err
		}
		return []renderers.File{{Path: r.main, Mode: routes.Plain, Data: text, Use: useSet, On: useOn}}, nil
	}
	data["Load"] = r.loads(v)
	script, err := renderers.Execute("globalprotect", "load.set.tmpl", r.env.Templates, data)
	if err != nil {
		return nil, err
	}
	header := renderers.RouteHeader(p)
	for i := range header {
		header[i] = renderers.XMLComment(header[i])
	}
	data["Header"] = header
	data["File"], data["Script"] = renderers.XMLComment(fileName(r.main)), renderers.XMLComment(fileName(r.script))
	tree, err := renderers.Execute("globalprotect", "main.xml.tmpl", r.env.Templates, data)
	if err != nil {
		return nil, err
	}
	return []renderers.File{
		{Path: r.main, Mode: routes.Plain, Data: tree, On: "the firewall", Hand: "scp import configuration from USER@HOST:{}"},
		{Path: r.script, Mode: routes.Plain, Data: script, Use: useSet, On: useOn},
	}, nil
}

// useOn is where useSet runs.
const useOn = "a machine that reaches the firewall by ssh"

// useSet feeds a file of commands to a device's candidate configuration and shows what
// that changes. The commit is the admin's: it takes along what else is there.
const useSet = "(echo 'set cli scripting-mode on'; echo configure; grep -v '^#' {}; echo exit; echo 'show config diff') | ssh -T admin@FIREWALL"

func fileName(p string) string { return renderers.Clean(path.Base(p)) }

// leftBehind is an error where the commands published before, in either form, made
// something that these do not touch: in another client setting, the other direction, or
// names. The list that they made may have become the admin's own since, so nothing here
// deletes it.
func (r *renderer) leftBehind(v rules.Verdict) error {
	now := r.deletes(v)
	var old, files []string
	for _, form := range []string{formSet, formXML} {
		_, script := paths(form, r.env)
		for line := range bytes.Lines(r.env.Previous(script)) {
			l := strings.TrimRight(string(line), "\n")
			if !strings.HasPrefix(l, "delete ") || !strings.Contains(l, " split-tunneling ") || slices.Contains(now, l) {
				continue
			}
			if l = renderers.Clean(l); !slices.Contains(old, l) {
				old = append(old, l)
			}
			if f := renderers.Clean(script); !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	if len(old) == 0 {
		return nil
	}
	names := strings.Join(files, " and ")
	return &rules.RuleError{
		Cause: fmt.Sprintf("%s of an earlier run makes a list that this one leaves alone: it would stay on the gateway", names),
		Fix:   fmt.Sprintf("where it is loaded, run in configuration mode: %s; then delete %s and run again", strings.Join(old, "; "), names)}
}

// rows are the members of the tree, or set commands.
func (r *renderer) rows(_ ipranges.Family, v rules.Verdict) routes.Rows {
	if r.opt.Form == formXML {
		return routes.Rows{Row: routes.Row{Before: "  <member>", After: "</member>"}}
	}
	return routes.Rows{Row: routes.Row{Before: "set " + r.path() + " " + routeElement[v] + " "}}
}

// deleting is the commands that begin each load, as text.
func (r *renderer) deleting(v rules.Verdict) string { return strings.Join(r.deletes(v), "\n") + "\n" }

// body is the tree, or the commands: what deletes the lists first, then one route or name a
// line.
func (r *renderer) body(list rules.RouteList, rows []byte) ([]byte, error) {
	if r.opt.Form == formXML {
		return r.tree(list.Way, rows), nil
	}
	dst := append([]byte(r.deleting(list.Way)), rows...)
	for _, d := range r.opt.Domains.Patterns {
		dst = append(dst, "set "+r.path()+" "+domainElement[list.Way]+" list "+d+"\n"...)
	}
	return dst, nil
}
