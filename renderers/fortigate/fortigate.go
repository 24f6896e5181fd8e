// Package fortigate renders plans of routes as the split tunnel of a FortiGate: for
// dial-up IPsec the subnets that its clients keep out of the tunnel or send through it,
// for SSL VPN the routing addresses of a portal.
//
// Addresses become address objects, named by their content under our prefix, in one
// group a family, which the tunnel names. The group is filled by set and append, in lines
// that are cut by content, and saved at next: its list is replaced in one step, whatever it
// held. Objects come before groups, groups before their use, and what the file published
// before (Env.Previous) has and this one has not is deleted at the end, when nothing refers
// to it. Commands that delete objects, or unset the attributes of a family that has gone,
// stay in the file, however many versions were never loaded. A list of the other direction is
// refused after one: the group would hold it while the tunnel has the old direction.
//
// FortiOS goes on after a command that fails. So a group of what goes past the tunnel is
// emptied first: were its first line to fail, for want of one address, what follows would
// be added to the old list, and withdrawn addresses would go on past the tunnel. A group of
// what goes through it is not: there the old list is the safer one.
//
// Quirks, with where they are documented (2026-11-23; nothing was tried on a device):
//   - a tunnel takes one name, of an address or a group, with at most 79 characters
//     (FortiOS CLI Reference 7.x, vpn ipsec phase1-interface); addresses of both families
//     are tables of their own.
//   - set replaces a list of values, append adds to it and unset empties it (Fortinet
//     Technical Tip 197205, "Useful multi-option values CLI commands"); a group keeps no place for
//     members beyond its model's number (Maximum Values Table, firewall.addrgrp:member).
//   - a name cannot hold <, >, (, ), #, quotes, and a question mark calls for help.
//   - SSL VPN has no tunnel mode from FortiOS 7.6.3 on (Release Notes).
package fortigate

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Form      string `policy:"form" doc:"ipsec: a dial-up tunnel; ssl: a portal of SSL VPN in tunnel mode, before FortiOS 7.6.3"`
	Tunnel    string `policy:"tunnel,required" doc:"ipsec: the phase1-interface, with mode-cfg; ssl: the portal"`
	VDOM      string `policy:"vdom" doc:"the virtual domain, where there are several"`
	Prefix    string `policy:"prefix" doc:"what our names begin with; absent: sp-, the target's name, -"`
	MaxRoutes int    `policy:"max_routes" doc:"how many members an address group has room for: print tablesize shows it as firewall.addrgrp:member"`
}

// Forms.
const (
	formIPsec = "ipsec"
	formSSL   = "ssl"
)

// Lengths that FortiOS allows (CLI Reference 7.x), and the number of members that is
// taken for granted.
const (
	maxName    = 79
	maxAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff_128")
	maxPrefix  = maxName - maxAddress
	maxPhase1  = 15
	maxPortal  = 35
	maxVDOM    = 31
	maxRoutes  = 300
)

const limitSource = "Fortinet's Maximum Values Table, firewall.addrgrp:member, which goes by model"

var info = renderers.Info{
	Name:    "fortigate",
	Title:   "FortiGate",
	Summary: "FortiGate: address objects in groups for the split tunnel of dial-up IPsec or of an SSL VPN portal",
	Caps:    routes.Caps(routeLimits(maxRoutes)...),
	Load:    renderers.PerFamily,
	Limits: []renderers.Limit{
		{Name: "routes of a family", Value: "members of a group, by model; 300 assumed", Source: limitSource + "; print tablesize", Option: "max_routes"},
		{Name: "name of an object or a group", Value: "79 characters", Source: "FortiOS CLI Reference 7.x, firewall address", Option: "prefix"},
		{Name: "name of a phase1-interface; of a portal", Value: "15; 35 characters", Source: "FortiOS CLI Reference 7.x"},
		{Name: "SSL VPN in tunnel mode", Value: "before FortiOS 7.6.3", Source: "FortiOS 7.6.3 Release Notes"},
	},
	Extension: ".conf",
}

func routeLimits(most int) []rules.RouteLimit {
	return []rules.RouteLimit{{Max: most, Families: rules.BothFamilies, Device: "an address group", Source: limitSource, Option: "max_routes"}}
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Form: formIPsec, MaxRoutes: maxRoutes}, build)
}

type renderer struct {
	opt Options
	env renderers.Env
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	if opt.Prefix == "" {
		opt.Prefix = "sp-" + env.Name + "-"
	}
	r := &renderer{opt, env}
	return &renderers.Target{Renderer: r, Caps: r.caps(), Claims: r.claims()}, r.check()
}

