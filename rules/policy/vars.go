package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/diag"
)

// variables sets the value of each variable: that of the command line, or the default. A
// variable with neither is unknown, and reported once.
func (c *compiler) variables() {
	c.env = &hcl.EvalContext{}
	for _, d := range c.f.decls["variable"] {
		def, ok := cty.NilVal, true
		if a := d.attr("default"); a != nil {
			def, ok = c.constant(a)
		}
		c.textOr(d, "description", "") // only to report mistakes
		if d.repeated {
			continue
		}
		c.f.vars[d.name] = cty.DynamicVal
		if d.broken {
			continue
		}
		text, given := c.f.opt.Vars[d.name]
		switch {
		case !ok:
		case given:
			if v, problem, fix := parseVar(text, def); problem != "" {
				c.error(d.header, fmt.Sprintf("--var %s=%.60s: %s", d.name, text, problem), "", fix)
			} else {
				c.f.vars[d.name] = v
			}
		case def == cty.NilVal:
			c.error(d.header, fmt.Sprintf("variable %q has no value", d.name), "It has no default.",
				fmt.Sprintf("give it on the command line: --var %s=VALUE", d.name))
		default:
			c.f.vars[d.name] = def
		}
	}
	c.unknownVars()
}

// unknownVars reports values from the command line for which there is no variable.
func (c *compiler) unknownVars() {
	if c.f.partial {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.f.opt.Vars)) {
		if c.f.index["variable"][name] != nil {
			continue
		}
		fix := "the policy declares no variables"
		if names := c.f.names("variable"); len(names) > 0 {
			fix = didYouMean("--var ", name, names)
		}
		c.add(diag.Diagnostic{Severity: diag.Error, Summary: fmt.Sprintf("--var %.60s: the policy has no variable of that name", name), Fix: fix})
	}
}

// constant evaluates a variable's default, which must not have references.
func (c *compiler) constant(a *hclsyntax.Attribute) (cty.Value, bool) {
	const form = "write a string, a number, true or false, or a list of strings"
	if refs := a.Expr.Variables(); len(refs) > 0 {
		for _, r := range refs {
			c.error(r.SourceRange(), "a default cannot refer to anything", "", form)
		}
		return cty.DynamicVal, false
	}
	if _, list := a.Expr.(*hclsyntax.TupleConsExpr); !list {
		v, ok := c.scalar(a.Expr, c.env)
		if ok && !v.Type().IsPrimitiveType() {
			c.error(a.Expr.Range(), "this cannot be the value of a variable", "", form)
			ok = false
		}
		return v, ok
	}
	var values []cty.Value
	ok := true
	all := c.items(a.Expr, c.env, func(it item) {
		v, good := c.value(it)
		if good && v.Type() != cty.String {
			c.error(it.rng, fmt.Sprintf("a variable's list holds strings, and this is %s", describe(v)), "", "put it in quotes")
			good = false
		}
		ok = ok && good
		values = append(values, v)
	})
	return cty.TupleVal(values), ok && all
}

// parseVar parses a value from the command line as the type of the default. If it cannot, it
// returns why, and what to write.
func parseVar(text string, def cty.Value) (v cty.Value, problem, fix string) {
	switch {
	case len(text) > maxText && def != cty.NilVal && def.Type() == cty.String:
		return v, fmt.Sprintf("it has %d bytes, and the limit is %d", len(text), maxText), "make it shorter"
	case def == cty.NilVal && !strings.HasPrefix(strings.TrimSpace(text), "["), def != cty.NilVal && def.Type() == cty.String:
		return cty.StringVal(text), "", ""
	case def != cty.NilVal && def.Type() == cty.Number:
		if len(text) <= maxDigits && !hasExponent([]byte(text)) {
			if v, err := cty.ParseNumberVal(text); err == nil {
				return v, "", ""
			}
		}
		return v, "its default is a number, and this is not one", "write digits"
	case def != cty.NilVal && def.Type() == cty.Bool:
		if text == "true" || text == "false" {
			return cty.BoolVal(text == "true"), "", ""
		}
		return v, "its default is true or false, and this is neither", "write true or false"
	}
	return parseVarList(text)
}

// parseVarList parses a,b or the policy's syntax, ["a", "b"].
func parseVarList(text string) (v cty.Value, problem, fix string) {
	const form = `write a,b or ["a", "b"]`
	if strings.TrimSpace(text) == "" {
		return cty.EmptyTupleVal, "", ""
	}
	var items []cty.Value
	if !strings.HasPrefix(strings.TrimSpace(text), "[") {
		if strings.Contains(","+strings.ReplaceAll(text, " ", "")+",", ",,") {
			return v, "the list has an empty element", "take one of the commas out"
		}
		for word := range strings.SplitSeq(text, ",") {
			items = append(items, cty.StringVal(strings.TrimSpace(word)))
		}
		return cty.TupleVal(items), "", ""
	}
	if len(text) > MaxSize {
		return v, "the list is too long", "keep long lists in the policy"
	}
	tokens, _ := hclsyntax.LexExpression([]byte(text), "--var", hcl.InitialPos)
	if _, what, _ := tooDeep(tokens); what != "" {
		return v, what, form
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), "--var", hcl.InitialPos)
	list, ok := e.(*hclsyntax.TupleConsExpr)
	if diags.HasErrors() || !ok {
		return v, "the list is not well formed", form
	}
	if plain := strings.Trim(strings.TrimSpace(text), "[]"); !strings.ContainsAny(text, "\"'") && plain != "" {
		return v, "the list has no quotes, which a shell takes away", fmt.Sprintf("write %.100s without brackets, or put the whole argument into single quotes", strings.ReplaceAll(plain, " ", ""))
	}
	for _, sub := range list.Exprs {
		s, diags := sub.Value(nil)
		if diags.HasErrors() || s.IsNull() || !s.IsKnown() || s.Type() != cty.String {
			return v, "the list holds something else than strings", form
		}
		items = append(items, s)
	}
	return cty.TupleVal(items), "", ""
}
