// Package asa renders plans of routes as the split tunnel of a Cisco ASA for its Secure
// Client (AnyConnect) users: an access list of addresses, the group policy that keeps
// them out of the tunnel or sends them through it, and, on demand, domains that go the
// same way.
//
// The access list is sallyport's alone, and an entry is known by its text: entering one
// that is there changes nothing, and one that is withdrawn is removed by its text, known
// from the file published before (Env.Previous), after all others have been entered. So
// there is no moment without a list, and a week's change is a line a prefix. Withdrawn entries
// stay in the file however many versions were never loaded. A list named by its content
// would need every line anew each time, and clearing the list would leave clients that
// connect at that moment without it. Settings of an earlier file that this one does not
// make (another group policy, a family, domains) are taken back in the same way: the use
// of a thing before anything else, the thing itself at the end. After a list of the other
// direction, or of another name, a file is refused with the commands that clear all of
// it: entered over it, the new list would be in force the old way for a moment.
//
// Quirks, with where they are documented (2026-11-23; nothing was tried on a device):
//   - the list goes by the source of its entries, with any4 or any6 as destination, and
//     an extended access list holds both families (Cisco document 215343, "Optimize
//     AnyConnect Split Tunnel for Office365", whose script writes such entries).
//   - the client takes 2,500 networks per IP protocol; older ones on phones 200 or 100
//     (AnyConnect Administrator's Guide, "About Dynamic Split Tunneling"; user reports).
//   - a domain means all names under it, too (Cisco document 215383). The client cuts a
//     list of domains off without a word, after 5,000 characters, or 20,000 from version
//     4.10 on (Administrator's Guides 4.9 and 4.10).
//   - a value of anyconnect-custom-data has at most 420 characters, and values under one
//     name are joined (ASA Command Reference, A-H). So domains stand one a line, each but
//     the first behind a comma.
package asa

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	GroupPolicy         string      `policy:"group_policy,required" doc:"the group policy whose users the routes are for"`
	ACL                 string      `policy:"acl" doc:"the access list, which is ours alone; absent: sallyport-, the target's name"`
	Domains             rules.Hosts `policy:"domains" doc:"host names that go the same way, names.NAME; each with all names under it"`
	MaxRoutes           int         `policy:"max_routes" doc:"how many routes of a family your clients take: older ones on iOS 200, on Android 100"`
	MaxDomainCharacters int         `policy:"max_domain_characters" doc:"how long the list of domains may be: 20000 where every client is 4.10 or later"`
}

// localLAN in a list of what is excluded means the client's own network (Cisco document
// 70847, "Allow Local LAN Access for VPN Clients on the ASA").
var localLAN = netip.MustParsePrefix("0.0.0.0/32")

// Numbers and lengths of the vendor's, with their sources above and in info.
const (
	maxRoutes     = 2500
	maxCharacters = 5000
	maxACL        = 64 // ASA takes 241
	maxPolicy     = 64
)

const limitSource = "AnyConnect Administrator's Guide, About Dynamic Split Tunneling"

var info = renderers.Info{
	Name:    "asa",
	Title:   "Cisco ASA",
	Summary: "Cisco ASA for Secure Client (AnyConnect): an access list and group policy of routes past the tunnel or through it",
	Caps:    routes.Caps(routeLimits(maxRoutes)...),
	Load:    renderers.Additive,
	Limits: []renderers.Limit{
		{Name: "routes of a family", Value: "2,500; older clients on iOS 200, on Android 100", Source: limitSource + "; user reports", Option: "max_routes"},
		{Name: "domains", Value: "5,000 characters; 20,000 from client 4.10 on", Source: "AnyConnect Administrator's Guides 4.9 and 4.10", Option: "max_domain_characters"},
		{Name: "name of a group policy", Value: "64 characters", Source: "ASA VPN CLI Configuration Guide, Group Policies"},
		{Name: "name of an access list", Value: "64 characters; ASA itself takes 241", Source: "ASA Command Reference, access-list extended", Option: "acl"},
		{Name: "ASA", Value: "9.3(2) or newer", Source: "ASA Command Reference: unified access lists 9.0, anyconnect-custom-data 9.3(2)"},
	},
	Extension: ".cfg",
}

func routeLimits(most int) []rules.RouteLimit {
	return []rules.RouteLimit{{Max: most, Families: rules.BothFamilies, Device: "Cisco's client", Source: limitSource, Option: "max_routes"}}
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{MaxRoutes: maxRoutes, MaxDomainCharacters: maxCharacters}, build)
}

