// Package nftables renders plans as nftables rule sets.
//
// A fragment lives in the admin's own table: named sets and one regular chain,
// filled in one transaction, that the admin's chain jumps to. A standalone rule
// set is a whole table that is ours. Both load with nft -f, and loading B after A
// equals loading B alone.
//
// Every address set is a named interval set per family, every service's ports
// one concatenated set of protocol and port range; a rule is one line per family
// and service. Sets hold ranges, one a line, so that a week's changes stay a
// week's changes. Objects are named after the target and the policy's own names.
//
// Quirks, nft 1.0.6 (Debian 12) unless said otherwise:
//   - destroy is a syntax error: an empty declaration and then delete does the
//     same, whether the object was there or not (2026-11).
//   - "add set" in a table that does not exist fails. "add table" makes it, and leaves
//     one that is there as it is, but for the flag dormant, which it takes away: nft
//     always sends the flags (2026-11).
//   - "add chain" with a hook but no policy leaves a chain that is there as it is, with
//     its policy, and fails where that has another priority (2026-11).
//   - a set that is made in the same transaction as its elements sends them twice, unless
//     they stand in its declaration. So sets are deleted and made anew: a load in a
//     container without rights has room for twice as many (2026-11).
//   - ranges of a set neither overlap nor touch, so auto-merge has nothing to do; with it,
//     nft first reads the elements that a table of ours holds, and a reload takes a third
//     longer (strace, 2026-12). It does not apply to concatenated sets (nft(8), SETS):
//     services are disjoint before they are rendered.
//   - meta l4proto is the protocol behind IPv6's extension headers: 0, 43, 44 and 60
//     never match there, and are refused. AH ends the search: it is protocol 51, and
//     what it carries has no ports here (Linux, nf_tables_ipv6.h; asked with packets,
//     Linux 6.18, 2026-11).
//   - interface wildcards inside an anonymous set need newer kernels: interfaces
//     are matched one by one.
package nftables

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Placement   string   `policy:"placement" doc:"fragment: sets and a chain in your table, which you jump to; standalone: a table of our own"`
	Table       string   `policy:"table" doc:"fragment: the family and name of your table"`
	Hook        string   `policy:"hook,required" doc:"forward on a gateway, output on a host"`
	Ingress     []string `policy:"ingress" doc:"forward: the interfaces that traffic comes from; a trailing * matches several"`
	Egress      []string `policy:"egress" doc:"the interfaces that traffic leaves by; absent: any"`
	DSCP        bool     `policy:"dscp" doc:"mark media by its relay port: UDP 3479 EF, 3480 AF41, 3481 AF21"`
	Established bool     `policy:"established" doc:"fragment: accept established and related here too, for a chain that does not do so before the jump"`
	Counters    bool     `policy:"counters" doc:"count packets and bytes per rule; reloading starts from zero"`
}

// Placements of the rules.
const (
	fragment   = "fragment"
	standalone = "standalone"
)

var info = renderers.Info{
	Name:    "nftables",
	Title:   "nftables",
	Summary: "Linux nftables: named sets and a chain in your table, or a table of their own",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Allow, rules.Deny},
		Defaults: []rules.Verdict{rules.Continue, rules.Deny},
		Sources:  true, Ports: true, ICMP: true, Protocols: true, Reject: true, Log: true, Ranges: true,
		Unmatched: map[ipranges.Family]map[rules.Protocol]string{ipranges.IPv6: rules.ExtensionHeaders()},
	},
	Load:       renderers.Transaction,
	Placements: []string{fragment, standalone},
	Limits: []renderers.Limit{
		{Name: "name of a set or chain", Value: "255 characters", Source: "Linux, NFT_NAME_MAXLEN 256 with the final zero"},
		{Name: "elements of a set", Value: "memory; 300,000 ranges load in 2.3 s and 232 MB", Source: "measured, nft 1.0.6, Linux 6.18"},
		{Name: "one load, in a container without rights of its host's network", Value: "212,992 bytes: 5,200 IPv4 or 3,200 IPv6 ranges", Source: "Linux, net.core.wmem_default; measured, nft 1.0.6"},
		{Name: "kernel", Value: "5.6 or newer", Source: "nftables wiki: ranges in concatenated sets"},
	},
	Warnings:  map[string]string{"container-load": "the load is too large for an unprivileged container", "no-effect": "a table of its own that only allows has no effect"},
	Extension: ".nft",
	Local:     true,
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Placement: fragment, Table: "inet filter"}, build)
}

type renderer struct {
	opt    Options
	env    renderers.Env
	family string // inet, ip or ip6
	table  string // family and name
	chain  string
	// declared is what the files published before have declared in the table, read once.
	declared func() (*table, error)
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	r := &renderer{opt: opt, env: env, chain: prefix(env.Name)}
	r.declared = sync.OnceValues(r.readDeclared)
	var all renderers.Mistakes
	for _, check := range []func() error{r.checkPlacement, r.checkHook} {
		all.Add(check())
	}
	return &renderers.Target{Renderer: r, Caps: r.caps(), Advice: r.advice, Local: r.local()}, all.Err()
}

// prefix begins the name of everything that is ours: nft has keywords, such as
// fwd, that a bare name would run into.
func prefix(target string) string { return "sallyport_" + target }

