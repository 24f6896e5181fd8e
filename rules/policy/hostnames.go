package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/net/publicsuffix"

	"sallyport/diag"
	"sallyport/rules"
)

// A names block is a list of host names as a destination of rules. Names are not resolved:
// targets that support names get them as names.

// hostNames is the value of a names block.
type hostNames struct {
	known    bool
	patterns []string // as rules.Named takes them
	feeds    []string
	open     []string // patterns with names that anyone can get
}

// listedName is a name in a list.
type listedName struct {
	text string // in lower case
	rng  hcl.Range
}

func (c *compiler) evalNames(p *Program) {
	for _, d := range c.f.decls["names"] {
		n := c.hostNames(d)
		n.known = n.known && !d.broken
		if d.repeated {
			continue
		}
		c.names[d.name] = n
		if n.known {
			desc, _ := c.textOr(d, "description", "")
			p.Names = append(p.Names, NamedHosts{d.name, desc, n.patterns, n.feeds, place(d.header)})
		}
	}
}

func (c *compiler) hostNames(d *decl) hostNames {
	_, ok := c.textOr(d, "description", "")
	a := c.need(d, "include", `list the names: include = ["*.skype.com"]`)
	var list []listedName
	out := hostNames{known: ok && !d.broken}
	good := false
	if a != nil {
		list, out.feeds, good = c.namesOf(a)
		out.known = out.known && good
	}
	if b := d.attr("exclude"); b != nil {
		list, good = c.withoutNames(list, b, good && !d.broken)
		out.known = out.known && good
	}
	if a == nil {
		return hostNames{}
	}
	for _, n := range list {
		if !c.checkPattern(n) {
			out.known = false
			continue
		}
		out.patterns = append(out.patterns, n.text)
		if openPattern(n.text) {
			out.open = append(out.open, n.text)
		}
	}
	if out.known && len(out.patterns) == 0 {
		c.error(a.Expr.Range(), fmt.Sprintf("names %q is empty", d.name), "An empty list matches nothing; it never means any.", "list some names, or remove the block")
		out.known = false
	}
	out.patterns = sortedSet(out.patterns)
	if len(out.open) > 0 && c.accepted(d, "open-names") {
		c.warnOpenName(a.Expr.Range(), out.open, fmt.Sprintf("names %q holds them", d.name))
		out.open = nil
	}
	return out
}

// namesOf evaluates a list of names, of names() of feeds, and of other blocks.
func (c *compiler) namesOf(a *hclsyntax.Attribute) (list []listedName, feeds []string, ok bool) {
	ok = true
	all := c.items(a.Expr, c.env, func(it item) {
		if e, isCall := it.expr.(*hclsyntax.FunctionCallExpr); isCall && e.Name == "names" {
			feed, names, good := c.namesCall(e, it.env)
			ok = ok && good
			feeds = append(feeds, feed)
			for _, n := range names {
				list = append(list, listedName{strings.ToLower(n), it.rng})
			}
			return
		}
		v, good := c.value(it)
		if good && v.Type() != cty.String {
			c.error(it.rng, fmt.Sprintf("a host name belongs here, and this is %s", describe(v)), "", `write a string such as "*.skype.com", or names(feed.NAME, "Tag")`)
			good = false
		}
		if ok = ok && good; good {
			list = append(list, listedName{strings.ToLower(v.AsString()), it.rng})
		}
	})
	return list, sortedSet(feeds), ok && all
}

// namesCall evaluates names(feed.NAME, "Tag"): the names that a feed publishes.
func (c *compiler) namesCall(e *hclsyntax.FunctionCallExpr, env *hcl.EvalContext) (feed string, names []string, ok bool) {
	d, tag, ok := c.feedAndTag(e, env)
	if !ok {
		return "", nil, false
	}
	cat := c.catalogs[d.name]
	if cat == nil || !c.hasTag(d, tag, e.Args[1].Range()) {
		return d.name, nil, false
	}
	if names = cat.Names(tag); len(names) == 0 {
		c.error(e.Range(), fmt.Sprintf("feed %s publishes no names for %q", d.name, tag), "", "list the names themselves")
		return d.name, nil, false
	}
	return d.name, names, true
}

// withoutNames removes the names in the argument from list. Each must be in list exactly as
// written: no target supports "all under a wildcard but one". This is checked only if all of
// list is known.
func (c *compiler) withoutNames(list []listedName, a *hclsyntax.Attribute, known bool) ([]listedName, bool) {
	out, _, ok := c.namesOf(a)
	listed, taken := map[string]bool{}, map[string]bool{}
	for _, l := range list {
		listed[l.text] = true
	}
	for _, n := range out {
		if known && !listed[n.text] {
			c.error(n.rng, fmt.Sprintf("include does not list %.80q", n.text), "Only what include lists can be taken out, as it is written there.",
				"correct the name, or remove it")
			ok = false
		}
		taken[n.text] = true
	}
	return slices.DeleteFunc(list, func(l listedName) bool { return taken[l.text] }), ok
}

