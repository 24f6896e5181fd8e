package policy

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/rules"
)

var (
	durationType  = reflect.TypeFor[time.Duration]()
	addressesType = reflect.TypeFor[rules.Addresses]()
	hostsType     = reflect.TypeFor[rules.Hosts]()
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// option is one field of a target's options, or of a struct that is embedded in them.
type option struct {
	index    []int // as reflect.Value.FieldByIndex takes it
	name     string
	required bool
	label    bool // the label of the block that the struct is decoded from
	block    bool
}

// optionsOf reads the tags of a struct: `policy:"name"`, `policy:"name,required"`
// or `policy:",label"`. Fields without a tag are not options, and an embedded struct's
// fields are those of the struct.
func optionsOf(t reflect.Type) []option {
	var out []option
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("policy")
		if !ok || !f.IsExported() {
			continue
		}
		name, flags, _ := strings.Cut(tag, ",")
		o := option{index: f.Index, name: name, required: flags == "required", label: flags == "label", block: isBlock(f.Type)}
		if o.name != "" || o.label {
			out = append(out, o)
		}
	}
	return out
}

// isBlock reports whether values of t are written as blocks: structs, pointers
// to them, and slices of structs.
func isBlock(t reflect.Type) bool {
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && t != addressesType && t != hostsType && !reflect.PointerTo(t).Implements(textType)
}

// decoder fills the options of one target.
type decoder struct {
	*target
	doc string // of the option that is being decoded
}

// decodeOptions decodes the arguments and blocks of the target that are not
// common to all into what NewOptions returned.
func (c *compiler) decodeOptions(t *target) bool {
	d := decoder{target: t}
	if t.out.Options == nil {
		return true
	}
	v := reflect.ValueOf(t.out.Options)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		c.error(t.d.header, fmt.Sprintf("options of target kind %q are %T, not a pointer to a struct", t.kind.Name, t.out.Options),
			"This is a mistake in the program, not in the policy.", "report it")
		return false
	}
	return d.body(v.Elem(), t.d.body, t.d.header, "")
}

// body decodes a block into the struct v. The path is the block's own, and
// empty for the target.
func (d decoder) body(v reflect.Value, body *hclsyntax.Body, header hcl.Range, path string) bool {
	options := optionsOf(v.Type())
	ok := true
	for _, o := range options {
		field := v.FieldByIndex(o.index)
		here := joinPath(path, o.name)
		d.doc = v.Type().FieldByIndex(o.index).Tag.Get("doc")
		switch {
		case o.label:
		case o.block:
			ok = d.blocks(field, o, body, header, here) && ok
		case body.Attributes[o.name] != nil:
			a := body.Attributes[o.name]
			d.out.Places[here] = place(a.Expr.Range())
			ok = d.good(here, d.value(field, a, here)) && ok
		case o.required:
			if !d.mayLack(body, o.name) {
				d.c.error(header, fmt.Sprintf("option %s is missing", here), fmt.Sprintf("Targets of kind %s cannot do without it: %s.", d.kind.Name, d.doc),
					fmt.Sprintf("write %s = ...", o.name))
			}
			ok = d.good(here, false)
		}
	}
	return ok
}

// good returns ok, and records the option as mistaken if it is false.
func (d decoder) good(path string, ok bool) bool {
	if !ok {
		d.out.Mistaken = append(d.out.Mistaken, path)
	}
	return ok
}

// mayLack is compiler.mayLack for an option in a body of the target.
func (d decoder) mayLack(body *hclsyntax.Body, name string) bool {
	return d.c.mayLack(d.d, "") || d.c.f.excused[body][name]
}

// blocks decodes the blocks of one name into a struct, a pointer to one, or a
// slice of them.
func (d decoder) blocks(field reflect.Value, o option, body *hclsyntax.Body, header hcl.Range, path string) bool {
	var found []*hclsyntax.Block
	for _, b := range body.Blocks {
		if b.Type == o.name && b.Body != nil {
			found = append(found, b)
		}
	}
	many := field.Kind() == reflect.Slice
	if len(found) == 0 {
		if o.required && !d.mayLack(body, o.name) {
			d.c.error(header, fmt.Sprintf("block %s is missing", path), fmt.Sprintf("Targets of kind %s cannot do without it: %s.", d.kind.Name, d.doc),
				fmt.Sprintf("write %s { ... }", o.name))
		}
		return d.good(path, !o.required)
	}
	ok := true
	if len(found) > 1 && !many {
		d.c.error(found[1].DefRange(), fmt.Sprintf("there are two %s blocks", o.name), "", "keep one of them",
			at(found[0].DefRange(), "the first is here"))
		ok, found = false, found[:1]
	}
	for i, b := range found {
		elem, here := field, path
		switch {
		case many:
			elem, here = reflect.New(field.Type().Elem()).Elem(), fmt.Sprintf("%s.%d", path, i)
		case field.Kind() == reflect.Pointer:
			fresh := reflect.New(field.Type().Elem()) // copy the default, because targets of a kind share it
			if !field.IsNil() {
				fresh.Elem().Set(field.Elem())
			}
			field.Set(fresh)
			elem = fresh.Elem()
		}
		d.out.Places[here] = place(b.DefRange())
		ok = d.good(here, d.labels(elem, b)) && ok
		ok = d.body(elem, b.Body, b.DefRange(), here) && ok
		if many {
			if i == 0 {
				field.Set(reflect.MakeSlice(field.Type(), 0, len(found))) // the written values replace the default ones
			}
			field.Set(reflect.Append(field, elem))
		}
	}
	return ok
}