type renderer struct {
	opt     Options
	env     renderers.Env
	domains []string // as Cisco takes them: each means the names under it, too
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	if opt.ACL == "" {
		opt.ACL = "sallyport-" + env.Name
	}
	r := &renderer{opt: opt, env: env}
	return &renderers.Target{Renderer: r, Caps: r.caps(), Claims: r.claims()}, r.check()
}

func (r *renderer) check() error {
	var all renderers.Mistakes
	o := &r.opt
	if !isPolicy(o.GroupPolicy) {
		all.Option("group_policy", "write it as show running-config group-policy does: letters, digits, blanks and . _ - @ /", "%.80q is no name of a group policy", o.GroupPolicy)
	}
	if !isACL(o.ACL) {
		all.Option("acl", "choose a name of at most 64 letters, digits, dots, dashes and underscores", "%.80q is no name of an access list", o.ACL)
	}
	if o.MaxRoutes < 1 {
		all.Option("max_routes", "write what your clients take: 2500", "%d is no number of routes", o.MaxRoutes)
	}
	var err error
	r.domains, err = suffixes(o.Domains.Patterns)
	switch n := len(strings.Join(r.domains, ",")); {
	case err != nil:
		all.Add(err)
	case o.MaxDomainCharacters < 1:
		all.Option("max_domain_characters", "write what your clients take: 5000, or 20000 from 4.10 on", "%d is no length", o.MaxDomainCharacters)
	case n > o.MaxDomainCharacters:
		all.Option("domains", "leave some out, or say max_domain_characters = 20000 where every client is 4.10 or later",
			"%d characters of domains, and Cisco's client cuts the list after %d without a word", n, o.MaxDomainCharacters)
	}
	return all.Err()
}

func isPolicy(s string) bool {
	return renderers.IsName(s, maxPolicy, "._-@/ ") && s == strings.TrimSpace(s)
}

func isACL(s string) bool { return renderers.IsName(s, maxACL, "._-") }

// suffixes writes patterns as domains that mean the name and all names under it. A list
// that means less is refused: more would go past the tunnel than the policy says.
func suffixes(patterns []string) ([]string, error) {
	whole := map[string]bool{} // names that are listed with all names under them
	for _, p := range patterns {
		if !renderers.IsHostPattern(p) {
			return nil, renderers.Wrong("domains", "write it in letters, digits, dots and dashes", "%.80q is no host name", p)
		}
		if base, wild := strings.CutPrefix(p, "*."); wild && slices.Contains(patterns, base) {
			whole[base] = true
		}
	}
	var out []string
	for _, p := range patterns {
		base, wild := strings.CutPrefix(p, "*.")
		switch {
		case whole[base] && !under(whole, base):
			if !wild {
				out = append(out, p)
			}
		case under(whole, base):
		case wild:
			return nil, renderers.Wrong("domains", fmt.Sprintf("list %q too where it is meant, or leave it out", base), "Cisco takes a domain for the name itself as well, and %s is without it", p)
		case strings.HasPrefix(p, "*"):
			return nil, renderers.Wrong("domains", "list the domain as a whole, or leave it out", "Cisco takes whole domains only, and %s is a part of one", p)
		default:
			return nil, renderers.Wrong("domains", fmt.Sprintf("list %q too where they are meant, or leave it out", "*."+p), "Cisco takes a domain for all names under it as well, and %s is listed without them", p)
		}
	}
	return out, nil
}

// under reports whether a domain of whole holds name, other than as its own.
func under(whole map[string]bool, name string) bool {
	for {
		_, rest, more := strings.Cut(name, ".")
		if !more {
			return false
		}
		if whole[rest] {
			return true
		}
		name = rest
	}
}

// caps is what the options leave of what the kind can express.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteLimits = routeLimits(r.opt.MaxRoutes)
	caps.RouteBytes = r.routeBytes
	return caps
}

