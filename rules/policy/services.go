package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/rules"
)

// service is the value of a service block.
type service struct {
	known bool
	value rules.Service
}

func (c *compiler) evalServices(p *Program) {
	for _, d := range c.f.decls["service"] {
		s := c.service(d)
		s.known = s.known && !d.broken
		desc, _ := c.textOr(d, "description", "")
		if d.repeated {
			continue
		}
		c.services[d.name] = s
		if s.known {
			p.Services = append(p.Services, NamedService{Service: s.value, Description: desc, Place: place(d.header)})
		}
	}
}

// service evaluates a service block.
func (c *compiler) service(d *decl) service {
	out := service{known: true}
	var matches []rules.Match
	add := func(m rules.Match) { matches = append(matches, m) }
	list := func(name, what string, one func(v cty.Value, r hcl.Range) bool) {
		a := d.attr(name)
		if a == nil {
			return
		}
		n := 0
		ok := c.items(a.Expr, c.env, func(it item) {
			n++
			if word := it.ref(); len(word) == 1 && word.RootName() == "any" {
				c.error(it.rng, fmt.Sprintf("any is written in quotes in %s", name), "", fmt.Sprintf(`write %s = ["any"]`, name))
				out.known = false
				return
			}
			if !c.noSum(it, what) {
				out.known = false
				return
			}
			v, ok := c.value(it)
			out.known = ok && one(v, it.rng) && out.known
		})
		if n == 0 && ok {
			c.error(a.Expr.Range(), name+" is empty", "An empty list matches nothing; it never means any.",
				fmt.Sprintf(`write %s = ["any"] where any is meant, or remove it`, name))
		}
		out.known = out.known && ok && n > 0
	}
	for _, proto := range []rules.Protocol{rules.UDP, rules.TCP, rules.SCTP} {
		list(proto.String(), "a range of ports", func(v cty.Value, r hcl.Range) bool { return c.port(proto, v, r, add) })
	}
	for _, proto := range []rules.Protocol{rules.ICMP, rules.ICMPv6} {
		list(proto.String(), "a type with its code", func(v cty.Value, r hcl.Range) bool { return c.icmpType(proto, v, r, add) })
	}
	list("protocols", "a list of protocols", func(v cty.Value, r hcl.Range) bool { return c.protocol(v, r, add) })
	if out.known && len(matches) == 0 && !d.broken && !d.guessed {
		c.error(d.header, fmt.Sprintf("service %q is empty", d.name), "An empty service matches nothing.",
			"give it ports, such as udp = [\"3478-3481\"], or write services = any in the rule where any is meant")
		out.known = false
	}
	out.value = rules.NewService(d.name, matches...)
	return out
}

// port evaluates a port, a range of them, or "any".
func (c *compiler) port(proto rules.Protocol, v cty.Value, r hcl.Range, add func(rules.Match)) bool {
	bad := func() bool {
		detail, fix := portMistake(proto, v)
		c.error(r, fmt.Sprintf("%s is not a port", describe(v)), detail, fix)
		return false
	}
	switch v.Type() {
	case cty.Number:
		n, ok := integer(v)
		if !ok || n < 1 || n > 65535 {
			return bad()
		}
		add(rules.Ports(proto, uint16(n), uint16(n)))
		return true
	case cty.String:
		s := v.AsString()
		if s == "any" {
			add(rules.All(proto))
			return true
		}
		from, to, isRange := strings.Cut(s, "-")
		lo, okLo := number(strings.TrimSpace(from), 65535)
		hi, okHi := lo, okLo
		if isRange {
			hi, okHi = number(strings.TrimSpace(to), 65535)
		}
		switch {
		case !okLo || !okHi || lo == 0:
			return bad()
		case lo > hi:
			c.error(r, fmt.Sprintf("port range %s ends before it starts", s), "", fmt.Sprintf("write \"%d-%d\"", hi, lo))
			return false
		}
		add(rules.Ports(proto, uint16(lo), uint16(hi)))
		return true
	}
	return bad()
}

// number parses a decimal number without sign and leading zeros.
func number(s string, limit uint64) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit && s == strconv.FormatUint(n, 10)
}

// icmpType evaluates a type by name or number, with or without a code.
func (c *compiler) icmpType(proto rules.Protocol, v cty.Value, r hcl.Range, add func(rules.Match)) bool {
	var s string
	switch v.Type() {
	case cty.Number, cty.String:
		s = showValue(v)
	default:
		c.error(r, fmt.Sprintf("an %s type is a name or a number, and this is %s", proto, describe(v)), "", `write "echo-request", 8 or "3/4"`)
		return false
	}
	if s == "any" {
		add(rules.All(proto))
		return true
	}
	name, codeText, hasCode := strings.Cut(s, "/")
	names := rules.ICMPTypeNames(proto)
	typ, ok := names[name]
	if !ok {
		n, good := number(name, 255)
		if typ, ok = uint8(n), good; !ok {
			c.error(r, fmt.Sprintf("%s has no type %q", proto, name), "", didYouMean("", name, slices.Collect(maps.Keys(names))))
			return false
		}
	}
	if !hasCode {
		add(rules.ICMPType(proto, typ))
		return true
	}
	code, ok := number(codeText, 255)
	if !ok {
		c.error(r, fmt.Sprintf("%q is not an %s code", codeText, proto), "", `a code is a number from 0 to 255: "3/4" is type 3, code 4`)
		return false
	}
	add(rules.ICMPCode(proto, typ, uint8(code)))
	return true
}

