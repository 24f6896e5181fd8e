// Package strongswan renders plans of routes for strongSwan, as files for swanctl.
//
// What goes past the tunnel is pass policies: a connection of our own for each
// family, which no peer can match, with one child for each prefix. charon compares
// children one by one, so that a new list installs and uninstalls what differs, and
// nothing else. What goes through it is a section with the line remote_ts, from which
// the admin's own child inherits.
//
// With the option ports the pass policies hold these protocols and ports alone. A
// plan of routes cannot say that, so such a file is read and checked, and then
// ReadBack says that no plan compares with it.
//
// Quirks, strongSwan 5.9.8 (Debian 12), tried 2026-11-23:
//   - a range of ports is widened to a mask: [udp/3478-3481] lets 3472-3487 pass.
//     Ranges here are divided so that each part is a mask (see ports.go).
//   - swanctl --load-conns unloads every connection that its files do not name, so
//     ours belongs into conf.d, beside the admin's.
//   - a connection is one message to charon, of at most 512 KiB; charon ignores a
//     longer one, and swanctl dies of SIGPIPE without a word.
//   - charon throws the prefix of a pass policy out of its routing table 220, so that
//     the machine's own routes serve it; one with ports it does not, and its packets
//     take the tunnel's route: with a virtual IP as source, and without a router where
//     the tunnel's ends are of the other family. install_routes = no helps gateways.
//   - a connection with the default remote_addrs could be what a peer matches; with
//     127.0.0.1 none does (strongSwan's own tests: swanctl/shunt-policies-nat-rw).
package strongswan

import (
	"fmt"
	"net/netip"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Ports        []string `policy:"ports" doc:"bypass: what of the addresses goes past, such as udp/3478-3481 and tcp/443; absent: every protocol and port"`
	MaxSelectors int      `policy:"max_selectors" doc:"include: the traffic selectors that your gateway takes in one child"`
}

// maxSelectors is what one payload of traffic selectors holds (RFC 7296, 3.13: the
// number of them is one byte).
const maxSelectors = 255

// maxMessage is what is left of charon's longest message, 524,288 bytes, for the
// children of a connection; what frames them is counted generously.
const maxMessage = 524288 - 288

var info = renderers.Info{
	Name:    "strongswan",
	Title:   "strongSwan",
	Summary: "strongSwan: pass policies past the tunnel, by port too, or the selectors of what enters it",
	Caps:    routes.Caps(),
	Load:    renderers.PerFamily,
	Limits: []renderers.Limit{
		{Name: "bypass", Value: "about 5,200 IPv4 prefixes, 4,500 of IPv6: 512 KiB a connection", Source: "measured, strongSwan 5.9.8; fewer with ports, which count each"},
		{Name: "time to load", Value: "0.3 s for 1,000 pass policies, 1.7 s for 3,117, 7 s for 6,000", Source: "measured, strongSwan 5.9.8"},
		{Name: "include", Value: "255 selectors, both families together", Source: "RFC 7296, section 3.13", Option: "max_selectors"},
	},
	NoReadBack: "ports narrow a bypass: the file is read and checked, and a list of addresses has no ports to compare",
	Extension:  ".conf",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{MaxSelectors: maxSelectors}, build)
}

type renderer struct {
	routes.File
	ports rules.Matches // empty: every protocol and port
	marks []string      // what follows a prefix, one for each selector: "[udp/3478-3479]"
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if opt.MaxSelectors < 1 || opt.MaxSelectors > maxSelectors {
		all.Option("max_selectors", fmt.Sprintf("use a number from 1 to %d: IKEv2 counts them in one byte", maxSelectors),
			"%d is no number of selectors that a payload can hold", opt.MaxSelectors)
	}
	var list []rules.Match
	for i, s := range opt.Ports {
		m, err := parsePorts(s)
		if err != nil {
			all.Option(fmt.Sprintf("ports.%d", i), `write protocol and ports, such as "udp/3478-3481", "tcp/443" or "udp"`,
				"%.60q is no protocol with ports: %v", s, err)
			continue
		}
		list = append(list, m)
	}
	r := &renderer{marks: []string{""}}
	if len(opt.Ports) > 0 {
		r.ports = rules.NewMatches(list...)
		r.marks = marksOf(r.ports)
	}
	r.File = routes.File{Env: env, Kind: info.Name, Template: "swanctl.conf.tmpl", Routes: "Config", Comment: r.comment,
		Form: routes.Form{Mark: "#", Rows: r.rows, Around: r.connection, Body: r.sections, Check: r.check},
		Data: func(rules.RouteList) map[string]any {
			return map[string]any{"Ports": len(r.ports) > 0, "Section": r.section()}
		},
		Load: renderers.File{Mode: routes.Plain, On: "the machine with strongSwan",
			Use: "cp {} /etc/swanctl/conf.d/ && swanctl --load-conns"}}
	caps := info.Caps
	caps.RouteBytes, caps.RouteLimits = r.messageBytes, limits(opt.MaxSelectors)
	return &renderers.Target{Renderer: r, Caps: caps, Ports: r.ports}, all.Err()
}

