package pipeline

import (
	"fmt"
	"strings"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/rules"
	"sallyport/rules/policy"
)

// blockedInside checks each rule that blocks inside a VPN against the list of the target
// that it names. It reports what the rule blocks and the list leaves in the tunnel, because
// that could not be reached at all.
func (b *builder) blockedInside(prog *policy.Program, outputs []Output) diag.List {
	var list diag.List
	for i := range prog.Rules {
		r := &prog.Rules[i]
		if r.Tunnel == "" || r.LeftOut != "" {
			continue
		}
		for k := range prog.Targets {
			t := &prog.Targets[k]
			if t.Name != r.Tunnel || t.Plan.Default != rules.Tunnel {
				continue
			}
			if d, narrowed := b.narrowedByPorts(r, t); narrowed {
				list = append(list, d)
			}
			past, ok := b.pastVPN(t, outputs)
			if !ok {
				list = append(list, diag.Diagnostic{Subject: r.TunnelPlace,
					Summary: fmt.Sprintf("rule %s cannot be checked against target %s, whose list cannot be made", r.Name, t.Name),
					Fix:     "correct that target first: sallyport check shows its mistakes",
					Related: []diag.Related{{Range: t.Place, Text: "this target"}}})
				continue
			}
			rest := r.To.Set().Minus(past)
			if rest.IsEmpty() {
				continue
			}
			list = append(list, diag.Diagnostic{Subject: r.TunnelPlace,
				Summary: fmt.Sprintf("rule %s blocks in the tunnel what target %s leaves there: %s", r.Name, t.Name, first(rest)),
				Detail:  fmt.Sprintf("Of what it blocks, %s have no way past the VPN, so calls to them would be cut.", sizes(rest)),
				Fix:     "let the rule go to the addresses of must only, or let the target list all of them",
				Related: []diag.Related{{Range: t.OptionPlace("budget"), Text: "the list is made here"}}})
		}
	}
	return list
}

// narrowedByPorts reports a rule that blocks services which the target leaves in the tunnel
// because its bypass is for some ports only.
func (b *builder) narrowedByPorts(r *policy.Rule, t *policy.Target) (diag.Diagnostic, bool) {
	_, built, diags := b.build(t)
	if diags != nil {
		return diag.Diagnostic{}, false
	}
	if len(built.Ports) == 0 {
		return diag.Diagnostic{}, false
	}
	rest := r.Matches().Minus(built.Ports)
	if !r.AnyService() && len(rest) == 0 {
		return diag.Diagnostic{}, false
	}
	what := "every other service"
	if !r.AnyService() {
		what = rest[0].String()
	}
	return diag.Diagnostic{Subject: r.TunnelPlace,
		Summary: fmt.Sprintf("rule %s blocks in the tunnel what target %s leaves there: %s", r.Name, t.Name, what),
		Detail:  "The target sends some ports past the VPN only, so the others would have no way left.",
		Fix:     "let the rule block those ports only",
		Related: []diag.Related{{Range: t.OptionPlace("ports"), Text: "the ports are here"}}}, true
}

// pastVPN is what the target sends past the VPN, whether or not this run renders it.
func (b *builder) pastVPN(t *policy.Target, outputs []Output) (ipranges.Set, bool) {
	for _, o := range outputs {
		if o.Target == t {
			list, ok := o.Plan.Routes()
			return list.Set, ok
		}
	}
	_, r, diags := b.build(t)
	if diags != nil {
		return ipranges.Set{}, false
	}
	lowered, _, errs := rules.Lower(t.Plan, r.Caps)
	if len(errs) > 0 {
		return ipranges.Set{}, false
	}
	list, ok := lowered.Routes()
	return list.Set, ok
}

func first(s ipranges.Set) string {
	for r := range s.All() {
		return r.String()
	}
	return ""
}

// sizes describes how many ranges of each family s has.
func sizes(s ipranges.Set) string {
	var parts []string
	for _, f := range rules.BothFamilies.List() {
		if n := s.NumRanges(f); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s ranges", n, f))
		}
	}
	return strings.Join(parts, " and ")
}
