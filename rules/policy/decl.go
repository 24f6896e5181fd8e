package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sallyport/internal/diag"
)

// decl is one block of a policy: its name is checked and its arguments are
// known ones, but their values have not been looked at.
type decl struct {
	kind   string // of block
	target string // the target's kind
	name   string
	header hcl.Range // from the block's type to its last label
	body   *hclsyntax.Body
	broken bool // a mistake leaves the block without a value
}

// blockSchema is what a kind of block looks like.
type blockSchema struct {
	labels string   // how its header is written
	args   []string // its arguments; nil for targets, whose kind decides
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
			[]string{"action", "from", "to", "services", "tunnel", "log", "expires", "enabled", "description"}}, true
	case "target":
		return blockSchema{`target "KIND" "NAME"`, nil}, true
	case "probe":
		return blockSchema{`probe "NAME"`, []string{"host", "rule", "kinds", "services", "issuers", "description"}}, true
	}
	return blockSchema{}, false
}

var blockKinds = []string{"variable", "feed", "set", "names", "service", "rule", "target", "probe"}

// declare registers the blocks of the file.
func (c *compiler) declare(body *hclsyntax.Body) {
	syntax := slices.Clone(c.list)
	for _, a := range body.Attributes {
		c.error(a.NameRange, fmt.Sprintf("%s stands outside of any block", a.Name), "A policy is made of blocks.",
			"put it into a block, such as "+`set "NAME" { ... }`)
	}
	for _, b := range body.Blocks {
		if b.Body == nil || overlaps(b, syntax) {
			c.declareBroken(b)
			continue
		}
		c.declareBlock(b)
	}
}

// overlaps reports whether a mistake in syntax is within b: what the parser
// made of the block is then a guess.
func overlaps(b *hclsyntax.Block, syntax diag.List) bool {
	r := b.Range()
	for _, d := range syntax {
		if d.Subject.Start.Byte < r.End.Byte && r.Start.Byte <= d.Subject.End.Byte {
			return true
		}
	}
	return false
}

func (c *compiler) declareBroken(b *hclsyntax.Block) {
	if len(b.Labels) > 0 {
		c.register(&decl{kind: b.Type, name: b.Labels[len(b.Labels)-1], header: b.DefRange(), body: &hclsyntax.Body{}, broken: true})
	}
}

func (c *compiler) declareBlock(b *hclsyntax.Block) {
	schema, ok := schemaOf(b.Type)
	if !ok {
		c.error(b.TypeRange, fmt.Sprintf("there is no kind of block %q", b.Type), "", didYouMean("", b.Type, blockKinds))
		return
	}
	want := strings.Count(schema.labels, `"`) / 2
	if len(b.Labels) != want {
		c.error(b.DefRange(), fmt.Sprintf("%s takes %s, and this has %s", article(b.Type), counted(want, "label"), counted(len(b.Labels), "label")), "",
			fmt.Sprintf("write %s { ... }", schema.labels))
		return
	}
	d := &decl{kind: b.Type, name: b.Labels[want-1], header: b.DefRange(), body: b.Body}
	if want == 2 {
		d.target = b.Labels[0]
	}
	if !c.checkName(b.Type, d.name, b.LabelRanges[want-1]) {
		d.broken = true
	}
	if schema.args != nil && !c.checkArguments(d, schema) {
		d.broken = true
	}
	c.register(d)
}

// checkArguments reports arguments and blocks that d cannot have.
func (c *compiler) checkArguments(d *decl, schema blockSchema) bool {
	ok := true
	for _, a := range d.body.Attributes {
		if !slices.Contains(schema.args, a.Name) {
			c.error(a.NameRange, fmt.Sprintf("%s has no argument %q", article(d.kind), a.Name), "", didYouMean("", a.Name, schema.args))
			ok = false
		}
	}
	for _, b := range d.body.Blocks {
		fix := "remove it, or close the block before it"
		if slices.Contains(schema.args, b.Type) {
			fix = fmt.Sprintf("write %s = ...", b.Type)
		}
		c.error(b.TypeRange, fmt.Sprintf("%s holds no blocks", article(d.kind)), "", fix)
		ok = false
	}
	return ok
}

// register enters d under its name. Targets of different kinds may share one.
func (c *compiler) register(d *decl) {
	key := d.name
	if d.kind == "target" {
		key = d.target + " " + d.name
	}
	index := c.f.index[d.kind]
	if index == nil {
		index = map[string]*decl{}
		c.f.index[d.kind] = index
	}
	if first, dup := index[key]; dup {
		if !d.broken && !first.broken {
			c.error(d.header, fmt.Sprintf("there are two %s %q", plural(d.kind), key), "", "rename or remove one of them",
				at(first.header, "the first is here"))
		}
		return
	}
	index[key] = d
	c.f.decls[d.kind] = append(c.f.decls[d.kind], d)
}

// names lists the declared names of a kind of block.
func (f *File) names(kind string) []string {
	out := make([]string, 0, len(f.decls[kind]))
	for _, d := range f.decls[kind] {
		out = append(out, d.name)
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

// need returns the argument, and reports when it is missing.
func (c *compiler) need(d *decl, name, fix string) *hclsyntax.Attribute {
	a := d.attr(name)
	if a == nil {
		c.error(d.header, fmt.Sprintf("%s %q has no %s", d.kind, d.name, name), "", fix)
	}
	return a
}
