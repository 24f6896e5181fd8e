package iptables

import (
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// dialect is what differs between iptables and ip6tables.
type dialect struct {
	family  ipranges.Family
	suffix  string // of files and sets
	program string
	inet    string // as ipset says it
	icmp    rules.Protocol
	reject  string
}

var dialects = []dialect{
	{ipranges.IPv4, "v4", "iptables", "inet", rules.ICMP, "icmp-admin-prohibited"},
	{ipranges.IPv6, "v6", "ip6tables", "inet6", rules.ICMPv6, "icmp6-adm-prohibited"},
}

// dest is where a rule sends its packets: one of our chains or a verdict.
type dest struct{ chain, verdict string }

// jump comes back when a chain falls through; goTo does not.
func (d dest) jump() string { return "-j " + d.chain + d.verdict }

func (d dest) goTo() string {
	if d.chain != "" {
		return "-g " + d.chain
	}
	return "-j " + d.verdict
}

// chain is one of our chains with its rules, a line each, as iptables-save writes them.
type chain struct {
	name  string
	rules []byte
}

func (c *chain) rule(words ...string) {
	c.rules = append(append(c.rules, "-A "...), c.name...)
	for _, w := range words {
		if w != "" {
			c.rules = append(append(c.rules, ' '), w...)
		}
	}
	c.rules = append(c.rules, '\n')
}

// comment puts a line between the rules that iptables-restore passes over.
func (c *chain) comment(text string) { c.rules = fmt.Appendf(c.rules, "# %s\n", text) }

// table is all that one family's file makes.
type table struct {
	r      *renderer
	names  names
	fam    dialect
	chains []*chain
	used   map[string]bool   // names of chains
	trees  map[string]string // the first chain of each trie, by what it does
	nodes  []string          // the names of their chains
	sets   []set             // ipset: in the order of their first use

	nodeRules []byte
	previous  []byte // the file that was published before, or nil
}

func (t *table) add(name string) *chain {
	c := &chain{name: name}
	t.chains = append(t.chains, c)
	return c
}

// newTable carries out p for one of its families.
func (r *renderer) newTable(p *rules.Plan, d dialect) (*table, error) {
	t := &table{r: r, names: r.names, fam: d, used: map[string]bool{}, trees: map[string]string{}}
	main := t.add(t.names.main)
	for _, line := range r.mainLines(p.Default == rules.Deny) {
		main.rule(line)
	}
	body := t.add(t.names.body())
	if p.Default == rules.Deny {
		for _, line := range essentialLines(d) {
			body.rule(line)
		}
	}
	for i := range p.Rules {
		if err := t.rule(body, &p.Rules[i]); err != nil {
			return nil, err
		}
	}
	if p.Default == rules.Deny {
		body.rule("-j DROP")
	}
	return t, nil
}

// mainLines are what comes before the rules: what a default of deny always lets
// pass, and the gates, past which only the plan's business goes.
func (r *renderer) mainLines(deny bool) []string {
	var lines []string
	if deny && r.opt.Hook == "output" {
		lines = append(lines, "-o lo -j ACCEPT")
	}
	switch {
	case deny || r.opt.Established:
		lines = append(lines, "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
	case r.opt.Placement == standalone:
		// Not ours: a deny would cut the replies of connections from outside. RETURN,
		// because ACCEPT would override the admin's own drops behind our jump.
		lines = append(lines, "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN")
	}
	return append(lines, r.gates()...)
}

// gates go to the rules, once for each pair of interfaces.
func (r *renderer) gates() []string {
	var lines []string
	for _, in := range interfaceMatches("-i", r.opt.Ingress) {
		for _, out := range interfaceMatches("-o", r.opt.Egress) {
			lines = append(lines, in+out+"-g "+r.names.body())
		}
	}
	return lines
}

func interfaceMatches(flag string, names []string) []string {
	if len(names) == 0 {
		return []string{""}
	}
	var list []string
	for _, n := range names {
		if base, ok := strings.CutSuffix(n, "*"); ok {
			n = base + "+"
		}
		list = append(list, flag+" "+n+" ")
	}
	return list
}

func essentialLines(d dialect) []string {
	var lines []string
	for _, m := range rules.Essential(d.family) {
		for _, match := range pointMatches(d, rules.Matches{m}) {
			lines = append(lines, match+" -j ACCEPT")
		}
	}
	return lines
}

// rule appends one plan rule to the body: a line for each protocol, or each
// fifteen ports of one. A side without addresses of the family matches nothing, so
// there is no line at all.
func (t *table) rule(body *chain, rule *rules.Rule) error {
	if !rule.From.Has(t.fam.family) || !rule.To.Has(t.fam.family) {
		return nil
	}
	services := []string{""}
	if !rule.AnyService() {
		if err := t.unsayable(rule); err != nil {
			return err
		}
		services = pointMatches(t.fam, rule.Matches())
	}
	if len(services) == 0 {
		return nil
	}
	target := t.action(rule)
	addresses := ""
	if t.r.opt.Sets == ipset {
		addresses = t.setMatch(rule.From, "src") + t.setMatch(rule.To, "dst")
	} else {
		target = t.addressTrees(rule, target)
	}
	if note := renderers.RuleNote(rule); note != "" {
		body.comment(rule.Name + ": " + note)
	}
	for _, s := range services {
		body.rule(s, strings.TrimSpace(addresses), "-m comment --comment "+rule.Name, target.jump())
	}
	return nil
}

// Depths of the tries. With our first two chains and that of a logged rule, ours
// are fourteen in a row; nf_tables allows sixteen with the admin's.
const (
	fromDepth = 2
	toDepth   = 9
)

// addressTrees puts the tries of both sides before target. The sources, usually few,
// come first, and each of them goes to the one trie of destinations.
func (t *table) addressTrees(rule *rules.Rule, target dest) dest {
	if !rule.To.IsAny() {
		target = t.tree("-d", rule.To.Name(), rule.To.Set(), target, toDepth)
	}
	if !rule.From.IsAny() {
		target = t.tree("-s", rule.From.Name(), rule.From.Set(), target, fromDepth)
	}
	return target
}

// action is the verdict of a rule, in a chain of its own where it is logged.
func (t *table) action(rule *rules.Rule) dest {
	verdict := "ACCEPT"
	switch {
	case rule.Reject:
		verdict = "REJECT --reject-with " + t.fam.reject
	case rule.Verdict == rules.Deny:
		verdict = "DROP"
	}
	if !rule.Log {
		return dest{verdict: verdict}
	}
	key := "log " + rule.Name
	if name, ok := t.trees[key]; ok {
		return dest{chain: name}
	}
	c := t.add(t.names.chain([]byte(key), t.used))
	t.trees[key] = c.name
	// The kernel keeps 29 characters of a prefix (NF_LOG_PREFIXLEN is xt_LOG's 30 with the final zero).
	prefix := short("sallyport_"+t.r.env.Name+" "+rule.Name, 27) + ": "
	c.rule(fmt.Sprintf("-m limit --limit 10/sec --limit-burst 20 -j LOG --log-prefix %q", prefix))
	c.rule("-j " + verdict)
	return dest{chain: c.name}
}
