// Package bird renders plans of routes as static protocols of BIRD 2, one a family,
// in a file that the admin's bird.conf includes.
//
// The list is of what goes past a VPN, by way of the gateway of the uplink, or of
// what goes through it, by way of the tunnel's device: the plan says which, and the
// options name the hop. With exceptions they name the other hop, too, and package
// nexthop says what this makes of the list. The protocols carry the target's name, so
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
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Gateway4      string `policy:"gateway4" doc:"the next hop of IPv4 routes; bypass: your uplink's router, as ip route shows it behind default via"`
	Gateway6      string `policy:"gateway6" doc:"the next hop of IPv6 routes"`
	Device        string `policy:"device,required" doc:"the link that the routes leave by; alone, without gateways, for a link with one other end: a tunnel, PPP"`
	Table4        string `policy:"table4" doc:"BIRD's table for the IPv4 routes"`
	Table6        string `policy:"table6" doc:"BIRD's table for the IPv6 routes"`
	Exceptions    bool   `policy:"exceptions" doc:"write the shortest list: large blocks, with exceptions by way of the other next hop"`
	OtherGateway4 string `policy:"other_gateway4" doc:"exceptions: the next hop of IPv4 that is not listed; bypass: the VPN's"`
	OtherGateway6 string `policy:"other_gateway6" doc:"exceptions: the next hop of IPv6 that is not listed"`
	OtherDevice   string `policy:"other_device" doc:"exceptions: the link that goes by; alone, without gateways, for a link with one other end"`
}

var info = renderers.Info{
	Name:    "bird",
	Title:   "BIRD 2",
	Summary: "BIRD 2: static protocols that bird.conf includes, one a family",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults: []rules.Verdict{rules.Tunnel, rules.Bypass},
	},
	Load: renderers.Transaction,
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

type renderer struct {
	env        renderers.Env
	ways       nexthop.Ways
	exceptions bool
	tables     map[ipranges.Family]string
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	ways, m := nexthop.Parse(nexthop.Options{Gateway4: opt.Gateway4, Gateway6: opt.Gateway6, Device: opt.Device},
		nexthop.Options{Gateway4: opt.OtherGateway4, Gateway6: opt.OtherGateway6, Device: opt.OtherDevice}, opt.Exceptions)
	var all renderers.Mistakes
	all.Fields(m)
	for _, d := range []struct{ option, device, gateways string }{
		{"device", opt.Device, opt.Gateway4 + opt.Gateway6}, {"other_device", opt.OtherDevice, opt.OtherGateway4 + opt.OtherGateway6},
	} {
		if d.gateways != "" && strings.ContainsAny(d.device, "@+=,") {
			all.Fields(nexthop.Mistakes{{Field: d.option, Cause: fmt.Sprintf("BIRD takes no device called %q behind a gateway", d.device),
				Fix: "rename the link: letters, digits, dots, dashes and underscores"}})
		}
	}
	r := &renderer{env, ways, opt.Exceptions, map[ipranges.Family]string{ipranges.IPv4: opt.Table4, ipranges.IPv6: opt.Table6}}
	for _, f := range rules.BothFamilies.List() {
		if !isSymbol(r.tables[f]) {
			all.Option(fmt.Sprintf("table%d", f), fmt.Sprintf("%.80q is no name of a table", r.tables[f]),
				fmt.Sprintf("write it as bird.conf declares it; without the option it is master%d", f))
		}
	}
	return &renderers.Target{Renderer: r, Caps: r.caps()}, all.Err()
}

// isSymbol keeps to names that BIRD takes without apostrophes. Of these it refuses its
// keywords, aloud, already where bird.conf declares the table.
func isSymbol(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// caps says which family has no next hop, and how long a route's line is.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteBytes = r.ways.RouteBytes(func(ipranges.Family) nexthop.Words { return words })
	caps.NoBypass = map[ipranges.Family]string{}
	for _, f := range rules.BothFamilies.List() {
		if _, ok := r.ways[f]; !ok {
			caps.NoBypass[f] = nexthop.Missing(f, r.exceptions)
		}
	}
	return caps
}