// claims is what the target takes for itself.
func (r *renderer) claims() []renderers.Claim {
	return []renderers.Claim{
		{Thing: "the access list " + r.opt.ACL, Option: "acl", MayDiffer: true,
			Cost: "its entries are those of both, and each takes entries of the other away", Fix: "where both are for one ASA, give one of them another acl"},
		{Thing: "the group policy " + r.opt.GroupPolicy, Option: "group_policy", MayDiffer: true,
			Cost: "it has the list of the one that is loaded last", Fix: "where both are for one ASA, put both lists into one target, or name another group policy"},
	}
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	if v == rules.Bypass && slices.Contains(slices.Collect(set.Prefixes(ipranges.IPv4)), localLAN) {
		return nil, list.Refuse("it lists 0.0.0.0/32, which Cisco's client takes for the network that it is in: all of that would go past the tunnel",
			"exclude 0.0.0.0/32 from the set: no host has this address")
	}
	settings := r.settings(v, p.Families)
	direction, before := r.previous()
	if err := r.checkPrevious(direction, before, v); err != nil {
		return nil, err
	}
	uses, things := r.leftBehind(before, settings)
	entries := r.entries(set)
	if len(uses) > 0 {
		entries = append([]byte(strings.Join(typed(uses, " "), "\n")+"\n\n"), entries...)
	}
	header := renderers.RouteHeader(p)
	for i := range header {
		header[i] = strings.ReplaceAll(header[i], "?", "_") // it would call for help
	}
	data, err := renderers.Execute("asa", "main.cfg.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Bypass": v == rules.Bypass, "Undo": typed(r.made(settings), ""),
		"Entries": string(entries), "Settings": settings, "Withdrawn": append(r.withdrawn(before, set), typed(things, "")...),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: data, Use: use, On: "a machine that reaches the ASA by ssh"}}, nil
}

// use enters the file into the running configuration. It does not save it: write memory
// is the admin's, after a look.
const use = "(echo enable; echo 'configure terminal'; grep -v '^!' {}; echo end) | ssh -T admin@ASA"

// row is an entry of the access list in a family. IPv4 comes with a mask.
func (r *renderer) row(f ipranges.Family) routes.Row {
	return routes.Row{Before: "access-list " + r.opt.ACL + " extended permit ip ", After: fmt.Sprintf(" any%d", f), Mask: " "}
}

func (r *renderer) routeBytes(p netip.Prefix) int { return r.row(ipranges.FamilyOf(p.Addr())).Bytes(p) }

func (r *renderer) entries(set ipranges.Set) (dst []byte) {
	for _, f := range rules.BothFamilies.List() {
		dst = routes.Rows{Row: r.row(f)}.Append(dst, set, f)
	}
	return dst
}

// settings are the commands that put the list to use: the list before what goes by it, so
// that a paste which ends between them leaves no policy without its list.
func (r *renderer) settings(v rules.Verdict, fams rules.Families) []string {
	policy, kind := "excludespecified", domainKinds[v]
	if v == rules.Tunnel {
		policy = "tunnelspecified"
	}
	var lines, custom []string
	if len(r.domains) > 0 {
		lines = append(lines, "webvpn", " anyconnect-custom-attr "+kind+" description "+kind, withoutDomains(kind, r.opt.ACL))
		for i, d := range r.domains {
			comma := ","
			if i == 0 {
				comma = ""
			}
			lines = append(lines, fmt.Sprintf("anyconnect-custom-data %s %s %s%s", kind, r.opt.ACL, comma, d))
		}
		custom = []string{fmt.Sprintf(" anyconnect-custom %s value %s", kind, r.opt.ACL)}
	}
	lines = append(lines, modeLine(r.opt.GroupPolicy), " split-tunnel-network-list value "+r.opt.ACL)
	if fams.Has(ipranges.IPv4) {
		lines = append(lines, " split-tunnel-policy "+policy)
	}
	if fams.Has(ipranges.IPv6) {
		lines = append(lines, " ipv6-split-tunnel-policy "+policy)
	}
	return append(lines, custom...)
}

// domainKinds are the custom attributes of domains.
var domainKinds = map[rules.Verdict]string{rules.Bypass: "dynamic-split-exclude-domains", rules.Tunnel: "dynamic-split-include-domains"}

func withoutDomains(kind, acl string) string {
	return fmt.Sprintf("no anyconnect-custom-data %s %s", kind, acl)
}

// modeLine begins the attributes of a group policy.
func modeLine(policy string) string { return fmt.Sprintf("group-policy %s attributes", quoted(policy)) }

// quoted writes a name that may hold blanks. It holds neither quotes nor backslashes.
func quoted(name string) string {
	if strings.Contains(name, " ") {
		return `"` + name + `"`
	}
	return name
}
