package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/ipranges"
	"sallyport/rules"
)

// addresses is the value of an expression for addresses. The zero value is unknown, because
// of a mistake that is already reported or a feed without a catalog.
type addresses struct {
	known bool
	any   bool
	set   ipranges.Set
	one   string   // the name of the set if the value is a single set
	feeds []string // labels of the feeds that it comes from, sorted
	open  []string // the tags in it whose addresses anyone can rent
	parts []part
	hosts []string // the host names if a rule has names as destination
}

// part is one element of a list of addresses.
type part struct {
	set ipranges.Set
	rng hcl.Range
}

// addresses evaluates an argument such as to or include.
func (c *compiler) addresses(a *hclsyntax.Attribute, anyIsFine bool) addresses {
	d, isNames := c.namesRef(a)
	if d != nil {
		c.error(a.Expr.Range(), fmt.Sprintf("%s takes addresses, and these are host names", a.Name), "Their addresses change while rules do not, so they are never resolved here.",
			"list addresses, a set or a tag")
		return addresses{}
	}
	if isAny(a.Expr) {
		if anyIsFine {
			return addresses{known: true, any: true}
		}
		c.error(a.Expr.Range(), fmt.Sprintf("any cannot be the value of %s", a.Name),
			"It is not a set of addresses, but says that addresses do not matter.",
			"name a set, or write any in the rule where any is meant: to = any")
		return addresses{}
	}
	out := addresses{known: !isNames}
	add := func(sub addresses, r hcl.Range) {
		out.known = out.known && sub.known
		out.one = sub.one
		out.feeds = append(out.feeds, sub.feeds...)
		out.open = append(out.open, sub.open...)
		out.parts = append(out.parts, part{sub.set, r})
	}
	if !c.items(a.Expr, c.env, func(it item) { c.element(it, add) }) {
		return addresses{}
	}
	if len(out.parts) == 0 {
		fix := "list the addresses"
		if anyIsFine {
			fix += fmt.Sprintf(", or write %s = any where any is meant", a.Name)
		}
		c.error(a.Expr.Range(), a.Name+" is empty", "An empty list matches nothing; it never means any.", fix)
		return addresses{}
	}
	if len(out.parts) > 1 {
		out.one = ""
	}
	sets, n := make([]ipranges.Set, len(out.parts)), 0
	for i, p := range out.parts {
		sets[i] = p.set
		n += p.set.NumRanges(ipranges.IPv4) + p.set.NumRanges(ipranges.IPv6)
	}
	if len(sets) > 1 && !c.spendRanges(n, a.Expr.Range()) {
		return addresses{}
	}
	out.set = ipranges.Union(sets...)
	out.feeds, out.open = sortedSet(out.feeds), sortedSet(out.open)
	return out
}

// isAny reports whether e is the keyword any.
func isAny(e hclsyntax.Expression) bool {
	t, ok := e.(*hclsyntax.ScopeTraversalExpr)
	return ok && len(t.Traversal) == 1 && t.Traversal.RootName() == "any"
}

func sortedSet(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// element evaluates one element of a list: a set, a tag or a literal. It adds
// one value, or several for a tag() with a list of names.
func (c *compiler) element(it item, add func(addresses, hcl.Range)) {
	switch e := it.expr.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		if isAny(e) {
			c.error(e.Range(), "any cannot be part of a list", "Together with any, the rest of the list would mean nothing.",
				"write any alone, as in to = any, or take it out")
			add(addresses{}, e.Range())
			return
		}
		var sub addresses
		word, name, rest := splitRef(e.Traversal)
		if word == "names" { // namesRef reports it
			add(sub, e.Range())
			return
		}
		if word == "feed" && len(rest) == 0 && c.f.index["feed"][name] != nil {
			sub = c.wholeFeed(c.f.index["feed"][name], e.Range())
		} else if d := c.lookup(e.Traversal, "set"); d != nil {
			sub = c.sets[d.name]
			sub.one = d.name
		}
		add(sub, e.Range())
	case *hclsyntax.FunctionCallExpr:
		if e.Name != "tag" {
			c.badCall(e)
			add(addresses{}, e.Range())
			return
		}
		c.tagCall(e, it.env, add)
	default:
		v, ok := c.value(it)
		if !ok {
			add(addresses{}, it.rng)
			return
		}
		if v.Type() != cty.String {
			c.error(it.rng, fmt.Sprintf("an address belongs here, and this is %s", describe(v)), "",
				`write a string such as "192.0.2.0/24", set.NAME or tag(feed.NAME, "Tag")`)
			add(addresses{}, it.rng)
			return
		}
		set, ok := c.literal(v.AsString(), it.rng)
		add(addresses{known: ok, set: set}, it.rng)
	}
}

