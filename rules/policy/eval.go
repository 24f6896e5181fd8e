package policy

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// item is one element of a list in the policy: an expression, or a value of a variable's
// list.
type item struct {
	expr hclsyntax.Expression // nil when val is the value
	val  cty.Value
	env  *hcl.EvalContext
	rng  hcl.Range
}

// ref is the item as a reference, or nil.
func (it item) ref() hcl.Traversal {
	if e, ok := it.expr.(*hclsyntax.ScopeTraversalExpr); ok {
		return e.Traversal
	}
	return nil
}

// items calls fn for every element of e: those of lists, of nested lists, of lists in
// variables, and of for expressions. Any other expression is one item. It reports whether all
// of e could be evaluated.
func (c *compiler) items(e hclsyntax.Expression, env *hcl.EvalContext, fn func(item)) bool {
	if !c.spend(1, e.Range()) {
		return false
	}
	switch e := e.(type) {
	case *hclsyntax.TupleConsExpr:
		ok := true
		for _, sub := range e.Exprs {
			ok = c.items(sub, env, fn) && ok
		}
		return ok
	case *hclsyntax.ParenthesesExpr:
		return c.items(e.Expression, env, fn)
	case *hclsyntax.ConditionalExpr:
		chosen, ok := c.choose(e, env)
		return ok && c.items(chosen, env, fn)
	case *hclsyntax.ForExpr:
		return c.forItems(e, env, fn)
	case *hclsyntax.ScopeTraversalExpr:
		if word := e.Traversal.RootName(); word != "var" && !isLocal(env, word) {
			break
		}
		v, ok := c.scalar(e, env)
		if ok {
			c.valueItems(v, e.Range(), fn)
		}
		return ok
	}
	fn(item{expr: e, env: env, rng: e.Range()})
	return true
}

// valueItems is items for a value.
func (c *compiler) valueItems(v cty.Value, r hcl.Range, fn func(item)) {
	if !isList(v) {
		fn(item{val: v, rng: r})
		return
	}
	for _, e := range listItems(v) {
		c.valueItems(e, r, fn)
	}
}

// choose evaluates the condition of e, and returns the branch that it selects.
func (c *compiler) choose(e *hclsyntax.ConditionalExpr, env *hcl.EvalContext) (hclsyntax.Expression, bool) {
	yes, ok := c.truth(e.Condition, env)
	if yes {
		return e.TrueResult, ok
	}
	return e.FalseResult, ok
}

func (c *compiler) truth(e hclsyntax.Expression, env *hcl.EvalContext) (value, ok bool) {
	v, ok := c.scalar(e, env)
	if !ok {
		return false, false
	}
	if v.Type() != cty.Bool {
		c.error(e.Range(), fmt.Sprintf("a condition is true or false, and this is %s", describe(v)), "", `compare it: var.site == "berlin"`)
		return false, false
	}
	return v.True(), true
}

// forItems evaluates a for expression over a list of values.
func (c *compiler) forItems(e *hclsyntax.ForExpr, env *hcl.EvalContext, fn func(item)) bool {
	if e.KeyExpr != nil {
		c.error(e.Range(), "this for expression makes a map, and a list belongs here", "", "write [for x in LIST : VALUE]")
		return false
	}
	ok := true
	var values []cty.Value
	collected := c.items(e.CollExpr, env, func(it item) {
		v, good := c.value(it)
		ok = ok && good
		values = append(values, v)
	})
	if !ok || !collected {
		return false
	}
	for i, v := range values {
		if c.work < 0 {
			return false
		}
		inner := env.NewChild()
		inner.Variables = map[string]cty.Value{e.ValVar: v}
		if e.KeyVar != "" {
			inner.Variables[e.KeyVar] = cty.NumberIntVal(int64(i))
		}
		if e.CondExpr != nil {
			take, good := c.truth(e.CondExpr, inner)
			if ok = ok && good; !take {
				continue
			}
		}
		ok = c.items(e.ValExpr, inner, fn) && ok
	}
	return ok
}

