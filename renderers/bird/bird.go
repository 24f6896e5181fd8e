// Package bird renders plans of routes as static protocols of BIRD 2, one a family,
// in a file that the admin's bird.conf includes.
//
// The list is of what goes past a VPN, by way of the gateway of the uplink, or of
// what goes through it, by way of the tunnel's device: the plan says which, and the
// options name the hop. With exceptions they name the other hop, too (package nexthop). The protocols carry the target's name, so
// that the admin's filters can tell their routes from others: into the kernel, and not
// to neighbours.
//
// BIRD reads its configuration as a whole, compares it with the one in force, and
// touches only the routes that differ; a mistake anywhere leaves the old one in force.
//
// Quirks, BIRD 2.0.12 (Debian 12), tried in November 2026:
//   - A route whose gateway is on no link of the machine is taken without a word, and
//     stays out of the kernel until there is such a link: packets go into the VPN.
//   - A device behind a gateway is a symbol, between apostrophes ("via A%'eth0'"), of
//     letters, digits and "_-.:"; alone it is a string ("via \"tun0\"").
//   - Symbols have at most 63 characters, and one of hexadecimal digits alone is read
//     as a number. Names of targets are shorter, and ours begin with sallyport_.
//   - The kernel protocol exports nothing unless told to, and bird.conf tells it.
//   - Thousands of routes at once make it warn "Kernel dropped some netlink messages":
//     the routes are there; "netlink rx buffer" of the kernel protocol avoids it.
package bird

import (
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	nexthop.ToOptions
	Table4 string `policy:"table4" doc:"BIRD's table for the IPv4 routes"`
	Table6 string `policy:"table6" doc:"BIRD's table for the IPv6 routes"`
	nexthop.OtherOptions
}

var info = renderers.Info{
	Name:    "bird",
	Title:   "BIRD 2",
	Summary: "BIRD 2: static protocols that bird.conf includes, one a family",
	Caps:    routes.Caps(),
	Load:    renderers.Transaction,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "no limit known", Source: "BIRD 2.0.12: all of AzureCloud with the relays, 3,117 prefixes, is in the kernel in less than 0.5 s, measured"},
		{Name: "name of a table", Value: "63 characters", Source: "BIRD 2.0.12, SYM_MAX_LEN 64 with the final zero; measured"},
	},
	Extension: ".conf",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Table4: "master4", Table6: "master6"}, build)
}

// protocol is the static protocol of a family.
type protocol struct{ Name, Channel, Table string }

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	ways, err := nexthop.Parse(opt.ToOptions, opt.OtherOptions)
	all.Add(err)
	for _, d := range []struct{ option, device, gateways string }{
		{"device", opt.Device, opt.Gateway4 + opt.Gateway6}, {"other_device", opt.OtherDevice, opt.OtherGateway4 + opt.OtherGateway6},
	} {
		if d.gateways != "" && strings.ContainsAny(d.device, "@+=,") && !all.Has(d.option) {
			all.Option(d.option, "rename the link: letters, digits, dots, dashes and underscores",
				"BIRD takes no device called %q behind a gateway", d.device)
		}
	}
	protocols := map[ipranges.Family]protocol{}
	for f, table := range map[ipranges.Family]string{ipranges.IPv4: opt.Table4, ipranges.IPv6: opt.Table6} {
		protocols[f] = protocol{fmt.Sprintf("sallyport_%s_v%d", env.Name, f), fmt.Sprintf("ipv%d", f), table}
	}
	for _, f := range rules.BothFamilies.List() {
		if !isSymbol(protocols[f].Table) {
			all.Option(fmt.Sprintf("table%d", f), fmt.Sprintf("write it as bird.conf declares it; without the option it is master%d", f),
				"%.80q is no name of a table", protocols[f].Table)
		}
	}
	form := ways.Form("#", func(ipranges.Family) nexthop.Words { return words })
	form.Around = func(list rules.RouteList, f ipranges.Family) (before, after []string) {
		if !list.Set.Has(f) {
			return nil, nil
		}
		p := protocols[f]
		return []string{fmt.Sprintf("protocol static %s {", p.Name), fmt.Sprintf("\t%s { table %s; };", p.Channel, p.Table)}, []string{"}"}
	}
	return &renderers.Target{Caps: ways.Caps(form), Renderer: &routes.File{
		Form: form, Env: env, Kind: info.Name, Template: "routes.conf.tmpl",
		Load: renderers.File{Mode: routes.Plain, Use: "birdc configure", On: "the router with BIRD", Hand: "once, in bird.conf: include \"{}\";"},
		Data: func(list rules.RouteList) map[string]any {
			var listed []protocol
			for _, f := range rules.BothFamilies.List() {
				if list.Set.Has(f) {
					listed = append(listed, protocols[f])
				}
			}
			return map[string]any{"Hops": ways.Hops(list), "Protocols": listed}
		},
	}}, all.Err()
}

// isSymbol keeps to names that BIRD takes without apostrophes. Of these it refuses its
// keywords, aloud, already where bird.conf declares the table.
func isSymbol(s string) bool { return renderers.IsName(s, 63, "_") && (s[0] < '0' || s[0] > '9') }

// words around the prefix of a route by way of h.
func words(h nexthop.Hop) (before, after string) {
	if h.Gateway.IsValid() {
		return "\troute ", fmt.Sprintf(" via %s%%'%s';", h.Gateway, h.Device)
	}
	return "\troute ", fmt.Sprintf(" via \"%s\";", h.Device)
}
