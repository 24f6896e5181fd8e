package nftables

import (
	"fmt"
	"path"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// view is what the templates see. Every string in it is made here from names
// that the policy language has checked, or passed through renderers.Clean.
type view struct {
	Header           []string
	File, RemoveFile string
	Fragment         bool
	Table            string // family and name
	Own              string // the table of a standalone rule set of the same target
	Hook             string
	Chain            string
	Base, Jump       string   // fragment: commands that make the admin's chain, and the jump
	Declare, Flush   []string // fragment: commands that make what is not there, and empty it
	Retire           []string // fragment: commands that delete what is no longer needed
	Elements         string   // fragment: add set commands
	Rules            []string // fragment: add rule commands
	Sets, Chains     string   // standalone: blocks
	Remove           []string // commands that delete all of it
}

func (r *renderer) view(p *rules.Plan) (*view, error) {
	objects := r.objects(p)
	v := &view{
		Header: append(renderers.Header(p), placedMark+r.placed()),
		File:   renderers.ShellWord(renderers.Clean(path.Base(r.env.Path))), RemoveFile: renderers.ShellWord(renderers.Clean(path.Base(removePath(r.env.Path)))),
		Fragment: r.opt.Placement == fragment,
		Table:    r.table, Own: r.ownTable(), Hook: r.opt.Hook, Chain: r.chain,
		Base: fmt.Sprintf("nft add chain %s %s '{ type filter hook %[2]s priority filter; }'", r.table, r.opt.Hook),
		Jump: fmt.Sprintf("nft insert rule %s %s jump %s", r.table, r.opt.Hook, r.chain),
	}
	chains := r.chains(p)
	if !v.Fragment {
		v.Sets, v.Chains = setBlocks(objects), chainBlocks(chains)
		v.Remove = []string{"table " + r.table + " {}", "delete table " + r.table}
		return v, nil
	}
	retired, err := r.retired(objects, chains)
	if err != nil {
		return nil, err
	}
	for _, c := range chains {
		v.Declare = append(v.Declare, strings.TrimSpace(fmt.Sprintf("add chain %s %s %s", r.table, c.name, c.hook)))
		v.Flush = append(v.Flush, fmt.Sprintf("flush chain %s %s", r.table, c.name))
		v.Rules = append(v.Rules, c.lines(fmt.Sprintf("add rule %s %s ", r.table, c.name))...)
	}
	var elements strings.Builder
	for _, s := range objects {
		v.Declare = append(v.Declare, s.declare(r.table))
		v.Flush = append(v.Flush, fmt.Sprintf("delete set %s %s", r.table, s.name))
		fmt.Fprintf(&elements, "%s elements = {\n%s} }\n", strings.TrimSuffix(s.declare(r.table), " }"), s.elements("\t"))
	}
	v.Elements = elements.String()
	v.Retire = retired.delete(r.table)
	v.Remove = deleteAll(r.table, chains, objects, retired)
	return v, nil
}

// set is one named set: addresses of a family, or a service's ports.
type set struct {
	name, typ string
	addrs     ipranges.Set
	family    ipranges.Family
	ports     rules.Matches
}

func (s *set) declare(table string) string {
	return fmt.Sprintf("add set %s %s { type %s; flags interval; }", table, s.name, s.typ)
}

// elements is one element a line, so that a change of a prefix changes few lines.
func (s *set) elements(indent string) []byte {
	if s.typ == serviceType {
		var b []byte
		for _, m := range s.ports {
			b = fmt.Appendf(b, "%s%s . %s,\n", indent, m.Proto, portRange(m))
		}
		return b
	}
	return s.addrs.AppendRanges(nil, s.family, indent, ",\n")
}

func portRange(m rules.Match) string {
	if m.Lo == m.Hi {
		return fmt.Sprint(m.Lo)
	}
	return fmt.Sprintf("%d-%d", m.Lo, m.Hi)
}

const serviceType = "inet_proto . inet_service"

// objects are the sets that the plan's rules need, in the order of their first use.
func (r *renderer) objects(p *rules.Plan) []*set {
	var list []*set
	seen := map[string]bool{}
	add := func(s *set) {
		if !seen[s.name] {
			seen[s.name] = true
			list = append(list, s)
		}
	}
	for i := range p.Rules {
		rule := &p.Rules[i]
		for _, w := range words(p) {
			if !rule.From.Has(w.family) || !rule.To.Has(w.family) {
				continue
			}
			for _, a := range []rules.Addresses{rule.From, rule.To} {
				if !a.IsAny() {
					add(&set{name: r.setName(a.Name(), w.suffix), typ: w.typ, addrs: a.Set(), family: w.family})
				}
			}
		}
		for _, s := range rule.Services {
			if ports := portsOf(s); len(ports) > 0 {
				add(&set{name: r.setName(s.Name(), "_svc"), typ: serviceType, ports: ports})
			}
		}
	}
	return list
}

// setName is unique in a table that targets share: in a fragment it begins with
// our chain's name and a dot, which no name in a policy can hold. So the set x_y
// of target edge is not the set y of target edge_x.
func (r *renderer) setName(name, suffix string) string {
	if r.opt.Placement == standalone {
		return name + suffix
	}
	return r.chain + "." + name + suffix
}

// portsOf is the part of a service that has ports; nothing for any service.
func portsOf(s rules.Service) rules.Matches {
	if s.IsAny() {
		return nil
	}
	var list rules.Matches
	for _, m := range s.Matches() {
		if m.Proto.HasPorts() {
			list = append(list, m)
		}
	}
	return list
}

func setBlocks(objects []*set) string {
	var b strings.Builder
	for _, s := range objects {
		fmt.Fprintf(&b, "\tset %s {\n\t\ttype %s\n\t\tflags interval\n\t\telements = {\n%s\t\t}\n\t}\n", s.name, s.typ, s.elements("\t\t\t"))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func chainBlocks(chains []chain) string {
	var b strings.Builder
	for _, c := range chains {
		fmt.Fprintf(&b, "\tchain %s {\n", c.name)
		if c.hook != "" {
			b.WriteString("\t\t" + strings.Trim(c.hook, "{ }") + "\n")
		}
		for _, line := range c.lines("") {
			b.WriteString("\t\t" + line + "\n")
		}
		b.WriteString("\t}\n")
	}
	return b.String()
}
