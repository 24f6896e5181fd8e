package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// decl is one block of a policy. Its name is checked and its arguments exist; their values
// are not checked yet.
type decl struct {
	kind   string // of block
	target string // the target's kind
	name   string
	header hcl.Range // from the block's type to its last label
	body   *hclsyntax.Body
	whole  hcl.Range // up to the closing brace

	// A block with a mistake is checked for other mistakes too. If broken, its value is
	// unknown. If cut, arguments may be missing. If repeated, it has no name, or references
	// to its name mean an earlier block.
	broken, cut, repeated bool
	guessed               bool // its kind is misspelt, so that missing arguments are not reported
	wrongClass            bool // a target with arguments of the other class
}

// blockSchema is the syntax of a kind of block.
type blockSchema struct {
	labels string   // the header, for messages
	args   []string // its arguments; nil for targets, because they depend on the kind
}

func schemaOf(kind string) (blockSchema, bool) {
	switch kind {
	case "variable":
		return blockSchema{`variable "NAME"`, []string{"default", "description"}}, true
	case "feed":
		return blockSchema{`feed "NAME"`, []string{"kind", "cloud", "file", "url", "max_age", "description"}}, true
	case "set":
		return blockSchema{`set "NAME"`, []string{"include", "exclude", "description"}}, true
	case "names":
		return blockSchema{`names "NAME"`, []string{"include", "exclude", "description"}}, true
	case "service":
		return blockSchema{`service "NAME"`, []string{"udp", "tcp", "sctp", "icmp", "icmpv6", "protocols", "description"}}, true
	case "rule":
		return blockSchema{`rule "NAME"`,
			append([]string{"action", "from", "to", "services", "tunnel", "log", "expires", "enabled"}, noteArguments...)}, true
	case "target":
		return blockSchema{`target "KIND" "NAME"`, nil}, true
	case "probe":
		return blockSchema{`probe "NAME"`, []string{"host", "rule", "kinds", "services", "issuers", "description"}}, true
	case "deploy":
		return blockSchema{`deploy "NAME"`, []string{"target", "check", "load", "state", "remove", "timeout", "confirm", "drift", "description"}}, true
	}
	return blockSchema{}, false
}

var blockKinds = []string{"variable", "feed", "set", "names", "service", "rule", "target", "probe", "deploy"}

// declare registers the blocks of the file.
func (c *compiler) declare(body *hclsyntax.Body) {
	c.sortDamage()
	for _, a := range attributes(body) {
		c.error(a.NameRange, fmt.Sprintf("%s stands outside of any block", a.Name), "A policy is made of blocks.",
			"put it into a block, such as "+`set "NAME" { include = ["192.0.2.0/24"] }`)
	}
	for _, b := range body.Blocks {
		c.declareBlock(b)
	}
}