// protocol is the name of a family's static protocol.
func (r *renderer) protocol(f ipranges.Family) string {
	return fmt.Sprintf("sallyport_%s_v%d", r.env.Name, f)
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	type protocol struct{ Name, Channel, Table string }
	var hops []string
	var protocols []protocol
	var routes []byte
	for _, f := range rules.BothFamilies.List() {
		if !set.Has(f) {
			continue
		}
		if _, ok := r.ways[f]; !ok {
			return nil, list.Refuse(nexthop.Missing(f, r.exceptions),
				"name it, leave out the gateway of the other family if the device is a tunnel, or say which families you mean")
		}
		hops = append(hops, fmt.Sprintf("%s routes by way of %s.", f, r.ways[f]))
		protocols = append(protocols, protocol{r.protocol(f), channel(f), r.tables[f]})
		routes = r.append(routes, set, f)
	}
	data, err := renderers.Execute("bird", "routes.conf.tmpl", r.env.Templates, map[string]any{
		"Header": renderers.RouteHeader(p), "Hops": hops, "Protocols": protocols, "Bypass": v == rules.Bypass,
		"File": renderers.Clean(path.Base(r.env.Path)), "Routes": string(routes),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: data, Use: "birdc configure",
		On: "the router with BIRD", Hand: "once, in bird.conf: include \"{}\";"}}, nil
}

// channel is what BIRD calls a family.
func channel(f ipranges.Family) string { return fmt.Sprintf("ipv%d", f) }

// head is the lines that a family's protocol begins with.
func (r *renderer) head(f ipranges.Family) []string {
	return []string{
		fmt.Sprintf("protocol static %s {", r.protocol(f)),
		fmt.Sprintf("\t%s { table %s; };", channel(f), r.tables[f]),
	}
}

// words around the prefix of a route by way of h.
func words(h nexthop.Hop) (before, after string) {
	if h.Gateway.IsValid() {
		return "\troute ", fmt.Sprintf(" via %s%%'%s';", h.Gateway, h.Device)
	}
	return "\troute ", fmt.Sprintf(" via \"%s\";", h.Device)
}

// append appends the protocol of family f.
func (r *renderer) append(dst []byte, set ipranges.Set, f ipranges.Family) []byte {
	for _, line := range r.head(f) {
		dst = append(append(dst, line...), '\n')
	}
	return append(r.ways[f].Append(dst, set, f, words), "}\n"...)
}

// ReadBack implements renderers.Renderer. The direction comes from the header: the
// routes do not tell what their hop leads to.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	file, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	comments, lines := renderers.Uncomment(file.Data, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Path, err)
	}
	var set ipranges.Set
	for _, f := range fams.List() {
		var part ipranges.Set
		if part, lines, err = r.read(lines, f); err != nil {
			return nil, fmt.Errorf("%s: %w", file.Path, err)
		}
		set = set.Union(part)
	}
	switch {
	case len(lines) > 0:
		return nil, fmt.Errorf("%s: %q is no line of ours", file.Path, lines[0])
	case set.IsEmpty():
		return nil, fmt.Errorf("%s: there is no route", file.Path)
	}
	return rules.RoutePlan(r.env.Name, fams, v, set), nil
}

// read reads the protocol of family f, if lines begin with it, and returns the lines
// that follow it.
func (r *renderer) read(lines []string, f ipranges.Family) (ipranges.Set, []string, error) {
	head := r.head(f)
	if len(lines) < len(head) || !slices.Equal(lines[:len(head)], head) {
		return ipranges.Set{}, lines, nil
	}
	if _, ok := r.ways[f]; !ok {
		return ipranges.Set{}, nil, errors.New(nexthop.Missing(f, r.exceptions))
	}
	rest := lines[len(head):]
	end := slices.Index(rest, "}")
	if end < 1 {
		return ipranges.Set{}, nil, fmt.Errorf("protocol %s has no end, or no route", r.protocol(f))
	}
	set, err := r.ways[f].Read(rest[:end], f, words)
	return set, rest[end+1:], err
}