// protocol evaluates an IP protocol by word or number.
func (c *compiler) protocol(v cty.Value, r hcl.Range, add func(rules.Match)) bool {
	const form = `write "esp", "gre", "ah" or the number of the protocol, 0 to 255 (IANA)`
	if v.Type() == cty.Number {
		if n, ok := integer(v); ok && 0 <= n && n <= 255 {
			add(rules.All(rules.Protocol(n)))
			return true
		}
		c.error(r, fmt.Sprintf("%s is not an IP protocol", describe(v)), "", form)
		return false
	}
	if v.Type() != cty.String {
		c.error(r, fmt.Sprintf("%s is not an IP protocol", describe(v)), "", form)
		return false
	}
	s := v.AsString()
	p, ok := rules.ProtocolNamed(s)
	switch {
	case s == "any":
		c.error(r, "protocols does not take any", "Every protocol is every service.", "write services = any in the rule")
		return false
	case !ok || s != p.String() && s != strconv.Itoa(int(p)):
		c.error(r, fmt.Sprintf("there is no IP protocol %q", s), "", form)
		return false
	}
	add(rules.All(p))
	return true
}

// serviceList evaluates a rule's services, and returns those that are ports of a tag.
func (c *compiler) serviceList(a *hclsyntax.Attribute) ([]rules.Service, []portUse, bool) {
	if isAny(a.Expr) {
		return []rules.Service{rules.AnyService()}, nil, true
	}
	var out []rules.Service
	var uses []portUse
	known := c.refItems(a, "write services = any where any is meant", func(it item, places map[string]hcl.Range) bool {
		if e, ok := it.expr.(*hclsyntax.FunctionCallExpr); ok && e.Name == "ports" {
			s, use, ok := c.portsCall(e, it.env, places)
			out, uses = append(out, s), append(uses, use)
			return ok
		}
		d := c.refItem(it, "service", places)
		if d == nil {
			return false
		}
		s := c.services[d.name]
		out = append(out, s.value)
		return s.known
	})
	return out, uses, known
}

// refList evaluates a list of references to blocks of one kind, each once.
func (c *compiler) refList(a *hclsyntax.Attribute, kind, ifEmpty string) ([]*decl, bool) {
	var out []*decl
	known := c.refItems(a, ifEmpty, func(it item, places map[string]hcl.Range) bool {
		d := c.refItem(it, kind, places)
		if d != nil {
			out = append(out, d)
		}
		return d != nil
	})
	return out, known
}

// refItems calls fn for every element of a list, which must not be empty, and reports whether
// all of them are known. fn uses places to find duplicates.
func (c *compiler) refItems(a *hclsyntax.Attribute, ifEmpty string, fn func(it item, places map[string]hcl.Range) bool) bool {
	places := map[string]hcl.Range{}
	n, known := 0, true
	ok := c.items(a.Expr, c.env, func(it item) {
		n++
		known = fn(it, places) && known
	})
	if n == 0 && ok {
		c.error(a.Expr.Range(), a.Name+" is empty", "An empty list matches nothing; it never means any.", ifEmpty)
	}
	return ok && known && n > 0
}

// refItem is the block that an element of a list refers to, or nil.
func (c *compiler) refItem(it item, kind string, places map[string]hcl.Range) *decl {
	t := it.ref()
	if t == nil {
		c.notReference(it, kind)
		return nil
	}
	d := c.lookup(t, kind)
	if d == nil || !c.once(fmt.Sprintf("%s.%s", kind, d.name), it.rng, places) {
		return nil
	}
	return d
}

// once reports an element that is listed twice.
func (c *compiler) once(what string, r hcl.Range, places map[string]hcl.Range) bool {
	if first, dup := places[what]; dup {
		c.error(r, what+" is listed twice", "", "remove one of the two", at(first, "the first is here"))
		return false
	}
	places[what] = r
	return true
}

func (c *compiler) notReference(it item, kind string) {
	v, ok := c.value(it)
	if !ok {
		return
	}
	fix := fmt.Sprintf("write %s.NAME", kind)
	if v.Type() == cty.String {
		name := strings.TrimPrefix(v.AsString(), kind+".")
		if c.f.index[kind][name] != nil {
			c.meant[kind+" "+name] = true
			fix = fmt.Sprintf("write %s.%s, without quotes", kind, name)
		} else if name == "any" {
			fix = "write any, without quotes and brackets"
		}
	}
	c.error(it.rng, fmt.Sprintf("%s belongs here, and this is %s", article(kind), describe(v)), "", fix)
}