// labels decodes a block's label, if its struct has a field for one.
func (d decoder) labels(v reflect.Value, b *hclsyntax.Block) bool {
	want := 0
	for _, o := range optionsOf(v.Type()) {
		if o.label {
			want = 1
			if len(b.Labels) == 1 && v.FieldByIndex(o.index).Kind() == reflect.String {
				v.FieldByIndex(o.index).SetString(b.Labels[0])
			}
		}
	}
	if len(b.Labels) != want {
		form := b.Type + " { ... }"
		if want == 1 {
			form = b.Type + ` "NAME" { ... }`
		}
		d.c.error(b.DefRange(), fmt.Sprintf("%s takes %s, and this has %s", article(b.Type), counted(want, "label"), counted(len(b.Labels), "label")),
			"", "write "+form)
		return false
	}
	return true
}

// value decodes an argument into a field.
func (d decoder) value(field reflect.Value, a *hclsyntax.Attribute, path string) bool {
	t := field.Type()
	switch {
	case t == addressesType:
		return d.addresses(field, a, path)
	case t == hostsType:
		return d.hosts(field, a, path)
	case t.Kind() == reflect.Slice && !reflect.PointerTo(t).Implements(textType):
		return d.list(field, a, path)
	case t.Kind() == reflect.Map:
		return d.mapping(field, a, path)
	}
	v, ok := d.c.scalar(a.Expr, d.c.env)
	return ok && d.set(field, v, a.Expr.Range(), path)
}

func (d decoder) addresses(field reflect.Value, a *hclsyntax.Attribute, path string) bool {
	v := d.c.addresses(a, true)
	d.feeds = append(d.feeds, v.feeds...)
	if v.known {
		field.Set(reflect.ValueOf(d.c.side(d.d.name+"_"+strings.ReplaceAll(path, ".", "_"), v)))
	}
	return v.known
}

func (d decoder) hosts(field reflect.Value, a *hclsyntax.Attribute, path string) bool {
	e, ok := a.Expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		d.c.error(a.Expr.Range(), fmt.Sprintf("option %s is a list of host names", path), "", fmt.Sprintf("write %s = names.NAME, and a block of names", a.Name))
		return false
	}
	block := d.c.lookup(e.Traversal, "names")
	if block == nil {
		return false
	}
	n := d.c.names[block.name]
	d.feeds = append(d.feeds, n.feeds...)
	field.Set(reflect.ValueOf(rules.Hosts{Name: block.name, Patterns: n.patterns}))
	return n.known
}

func (d decoder) list(field reflect.Value, a *hclsyntax.Attribute, path string) bool {
	out := reflect.MakeSlice(field.Type(), 0, 4)
	good := true
	ok := d.c.items(a.Expr, d.c.env, func(it item) {
		elem := reflect.New(field.Type().Elem()).Elem()
		here := fmt.Sprintf("%s.%d", path, out.Len())
		d.out.Places[here] = place(it.rng)
		v, ok := d.c.value(it)
		good = ok && d.set(elem, v, it.rng, path) && good
		out = reflect.Append(out, elem)
	})
	field.Set(out)
	return ok && good
}

// mapping decodes { name = "value" } into a map of strings.
func (d decoder) mapping(field reflect.Value, a *hclsyntax.Attribute, path string) bool {
	e, ok := a.Expr.(*hclsyntax.ObjectConsExpr)
	if !ok || field.Type().Key().Kind() != reflect.String {
		d.c.error(a.Expr.Range(), fmt.Sprintf("option %s is a map", path), "", fmt.Sprintf(`write %s = { name = "value" }`, a.Name))
		return false
	}
	out := reflect.MakeMap(field.Type())
	good := true
	for _, pair := range e.Items {
		key, named := d.key(pair.KeyExpr)
		elem := reflect.New(field.Type().Elem()).Elem()
		here := path
		if named {
			here = joinPath(path, key)
			d.out.Places[here] = place(pair.ValueExpr.Range())
		}
		v, ok := d.c.scalar(pair.ValueExpr, d.c.env)
		if good = ok && d.set(elem, v, pair.ValueExpr.Range(), here) && named && good; !named {
			continue
		}
		if prev := out.MapIndex(reflect.ValueOf(key).Convert(field.Type().Key())); prev.IsValid() {
			d.c.error(pair.KeyExpr.Range(), fmt.Sprintf("%s has %q twice", path, key), "", "remove one of the two")
			good = false
		}
		out.SetMapIndex(reflect.ValueOf(key).Convert(field.Type().Key()), elem)
	}
	field.Set(out)
	return good
}

func (d decoder) key(e hclsyntax.Expression) (string, bool) {
	if k, ok := e.(*hclsyntax.ObjectConsKeyExpr); ok {
		if word := hcl.ExprAsKeyword(k.Wrapped); word != "" {
			return word, true
		}
		e = k.Wrapped
	}
	v, ok := d.c.scalar(e, d.c.env)
	if ok && v.Type() != cty.String {
		d.c.error(e.Range(), fmt.Sprintf("the name in a map is a string, and this is %s", describe(v)), "", "put it in quotes")
		ok = false
	}
	if !ok {
		return "", false
	}
	return v.AsString(), true
}

// set stores a single value into a field, or reports why it cannot.
func (d decoder) set(field reflect.Value, v cty.Value, r hcl.Range, path string) bool {
	problem, fix := store(field, v)
	if problem != "" {
		detail := ""
		if fix == fixQuotes {
			fix = d.c.quoteFix(v, r)
		}
		if d.doc != "" {
			detail = "The option means: " + d.doc + "."
		}
		d.c.error(r, fmt.Sprintf("option %s: %s", path, problem), detail, cmp.Or(fix, "write a value that the option takes"))
	}
	return problem == ""
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func parentPath(path string) string {
	return path[:max(strings.LastIndexByte(path, '.'), 0)]
}