// wholeFeed is the value of a feed in place of a set: the addresses of its only tag.
func (c *compiler) wholeFeed(feed *decl, r hcl.Range) addresses {
	spec, ok := c.f.specs[feed.name]
	if !ok {
		return addresses{}
	}
	if whole := kindOfFeed(spec).Whole; whole != "" {
		return c.tag(feed, whole, r)
	}
	c.error(r, fmt.Sprintf("feed.%s is a feed, and a set belongs here", feed.name), "It has many tags, and no set of all of them.",
		fmt.Sprintf(`write tag(feed.%s, "Tag")`, feed.name))
	return addresses{}
}

// tagCall evaluates tag(feed.NAME, "Tag"), or with a list of tags.
func (c *compiler) tagCall(e *hclsyntax.FunctionCallExpr, env *hcl.EvalContext, add func(addresses, hcl.Range)) {
	const form = `write tag(feed.NAME, "Tag")`
	if len(e.Args) != 2 || e.ExpandFinal {
		c.error(e.Range(), fmt.Sprintf("tag() takes a feed and the name of a tag, and this has %s", counted(len(e.Args), "argument")), "", form)
		add(addresses{}, e.Range())
		return
	}
	first, ok := e.Args[0].(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		c.error(e.Args[0].Range(), "the first argument of tag() is a feed", "", form)
		add(addresses{}, e.Range())
		return
	}
	feed := c.lookup(first.Traversal, "feed")
	n := 0
	ok = c.items(e.Args[1], env, func(it item) {
		n++
		v, ok := c.value(it)
		if ok && v.Type() != cty.String {
			c.error(it.rng, fmt.Sprintf("the name of a tag is a string, and this is %s", describe(v)), "", form)
			ok = false
		}
		if !ok || feed == nil {
			add(addresses{}, it.rng)
			return
		}
		add(c.tag(feed, v.AsString(), it.rng), it.rng)
	})
	if n == 0 {
		if ok {
			c.error(e.Args[1].Range(), "tag() got an empty list of tags", "", form)
		}
		add(addresses{}, e.Range())
	}
}

// tag is the addresses of a feed's tag.
func (c *compiler) tag(feed *decl, name string, r hcl.Range) addresses {
	out := addresses{feeds: []string{feed.name}}
	spec, ok := c.f.specs[feed.name]
	if !ok {
		return out
	}
	if spec.Kind == "azure" && (name == "AzureCloud" || strings.HasPrefix(name, "AzureCloud.")) {
		out.open = []string{name}
	}
	cat := c.catalogs[feed.name]
	if cat == nil || !c.hasTag(feed, name, r) {
		return out
	}
	out.set, out.known = cat.Set(name)
	if out.set.IsEmpty() {
		names := cat.Names(name)
		if len(names) > 0 {
			c.warn("no-address", r, fmt.Sprintf("%q of feed %s has names and no address", name, feed.name),
				fmt.Sprintf("Its names, such as %s, are not part of a set of addresses.", names[0]),
				fmt.Sprintf("take it out, and let its names pass with a names block: include = [names(feed.%s, %q)]", feed.name, name))
			return out
		}
		// Among other items, nobody would notice that this one is empty.
		c.error(r, fmt.Sprintf("tag %q of feed %s holds no address", name, feed.name),
			"Its publisher lists it empty"+strings.TrimSuffix(" in change "+cat.Info().Change, " in change ")+".", "take it out, or use a feed that lists its addresses")
		out.known = false
	}
	return out
}