// checkPattern reports a pattern that is neither a host name nor a * with the end of one.
func (c *compiler) checkPattern(n listedName) bool {
	name := strings.TrimPrefix(n.text, "*")
	whole := name
	if rules.Wildcard(n.text) {
		whole = "x" + name
	}
	cause, fix := "", "write a name such as \"login.skype.com\", or one with a * in front: \"*.skype.com\""
	switch problem := hostProblem(whole); {
	case strings.Contains(name, "*"):
		cause = "A * can stand at the beginning only."
		if strings.HasPrefix(n.text, "*") {
			cause = "There can be one * only."
		}
		fix = "take it out: list it in exclude where a feed publishes it"
	case problem != "":
		cause = problem
	case isAddress(n.text):
		cause, fix = "It is an address.", "put it into a set"
	case !strings.Contains(strings.TrimSuffix(whole, "."), "."):
		cause = "It has one part only, which search domains complete to different names in different places."
	case strings.HasSuffix(n.text, "."):
		cause, fix = "It ends in a dot.", fmt.Sprintf("write %q", strings.TrimSuffix(n.text, "."))
	case topLevel(n.text):
		cause, fix = "It holds every name under a top-level domain, or what counts as one.", "name the domain below it: \"*.example.com\""
	}
	if cause != "" {
		c.error(n.rng, fmt.Sprintf("%.80q cannot be a host name here", n.text), cause, fix)
		return false
	}
	return true
}

// topLevel reports a wildcard over a suffix of the Public Suffix List's section for
// registries, or over a part of one.
func topLevel(pattern string) bool {
	ending, wild := strings.CutPrefix(pattern, "*")
	if !wild {
		return false
	}
	base := ending[strings.IndexByte(ending, '.')+1:]
	suffix, icann := publicsuffix.PublicSuffix(base)
	return suffix == base && (icann || !strings.Contains(base, "."))
}

// rented are suffixes under which a provider gives names to all its customers, in addition to
// those on the Public Suffix List, such as azurewebsites.net. A wildcard above a suffix
// matches all of these names.
var rented = []string{
	"cloudapp.azure.com", "cloudapp.net", "azurewebsites.net", "azurefd.net", "azureedge.net", "trafficmanager.net", "core.windows.net",
	"compute.amazonaws.com", "s3.amazonaws.com", "elb.amazonaws.com", "cloudfront.net",
	"appspot.com", "run.app", "googleusercontent.com",
}

// openPattern reports whether a wildcard matches names that strangers can get.
func openPattern(pattern string) bool {
	ending, wild := strings.CutPrefix(pattern, "*")
	if !wild {
		return false
	}
	base := ending[strings.IndexByte(ending, '.')+1:]
	for _, r := range rented {
		if base == r || strings.HasSuffix(r, "."+base) || strings.HasSuffix(base, "."+r) {
			return true
		}
	}
	suffix, icann := publicsuffix.PublicSuffix(base)
	return suffix == base && !icann && strings.Contains(base, ".")
}

// namesRef returns the names block that an argument refers to, if the argument is names.NAME
// alone; is reports whether it is.
func (c *compiler) namesRef(a *hclsyntax.Attribute) (d *decl, is bool) {
	mixed := false
	whole, _ := a.Expr.(*hclsyntax.ScopeTraversalExpr)
	for _, t := range a.Expr.Variables() {
		if t.RootName() != "names" {
			continue
		}
		if whole != nil {
			return c.lookup(t, "names"), true
		}
		if !mixed {
			c.error(t.SourceRange(), "names stand alone", "A list holds addresses, and a rule goes to addresses or to names.",
				fmt.Sprintf("write %s = names.NAME, and a rule of its own for the addresses", a.Name))
		}
		mixed = true
	}
	return nil, mixed
}

// namesAlone returns the names block that an argument refers to if it is nothing else, or
// nil.
func (c *compiler) namesAlone(a *hclsyntax.Attribute) *decl {
	if e, ok := a.Expr.(*hclsyntax.ScopeTraversalExpr); ok && e.Traversal.RootName() == "names" {
		return c.lookup(e.Traversal, "names")
	}
	return nil
}

// hostsOf is the value of a names block, or unknown if d is nil.
func (c *compiler) hostsOf(d *decl) addresses {
	if d == nil {
		return addresses{}
	}
	n := c.names[d.name]
	return addresses{known: n.known, one: d.name, feeds: n.feeds, hosts: n.patterns}
}

// warnOpenNames warns about a rule that allows names which anyone can get.
func (c *compiler) warnOpenNames() {
	for _, d := range c.f.decls["rule"] {
		r := c.rules[d.name]
		if r == nil || r.out.Verdict != rules.Allow || r.out.LeftOut != "" || len(r.to.hosts) == 0 {
			continue
		}
		if n := c.names[r.to.one]; len(n.open) > 0 {
			c.warnOpenName(d.attr("to").Expr.Range(), n.open, fmt.Sprintf("rule %q opens a way to them too", d.name),
				diag.Related{Range: place(c.f.index["names"][r.to.one].header), Text: "it is listed here"})
		}
	}
}

func (c *compiler) warnOpenName(r hcl.Range, open []string, what string, related ...diag.Related) {
	c.warn("open-names", r, "anyone can have a name under "+shownNames(open),
		"The provider hands such names out to its customers, so "+what+".", "list the names themselves where you know them", related...)
}

// shownNames lists the domains of wildcards, or the first few if there are many.
func shownNames(patterns []string) string {
	const most = 4
	var list []string
	for _, p := range patterns[:min(most, len(patterns))] {
		list = append(list, strings.TrimPrefix(strings.TrimPrefix(p, "*"), "."))
	}
	if n := len(patterns) - most; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list, ", "), n)
	}
	return wordList(list, "and")
}
