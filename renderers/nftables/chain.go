package nftables

import (
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// chain is one of our chains with its rules, a line each.
type chain struct {
	name  string
	hook  string // "{ type filter ... }" of a base chain; empty for a regular one
	rules []string
	notes map[int]string // comments, by the index of the rule that they stand before
}

// lines is the chain's rules, each after prefix, with the comments between them.
func (c *chain) lines(prefix string) []string {
	var list []string
	for i, rule := range c.rules {
		if note := c.notes[i]; note != "" {
			list = append(list, "# "+note)
		}
		list = append(list, prefix+rule)
	}
	return list
}

// chains are the filter chain, and the one that marks media where asked for.
func (r *renderer) chains(p *rules.Plan) []chain {
	main := chain{name: r.chain, notes: map[int]string{}}
	if r.opt.Placement == standalone {
		main.name = r.opt.Hook
		main.hook = fmt.Sprintf("{ type filter hook %s priority filter; policy accept; }", r.opt.Hook)
	}
	main.rules = append(main.rules, r.prologue(p)...)
	for i := range p.Rules {
		lines := r.ruleLines(p, &p.Rules[i])
		if note := renderers.RuleNote(&p.Rules[i]); note != "" && len(lines) > 0 {
			main.notes[len(main.rules)] = p.Rules[i].Name + ": " + note
		}
		main.rules = append(main.rules, lines...)
	}
	if p.Default == rules.Deny {
		main.rules = append(main.rules, r.familyGuard(p)+"drop")
	}
	if !r.opt.DSCP {
		return []chain{main}
	}
	// Packets of an established connection seldom reach our chain, and every one
	// of them needs the mark: so marking has a base chain of its own. It gives no
	// verdict, and in nftables an accepting policy overrides no other chain.
	marks := chain{name: r.chain + ".marks",
		hook: fmt.Sprintf("{ type filter hook %s priority mangle; policy accept; }", r.opt.Hook)}
	if r.opt.Placement == standalone {
		marks.name = "marks" // dscp is a keyword
	}
	marks.rules = append(r.gates(), r.markLines(p)...)
	return []chain{main, marks}
}

// prologue is what comes before the rules: what a default of deny always lets
// pass, and the gates that leave other interfaces' traffic alone.
func (r *renderer) prologue(p *rules.Plan) []string {
	var lines []string
	deny := p.Default == rules.Deny
	if deny && r.opt.Hook == "output" {
		lines = append(lines, `oif "lo" accept`)
	}
	if r.relatedPass(p) {
		lines = append(lines, "ct state established,related accept")
	}
	lines = append(lines, r.gates()...)
	if deny {
		for _, w := range words(p) {
			lines = append(lines, essentialLines(w)...)
		}
	}
	return lines
}

// relatedPass says whether our chain accepts established and related itself. A
// fragment leaves that to the admin's chain. In our own base chain it means "not
// ours": a deny would otherwise cut the replies of connections from outside.
func (r *renderer) relatedPass(p *rules.Plan) bool {
	return p.Default == rules.Deny || r.opt.Established || r.opt.Placement == standalone
}

func essentialLines(w familyWord) []string {
	var lines []string
	for _, m := range rules.Essential(w.family) {
		if m.Proto.HasPorts() {
			lines = append(lines, fmt.Sprintf("meta nfproto %s %s dport %s accept", nfproto(w.family), m.Proto, portRange(m)))
		} else {
			lines = append(lines, icmpMatch(m)+" accept")
		}
	}
	return lines
}

func nfproto(f ipranges.Family) string {
	if f == ipranges.IPv6 {
		return "ipv6"
	}
	return "ipv4"
}

// gates return at once for traffic that is not the plan's business; from a base
// chain that means its policy, which is accept. Several names are one
// conjunction: not the first and not the second.
func (r *renderer) gates() []string {
	var lines []string
	for _, g := range []struct {
		key   string
		names []string
	}{{"iifname", r.opt.Ingress}, {"oifname", r.opt.Egress}} {
		if len(g.names) == 0 {
			continue
		}
		var b strings.Builder
		for _, n := range g.names {
			fmt.Fprintf(&b, "%s != %q ", g.key, n)
		}
		lines = append(lines, b.String()+"return")
	}
	return lines
}

// ruleLines is one line per family and part of the services, twice with logging.
func (r *renderer) ruleLines(p *rules.Plan, rule *rules.Rule) []string {
	var lines []string
	add := func(match string) {
		if rule.Log {
			lines = append(lines, fmt.Sprintf("%slimit rate 10/second burst 20 packets log prefix \"%s %s: \"", match, r.chain, rule.Name))
		}
		lines = append(lines, fmt.Sprintf("%s%s comment %q", match, r.verdict(rule), rule.Name))
	}
	for _, addrs := range r.addressMatches(p, rule) {
		if rule.AnyService() {
			add(addrs.text)
			continue
		}
		for _, s := range rule.Services {
			for _, m := range r.serviceMatches(s, addrs.families) {
				add(addrs.text + m)
			}
		}
	}
	return lines
}

func (r *renderer) verdict(rule *rules.Rule) string {
	counter := ""
	if r.opt.Counters {
		counter = "counter "
	}
	switch {
	case rule.Verdict == rules.Allow:
		return counter + "accept"
	case !rule.Reject:
		return counter + "drop"
	case r.family == "ip":
		return counter + "reject with icmp admin-prohibited"
	case r.family == "ip6":
		return counter + "reject with icmpv6 admin-prohibited"
	}
	return counter + "reject with icmpx admin-prohibited"
}

// addressMatch is the part of a line that matches addresses, and the families it
// lets through.
type addressMatch struct {
	text     string
	families rules.Families
}

func (r *renderer) addressMatches(p *rules.Plan, rule *rules.Rule) []addressMatch {
	if rule.From.IsAny() && rule.To.IsAny() {
		return []addressMatch{{r.familyGuard(p), p.Families}}
	}
	var list []addressMatch
	for _, w := range words(p) {
		if !rule.From.Has(w.family) || !rule.To.Has(w.family) {
			continue
		}
		text := ""
		if !rule.From.IsAny() {
			text += fmt.Sprintf("%s saddr @%s ", w.proto, r.setName(rule.From.Name(), w.suffix))
		}
		if !rule.To.IsAny() {
			text += fmt.Sprintf("%s daddr @%s ", w.proto, r.setName(rule.To.Name(), w.suffix))
		}
		fams := rules.OnlyIPv4
		if w.family == ipranges.IPv6 {
			fams = rules.OnlyIPv6
		}
		list = append(list, addressMatch{text, fams})
	}
	return list
}

// familyGuard keeps a line without addresses to the plan's families. A table of
// one family does so itself, and nft refuses to say it twice.
func (r *renderer) familyGuard(p *rules.Plan) string {
	if p.Families == rules.BothFamilies || r.family != "inet" {
		return ""
	}
	return "meta nfproto " + nfproto(p.Families.List()[0]) + " "
}

// serviceMatches is one match for all ports of a service, and one for each ICMP
// type and each other protocol. ICMP is left to the family it belongs to.
func (r *renderer) serviceMatches(s rules.Service, fams rules.Families) []string {
	if s.IsAny() {
		return []string{""}
	}
	var list []string
	if len(portsOf(s)) > 0 {
		list = append(list, fmt.Sprintf("meta l4proto . th dport @%s ", r.setName(s.Name(), "_svc")))
	}
	for _, m := range s.Matches() {
		switch {
		case m.Proto.HasPorts():
		case m.Proto == rules.ICMP && !fams.Has(ipranges.IPv4), m.Proto == rules.ICMPv6 && !fams.Has(ipranges.IPv6):
		case m.IsAll():
			list = append(list, fmt.Sprintf("meta l4proto %d ", m.Proto))
		case m.Proto.IsICMP():
			for _, part := range m.ICMPParts() {
				list = append(list, icmpMatch(part)+" ")
			}
		}
	}
	return list
}

// icmpMatch matches a stretch of types and codes: whole types, or codes of one type.
func icmpMatch(m rules.Match) string {
	key := "icmp"
	if m.Proto == rules.ICMPv6 {
		key = "icmpv6"
	}
	lo, hi := m.Lo>>8, m.Hi>>8
	switch {
	case m.Lo&255 == 0 && m.Hi&255 == 255 && lo == hi:
		return fmt.Sprintf("%s type %d", key, lo)
	case m.Lo&255 == 0 && m.Hi&255 == 255:
		return fmt.Sprintf("%s type %d-%d", key, lo, hi)
	case m.Lo == m.Hi:
		return fmt.Sprintf("%s type %d %s code %d", key, lo, key, m.Lo&255)
	}
	return fmt.Sprintf("%s type %d %s code %d-%d", key, lo, key, m.Lo&255, m.Hi&255)
}

// marks are the DSCP of the relay ports, once QoS markers are on (Microsoft,
// "Network recommendations for Azure Communication Services").
var marks = []struct {
	port uint16
	dscp string
}{{3479, "ef"}, {3480, "af41"}, {3481, "af21"}}

func (r *renderer) markLines(p *rules.Plan) []string {
	var lines []string
	for i := range p.Rules {
		rule := &p.Rules[i]
		if rule.Verdict != rules.Allow || rule.AnyService() {
			continue
		}
		for _, addrs := range r.addressMatches(p, rule) {
			for _, m := range marks {
				if !rule.Matches().Has(rules.UDP, m.port) {
					continue
				}
				for _, f := range addrs.families.List() {
					proto := "ip"
					if f == ipranges.IPv6 {
						proto = "ip6"
					}
					lines = append(lines, fmt.Sprintf("%sudp dport %d %s dscp set %s", addrs.text, m.port, proto, m.dscp))
				}
			}
		}
	}
	return lines
}