// limits count what goes past the tunnel as charon's message does, which depends on the
// ports, and what enters it as selectors.
func limits(most int) []rules.RouteLimit {
	selectors := rules.RouteLimit{Max: most, Families: rules.BothFamilies, Shared: true, Of: rules.Tunnel,
		Device: "a payload of selectors", Source: "RFC 7296, section 3.13"}
	if most < maxSelectors {
		selectors.Option = "max_selectors" // it lowers the limit of IKEv2, and cannot raise it
	}
	return []rules.RouteLimit{{Max: maxMessage, Families: rules.BothFamilies, Bytes: true, Of: rules.Bypass,
		Device: "charon's control socket", Source: "measured, strongSwan 5.9.8: vici messages over 524,288 bytes are ignored"}, selectors}
}

// messageBytes is what the child of a prefix takes in the message to charon (vici's
// encoding: a byte for the kind of each element, one or two for each length).
func (r *renderer) messageBytes(p netip.Prefix) int {
	var text [64]byte
	length := len(ipranges.AppendPrefix(text[:0], p))
	n := len("p") + length + 3 // the section, whose name is as long
	n += len("local_ts") + len(anyOf(ipranges.FamilyOf(p.Addr()))) + 6
	n += len("remote_ts") + 3
	for _, m := range r.marks {
		n += length + len(m) + 3
	}
	return n + len("mode"+"pass") + 4 + len("start_action"+"trap") + 4
}

// check refuses ports, which narrow what goes past the tunnel, in a list of what goes
// through it.
func (r *renderer) check(list rules.RouteList) error {
	if list.Way == rules.Bypass || len(r.ports) == 0 {
		return nil
	}
	return list.Refuse("ports narrow what goes past the tunnel, and this is a list of what goes through it",
		"remove ports, or use bypass")
}

// comment has the header say that other ports of the addresses stay in the tunnel.
func (r *renderer) comment(line string) string {
	if len(r.ports) == 0 || !strings.HasPrefix(line, "on every protocol and port") {
		return line
	}
	var list []string
	for _, m := range r.ports {
		list = append(list, m.String())
	}
	return fmt.Sprintf("of these addresses only %s; all else of theirs goes through the VPN", renderers.Clean(strings.Join(list, ", ")))
}

// section begins the names of all that is ours.
func (r *renderer) section() string { return "sallyport_" + r.Env.Name }

func anyOf(f ipranges.Family) string {
	if f == ipranges.IPv6 {
		return "::/0"
	}
	return "0.0.0.0/0"
}

const remote = "{ remote_ts = "

// rows are children for what goes past the tunnel, and selectors for what enters it, in
// a string whose lines end in backslashes.
func (r *renderer) rows(f ipranges.Family, way rules.Verdict) routes.Rows {
	if way == rules.Tunnel {
		return routes.Rows{Row: routes.Row{After: ",\\"}}
	}
	between := fmt.Sprintf(" : %s_pass%d %s", r.section(), f, remote)
	return routes.Rows{Row: routes.Row{Before: "      ", After: " }",
		Write: func(dst []byte, p netip.Prefix) []byte {
			dst = append(appendChildName(dst, p), between...)
			for i, m := range r.marks {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = append(ipranges.AppendPrefix(dst, p), m...)
			}
			return dst
		},
		Find: func(child string) string {
			_, rest, _ := strings.Cut(child, remote)
			return rest[:strings.IndexAny(rest+",", "[,")]
		},
	}}
}

// appendChildName is made of the prefix, so that a prefix keeps its name whatever is
// added before it. Names cannot hold dots and colons.
func appendChildName(dst []byte, p netip.Prefix) []byte {
	dst = append(dst, 'p')
	start := len(dst)
	dst = ipranges.AppendPrefix(dst, p)
	for i := start; i < len(dst); i++ {
		if c := dst[i]; c == '.' || c == ':' || c == '/' {
			dst[i] = '_'
		}
	}
	return dst
}

// connection is around the children of a family. One that the list lacks has none:
// swanctl unloads the connections that no file names.
func (r *renderer) connection(list rules.RouteList, f ipranges.Family) (before, after []string) {
	if list.Way == rules.Tunnel || !list.Set.Has(f) {
		return nil, nil
	}
	return []string{fmt.Sprintf("  %s_v%d {", r.section(), f), "    remote_addrs = 127.0.0.1", "    children {"}, []string{"    }", "  }"}
}

// sections are the sections of the file.
func (r *renderer) sections(list rules.RouteList, rows []byte) ([]byte, error) {
	if list.Way == rules.Tunnel {
		return fmt.Appendf(nil, "%s {\n  remote_ts = \"\\\n%s\"\n}\n", r.section(), rows), nil
	}
	var dst []byte
	for _, f := range rules.BothFamilies.List() {
		if list.Set.Has(f) {
			dst = fmt.Appendf(dst, "%s_pass%d {\n  local_ts = %s\n  mode = pass\n  start_action = trap\n}\n", r.section(), f, anyOf(f))
		}
	}
	return fmt.Appendf(dst, "connections {\n%s}\n", rows), nil
}

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	p, err := r.read(files)
	if err == nil && len(r.ports) > 0 {
		return nil, fmt.Errorf("%w: %s", renderers.ErrNoReadBack, info.NoReadBack)
	}
	return p, err
}

// read is the plan that files carry out, with the ports that they name.
func (r *renderer) read(files []renderers.File) (*rules.Plan, error) {
	p, err := r.File.ReadBack(files)
	if err == nil && len(r.ports) > 0 {
		p.Rules[0].Services = []rules.Service{rules.NewService("ports", r.ports...)}
	}
	return p, err
}
