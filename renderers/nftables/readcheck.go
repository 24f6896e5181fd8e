package nftables

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/rules"
)

// nothingElse checks that a file touches our things alone: a chain that only hooks in
// could drop everything, and a template of the user's could delete something of theirs.
func (r *renderer) nothingElse(rs *ruleset, p *rules.Plan) error {
	for _, t := range rs.touched {
		switch {
		case t.kind == "table" && (t.table == r.ownTable() || t.table == r.table && t.verb == "add"):
		case t.kind == "table" || t.table != r.table:
			return fmt.Errorf("touches table %s, which is not ours", t.table)
		case r.opt.Placement == fragment && !r.ours(t.name):
			return fmt.Errorf("touches %s, which is not ours", t.name)
		}
	}
	t := rs.tables[r.table]
	if p == nil || t == nil {
		return nil
	}
	for name := range t.chains {
		if !slices.ContainsFunc(r.chains(p), func(c chain) bool { return c.name == name }) {
			return fmt.Errorf("makes a chain %s, which is not ours", name)
		}
	}
	return nil
}

// complete checks what surrounds the rules: gates, what a default of deny always
// lets pass, and nothing that was not asked for.
func (rd *reader) complete() error {
	var want []string
	for _, g := range rd.r.gates() {
		want = append(want, strings.Join(scan(g).statement(), " "))
	}
	deny := rd.plan.Default == rules.Deny
	switch {
	case !slices.Equal(rd.gates, want):
		return fmt.Errorf("the chain is kept to %q, not to %q", rd.gates, want)
	case rd.related != rd.r.relatedPass(rd.plan):
		return errors.New("established and related: " + strconv.FormatBool(rd.related))
	case rd.loopback != (deny && rd.r.opt.Hook == "output"):
		return errors.New("loopback: " + strconv.FormatBool(rd.loopback))
	}
	if deny {
		if err := rd.essentials(); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(rd.plan.Rules, func(r rules.Rule) bool { return r.Name == "" }) {
		return errors.New("a rule has lost its name")
	}
	return nil
}

// essentials removes from the plan what a default of deny lets pass before all rules.
func (rd *reader) essentials() error {
	for _, f := range rd.plan.Families.List() {
		for _, m := range rules.Essential(f) {
			first := rd.plan.Rules
			if len(first) == 0 || first[0].Name != "" || !slices.Equal(first[0].Matches(), rules.Matches{m}) {
				return fmt.Errorf("%s over %s is not let through before the rules", m, f)
			}
			rd.plan.Rules = first[1:]
		}
	}
	return nil
}

// marks checks that the chain of marks gives no verdict, and marks what the rules
// allow: no less, no more.
func (rd *reader) marks(lines [][]string) error {
	want, got := map[string]bool{}, map[string]bool{}
	for i := range rd.plan.Rules {
		r := &rd.plan.Rules[i]
		if r.Verdict != rules.Allow || r.AnyService() || r.Name == "" {
			continue
		}
		for _, m := range marks {
			if !r.Matches().Has(rules.UDP, m.port) {
				continue
			}
			for _, f := range rd.plan.Families.List() {
				if r.From.Has(f) && r.To.Has(f) {
					want[markKey(r.From, r.To, f, m.port, m.dscp)] = true
				}
			}
		}
	}
	for _, words := range lines {
		if slices.Contains(rd.r.gates(), strings.Join(words, " ")) {
			continue
		}
		l, err := rd.line(words)
		if err != nil {
			return err
		}
		if l.mark == "" || l.verdict != "" || len(l.matches) != 1 || l.matches[0].Proto != rules.UDP || l.matches[0].Lo != l.matches[0].Hi {
			return fmt.Errorf("%q does not just mark one port", strings.Join(words, " "))
		}
		as := l.rule()
		got[markKey(as.From, as.To, l.markFamily, l.matches[0].Lo, l.mark)] = true
	}
	if !maps.Equal(want, got) {
		return errors.New("the marks are not those of the rules")
	}
	return nil
}

func markKey(from, to rules.Addresses, f ipranges.Family, port uint16, dscp string) string {
	return fmt.Sprint(from.Name(), " ", to.Name(), " ", f, " ", port, " ", dscp)
}
