package policy

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sallyport/ipranges"
	"sallyport/rules"
)

// budgetBlock is the budget block of a list of routes. All targets of routes can have it; it
// is not an option of kinds.
type budgetBlock struct {
	Routes     int             `policy:"routes" doc:"how many routes the list may have, of each family"`
	Routes4    int             `policy:"routes4" doc:"how many of IPv4"`
	Routes6    int             `policy:"routes6" doc:"how many of IPv6"`
	Bytes      int             `policy:"bytes" doc:"how many bytes the routes may take in the target's text, of each family"`
	Bytes4     int             `policy:"bytes4" doc:"how many bytes of IPv4"`
	Bytes6     int             `policy:"bytes6" doc:"how many bytes of IPv6"`
	Together   bool            `policy:"together" doc:"routes, or bytes, are for both families together"`
	MaxAdded   share           `policy:"max_added" doc:"how much more than its set the list may hold, as a share of each family"`
	MaxMissing share           `policy:"max_missing" doc:"how much of its set the list may leave out, as a share of each family"`
	Must       rules.Addresses `policy:"must" doc:"what is never left out"`
	Protect    rules.Addresses `policy:"protect" doc:"what is never added"`
}

// share is a percentage that may be absent.
type share struct{ value *rules.Percent }

// UnmarshalText reads "60%".
func (s *share) UnmarshalText(text []byte) error {
	s.value = new(rules.Percent)
	return s.value.UnmarshalText(text)
}

// budget decodes the block of t, if it has one.
func (t *target) budget() bool {
	if t.kind.Class&Routes == 0 {
		return true
	}
	var b budgetBlock
	d := decoder{target: t}
	ok := d.blocks(reflect.ValueOf(&b).Elem(), option{name: "budget", block: true}, t.d.body, t.d.header, "budget")
	if _, there := t.out.Places["budget"]; !there {
		return ok
	}
	if t.plan.Default != rules.Tunnel && t.plan.Default != rules.Bypass {
		t.c.error(t.budgetBlock().DefRange(), "only a list of routes has a budget", "This target carries rules, which are exact or refused.",
			"remove the block, or give the target bypass or include")
		return false
	}
	out := &rules.Budget{Added: b.MaxAdded.value, Missing: b.MaxMissing.value, Must: b.Must, Protect: b.Protect}
	if out.Added != nil && out.Missing != nil {
		t.c.error(t.budgetBlock().DefRange(), "the budget has max_added and max_missing", "A list holds more than its set or less, not both.", "keep one of the two")
		ok = false
	}
	limits := []struct {
		option string
		n      int
		limit  rules.RouteLimit
	}{
		{"routes", b.Routes, rules.RouteLimit{Families: rules.BothFamilies, Shared: b.Together}},
		{"routes4", b.Routes4, rules.RouteLimit{Families: rules.OnlyIPv4}},
		{"routes6", b.Routes6, rules.RouteLimit{Families: rules.OnlyIPv6}},
		{"bytes", b.Bytes, rules.RouteLimit{Families: rules.BothFamilies, Shared: b.Together, Bytes: true}},
		{"bytes4", b.Bytes4, rules.RouteLimit{Families: rules.OnlyIPv4, Bytes: true}},
		{"bytes6", b.Bytes6, rules.RouteLimit{Families: rules.OnlyIPv6, Bytes: true}},
	}
	for _, l := range limits {
		at, given := t.out.Places["budget."+l.option]
		if !given || slices.Contains(t.out.Mistaken, "budget."+l.option) {
			continue
		}
		if l.n < 1 {
			t.c.error(t.budgetBlock().Body.Attributes[l.option].Expr.Range(), fmt.Sprintf("budget.%s is %d", l.option, l.n), "", "write a number from 1")
			ok = false
			continue
		}
		l.limit.Max, l.limit.Device, l.limit.Source = l.n, rules.BudgetDevice, fmt.Sprintf("line %d", at.Start.Line)
		out.Limits = append(out.Limits, l.limit)
	}
	given := func(option string) bool { return !t.out.Places["budget."+option].IsZero() }
	if a := t.budgetBlock().Body.Attributes["together"]; a != nil && b.Together && !given("routes") && !given("bytes") {
		t.c.error(a.Expr.Range(), "together says nothing here", "It is for routes, or bytes, of both families together.", "write routes = N or bytes = N, or remove it")
		ok = false
	}
	t.plan.Budget = out
	return t.budgetAddresses(b) && ok
}