func (r *renderer) check() error {
	var all renderers.Mistakes
	o := &r.opt
	most := max(maxPhase1, maxPortal) // where the form is not known
	switch o.Form {
	case formSSL:
		most = maxPortal
	case formIPsec:
		most = maxPhase1
	default:
		all.Option("form", "ipsec or ssl", "no form %.60q", o.Form)
	}
	if !renderers.IsName(o.Tunnel, most, "._- ") || o.Tunnel != strings.TrimSpace(o.Tunnel) {
		all.Option("tunnel", fmt.Sprintf("write it as the FortiGate shows it: at most %d letters, digits, blanks, dots, dashes and underscores", most), "%.80q is no name of a tunnel", o.Tunnel)
	}
	if o.VDOM != "" && !renderers.IsName(o.VDOM, maxVDOM, "_-") {
		all.Option("vdom", "write it as the FortiGate shows it", "%.80q is no name of a virtual domain", o.VDOM)
	}
	if !renderers.IsName(o.Prefix, maxPrefix, "._-") {
		all.Option("prefix", "choose a shorter one of letters, digits, dots, dashes and underscores, such as prefix = \"sp-\"",
			"names cannot begin with %.80q: at most %d characters, so that every address has a name", o.Prefix, maxPrefix)
	}
	if o.MaxRoutes < 1 {
		all.Option("max_routes", "write what print tablesize shows for firewall.addrgrp:member", "%d is no number of routes", o.MaxRoutes)
	}
	return all.Err()
}

// caps is what the options leave of what the kind can express.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteLimits = routeLimits(r.opt.MaxRoutes)
	caps.RouteBytes = r.routeBytes
	return caps
}

// routeBytes counts the lines of a prefix, their ends included: the three of its object,
// and a line of members that it has to itself. Most share theirs, so a list takes less.
func (r *renderer) routeBytes(p netip.Prefix) int {
	name := len(r.name(p))
	object := len("    edit \"\"\n") + name + value(ipranges.FamilyOf(p.Addr())).Bytes(p) + len("    next\n")
	return object + len("        append member \"\"\n") + name
}

// claims is what the target takes for itself.
func (r *renderer) claims() []renderers.Claim {
	in := ""
	if r.opt.VDOM != "" {
		in = " of virtual domain " + r.opt.VDOM
	}
	return []renderers.Claim{
		{Thing: fmt.Sprintf("the %s %s%s", r.table(), r.opt.Tunnel, in), Option: "tunnel", MayDiffer: true,
			Cost: "the tunnel uses the groups of the one that is loaded last, or lists that contradict each other",
			Fix:  "where both are for one FortiGate, put both lists into one target"},
		{Thing: fmt.Sprintf("the names that begin with %s%s", r.opt.Prefix, in), Option: "prefix", MayDiffer: true,
			Cost: "the groups hold the list of the one that is loaded last, and each deletes addresses of the other",
			Fix:  "where both are for one FortiGate, give one of them another prefix"},
	}
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	if v == rules.Tunnel {
		if err := missingFamily(list); err != nil {
			return nil, err
		}
	}
	before := r.previous()
	settings := r.settings(set, v)
	unset, err := r.leftBehind(before, settings, v)
	if err != nil {
		return nil, err
	}
	data, err := renderers.Execute("fortigate", "main.conf.tmpl", r.env.Templates, map[string]any{
		"Header": header(p), "Bypass": v == rules.Bypass, "SSL": r.opt.Form == formSSL, "Prefix": r.opt.Prefix,
		"Undo": entered(r.uses(settings)), "Commands": string(r.commands(set, v, settings, unset, r.withdrawn(before, set))),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: data, Use: useSSH,
		On: "a machine that reaches the FortiGate by ssh"}}, nil
}

// missingFamily refuses an include without one of its families: a tunnel without a list
// of a family takes all of it.
func missingFamily(list rules.RouteList) error {
	for _, f := range list.Families.List() {
		if list.Set.Has(f) {
			continue
		}
		return list.Refuse(fmt.Sprintf("it has no %s, and where the tunnel gives out %[1]s addresses clients would send all %[1]s through it", f),
			fmt.Sprintf("say families = [%q] in the target, and give out no addresses of the other; or list some of both", rules.FamilyWord(list.Families&^rules.Only(f))))
	}
	return nil
}

// header leaves out the counts, so that a week's change is no longer than it has to be: an
// address takes three lines and a place in a fourth. A question mark would call for help.
func header(p *rules.Plan) []string {
	lines := slices.DeleteFunc(renderers.RouteHeader(p), func(l string) bool { return strings.HasPrefix(l, "counts: ") })
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], "?", "_")
	}
	return lines
}

