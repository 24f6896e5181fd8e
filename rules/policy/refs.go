package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/diag"
)

// referable are the kinds of blocks that expressions can refer to, as KIND.NAME.
var referable = []string{"var", "feed", "set", "names", "service", "rule", "target"}

// kindOf is the kind of block that the first word of a reference means.
func kindOf(word string) string {
	switch word {
	case "var":
		return "variable"
	case "feed", "set", "names", "service", "rule", "target":
		return word
	}
	return ""
}

// splitRef splits a reference: set.x and set["x"] are the set x.
func splitRef(t hcl.Traversal) (word, name string, rest hcl.Traversal) {
	if len(t) == 0 || t.IsRelative() {
		return "", "", nil
	}
	word = t.RootName()
	if len(t) == 1 {
		return word, "", nil
	}
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		name = step.Name
	case hcl.TraverseIndex:
		if step.Key.IsKnown() && !step.Key.IsNull() && step.Key.Type() == cty.String {
			name = step.Key.AsString()
		}
	}
	return word, name, t[2:]
}

// lookup finds the block of a kind that t refers to, and reports if there is none. It also
// returns nil if the block is unknown because of another mistake.
func (c *compiler) lookup(t hcl.Traversal, kind string) *decl {
	word, name, rest := splitRef(t)
	r := t.SourceRange()
	wanted := kind
	if kind == "variable" {
		wanted = "var"
	}
	switch {
	case word == "any":
		c.error(r, fmt.Sprintf("any is not %s", article(kind)), "It stands alone, as in to = any, and means everything.",
			fmt.Sprintf("write %s.NAME", wanted))
		return nil
	case kindOf(word) == "":
		c.unknownWord(r, word, name, wanted)
		return nil
	case kindOf(word) != kind && kind == "variable":
		c.error(r, fmt.Sprintf("%s is %s, and a plain value belongs here", strings.TrimSuffix(word+"."+name, "."), article(kindOf(word))),
			"", fmt.Sprintf("take it out of the string or the expression: %s.NAME stands alone", word))
		return nil
	case kindOf(word) != kind:
		c.error(r, fmt.Sprintf("%s is %s, and %s belongs here", strings.TrimSuffix(word+"."+name, "."), article(kindOf(word)), article(kind)),
			"", c.nameFix(kind, wanted, name))
		return nil
	case name == "":
		c.error(r, word+" needs a name after it", "", c.nameFix(kind, wanted, ""))
		return nil
	}
	d := c.f.index[kind][name]
	switch {
	case d == nil && c.misnamed(kind, name):
	case d == nil && c.f.partial && (c.crowded() || misspelt(name, c.f.names(kind)) == ""):
	case d == nil && c.crowded():
		c.error(r, fmt.Sprintf("there is no %s %q", kind, name), "", "declare it, or correct the name")
	case d == nil:
		c.error(r, fmt.Sprintf("there is no %s %q", kind, name), "", c.nameFix(kind, wanted, name))
	case len(rest) > 0 && kind != "variable":
		c.error(r, fmt.Sprintf("%s.%s has no parts", word, name), "", fmt.Sprintf("write %s.%s", word, name))
		return nil
	}
	return d
}

// misnamed reports whether a block that the name means cannot have its own name, which is
// reported.
func (c *compiler) misnamed(kind, name string) bool {
	return slices.ContainsFunc(c.f.names(kind), func(n string) bool {
		return !plainName(n) && misspelt(name, []string{n}) != ""
	})
}

// nameFix suggests the declared names of a kind, or says how to declare one.
func (c *compiler) nameFix(kind, word, name string) string {
	c.meant[kind+" "+suggest(name, c.f.names(kind))] = true
	if fix := didYouMean(word+".", name, c.f.names(kind)); fix != "" {
		return fix
	}
	if !plainName(name) {
		name = "NAME"
	}
	return fmt.Sprintf("declare it: %s %q { ... }", kind, name)
}

// unknownWord reports a reference that does not begin with a keyword of the language. Most
// often its first part is missing.
func (c *compiler) unknownWord(r hcl.Range, word, name, wanted string) {
	summary := fmt.Sprintf("%q means nothing here", word)
	if kind := kindOf(wanted); c.f.index[kind][word] != nil {
		c.meant[kind+" "+word] = true
		c.error(r, summary, "", fmt.Sprintf("write %s.%s", wanted, word))
		return
	}
	for _, w := range referable {
		if c.f.index[kindOf(w)][word] != nil {
			c.meant[kindOf(w)+" "+word] = true
			c.error(r, summary, "", fmt.Sprintf("did you mean %s.%s?", w, word))
			return
		}
	}
	for _, w := range []string{"true", "false", "any"} {
		if strings.EqualFold(word, w) {
			c.error(r, summary, "Words of the language are written in lower case.", "write "+w)
			return
		}
	}
	if wanted == "var" && name == "" {
		c.error(r, summary, "Without quotes it is the name of something.", fmt.Sprintf("put it in quotes: %q", word))
		return
	}
	if s := suggest(word, append(slices.Clone(referable), "any")); s != "" {
		c.meant[kindOf(s)+" "+name] = true
		c.error(r, summary, "", "did you mean "+strings.TrimSuffix(s+"."+name, ".")+"?")
		return
	}
	c.error(r, summary, fmt.Sprintf("References begin with %s.", wordList(referable, "or")),
		fmt.Sprintf("write %s.NAME, or put quotes around a string", wanted))
}