// hasTag reports whether the feed has the tag, and reports a diagnostic if not.
func (c *compiler) hasTag(feed *decl, name string, r hcl.Range) bool {
	cat, spec := c.catalogs[feed.name], c.f.specs[feed.name]
	if _, ok := cat.Set(name); ok {
		return true
	}
	info := cat.Info()
	summary := fmt.Sprintf("no tag %.80q in feed %s", name, feed.name)
	if info.Change != "" {
		summary += ", change " + info.Change
	}
	detail, fix := "", ""
	if c.hints++; c.hints <= maxHints { // comparing with all tags takes time
		if near := cat.Suggest(name, 3); len(near) > 0 {
			fix = fmt.Sprintf("did you mean %s?", wordList(near, "or"))
		}
	}
	if spec.Kind == "azure" && strings.Contains(strings.ToLower(name), "munication") { // in any spelling
		detail = "Azure publishes no tag for Communication Services: see docs/acs.md."
		if fix == "" {
			fix = "list the documented ranges in a set"
		}
	}
	if rest, ok := strings.CutPrefix(name, "Skype"); ok && spec.Kind == "m365" {
		detail, fix = "The area of Teams has its old name in the feed, and the new one in tags.", "did you mean Teams"+rest+"?"
	}
	if whole := kindOfFeed(spec).Whole; whole != "" {
		detail, fix = "", fmt.Sprintf("write feed.%s for the whole of it", feed.name)
	}
	if fix == "" {
		fix = "look at the feed's names with: sallyport ranges list --kind " + spec.Kind
	}
	c.error(r, summary, detail, fix)
	return false
}

// evalSets evaluates the sets, each after those that it refers to.
func (c *compiler) evalSets(p *Program) {
	for _, d := range c.f.order {
		v := c.set(d)
		v.known = v.known && !d.broken
		if !d.repeated {
			c.sets[d.name] = v
		}
	}
	for _, d := range c.f.decls["set"] {
		v := c.sets[d.name]
		desc, _ := c.textOr(d, "description", "")
		if v.known && !d.repeated {
			p.Sets = append(p.Sets, NamedSet{Name: d.name, Description: desc, Set: v.set, Feeds: v.feeds, Place: place(d.header)})
		}
	}
}

// set is the value of a set block. An empty set is a mistake.
func (c *compiler) set(d *decl) addresses {
	a := c.need(d, "include", `say what is in it: include = ["192.0.2.0/24"]`)
	var out, minus addresses
	if a != nil {
		out = c.addresses(a, false)
	}
	x := d.attr("exclude")
	if x != nil {
		minus = c.addresses(x, false)
	}
	if a == nil {
		return addresses{}
	}
	out.parts = nil
	out.open = c.openWhere(d, a.Expr.Range(), fmt.Sprintf("set %q holds it", d.name), out.open)
	if out.known && out.set.IsEmpty() {
		c.error(a.Expr.Range(), fmt.Sprintf("set %q is empty", d.name), "What it includes holds no address.", "include something that does")
		out.known = false
	}
	if d.broken {
		out.known = false // the unreadable part may be exclude
	}
	if x == nil {
		return c.notEverything(a, out)
	}
	out.feeds = sortedSet(append(slices.Clone(out.feeds), minus.feeds...))
	if !out.known || !minus.known {
		out.known = false
		return out
	}
	if !c.spendRanges(out.set.NumRanges(ipranges.IPv4)+out.set.NumRanges(ipranges.IPv6), x.Expr.Range()) {
		return addresses{}
	}
	c.idleExcludes(x, out.set, minus.parts)
	out.set = out.set.Minus(minus.set)
	if out.set.IsEmpty() {
		c.error(x.Expr.Range(), fmt.Sprintf("set %q is empty", d.name), "What it excludes covers all that it includes.",
			"exclude less, or remove the set and the rules that use it")
		out.known = false
	}
	return c.notEverything(a, out)
}

// notEverything refuses sets with all addresses of a family: only the keyword "any" means
// any address.
func (c *compiler) notEverything(a *hclsyntax.Attribute, out addresses) addresses {
	if !out.known || out.any {
		return out
	}
	for _, f := range rules.BothFamilies.List() {
		if out.set.Covers(ipranges.Full(f)) {
			c.error(a.Expr.Range(), fmt.Sprintf("%s comes to every %s address", a.Name, f),
				"Together its prefixes leave nothing out, and nothing becomes any by itself.", "write any where any address is meant, or take the short prefixes out")
			out.known = false
			return out
		}
	}
	return out
}

// idleExcludes warns about elements of exclude that remove nothing.
func (c *compiler) idleExcludes(a *hclsyntax.Attribute, from ipranges.Set, parts []part) {
	idle := slices.DeleteFunc(parts, func(p part) bool { return p.set.Overlaps(from) })
	const detail = "It shares no address with include."
	if len(idle) > 0 && len(idle) == len(parts) {
		c.warn("idle-exclude", a.Expr.Range(), "exclude removes nothing", detail, "remove it, or correct its addresses")
		return
	}
	for _, p := range idle {
		c.warn("idle-exclude", p.rng, "this exclusion removes nothing", detail, "remove it, or correct its addresses")
	}
}