// attributes returns the attributes of the body, in the order of the file.
func attributes(body *hclsyntax.Body) []*hclsyntax.Attribute {
	list := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		if a != nil && a.Expr != nil {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	return list
}

func (c *compiler) declareBlock(b *hclsyntax.Block) {
	kind := b.Type
	schema, ok := schemaOf(kind)
	if !ok {
		switch {
		case c.inDoubt(b.TypeRange):
		case b.Type == acceptBlock:
			c.error(b.TypeRange, "accept stands outside of any block", "A warning is accepted where it speaks of.", "put it into the block that the warning points at")
			return
		default:
			c.error(b.TypeRange, fmt.Sprintf("there is no kind of block %q", b.Type), "", didYouMean("", b.Type, blockKinds))
		}
		kind = misspelt(b.Type, blockKinds)
		if schema, ok = schemaOf(kind); !ok {
			return
		}
	}
	d := &decl{kind: kind, guessed: kind != b.Type, header: b.DefRange(), body: b.Body, whole: b.Range()}
	whole := b.Range()
	if def := b.DefRange(); whole.End.Byte <= def.End.Byte { // it has no content: take its first line
		whole.End = def.End
		if i := bytes.IndexByte(c.chars[def.End.Byte:], '\n'); i >= 0 {
			whole.End.Byte += i
		}
	}
	if at, hit := c.damageIn(whole); hit || b.Body == nil {
		d.broken, d.cut = true, true
		d.body = undamaged(b.Body, at)
		if line := c.oneLinerAt(at.Start); line != nil && line.header.Start.Byte == b.TypeRange.Start.Byte {
			if body := c.oneLinerBody(line); body != nil {
				d.body, d.broken, d.cut = body, false, false
			}
		}
	}
	c.label(d, b, schema)
	switch {
	case kind == "target":
		c.correctTarget(d)
	case !c.correctArguments(d, schema):
		d.broken = true
	}
	c.register(d)
}

// sortDamage prepares damageIn: it sorts c.damaged by start, and puts the furthest end up to
// each into c.reach.
func (c *compiler) sortDamage() {
	slices.SortFunc(c.damaged, func(a, b hcl.Range) int { return a.Start.Byte - b.Start.Byte })
	reach := 0
	for _, m := range c.damaged {
		reach = max(reach, m.End.Byte)
		c.reach = append(c.reach, reach)
	}
}

// damageIn finds the first syntax mistake in r, if there is one. What the parser returned for
// the text after it is a guess.
func (c *compiler) damageIn(r hcl.Range) (first hcl.Range, hit bool) {
	i, _ := slices.BinarySearch(c.reach, r.Start.Byte)
	if i == len(c.damaged) || c.damaged[i].Start.Byte > r.End.Byte {
		return hcl.Range{}, false
	}
	return c.damaged[i], true
}

// inDoubt reports whether a syntax mistake is in the place.
func (c *compiler) inDoubt(r hcl.Range) bool {
	_, hit := c.damageIn(r)
	return hit
}

// undamaged is the part of a body on the lines before the mistake.
func undamaged(body *hclsyntax.Body, mistake hcl.Range) *hclsyntax.Body {
	out := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	if body == nil {
		return out
	}
	for name, a := range body.Attributes {
		if a != nil && a.Expr != nil && a.SrcRange.End.Line < mistake.Start.Line {
			out.Attributes[name] = a
		}
	}
	for _, b := range body.Blocks {
		if b.Body != nil && b.Body.EndRange.End.Line < mistake.Start.Line {
			out.Blocks = append(out.Blocks, b)
		}
	}
	return out
}

// label takes the name of d, and the kind of a target, from the block's labels. No reference
// can mean a block without a name.
func (c *compiler) label(d *decl, b *hclsyntax.Block, schema blockSchema) {
	want := strings.Count(schema.labels, `"`) / 2
	if n := len(b.Labels); n != want {
		if !d.cut {
			c.error(b.DefRange(), fmt.Sprintf("%s takes %s, and this has %s", article(d.kind), counted(want, "label"), counted(n, "label")), "",
				fmt.Sprintf("write %s { ... }", schema.labels))
		}
		d.broken = true
		d.repeated = n == 0 || n < want
		if n > 0 {
			d.name, d.target = b.Labels[n-1], b.Labels[0]
		}
		return
	}
	d.name = b.Labels[want-1]
	if want == 2 {
		d.target = b.Labels[0]
	}
	if !d.cut && !c.checkName(d.kind, d.name, b.LabelRanges[want-1]) {
		c.meant[d.kind+" "+d.name] = true
	}
}

// correctArguments reports arguments and blocks that d cannot have. It renames a misspelt
// argument to the one that is meant.
func (c *compiler) correctArguments(d *decl, schema blockSchema) bool {
	ok := true
	for _, a := range attributes(d.body) {
		if slices.Contains(schema.args, a.Name) {
			continue
		}
		if c.acceptArgument(a, d.kind != acceptBlock) {
			ok = false
			continue
		}
		meant, same := argumentMeant(d.kind, a.Name, schema.args)
		c.error(a.NameRange, fmt.Sprintf("%s has no argument %q", article(d.kind), a.Name), "", meantOrKnown("", meant, schema.args))
		ok = c.rename(d.body, a, meant, same) && ok
	}
	for _, b := range d.body.Blocks {
		fix := "remove it, or close the block before it"
		switch {
		case b.Type == acceptBlock && d.kind != acceptBlock:
			continue
		case misspelt(b.Type, []string{acceptBlock}) != "":
			fix = "did you mean accept?"
		}
		if slices.Contains(schema.args, b.Type) {
			fix = fmt.Sprintf("write %s = ...", b.Type)
			c.excuse(d.body, b.Type)
		}
		c.error(b.TypeRange, fmt.Sprintf("%s holds no blocks", article(d.kind)), "", fix)
		ok = false
	}
	return ok
}

// rename renames the argument to the one that is meant, unless the block has that one too. It
// reports whether it did.
func (c *compiler) rename(body *hclsyntax.Body, a *hclsyntax.Attribute, meant string, same bool) bool {
	if meant == "" || body.Attributes[meant] != nil {
		return false
	}
	if !same {
		c.excuse(body, meant)
		return false
	}
	delete(body.Attributes, a.Name)
	a.Name = meant
	body.Attributes[meant] = a
	return true
}

// excuse prevents a report that an argument is missing: a misspelt one is in its place.
func (c *compiler) excuse(body *hclsyntax.Body, name string) {
	if c.f.excused[body] == nil {
		c.f.excused[body] = map[string]bool{}
	}
	c.f.excused[body][name] = true
}

// register adds d to the index of names, and reports duplicates.
func (c *compiler) register(d *decl) {
	index := c.f.index[d.kind]
	if index == nil {
		index = map[string]*decl{}
		c.f.index[d.kind] = index
	}
	c.f.decls[d.kind] = append(c.f.decls[d.kind], d)
	if d.repeated {
		return
	}
	first, dup := index[d.name]
	if !dup {
		index[d.name] = d
		return
	}
	d.repeated = true
	if !d.cut && !first.cut {
		c.error(d.header, fmt.Sprintf("there are two %s %q", plural(d.kind), d.name), twiceWhy(d.kind), "rename or remove one of them",
			at(first.header, "the first is here"))
	}
}

func twiceWhy(kind string) string {
	if kind == "target" {
		return "A target is called by its name alone, on the command line and by tunnel, whatever its kind."
	}
	return ""
}

// names returns the declared names of a kind of block.
func (f *File) names(kind string) []string {
	out := make([]string, 0, len(f.decls[kind]))
	for _, d := range f.decls[kind] {
		if !d.repeated {
			out = append(out, d.name)
		}
	}
	return out
}

// attr returns the argument, or nil.
func (d *decl) attr(name string) *hclsyntax.Attribute {
	if a := d.body.Attributes[name]; a != nil && a.Expr != nil {
		return a
	}
	return nil
}

// need returns the argument, and reports if it is missing.
func (c *compiler) need(d *decl, name, fix string) *hclsyntax.Attribute {
	a := d.attr(name)
	if a == nil && !c.mayLack(d, name) {
		c.error(d.header, fmt.Sprintf("%s %q has no %s", d.kind, d.name, name), "", fix)
	}
	return a
}

// mayLack reports whether a mistake that is already reported may be the reason why the
// argument is missing.
func (c *compiler) mayLack(d *decl, name string) bool {
	return d.cut || d.guessed || c.f.excused[d.body][name]
}