// markUses records all names that expressions refer to.
func (c *compiler) markUses(body *hclsyntax.Body) {
	for _, a := range body.Attributes {
		if a == nil || a.Expr == nil {
			continue
		}
		for _, t := range a.Expr.Variables() {
			word, name, _ := splitRef(t)
			if kind := kindOf(word); kind != "" {
				if c.f.used[kind] == nil {
					c.f.used[kind] = map[string]bool{}
				}
				c.f.used[kind][name] = true
			}
		}
	}
	for _, b := range body.Blocks {
		if b.Body != nil {
			c.markUses(b.Body)
		}
	}
}

// unevaluated reports references to unknown names in expressions that are not evaluated: the
// other branch of a condition, or the body of a loop without elements.
func (c *compiler) unevaluated(body *hclsyntax.Body) {
	for _, a := range attributes(body) {
		for _, t := range a.Expr.Variables() {
			word, name, _ := splitRef(t)
			kind := kindOf(word)
			if kind == "" || name == "" || c.f.index[kind][name] != nil || c.crowded() || c.blamed(t.SourceRange()) {
				continue
			}
			c.lookup(t, kind)
		}
	}
	for _, b := range body.Blocks {
		if b.Body != nil && !c.inDoubt(b.Range()) {
			c.unevaluated(b.Body)
		}
	}
}

// blamed reports whether a diagnostic has a place that contains r.
func (c *compiler) blamed(r hcl.Range) bool {
	for _, d := range c.list {
		if d.Subject.Start.Byte <= r.Start.Byte && r.End.Byte <= d.Subject.End.Byte {
			return true
		}
	}
	return false
}

// orderSets puts the sets into f.order, each after those that it refers to, and reports
// cycles.
func (c *compiler) orderSets() {
	const done = -1
	depth := map[*decl]int{} // from 1 on the current path; done for sets that are finished
	var path []*decl
	var visit func(d *decl) int
	visit = func(d *decl) (low int) { // the lowest depth on the path that d refers to
		path = append(path, d)
		depth[d], low = len(path), len(path)+1
		for _, t := range setRefs(d) {
			_, name, _ := splitRef(t)
			switch next := c.f.index["set"][name]; {
			case next == nil || depth[next] == done:
			case depth[next] == 0:
				low = min(low, visit(next))
			default:
				c.reportCycle(path[depth[next]-1:])
				low = min(low, depth[next])
			}
		}
		if low <= len(path) { // d is in a cycle
			d.broken = true
		}
		depth[d] = done
		path = path[:len(path)-1]
		c.f.order = append(c.f.order, d)
		return low
	}
	for _, d := range c.f.decls["set"] {
		if depth[d] == 0 {
			visit(d)
		}
	}
}

// setRefs returns the references of d to sets, in the order of the source.
func setRefs(d *decl) []hcl.Traversal {
	var out []hcl.Traversal
	for _, name := range []string{"include", "exclude"} {
		a := d.attr(name)
		if a == nil {
			continue
		}
		for _, t := range a.Expr.Variables() {
			if t.RootName() == "set" {
				out = append(out, t)
			}
		}
	}
	return out
}

// maxCircle is how many sets of a cycle a message names.
const maxCircle = 12

// reportCycle reports a cycle of sets.
func (c *compiler) reportCycle(circle []*decl) {
	if c.crowded() {
		return
	}
	var names []string
	var related []diag.Related
	for i, d := range circle[:min(len(circle), maxCircle)] {
		names = append(names, d.name)
		next := circle[(i+1)%len(circle)]
		for _, t := range setRefs(d) {
			if _, name, _ := splitRef(t); name == next.name {
				related = append(related, at(t.SourceRange(), fmt.Sprintf("%s needs %s", d.name, next.name)))
				break
			}
		}
	}
	if len(circle) > maxCircle {
		names = append(names, "...")
	}
	names = append(names, circle[0].name)
	c.error(circle[0].header, "sets refer to each other in a circle: "+strings.Join(names, " -> "),
		"None of them can be evaluated before the others.", "take one of the references out", related...)
}

// FeedsFor returns the labels of the feeds that are needed to evaluate a block, directly or
// through other blocks.
func (f *File) FeedsFor(kind, name string) []string {
	seen := map[*decl]bool{}
	var labels []string
	var visit func(d *decl)
	visit = func(d *decl) {
		if d == nil || seen[d] {
			return
		}
		seen[d] = true
		if d.kind == "feed" {
			labels = append(labels, d.name)
		}
		for _, t := range references(d.body) {
			word, name, _ := splitRef(t)
			visit(f.index[kindOf(word)][name])
		}
	}
	visit(f.index[kind][name])
	return labels
}

// references returns the references in a body and in the blocks in it.
func references(body *hclsyntax.Body) []hcl.Traversal {
	var list []hcl.Traversal
	for _, a := range attributes(body) {
		list = append(list, a.Expr.Variables()...)
	}
	for _, b := range body.Blocks {
		if b.Body != nil {
			list = append(list, references(b.Body)...)
		}
	}
	return list
}