// useSSH enters the file over SSH; FortiOS saves what each next and end completes.
const useSSH = "grep -v '^#' {} | ssh -T admin@FORTIGATE"

// tables are the words of a family's tables and attributes.
type tables struct{ address, group, value string }

var tablesOf = map[ipranges.Family]tables{
	ipranges.IPv4: {"firewall address", "firewall addrgrp", "subnet"},
	ipranges.IPv6: {"firewall address6", "firewall addrgrp6", "ip6"},
}

// deleteOrder is that of the tables that withdrawn things leave: groups refer to addresses.
var deleteOrder = []string{"firewall addrgrp", "firewall addrgrp6", "firewall address", "firewall address6"}

// name is an object's, by its content.
func (r *renderer) name(p netip.Prefix) string {
	return r.opt.Prefix + p.Addr().String() + "_" + strconv.Itoa(p.Bits())
}

func (r *renderer) group(f ipranges.Family) string { return fmt.Sprintf("%sv%d", r.opt.Prefix, f) }

// value is the line of a prefix in its object: IPv4 with a mask.
func value(f ipranges.Family) routes.Row {
	return routes.Row{Before: "        set " + tablesOf[f].value + " ", Mask: " "}
}

// commands are all of them: objects, groups, their use, and what is withdrawn.
func (r *renderer) commands(set ipranges.Set, v rules.Verdict, settings []setting, unset []string, gone map[string][]string) []byte {
	var dst []byte
	add := func(parts ...string) {
		for _, s := range parts {
			dst = append(dst, s...)
		}
	}
	if r.opt.VDOM != "" {
		add("config vdom\nedit ", r.opt.VDOM, "\n")
	}
	for _, f := range rules.BothFamilies.List() {
		if !set.Has(f) {
			continue
		}
		dst = slices.Grow(dst, set.NumPrefixes(f)*(140+2*len(r.opt.Prefix)))
		add("config ", tablesOf[f].address, "\n")
		for p := range set.Prefixes(f) {
			add("    edit \"", r.name(p), "\"\n", value(f).Line(p), "\n    next\n")
		}
		add("end\nconfig ", tablesOf[f].group, "\n    edit \"", r.group(f), "\"\n")
		verb := "set"
		if v == rules.Bypass {
			add("        unset member\n")
		}
		for _, line := range chunks(set, f) {
			add("        ", verb, " member")
			for _, p := range line {
				add(" \"", r.name(p), "\"")
			}
			add("\n")
			verb = "append"
		}
		add("    next\nend\n")
	}
	add("config ", r.table(), "\n    edit \"", r.opt.Tunnel, "\"\n")
	for _, attribute := range unset {
		add("        unset ", attribute, "\n")
	}
	for _, s := range settings {
		add("        set ", s.attribute, " ", s.value, "\n")
	}
	add("    next\nend\n")
	for _, table := range deleteOrder {
		if len(gone[table]) == 0 {
			continue
		}
		add("config ", table, "\n")
		for _, name := range gone[table] {
			add("    delete \"", name, "\"\n")
		}
		add("end\n")
	}
	if r.opt.VDOM != "" {
		add("end\n")
	}
	return dst
}

// table holds the tunnel.
func (r *renderer) table() string {
	if r.opt.Form == formSSL {
		return "vpn ssl web portal"
	}
	return "vpn ipsec phase1-interface"
}

// setting is an attribute with its value as it is written.
type setting struct{ attribute, value string }

// settings are the tunnel's attributes that use the groups, in the families of set.
func (r *renderer) settings(set ipranges.Set, v rules.Verdict) []setting {
	var list []setting
	for _, f := range rules.BothFamilies.List() {
		if set.Has(f) {
			list = append(list, r.settingsOf(f, v)...)
		}
	}
	return list
}

func (r *renderer) settingsOf(f ipranges.Family, v rules.Verdict) []setting {
	group := `"` + r.group(f) + `"`
	if r.opt.Form == formIPsec {
		way := "exclude"
		if v == rules.Tunnel {
			way = "include"
		}
		return []setting{{fmt.Sprintf("ipv%d-split-%s", f, way), group}}
	}
	family, negate := "", "disable"
	if f == ipranges.IPv6 {
		family = "ipv6-"
	}
	if v == rules.Bypass {
		negate = "enable"
	}
	return []setting{{family + "split-tunneling", "enable"}, {family + "split-tunneling-routing-negate", negate},
		{family + "split-tunneling-routing-address", group}}
}
