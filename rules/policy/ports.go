package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/rules"
)

// Some feeds publish the ports of their addresses. ports(feed.NAME, "Tag") is a service with
// the ports of a tag. They are for the addresses of the tag only, so a rule with it may have
// only these as destination: no rule combines the addresses of one tag with the ports of
// another.

// portUse is a use of ports().
type portUse struct {
	known bool // if false, the other fields are not set
	feed  string
	tag   string
	set   ipranges.Set // the addresses that the ports are for
	names []string     // and the host names
	rng   hcl.Range
}

// portsCall evaluates ports(feed.NAME, "Tag").
func (c *compiler) portsCall(e *hclsyntax.FunctionCallExpr, env *hcl.EvalContext, places map[string]hcl.Range) (rules.Service, portUse, bool) {
	use := portUse{rng: e.Range()}
	feed, name, ok := c.feedAndTag(e, env)
	if !ok {
		return rules.Service{}, use, false
	}
	use.feed, use.tag = feed.name, name
	if !c.once(fmt.Sprintf("ports(feed.%s, %q)", feed.name, name), use.rng, places) {
		return rules.Service{}, use, false
	}
	cat := c.catalogs[feed.name]
	if cat == nil || !c.hasTag(feed, name, e.Args[1].Range()) {
		return rules.Service{}, use, false
	}
	use.set, _ = cat.Set(name)
	use.known, use.names = true, cat.Names(name)
	matches, ok := c.portsOf(feed, name, use.rng)
	return rules.NewService(c.portsName(feed.name, name), matches...), use, ok
}

// feedAndTag evaluates the arguments of ports() and names().
func (c *compiler) feedAndTag(e *hclsyntax.FunctionCallExpr, env *hcl.EvalContext) (feed *decl, tag string, ok bool) {
	form := fmt.Sprintf(`write %s(feed.NAME, "Tag")`, e.Name)
	if len(e.Args) != 2 || e.ExpandFinal {
		c.error(e.Range(), fmt.Sprintf("%s() takes a feed and the name of a tag, and this has %s", e.Name, counted(len(e.Args), "argument")), "", form)
		return nil, "", false
	}
	first, ok := e.Args[0].(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		c.error(e.Args[0].Range(), fmt.Sprintf("the first argument of %s() is a feed", e.Name), "", form)
		return nil, "", false
	}
	feed = c.lookup(first.Traversal, "feed")
	v, ok := c.scalar(e.Args[1], env)
	switch r := e.Args[1].Range(); {
	case !ok:
		return nil, "", false
	case isList(v) && e.Name == "ports":
		c.error(r, "ports() takes one tag, and this is a list", "Each tag has ports of its own, for its own addresses.", "write a rule for each tag")
		return nil, "", false
	case v.Type() != cty.String:
		c.error(r, fmt.Sprintf("the name of a tag is a string, and this is %s", describe(v)), "", form)
		return nil, "", false
	}
	return feed, v.AsString(), feed != nil
}

// portsOf is the ports of an existing tag.
func (c *compiler) portsOf(feed *decl, tag string, r hcl.Range) ([]rules.Match, bool) {
	cat := c.catalogs[feed.name]
	ports, differ := cat.Ports(tag)
	if len(differ) > 0 {
		c.error(r, fmt.Sprintf("the parts of %q have different ports", tag), "Together they would open to all what is meant for some: "+portList(cat, differ)+".",
			fmt.Sprintf("write a rule for each part: to = tag(feed.%s, %[2]q), services = [ports(feed.%[1]s, %[2]q)]", feed.name, differ[0]))
		return nil, false
	}
	var out []rules.Match
	for _, p := range ports {
		proto, ok := rules.ProtocolNamed(p.Proto)
		if !ok || !proto.HasPorts() { // the catalog has checked it
			continue
		}
		out = append(out, rules.Ports(proto, p.Lo, p.Hi))
	}
	if len(out) == 0 {
		c.error(r, fmt.Sprintf("feed %s publishes no ports for %q", feed.name, tag), "", "name a service in its place")
		return nil, false
	}
	return out, true
}

// portList lists tags with their ports, the first few.
func portList(cat *catalog.Catalog, tags []string) string {
	const most = 4
	var list []string
	for _, tag := range tags[:min(most, len(tags))] {
		ports, _ := cat.Ports(tag)
		words := []string{}
		for _, p := range ports {
			words = append(words, p.String())
		}
		if len(words) == 0 {
			words = []string{"none"}
		}
		list = append(list, tag+" has "+strings.Join(words, " "))
	}
	if n := len(tags) - most; n > 0 {
		list = append(list, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(list, ", ")
}

// portsName is the name of the service with the ports of a tag: "m365_11". The same ports
// have the same name in all rules, and no other service has it.
func (c *compiler) portsName(feed, tag string) string {
	key := feed + "\x00" + tag
	if name, ok := c.ports[key]; ok {
		return name
	}
	base := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, feed+"_"+tag)
	if len(base) > maxNameLength {
		sum := sha256.Sum256([]byte(key))
		base = base[:maxNameLength-9] + "_" + hex.EncodeToString(sum[:4])
	}
	name := base
	for i := 2; c.f.index["service"][name] != nil || c.hasPortsName(name); i++ {
		name = fmt.Sprintf("%s_%d", base[:min(len(base), maxNameLength-3)], i)
	}
	c.ports[key] = name
	return name
}

func (c *compiler) hasPortsName(name string) bool {
	for _, n := range c.ports {
		if n == name {
			return true
		}
	}
	return false
}

// portsFit reports a rule that combines the ports of a tag with addresses that the tag does
// not have.
func (c *compiler) portsFit(r *rule, use portUse) bool {
	a := r.decl.attr("to")
	if a == nil || !r.to.known {
		return true // reported, or unknown
	}
	fix := fmt.Sprintf("write to = tag(feed.%s, %q), and a rule of its own for other destinations", use.feed, use.tag)
	summary := fmt.Sprintf("these are the ports of %q, and the rule goes to other addresses", use.tag)
	if r.to.any {
		c.error(use.rng, summary, "The feed publishes them for the tag's own addresses.", fix, at(a.Expr.Range(), "it goes to any address"))
		return false
	}
	if len(r.to.hosts) > 0 {
		return c.portsFitNames(r, use, summary)
	}
	outside := r.to.set.Minus(use.set)
	if outside.IsEmpty() {
		return true
	}
	first := ""
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		for p := range outside.Prefixes(f) {
			if first == "" {
				first = p.String()
			}
		}
	}
	c.error(use.rng, summary, fmt.Sprintf("The feed publishes them for the tag's own addresses, and %s is not among these.", first), fix,
		at(a.Expr.Range(), "the destinations are here"))
	return false
}

// portsFitNames is portsFit for a rule with host names as destination.
func (c *compiler) portsFitNames(r *rule, use portUse, summary string) bool {
	lower := make([]string, len(use.names))
	for i, n := range use.names {
		lower[i] = strings.ToLower(n)
	}
	name := rules.Named("", lower).Lacks(r.to.hosts)
	if name == "" {
		return true
	}
	c.error(use.rng, summary, fmt.Sprintf("The feed publishes them for the tag's own names, and %s is not among these.", name),
		fmt.Sprintf("list names(feed.%s, %q) in a block of their own, and a rule of its own for other names", use.feed, use.tag),
		at(r.decl.attr("to").Expr.Range(), "the destinations are here"))
	return false
}
