package policy

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// A target's arguments are those of its class and the options of its kind. Load reports
// unknown ones. A misspelt argument is replaced by the one that is meant, so that its value
// is checked too.

// correctTarget corrects the kind and the arguments of a target's block.
func (c *compiler) correctTarget(d *decl) {
	if c.f.opt.Kinds == nil {
		return
	}
	kind, ok := c.f.opt.Kinds(d.target)
	if !ok {
		if d.target == "" || d.repeated { // mistakes in its labels are reported
			return
		}
		c.error(d.header, fmt.Sprintf("there is no kind of target %.60q", d.target), "", didYouMean("", d.target, c.f.opt.KindNames))
		if kind, ok = c.f.opt.Kinds(misspelt(d.target, c.f.opt.KindNames)); !ok {
			return
		}
		d.target, d.guessed = kind.Name, true
	}
	var options reflect.Type
	if kind.NewOptions != nil {
		if t := reflect.TypeOf(kind.NewOptions()); t != nil && t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
			options = t.Elem()
		}
	}
	s := schemaOfOptions(options, "target kind "+kind.Name)
	s.class = kind.Class
	s.args = append(s.args, commonArguments(kind.Class)...)
	if kind.Class&Routes != 0 {
		s.blocks["budget"] = reflect.TypeFor[budgetBlock]()
	}
	if !c.correct(d.body, s) {
		d.wrongClass = true
	}
}

// schema is what the body of a block can have.
type schema struct {
	owner  string // what has the body, for messages
	args   []string
	blocks map[string]reflect.Type
	class  Class // of the target, for its own body
}

func schemaOfOptions(t reflect.Type, owner string) *schema {
	s := &schema{owner: owner, blocks: map[string]reflect.Type{}}
	if t == nil {
		return s
	}
	for _, o := range optionsOf(t) {
		switch elem := t.FieldByIndex(o.index).Type; {
		case o.label:
		case o.block:
			for elem.Kind() != reflect.Struct {
				elem = elem.Elem()
			}
			s.blocks[o.name] = elem
		default:
			s.args = append(s.args, o.name)
		}
	}
	return s
}

func (s *schema) names() []string {
	list := slices.Clone(s.args)
	for name := range s.blocks {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// correct reports what body cannot have, and corrects misspelt names. It returns false if the
// target has something that only targets of the other class have.
func (c *compiler) correct(body *hclsyntax.Body, s *schema) bool {
	ok := true
	names := s.names()
	for _, a := range attributes(body) {
		switch {
		case s.blocks[a.Name] != nil:
			c.error(a.NameRange, fmt.Sprintf("%s is a block", a.Name), "", fmt.Sprintf("write %s { ... }", a.Name))
			c.excuse(body, a.Name)
		case !slices.Contains(s.args, a.Name) && c.acceptArgument(a, s.class != 0):
		case !slices.Contains(s.args, a.Name):
			hint := s.classHint(a.Name)
			ok = ok && hint == ""
			meant, same := argumentMeant("target", a.Name, names)
			c.error(a.NameRange, fmt.Sprintf("%s has no option %q", s.owner, a.Name), hint, meantOrKnown("", meant, names))
			if hint == "" && s.blocks[meant] == nil {
				c.rename(body, a, meant, same)
			} else {
				c.excuse(body, meant)
			}
		}
	}
	for _, b := range body.Blocks {
		if b.Body == nil || b.Type == acceptBlock && s.class != 0 {
			continue
		}
		inner := s.blocks[b.Type]
		switch {
		case inner != nil:
		case slices.Contains(s.args, b.Type):
			c.error(b.TypeRange, fmt.Sprintf("%s is not a block", b.Type), "", fmt.Sprintf("write %s = ...", b.Type))
			c.excuse(body, b.Type)
		default:
			c.error(b.TypeRange, fmt.Sprintf("%s has no block %q", s.owner, b.Type), "", didYouMean("", b.Type, names))
			if meant := misspelt(b.Type, names); s.blocks[meant] != nil {
				b.Type, inner = meant, s.blocks[meant]
			}
		}
		if inner != nil {
			owner := s.owner
			if inner == reflect.TypeFor[budgetBlock]() {
				owner = "the block budget"
			}
			c.correct(b.Body, schemaOfOptions(inner, owner))
		}
	}
	return ok
}

// classHint explains an argument that only targets of the other class have.
func (s *schema) classHint(name string) string {
	switch {
	case s.class == Filter && (name == "bypass" || name == "include"):
		return "It carries rules, and only lists of routes say this."
	case s.class == Routes && (name == "rules" || name == "default"):
		return "It is a list of routes: it says bypass or include."
	}
	return ""
}