// budgetAddresses reports values that must and protect cannot have.
func (t *target) budgetAddresses(b budgetBlock) bool {
	ok := true
	for _, one := range []struct {
		name string
		set  rules.Addresses
	}{{"must", b.Must}, {"protect", b.Protect}} {
		if one.set.IsAny() {
			t.c.error(t.budgetBlock().Body.Attributes[one.name].Expr.Range(), one.name+" is any", "It would leave nothing to choose.", "list addresses")
			ok = false
		}
	}
	return ok
}

func (t *target) budgetBlock() *hclsyntax.Block {
	for _, b := range t.d.body.Blocks {
		if b.Type == "budget" {
			return b
		}
	}
	return nil
}

// bothFamilies refuses a bypass with addresses of one family if the target has both: clients
// with IPv6 prefer it, and their calls would stay in the tunnel.
func (t *target) bothFamilies(a *hclsyntax.Attribute, set ipranges.Set) {
	if t.d.attr("families") != nil || set.IsEmpty() {
		return
	}
	for _, f := range rules.BothFamilies.List() {
		if set.Has(f) {
			continue
		}
		detail := "What it lists of IPv4 goes past the VPN, and IPv6 stays in it: clients that have IPv6 prefer it."
		only := `["ipv4"]`
		if f == ipranges.IPv4 {
			detail, only = "What it lists of IPv6 goes past the VPN, and IPv4 stays in it.", `["ipv6"]`
		}
		t.c.error(a.Expr.Range(), fmt.Sprintf("bypass of target %q holds no %s", t.d.name, f), detail,
			fmt.Sprintf("add the %s addresses, or say families = %s to leave that family in the VPN on purpose", f, only))
		t.known = false
	}
}

// tunnel evaluates the argument tunnel of a rule that blocks inside a VPN what a target of
// routes sends past it. The caller checks whether the target's list has all of that, when it
// has made the list.
func (c *compiler) tunnel(d *decl, r *rule) bool {
	a := d.attr("tunnel")
	if a == nil {
		return true
	}
	name, ok := c.text(a)
	if !ok {
		return false
	}
	var found []*decl
	for _, t := range c.f.decls["target"] {
		if t.name == name && t.attr("bypass") != nil {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 0:
		c.error(a.Expr.Range(), fmt.Sprintf("no target %.60q sends addresses past a VPN", name), "The rule blocks inside of the VPN what that target sends past it.",
			didYouMean("", name, c.bypasses()))
		return false
	case len(found) > 1:
		c.error(a.Expr.Range(), fmt.Sprintf("two targets are called %q", name), "", "rename one of them", at(found[0].header, "one is here"), at(found[1].header, "the other"))
		return false
	case r.out.Verdict == rules.Allow:
		c.error(a.Expr.Range(), "a rule that allows has no tunnel", "It says which VPN a rule blocks in.", `remove it, or write action = "reject"`)
		return false
	case len(r.to.hosts) > 0 || r.to.any:
		c.error(a.Expr.Range(), "a rule with tunnel goes to addresses", "They are compared with those that go past the VPN.", "write to = set.NAME")
		return false
	}
	r.out.Tunnel, r.out.TunnelPlace = name, place(a.Expr.Range())
	return true
}

// bypasses returns the names of the targets that send addresses past a VPN.
func (c *compiler) bypasses() []string {
	var names []string
	for _, t := range c.f.decls["target"] {
		if t.attr("bypass") != nil {
			names = append(names, t.name)
		}
	}
	return names
}