func (r *renderer) checkPlacement() error {
	switch r.opt.Placement {
	case standalone:
		r.family, r.table = "inet", r.ownTable()
		return nil
	case fragment:
	default:
		return &renderers.OptionError{Option: "placement", Cause: fmt.Sprintf("no placement %q", r.opt.Placement),
			Fix: "fragment or standalone"}
	}
	family, name, ok := strings.Cut(r.opt.Table, " ")
	if !ok || !isTable(name) {
		return &renderers.OptionError{Option: "table", Cause: fmt.Sprintf("%q is not a family and a table's name", r.opt.Table),
			Fix: `write it as nft list tables shows it, such as "inet filter"`}
	}
	if family != "inet" && family != "ip" && family != "ip6" {
		return &renderers.OptionError{Option: "table", Cause: fmt.Sprintf("tables of family %q do not filter routed traffic", family),
			Fix: "name a table of family inet, ip or ip6"}
	}
	r.family, r.table = family, r.opt.Table
	return checkOwner(r.table)
}

// ownTable is the table of a standalone rule set of this target.
func (r *renderer) ownTable() string { return "inet " + prefix(r.env.Name) }

func (r *renderer) checkHook() error {
	return renderers.CheckNetfilter(r.opt.Hook, r.opt.Ingress, r.opt.Egress, "")
}

// isTable keeps to names that need no quoting: a letter, then letters, digits,
// underscores, dots and dashes.
func isTable(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		other := c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

// caps is what the options leave of the kind's capabilities.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	switch r.family {
	case "ip":
		caps.Families = rules.OnlyIPv4
	case "ip6":
		caps.Families = rules.OnlyIPv6
	}
	if r.opt.Placement == fragment {
		return renderers.Fragment(caps)
	}
	return caps
}

// advice is what the admin should know.
func (r *renderer) advice(p *rules.Plan) []*renderers.OptionError {
	var list []*renderers.OptionError
	if n := r.messageBytes(p); n > mostBytes {
		list = append(list, &renderers.OptionError{ID: "container-load",
			Cause: fmt.Sprintf("a load is one netlink message of about %d kB, and in a container without rights of its host's network (a user namespace) nft sends %d at most", n/1000, mostBytes/1000),
			Fix:   "there, load from the host, with nsenter -t PID -n nft -f, or raise net.core.wmem_default on it; anywhere else this is no limit"})
	}
	denies := p.Default == rules.Deny
	for i := range p.Rules {
		denies = denies || p.Rules[i].Verdict == rules.Deny
	}
	if r.opt.Placement != fragment && !denies && !r.opt.DSCP {
		list = append(list, &renderers.OptionError{ID: "no-effect", Option: "placement",
			Cause: "a table of our own that only allows has no effect: what another table drops stays dropped",
			Fix:   `use placement = "fragment", or default = "deny"`})
	}
	return list
}

// mostBytes is what a process without CAP_NET_ADMIN on the host can send over a socket at
// once (Linux, net.core.wmem_default): nft cannot raise the buffer there, and a file is one
// message, however its elements are divided.
const mostBytes = 212_992

// messageBytes is about the size of that message, from above: a range of a set is two
// elements (measured with nft 1.0.6, strace, 2026-11).
func (r *renderer) messageBytes(p *rules.Plan) int {
	const fixed, perSet, perLine = 1000, 500, 800
	n := fixed
	for _, s := range r.objects(p) {
		n += perSet + 80*len(s.ports)
		switch s.family {
		case ipranges.IPv4:
			n += 40 * s.addrs.NumRanges(s.family)
		case ipranges.IPv6:
			n += 64 * s.addrs.NumRanges(s.family)
		}
	}
	for _, c := range r.chains(p) {
		n += perLine * len(c.rules)
	}
	return n
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	if err := r.checkPlace(); err != nil {
		return nil, err
	}
	v, err := r.view(p)
	if err != nil {
		return nil, err
	}
	name := r.opt.Placement + ".nft.tmpl"
	main, err := r.execute(name, v)
	if err != nil {
		return nil, err
	}
	remove, err := r.execute("remove.nft.tmpl", v)
	if err != nil {
		return nil, err
	}
	const mode = fs.FileMode(0o644)
	load := renderers.File{Path: r.env.Path, Mode: mode, Data: main, Use: "nft -f {}", On: "a Linux machine with nftables"}
	if r.opt.Placement == fragment {
		load.Once = []string{v.Base, v.Jump}
	}
	return []renderers.File{load, {Path: removePath(r.env.Path), Mode: mode, Data: remove, Undo: "nft -f {}"}}, nil
}

func (r *renderer) execute(name string, v *view) ([]byte, error) {
	return renderers.Execute("nftables", name, r.env.Templates, v)
}

// removePath is where the file goes that undoes path: edge.nft, edge.remove.nft.
func removePath(path string) string {
	if base, ok := strings.CutSuffix(path, ".nft"); ok {
		return base + ".remove.nft"
	}
	return path + ".remove"
}

// words are the families that the plan speaks of, with nft's words for each.
func words(p *rules.Plan) []familyWord {
	var list []familyWord
	for _, f := range p.Families.List() {
		w := familyWord{f, "ip", "_v4", "ipv4_addr"}
		if f == ipranges.IPv6 {
			w = familyWord{f, "ip6", "_v6", "ipv6_addr"}
		}
		list = append(list, w)
	}
	return list
}

type familyWord struct {
	family             ipranges.Family
	proto, suffix, typ string
}
