package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/rules"
)

// ProbeKinds are the kinds of probes.
func ProbeKinds() []string {
	return []string{"dns", "tcp", "tls", "http", "https", "stun", "nat", "path"}
}

// evalProbes evaluates the probe blocks.
func (c *compiler) evalProbes(p *Program) {
	for _, d := range c.f.decls["probe"] {
		if probe, ok := c.probe(d); ok && !d.broken && !d.repeated {
			p.Probes = append(p.Probes, probe)
		}
	}
}

func (c *compiler) probe(d *decl) (Probe, bool) {
	out := Probe{Name: d.name, Place: place(d.header)}
	_, known := c.textOr(d, "description", "")
	ok := func(good bool) { known = known && good }
	ok(c.probeHost(d, &out))
	ok(c.probeServices(d, &out))
	ok(c.probeRule(d, &out))
	if a := d.attr("kinds"); a != nil {
		list, good := c.texts(a, "the kind of a probe")
		for _, k := range list {
			if !slices.Contains(ProbeKinds(), k) {
				c.error(a.Expr.Range(), fmt.Sprintf("there is no kind of probe %.60q", k), "", didYouMean("", k, ProbeKinds()))
				good = false
			}
		}
		out.Kinds = list
		ok(good)
	}
	if a := d.attr("issuers"); a != nil {
		var good bool
		out.Issuers, good = c.texts(a, "an issuer's name")
		ok(good)
	}
	return out, known
}

func (c *compiler) probeHost(d *decl, out *Probe) bool {
	a := c.need(d, "host", `name the host to ask: host = "worldaz.tr.teams.microsoft.com"`)
	if a == nil {
		return false
	}
	host, ok := c.text(a)
	if !ok {
		return false
	}
	if problem := hostProblem(host); problem != "" {
		c.error(a.Expr.Range(), fmt.Sprintf("%.60q is neither a host name nor an address", host), problem,
			"write a name without scheme, port and path")
		return false
	}
	out.Host = host
	return true
}

// probeServices evaluates the ports of a probe that replace those of its rule.
func (c *compiler) probeServices(d *decl, out *Probe) bool {
	a := d.attr("services")
	if a == nil {
		return true
	}
	list, uses, ok := c.serviceList(a)
	for _, use := range uses {
		out.Feeds = append(out.Feeds, use.feed)
	}
	if slices.ContainsFunc(list, rules.Service.IsAny) {
		c.error(a.Expr.Range(), "a probe asks ports, and any is all of them", "It never sweeps.", "name a service with a few ports")
		return false
	}
	out.Services = list
	return ok
}

// probeRule evaluates the rule that must allow the probe. Without a rule, the probe needs
// services of its own.
func (c *compiler) probeRule(d *decl, out *Probe) bool {
	a := d.attr("rule")
	if a == nil && d.attr("services") != nil {
		return true
	}
	if a = c.need(d, "rule", "name the rule that has to let it pass: rule = rule.NAME; or the services to ask"); a == nil {
		return false
	}
	var ok bool
	out.Rule, ok = c.oneRule(a)
	return ok
}

// texts evaluates a list of strings.
func (c *compiler) texts(a *hclsyntax.Attribute, what string) ([]string, bool) {
	var list []string
	good := true
	ok := c.items(a.Expr, c.env, func(it item) {
		v, ok := c.value(it)
		if ok && (v.Type() != cty.String || v.AsString() == "") {
			c.error(it.rng, fmt.Sprintf("%s belongs here, and this is %s", what, describe(v)), "", "put it in quotes")
			ok = false
		}
		if good = good && ok; ok {
			list = append(list, v.AsString())
		}
	})
	if ok && good && len(list) == 0 {
		c.error(a.Expr.Range(), a.Name+" is empty", "", "list some, or remove the argument")
		return nil, false
	}
	return list, ok && good
}

// oneRule evaluates a reference to a single rule.
func (c *compiler) oneRule(a *hclsyntax.Attribute) (string, bool) {
	t, ok := a.Expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		fix := "write rule = rule.NAME"
		if v, _ := a.Expr.Value(nil); v.IsKnown() && !v.IsNull() && v.Type() == cty.String && plainName(strings.TrimPrefix(v.AsString(), "rule.")) {
			name := strings.TrimPrefix(v.AsString(), "rule.")
			c.meant["rule "+name] = true
			fix = fmt.Sprintf("write rule = rule.%s, without quotes", name)
		}
		c.error(a.Expr.Range(), "a single rule belongs here", "", fix)
		return "", false
	}
	d := c.lookup(t.Traversal, "rule")
	if d == nil {
		return "", false
	}
	return d.name, true
}
