package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/rules"
)

// unused warns about blocks without references. Rules and probes need none.
func (c *compiler) unused() {
	if c.f.partial {
		return
	}
	for _, kind := range []string{"variable", "feed", "set", "names", "service"} {
		for _, d := range c.f.decls[kind] {
			if d.broken || c.f.used[kind][d.name] || c.meant[kind+" "+d.name] {
				continue
			}
			detail := ""
			if kind == "feed" {
				detail = "It is not fetched."
			}
			c.warn("unused", d.header, fmt.Sprintf("%s %q is not used", kind, d.name), detail, "use it, or remove it")
		}
	}
	if len(c.f.decls["target"]) == 0 && !c.list.HasErrors() {
		end := hcl.Range{Filename: c.f.name, Start: hcl.InitialPos, End: hcl.InitialPos}
		c.warn("", end, "the policy has no target", "Nothing will be written.", `say for what, such as target "nftables" "edge" { hook = "output" }`)
	}
}

// warnShadowed warns about rules that decide nothing because earlier rules of their target
// decide everything they match, each once. It is the only costly check; Compile does it, and
// Load does not.
func (c *compiler) warnShadowed(targets []*target) {
	if c.loading {
		return
	}
	seen := map[string]bool{}
	plans := map[string]bool{}
	work, told := rules.ShadowWork, false
	for _, t := range targets {
		key := t.planKey()
		if plans[key] {
			continue
		}
		plans[key] = true
		shadows, whole := rules.Shadowed(t.plan, &work)
		if !whole && !told {
			told = true
			c.warn("unjudged", t.d.header, fmt.Sprintf("not every rule of target %q was held against those before it", t.d.name),
				"Its rules are too many, or overlap in too many ways, to find all that decide nothing.", "divide the rules among several targets, or leave it at that")
		}
		for _, s := range shadows {
			if seen[s.Rule.Name] {
				continue
			}
			seen[s.Rule.Name] = true
			by, same := "an earlier rule covers", true
			switch {
			case len(s.By) == 0:
				by, same = "a default of deny lets pass before any rule: DHCP and neighbour discovery", s.Rule.Verdict == rules.Allow
			case len(s.By) > 1:
				by = "earlier rules cover between them"
			}
			for _, r := range s.By {
				same = same && r.Verdict == s.Rule.Verdict
			}
			fix := "move it before them, narrow them, or remove it"
			if len(s.By) == 0 {
				fix = "remove it: no host works without them"
			} else if same {
				fix = "remove it: they decide the same"
			}
			c.add(diag.Diagnostic{Severity: diag.Warning, ID: "shadowed", Subject: s.Rule.Place,
				Summary: fmt.Sprintf("rule %q decides nothing in target %q", s.Rule.Name, t.d.name),
				Detail:  fmt.Sprintf("All that it matches, %s.", by), Fix: fix, Related: relatedRules(s.By, "comes first")})
		}
	}
}

// planKey is equal for plans with equal rules in equal order.
func (t *target) planKey() string {
	p := t.plan
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d", p.Families, p.Default)
	if t.allRules {
		b.WriteString(" all")
		return b.String()
	}
	for i := range p.Rules {
		b.WriteByte(' ')
		b.WriteString(p.Rules[i].Name)
		if !p.Rules[i].To.IsAny() && p.Rules[i].Verdict > rules.Deny {
			b.WriteString(p.Rules[i].To.Name())
		}
	}
	return b.String()
}

// warnFamilies warns about rules whose destinations have a family that their sources lack, if
// a target has that family.
func (c *compiler) warnFamilies(targets []*target) {
	seen, plans := map[string]bool{}, map[string]bool{}
	for _, t := range targets {
		if key := t.planKey(); t.allRules && plans[key] {
			continue
		} else {
			plans[key] = true
		}
		for i := range t.plan.Rules {
			r := &t.plan.Rules[i]
			src := c.rules[r.Name]
			if src == nil || seen[r.Name] || r.From.IsAny() || r.To.IsAny() || r.To.ByName() || src.decl.attr("from") == nil {
				continue
			}
			for _, f := range t.plan.Families.List() {
				if r.To.Has(f) && !r.From.Has(f) {
					seen[r.Name] = true
					c.warnFamily(src, r, f)
				}
			}
		}
	}
}

func (c *compiler) warnFamily(src *rule, r *rules.Rule, f ipranges.Family) {
	detail := fmt.Sprintf("The rule decides nothing for %s.", f)
	if r.Verdict == rules.Allow {
		detail = fmt.Sprintf("%s does not pass by this rule.", f)
		if f == ipranges.IPv6 {
			detail += " Clients that have IPv6 prefer it."
		}
	}
	only := map[ipranges.Family]string{ipranges.IPv6: "ipv4", ipranges.IPv4: "ipv6"}[f]
	c.warn("family-gap", src.decl.attr("from").Expr.Range(), fmt.Sprintf("rule %q has %s destinations and no %s source", r.Name, f, f), detail,
		fmt.Sprintf("add %s sources to from, or say families = [%q] in the target", f, only),
		at(src.decl.attr("to").Expr.Range(), "the destinations are here"))
}

// openUse is a place that allows addresses which anyone can rent.
type openUse struct {
	block *decl
	rng   hcl.Range
	what  string
	tag   string
}

// openWhere returns the tags in d with addresses that anyone can rent, for the blocks that use
// d. If d accepts the warning, it returns none, so that only d itself gets the warning.
func (c *compiler) openWhere(d *decl, r hcl.Range, what string, tags []string) (left []string) {
	if len(tags) == 0 || !c.accepted(d, "open-cloud") {
		return tags
	}
	c.warnOpenUse(openUse{d, r, what, tags[0]})
	return nil
}

// warnOpen warns once about all places that allow a whole cloud and do not accept the
// warning. The tag AzureCloud and its regions have the machines of all customers.
func (c *compiler) warnOpen() {
	var uses []openUse
	for _, d := range c.f.decls["rule"] {
		r := c.rules[d.name]
		if r == nil || d.repeated || r.out.Verdict != rules.Allow || r.out.LeftOut != "" || len(r.to.open) == 0 {
			continue
		}
		uses = append(uses, openUse{d, d.attr("to").Expr.Range(), fmt.Sprintf("rule %q allows it", d.name), r.to.open[0]})
	}
	uses = slices.DeleteFunc(append(uses, c.open...), func(u openUse) bool {
		return len(c.openWhere(u.block, u.rng, u.what, []string{u.tag})) == 0
	})
	if len(uses) == 0 {
		return
	}
	var related []diag.Related
	for _, u := range uses[1:] {
		related = append(related, at(u.rng, u.what+" too"))
	}
	c.warnOpenUse(uses[0], related...)
}

func (c *compiler) warnOpenUse(u openUse, related ...diag.Related) {
	c.warn("open-cloud", u.rng, fmt.Sprintf("anyone can rent the addresses of %s", u.tag),
		"The tag holds the machines of every customer of the cloud, so this opens a way to them too: "+u.what+".",
		"use a narrower tag or the documented ranges where they suffice", related...)
}
