// Package mikrotik renders plans of routes as firewall address lists of MikroTik RouterOS,
// one a family, by which the admin's mangle rules choose a routing table.
//
// Quirks, with where they are documented (2026-11-30; nothing was tried on a device):
//   - an entry is an address or a prefix, and can be a host name too: nothing but prefixes
//     is written (help.mikrotik.com, Address-lists). IPv6 has a list of its own.
//   - an entry that is there already is an error, which ends an import. So the file fills a
//     second list, and gives its entries the name of the first once that is gone.
package mikrotik

import (
	"fmt"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	List string `policy:"list" doc:"the name of the address lists, which are ours alone; absent: sallyport_, the target's name"`
}

const maxName = 64

var info = renderers.Info{
	Name:    "mikrotik",
	Title:   "MikroTik RouterOS",
	Summary: "MikroTik RouterOS: firewall address lists of what goes past the VPN or through it, for mangle rules",
	Caps:    routes.Caps(),
	Load:    renderers.PerFamily,
	Limits: []renderers.Limit{
		{Name: "entries", Value: "what fits into the router's memory", Source: "no number is documented: help.mikrotik.com, Address-lists"},
		{Name: "name of a list", Value: "64 characters", Source: "what is written here; RouterOS documents no limit", Option: "list"},
	},
	Extension: ".rsc",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, Options{}, build) }

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if opt.List == "" {
		opt.List = "sallyport_" + env.Name
	}
	if !renderers.IsName(opt.List, maxName, "._-") {
		all.Option("list", "choose at most 64 letters, digits, dots, dashes and underscores",
			"%.80q is no name of an address list", opt.List)
	}
	form := routes.Form{
		Mark: "#",
		Rows: func(ipranges.Family, rules.Verdict) routes.Rows {
			return routes.Rows{Row: routes.Row{Before: "add list=" + opt.List + "_next address="}}
		},
		Around: func(_ rules.RouteList, f ipranges.Family) (before, after []string) {
			menu := map[ipranges.Family]string{ipranges.IPv4: "/ip firewall address-list", ipranges.IPv6: "/ipv6 firewall address-list"}[f]
			// An import that ended between the last two lines left the whole list in LIST_next.
			return []string{menu, fmt.Sprintf(":if ([:len [%[1]s find list=%[2]s]] = 0) do={%[1]s set [%[1]s find list=%[2]s_next] list=%[2]s}", menu, opt.List),
					"remove [find list=" + opt.List + "_next]"},
				[]string{"remove [find list=" + opt.List + "]", "set [find list=" + opt.List + "_next] list=" + opt.List}
		},
	}
	caps := info.Caps
	caps.RouteBytes = form.RouteBytes(rules.Bypass)
	return &renderers.Target{Caps: caps, Renderer: &routes.File{
		Form: form, Env: env, Kind: info.Name, Template: "main.rsc.tmpl",
		Data: func(rules.RouteList) map[string]any { return map[string]any{"List": opt.List} },
		Load: renderers.File{Mode: routes.Plain, On: "a machine that reaches the router by ssh",
			Use:  "scp {} admin@ROUTER:sallyport.rsc && ssh admin@ROUTER '/import sallyport.rsc'",
			Undo: fmt.Sprintf("ssh admin@ROUTER '/ip firewall address-list remove [find list=%[1]s]; /ipv6 firewall address-list remove [find list=%[1]s]'", opt.List),
			Hand: fmt.Sprintf("once: mangle rules that mark what goes to %[1]s or %[1]s_next for a routing table", opt.List)},
	}, Claims: []renderers.Claim{{Thing: "the address lists " + opt.List, Option: "list", MayDiffer: true,
		Cost: "the list of the target that is loaded last is the only one", Fix: "where both are for one router, give one of them another list"}}}, all.Err()
}
