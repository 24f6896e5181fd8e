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
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
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
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults: []rules.Verdict{rules.Tunnel, rules.Bypass},
	},
	Load: renderers.PerFamily,
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
	env   renderers.Env
	most  int
	ports rules.Matches // empty: every protocol and port
	marks []string      // what follows a prefix, one for each selector: "[udp/3478-3479]"
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if opt.MaxSelectors < 1 || opt.MaxSelectors > maxSelectors {
		all.Option("max_selectors", fmt.Sprintf("%d is no number of selectors that a payload can hold", opt.MaxSelectors),
			fmt.Sprintf("use a number from 1 to %d: IKEv2 counts them in one byte", maxSelectors))
	}
	r := &renderer{env: env, most: opt.MaxSelectors, marks: []string{""}}
	if len(opt.Ports) == 0 {
		return r.target(), all.Err()
	}
	var list []rules.Match
	for i, s := range opt.Ports {
		m, err := parsePorts(s)
		if err != nil {
			all.Option(fmt.Sprintf("ports.%d", i), fmt.Sprintf("%.60q is no protocol with ports: %v", s, err),
				`write protocol and ports, such as "udp/3478-3481", "tcp/443" or "udp"`)
			continue
		}
		list = append(list, m)
	}
	if err := all.Err(); err != nil {
		return nil, err
	}
	r.ports = rules.NewMatches(list...)
	r.marks = marksOf(r.ports)
	return r.target(), nil
}

func (r *renderer) target() *renderers.Target {
	return &renderers.Target{Renderer: r, Caps: r.caps(), Ports: r.ports}
}

// caps counts a route as charon's message does, which depends on the ports, and what
// enters the tunnel as selectors.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	selectors := rules.RouteLimit{Max: r.most, Families: rules.BothFamilies, Shared: true, Of: rules.Tunnel,
		Device: "a payload of selectors", Source: "RFC 7296, section 3.13"}
	if r.most < maxSelectors {
		selectors.Option = "max_selectors" // it lowers the limit of IKEv2, and cannot raise it
	}
	caps.RouteLimits = []rules.RouteLimit{
		{Max: maxMessage, Families: rules.BothFamilies, Bytes: true, Of: rules.Bypass,
			Device: "charon's control socket", Source: "measured, strongSwan 5.9.8: vici messages over 524,288 bytes are ignored"},
		selectors,
	}
	caps.RouteBytes = r.messageBytes
	return caps
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

// Render implements renderers.Renderer. With ports, what is rendered bypasses less
// than p: other ports of its addresses stay in the tunnel.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	header := renderers.RouteHeader(p)
	if v == rules.Tunnel {
		if err := r.includable(list); err != nil {
			return nil, err
		}
	} else if len(r.ports) > 0 {
		for i, l := range header {
			if strings.HasPrefix(l, "on every protocol and port") {
				header[i] = fmt.Sprintf("of these addresses only %s; all else of theirs goes through the VPN", r.portWords())
			}
		}
	}
	data, err := renderers.Execute("strongswan", "swanctl.conf.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Bypass": v == rules.Bypass, "Ports": len(r.ports) > 0, "Section": r.section(), "File": renderers.Clean(r.env.Path),
		"Config": string(r.config(set, v)),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: data,
		On: "the machine with strongSwan", Use: "cp {} /etc/swanctl/conf.d/ && swanctl --load-conns"}}, nil
}

// includable refuses ports, which narrow what goes past the tunnel.
func (r *renderer) includable(list rules.RouteList) error {
	if len(r.ports) == 0 {
		return nil
	}
	return list.Refuse("ports narrow what goes past the tunnel, and this is a list of what goes through it",
		"remove ports, or use bypass")
}

func (r *renderer) portWords() string {
	var list []string
	for _, m := range r.ports {
		list = append(list, m.String())
	}
	return renderers.Clean(strings.Join(list, ", "))
}

// Bypassed is the protocols and ports of the listed addresses that a bypass of this target
// carries past the tunnel; all others stay in it. Empty: every one goes past. The caller
// must not change it.
func (r *renderer) Bypassed() rules.Matches { return r.ports }

// section begins the names of all that is ours.
func (r *renderer) section() string { return "sallyport_" + r.env.Name }

func anyOf(f ipranges.Family) string {
	if f == ipranges.IPv6 {
		return "::/0"
	}
	return "0.0.0.0/0"
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

// config is the sections of the file, without comments. The families that set lacks
// have none: swanctl unloads the connections that no file names.
func (r *renderer) config(set ipranges.Set, v rules.Verdict) []byte {
	if v == rules.Tunnel {
		// A line that ends in a backslash goes on in the next one.
		dst := fmt.Appendf(nil, "%s {\n  remote_ts = \"\\\n", r.section())
		for _, f := range rules.BothFamilies.List() {
			dst = set.AppendPrefixes(dst, f, "", ",\\\n")
		}
		return append(dst, "\"\n}\n"...)
	}
	var dst []byte
	for _, f := range rules.BothFamilies.List() {
		if set.Has(f) {
			dst = fmt.Appendf(dst, "%s_pass%d {\n  local_ts = %s\n  mode = pass\n  start_action = trap\n}\n", r.section(), f, anyOf(f))
		}
	}
	dst = append(dst, "connections {\n"...)
	for _, f := range rules.BothFamilies.List() {
		if !set.Has(f) {
			continue
		}
		dst = fmt.Appendf(dst, "  %s_v%d {\n    remote_addrs = 127.0.0.1\n    children {\n", r.section(), f)
		dst = r.appendChildren(dst, set, f)
		dst = append(dst, "    }\n  }\n"...)
	}
	return append(dst, "}\n"...)
}

func (r *renderer) appendChildren(dst []byte, set ipranges.Set, f ipranges.Family) []byte {
	dst = slices.Grow(dst, set.NumPrefixes(f)*(80+50*len(r.marks)))
	between := " : " + r.section() + "_pass" + strconv.Itoa(int(f)) + " { remote_ts = "
	for p := range set.Prefixes(f) {
		dst = append(appendChildName(append(dst, "      "...), p), between...)
		for i, m := range r.marks {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(ipranges.AppendPrefix(dst, p), m...)
		}
		dst = append(dst, " }\n"...)
	}
	return dst
}