// isLocal reports whether a for expression around env defines the word.
func isLocal(env *hcl.EvalContext, word string) bool {
	for ; env != nil && env.Parent() != nil; env = env.Parent() {
		if _, ok := env.Variables[word]; ok {
			return true
		}
	}
	return false
}

// value is the item's value as a string, a number or a bool.
func (c *compiler) value(it item) (cty.Value, bool) {
	if it.expr == nil {
		return it.val, it.val.IsWhollyKnown() && !it.val.IsNull()
	}
	return c.scalar(it.expr, it.env)
}

// scalar evaluates an expression that may use variables only. It is not ok if it reports a
// mistake, or if a variable has no value.
func (c *compiler) scalar(e hclsyntax.Expression, env *hcl.EvalContext) (cty.Value, bool) {
	r := e.Range()
	if !c.spend(1+r.End.Byte-r.Start.Byte, r) || !c.checkScalar(e, env) {
		return cty.DynamicVal, false
	}
	v, diags := e.Value(env)
	c.addHCL(diags)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return cty.DynamicVal, false
	}
	if v.IsNull() {
		c.error(r, "null is not a value here", "", "leave the argument out")
		return cty.DynamicVal, false
	}
	if v.Type() == cty.String && len(v.AsString()) > maxText {
		c.error(r, fmt.Sprintf("this string has %d bytes", len(v.AsString())), fmt.Sprintf("The limit is %d.", maxText), "make it shorter")
		return cty.DynamicVal, false
	}
	return v, true
}

// checkScalar reports the parts of e that are not scalar, such as sets.
func (c *compiler) checkScalar(e hclsyntax.Expression, env *hcl.EvalContext) bool {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return true
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return true
		}
	}
	w := scalarWalk{c: c, env: env, ok: true}
	hclsyntax.Walk(e, &w)
	return w.ok
}

// scalarWalk visits the parts of an expression. It ignores everything inside a part that is
// reported, where variables would look undeclared.
type scalarWalk struct {
	c     *compiler
	env   *hcl.EvalContext
	ok    bool
	wrong hclsyntax.Node // the reported part that the walk is in
}

func (w *scalarWalk) Enter(n hclsyntax.Node) hcl.Diagnostics {
	if w.wrong != nil {
		return nil
	}
	switch n := n.(type) {
	case *hclsyntax.ForExpr, *hclsyntax.SplatExpr:
		w.c.error(n.Range(), "this belongs into a list of its own", "For expressions make the elements of a list, not parts of a value.",
			"write [for x in LIST : VALUE]")
		w.ok, w.wrong = false, n
	case *hclsyntax.FunctionCallExpr:
		w.c.badCall(n)
		w.ok, w.wrong = false, n
	case *hclsyntax.ScopeTraversalExpr:
		w.ok = w.c.checkVar(n.Traversal, w.env) && w.ok
	}
	return nil
}

func (w *scalarWalk) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if n == w.wrong {
		w.wrong = nil
	}
	return nil
}

func (c *compiler) checkVar(t hcl.Traversal, env *hcl.EvalContext) bool {
	if isLocal(env, t.RootName()) {
		return true
	}
	return c.lookup(t, "variable") != nil
}

func (c *compiler) badCall(e *hclsyntax.FunctionCallExpr) {
	if e.Name == "tag" {
		c.error(e.Range(), "tag() gives addresses, and a plain value belongs here", "", "use it in include, exclude, from or to")
		return
	}
	if e.Name == "ports" {
		c.error(e.Range(), "ports() gives a service, and another value belongs here", "", "use it in the services of a rule")
		return
	}
	if e.Name == "names" {
		c.error(e.Range(), "names() gives host names, and another value belongs here", "", "use it in include of a names block")
		return
	}
	c.error(e.NameRange, fmt.Sprintf("there is no function %q", e.Name), "", `there are tag(feed.NAME, "Tag"), ports() and names() of the same`)
}

