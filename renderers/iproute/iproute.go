// Package iproute renders plans of routes as files for Linux's ip -batch: one a
// family, every route by way of one next hop, and a script that loads them. Loads take
// turns, since two of ip -batch at once would mix.
//
// The list is of what goes past a VPN, by way of the gateway of the uplink, or of
// what goes through it, by way of the tunnel's device: the plan says which, and the
// options name the hop. What is not on the list stays where the machine's other
// routes send it. With exceptions the options name that other hop, too (package
// nexthop). Package linuxroutes has the order of commands, and the quirks.
package iproute

import (
	"fmt"
	"path"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/linuxroutes"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	nexthop.ToOptions
	Table    string `policy:"table" doc:"the routing table, a name or a number"`
	Protocol int    `policy:"protocol" doc:"the number that marks routes as ours; the next higher one is ours, too. One pair for each target on a machine"`
	Metric   int    `policy:"metric" doc:"of our routes; where another route is for the same prefix, the lower metric wins"`
	nexthop.OtherOptions
}

var info = renderers.Info{
	Name:    "iproute",
	Title:   "Linux ip -batch",
	Summary: "routes of Linux: a file for ip -batch per family, under a protocol number of their own",
	Caps:    routes.Caps(),
	Load:    renderers.PerFamily,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "no limit known", Source: "Linux; all of AzureCloud, 3,465 prefixes, loads in 0.2 to 0.4 s, measured on Linux 6.18"},
	},
	Extension: ".batch",
	Local:     true,
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	defaults := Options{Table: "main", Protocol: linuxroutes.DefaultProtocol, Metric: linuxroutes.DefaultMetric}
	return renderers.Define(info, defaults, build)
}

type renderer struct {
	env    renderers.Env
	routes linuxroutes.Routes
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	ways, err := nexthop.Parse(opt.ToOptions, opt.OtherOptions)
	all.Add(err)
	list := linuxroutes.Routes{Table: opt.Table, Protocol: opt.Protocol, Metric: opt.Metric, Ways: ways}
	all.Add(list.Check())
	r := &renderer{env, list}
	return &renderers.Target{Renderer: r, Caps: ways.Caps(list.Form()), Local: r.local(),
		Claims: list.Claims(ways.Families(), "loading one takes the routes of the other away")}, all.Err()
}

// view is what the template of a list sees.
type view struct {
	Header                           []string
	Family, Hop, Plain, Load, Remove string
	Protocol, Metric                 int
	Routes                           string
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	if err := r.checkPlace(); err != nil {
		return nil, err
	}
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	var files []renderers.File
	for _, f := range rules.BothFamilies.List() {
		if !list.Set.Has(f) {
			continue
		}
		text, err := r.routes.Text(list, f)
		if err != nil {
			return nil, err
		}
		name := renderers.FamilyPath(r.env.Path, f)
		data, err := renderers.Execute("iproute", "batch.tmpl", r.env.Templates, view{
			Header: renderers.RouteHeader(p), Family: f.String(), Hop: r.routes.By[f].String(), Protocol: r.routes.Protocol, Metric: r.routes.Metric,
			Load: word(path.Base(r.scriptPath("load"))), Remove: word(path.Base(r.scriptPath("remove"))),
			Plain: linuxroutes.LoadPlain(f, word(path.Base(name))), Routes: text,
		})
		if err != nil {
			return nil, err
		}
		files = append(files, renderers.File{Path: name, Mode: routes.Plain, Data: data})
	}
	scripts, err := r.scripts(files, r.gone(files))
	return append(files, scripts...), err
}

func word(s string) string { return renderers.ShellWord(renderers.Clean(s)) }

// ReadBack implements renderers.Renderer. The direction comes from the header: the
// routes do not tell what their hop leads to.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	list, n, err := r.routes.Read(files, func(f ipranges.Family) string { return renderers.FamilyPath(r.env.Path, f) })
	if err != nil {
		return nil, err
	}
	if n == 0 || n+2 != len(files) {
		return nil, fmt.Errorf("of %d files, %d are lists", len(files), n)
	}
	if err := r.checkScripts(files); err != nil {
		return nil, err
	}
	return rules.RoutePlan(r.env.Name, list.Families, list.Way, list.Set), nil
}