// These functions read single arguments. Each reports a value of the wrong type.

func (c *compiler) text(a *hclsyntax.Attribute) (string, bool) {
	v, ok := c.scalar(a.Expr, c.env)
	if !ok {
		return "", false
	}
	if v.Type() != cty.String {
		c.error(a.Expr.Range(), fmt.Sprintf("%s is a string, and this is %s", a.Name, describe(v)), "", c.quoteFix(v, a.Expr.Range()))
		return "", false
	}
	return v.AsString(), true
}

// quoteFix says how to write v, which is at r, as a string.
func (c *compiler) quoteFix(v cty.Value, r hcl.Range) string {
	text := c.sourceAt(r)
	switch {
	case isList(v) && v.LengthInt() == 1:
		return "write the one value, without brackets"
	case !v.Type().IsPrimitiveType():
		return "write one value"
	case strings.ContainsAny(text, "\"\n") || len(text) >= maxQuoted:
		return "put it in quotes"
	}
	return fmt.Sprintf("put it in quotes: %q", text)
}

// textOr is the argument's text, or the default when the block lacks it.
func (c *compiler) textOr(d *decl, name, def string) (string, bool) {
	a := d.attr(name)
	if a == nil {
		return def, true
	}
	return c.text(a)
}

func (c *compiler) flag(d *decl, name string, def bool) (value, ok bool) {
	a := d.attr(name)
	if a == nil {
		return def, true
	}
	v, ok := c.scalar(a.Expr, c.env)
	if !ok {
		return def, false
	}
	if v.Type() != cty.Bool {
		c.error(a.Expr.Range(), fmt.Sprintf("%s is true or false, and this is %s", name, describe(v)), "", truthFix(v))
		return def, false
	}
	return v.True(), true
}

// truthFix says what to write instead of v, which is neither true nor false.
func truthFix(v cty.Value) string {
	if v.Type() == cty.String {
		switch strings.ToLower(v.AsString()) {
		case "true", "yes", "on", "1":
			return "write true, without quotes"
		case "false", "no", "off", "0":
			return "write false, without quotes"
		}
	}
	return "write true or false"
}

// parseDuration is time.ParseDuration, and also takes days: "7d".
func parseDuration(s string) (time.Duration, error) {
	if n := len(s); n > 1 && s[n-1] == 'd' {
		if d, err := time.ParseDuration(s[:n-1] + "h"); err == nil && d.Abs() < 1e6*time.Hour {
			return 24 * d, nil
		}
	}
	return time.ParseDuration(s)
}

func isList(v cty.Value) bool {
	t := v.Type()
	return t.IsTupleType() || t.IsListType() || t.IsSetType()
}

func listItems(v cty.Value) []cty.Value {
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	return v.AsValueSlice()
}

// showValue is a primitive value as text, at most a few dozen bytes of a number.
func showValue(v cty.Value) string {
	switch v.Type() {
	case cty.String:
		return v.AsString()
	case cty.Number:
		return v.AsBigFloat().Text('g', maxDigits)
	case cty.Bool:
		if v.True() {
			return "true"
		}
		return "false"
	}
	return v.Type().FriendlyName()
}

// describe describes a value, for a message about its type.
func describe(v cty.Value) string {
	switch {
	case v.Type() == cty.String:
		return fmt.Sprintf("the string %.60q", v.AsString())
	case v.Type() == cty.Number:
		return "the number " + showValue(v)
	case v.Type() == cty.Bool:
		return showValue(v)
	case isList(v):
		return "a list"
	}
	return "a map"
}

// integer is v as an integer.
func integer(v cty.Value) (int64, bool) {
	if v.Type() != cty.Number {
		return 0, false
	}
	n, acc := v.AsBigFloat().Int64()
	return n, acc == big.Exact
}
