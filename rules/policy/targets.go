package policy

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/rules"
)

// commonArguments returns the arguments of all targets of a class. A kind's options cannot
// have these names.
func commonArguments(class Class) []string {
	list := []string{"path", "families"}
	if class&Filter != 0 {
		list = append(list, "rules", "default")
	}
	if class&Routes != 0 {
		list = append(append(list, "bypass", "include"), noteArguments...)
	}
	return list
}

// target is a target block under evaluation.
type target struct {
	c     *compiler
	d     *decl
	kind  TargetKind
	out   Target
	plan  *rules.Plan
	feeds []string
	known bool // the plan and the options are
	// judged says that default and families have no mistake, so that warnings about the rules
	// are right.
	judged bool
	// allRules says that the plan has all rules of the policy, in their order.
	allRules bool
}

func (c *compiler) evalTargets(p *Program) {
	if c.f.opt.Kinds == nil {
		return
	}
	var done []*target
	for _, d := range c.f.decls["target"] {
		if t := c.target(d); t != nil {
			done = append(done, t)
			if t.known {
				p.Targets = append(p.Targets, t.out)
			} else {
				p.Unfinished = append(p.Unfinished, t.out)
			}
		}
	}
	done = slices.DeleteFunc(done, func(t *target) bool { return !t.judged })
	c.warnShadowed(done)
	c.warnFamilies(done)
}

// target evaluates a target block; nil if its kind is unknown.
func (c *compiler) target(d *decl) *target {
	kind, ok := c.f.opt.Kinds(d.target)
	if !ok {
		return nil // correctTarget reports it
	}
	t := &target{c: c, d: d, kind: kind, known: !d.broken && !d.repeated}
	t.plan = &rules.Plan{Name: d.name, Families: rules.BothFamilies,
		Provenance: rules.Provenance{Policy: filepath.Base(c.f.name), PolicyHash: c.f.hash}}
	t.out = Target{Kind: d.target, Name: d.name, Plan: t.plan, Place: place(d.header),
		Places: map[string]diag.Range{"": place(d.header)}}
	for _, name := range commonArguments(kind.Class) {
		if a := d.attr(name); a != nil {
			t.out.Places[name] = place(a.Expr.Range())
		}
	}
	if !t.path() {
		t.known, t.out.Path = false, ""
	}
	t.judged = t.families()
	a, isRoutes := t.routeArgument()
	switch {
	case !isRoutes:
		t.judged = t.defaultVerdict() && t.judged
		t.filterPlan()
		t.ok(t.noNotes())
	case a == nil:
		t.known = false
	default:
		t.routePlan(a)
	}
	t.ok(t.judged)
	t.ok(t.budget())
	if kind.NewOptions != nil {
		t.out.Options = kind.NewOptions()
	}
	t.ok(c.decodeOptions(t))
	t.plan.Provenance.Feeds = c.feedList(t.feeds)
	return t
}

func (t *target) ok(good bool) { t.known = t.known && good }

// path evaluates the output path, which must be inside the output folder.
func (t *target) path() bool {
	t.out.Path = t.d.name + t.kind.Extension
	a := t.d.attr("path")
	if a == nil {
		return true
	}
	s, ok := t.c.text(a)
	if !ok {
		return false
	}
	if why := pathProblem(s); why != "" {
		t.c.error(a.Expr.Range(), fmt.Sprintf("%.60q cannot be an output path", s), why,
			fmt.Sprintf("write a path inside of the output folder, such as %q", t.out.Path))
		return false
	}
	t.out.Path = s
	return true
}

func pathProblem(s string) string {
	switch {
	case s == "" || s == ".":
		return "It names no file."
	case strings.HasPrefix(s, "/") || len(s) > 1 && s[1] == ':':
		return "It is absolute, and output paths are relative to the folder that --out names."
	case strings.Contains(s, `\`):
		return "It holds a backslash; folders are separated by slashes on every system."
	case slices.Contains(strings.Split(s, "/"), ".."):
		return "It leaves the output folder."
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`<>:"|?*`, r) }):
		return "It has an invisible character, or one that file names cannot have on every system."
	case len(s) > 255:
		return "It is longer than 255 bytes."
	case !fs.ValidPath(s):
		return `It is not in its shortest form: no "." and no empty parts.`
	}
	return ""
}

// families evaluates the families of the plan.
func (t *target) families() bool {
	const form = `write families = ["ipv4"], ["ipv6"] or both`
	a := t.d.attr("families")
	if a == nil {
		return true
	}
	t.plan.Families = 0
	good, n := true, 0
	ok := t.c.items(a.Expr, t.c.env, func(it item) {
		n++
		v, ok := t.c.value(it)
		if !ok {
			good = false
			return
		}
		switch {
		case v.Type() == cty.String && v.AsString() == "ipv4":
			t.plan.Families |= rules.OnlyIPv4
		case v.Type() == cty.String && v.AsString() == "ipv6":
			t.plan.Families |= rules.OnlyIPv6
		default:
			t.c.error(it.rng, fmt.Sprintf("%s is not an address family", describe(v)), "", form)
			good = false
		}
	})
	if n == 0 && ok {
		t.c.error(a.Expr.Range(), "families is empty", "A target without families has nothing to do.", form)
		good = false
	}
	return ok && good
}

// filterPlan adds the rules that the target names to its plan, or all rules.
func (t *target) filterPlan() {
	place := t.d.header
	var chosen ruleList
	switch a := t.d.attr("rules"); {
	case a != nil:
		list, known := t.c.refList(a, "rule", "name its rules, or remove the argument: a target without it has all of them")
		chosen = t.c.rulesOf(list)
		chosen.known = chosen.known && known
		place = a.Expr.Range()
	case t.d.cut || t.c.f.excused[t.d.body]["rules"]: // the unreadable part may name them
	default:
		if t.c.all == nil {
			list := t.c.rulesOf(t.c.f.decls["rule"])
			t.c.all = &list
		}
		chosen, t.allRules = *t.c.all, true
	}
	t.plan.Rules, t.feeds = chosen.rules, append(t.feeds, chosen.feeds...)
	t.ok(chosen.known)
	t.c.spendRules(len(chosen.rules), t.d.header)
	if len(chosen.rules) > 0 || !chosen.known {
		return
	}
	t.known = false
	if t.c.f.partial || t.d.wrongClass {
		return // its rules may be among the blocks that could not be read
	}
	detail := "The policy has no rules."
	if len(chosen.left) > 0 {
		detail = fmt.Sprintf("All are left out: %.200s.", strings.Join(chosen.left, "; "))
	}
	t.c.error(place, fmt.Sprintf("target %q has no rule", t.d.name), detail, "give it one, or remove the target")
}

// ruleList is the rules of a plan.
type ruleList struct {
	rules []rules.Rule
	feeds []string // that they come from
	left  []string // those that are left out, and why
	known bool     // all of them are
}

func (c *compiler) rulesOf(list []*decl) ruleList {
	out := ruleList{known: true}
	for _, d := range list {
		if d.repeated {
			continue
		}
		r := c.rules[d.name]
		switch {
		case r == nil || !r.known:
			out.known = false
		case r.out.LeftOut != "":
			out.left = append(out.left, fmt.Sprintf("rule %q: %s", d.name, r.out.LeftOut))
		default:
			out.rules = append(out.rules, r.out.Rule)
			out.feeds = append(out.feeds, r.out.Feeds...)
		}
	}
	out.rules, out.feeds = slices.Clip(out.rules), sortedSet(out.feeds)
	return out
}

func (t *target) defaultVerdict() bool {
	a := t.d.attr("default")
	if a == nil {
		return true
	}
	s, ok := t.c.text(a)
	if !ok {
		return false
	}
	switch s {
	case "continue":
	case "deny":
		t.plan.Default = rules.Deny
	default:
		t.c.error(a.Expr.Range(), fmt.Sprintf("there is no default %.60q", s), "",
			`write "continue" (what no rule decides is left to your own rules) or "deny"`)
		return false
	}
	return true
}

// routeArgument returns the argument that makes the target one of routes. If the target must
// be one, it reports if there is none; it always reports if there are two.
func (t *target) routeArgument() (a *hclsyntax.Attribute, isRoutes bool) {
	bypass, include := t.d.attr("bypass"), t.d.attr("include")
	if t.kind.Class&Routes == 0 {
		return nil, false // bypass and include are unknown options then
	}
	var used []*hclsyntax.Attribute
	for _, a := range []*hclsyntax.Attribute{bypass, include} {
		if a != nil {
			used = append(used, a)
		}
	}
	if len(used) == 0 && t.kind.Class&Filter != 0 {
		return nil, false
	}
	switch len(used) {
	case 0:
		if t.c.mayLack(t.d, "bypass") || t.c.mayLack(t.d, "include") {
			return nil, true
		}
		t.c.error(t.d.header, fmt.Sprintf("target %q says neither bypass nor include", t.d.name), "A target of this kind is a list of routes.",
			"write bypass = set.NAME for what goes past the VPN, or include = set.NAME for what goes through it")
		return nil, true
	case 2:
		t.c.error(include.NameRange, fmt.Sprintf("target %q says both bypass and include", t.d.name), "What one of them holds, the other does not.",
			"remove one of the two", at(bypass.NameRange, "the other is here"))
		for _, a := range used {
			t.c.addresses(a, false)
		}
	}
	for _, name := range []string{"rules", "default"} {
		if other := t.d.attr(name); other != nil && t.kind.Class&Filter != 0 {
			t.c.error(other.NameRange, fmt.Sprintf("a target with %s has no %s", used[0].Name, name), "It is a list of routes, not of rules.",
				"remove one of the two", at(used[0].NameRange, "this makes it one of routes"))
			t.known = false
			if name == "rules" {
				t.c.refList(other, "rule", "remove the argument")
			}
		}
	}
	if len(used) == 2 {
		return nil, true
	}
	return used[0], true
}

// routePlan makes the plan of a list of routes: one rule, and the opposite verdict as
// default.
func (t *target) routePlan(a *hclsyntax.Attribute) {
	v := t.c.notEverything(a, t.c.addresses(a, false))
	if v.known {
		t.routable(a, v.set)
		if a.Name == "bypass" {
			t.bothFamilies(a, v.set)
		}
	}
	r := rules.Rule{Name: a.Name, Verdict: rules.Bypass, From: rules.Any(), Services: []rules.Service{rules.AnyService()},
		Place: place(a.Expr.Range())}
	t.plan.Default = rules.Tunnel
	if a.Name == "include" {
		r.Verdict, t.plan.Default = rules.Tunnel, rules.Bypass
	}
	t.ok(v.known && t.c.notes(t.d, &r.Notes))
	r.To = t.c.side(t.d.name+"_"+a.Name, v)
	t.plan.Rules = []rules.Rule{r}
	t.feeds = append(t.feeds, v.feeds...)
	if r.Verdict == rules.Bypass && len(v.open) > 0 {
		t.c.open = append(t.c.open, openUse{t.d, a.Expr.Range(), fmt.Sprintf("target %q lets it bypass the VPN", t.d.name), v.open[0]})
	}
}

// routable refuses addresses that must have no such route: those of the machine and of its
// links, multicast and broadcast.
func (t *target) routable(a *hclsyntax.Attribute, set ipranges.Set) {
	for _, s := range ipranges.Specials() {
		switch s.Name {
		case "this network", "loopback", "link-local", "multicast", "limited broadcast", "unspecified address":
		default:
			continue
		}
		own, err := ipranges.FromPrefixes(s.Prefix)
		if err == nil && set.Overlaps(own) {
			t.c.error(a.Expr.Range(), fmt.Sprintf("%s of target %q holds addresses of %s", a.Name, t.d.name, s.Prefix),
				fmt.Sprintf("They are %s, which belongs to the machine or its link and has routes of its own.", s.Name), "take them out")
			t.known = false
		}
	}
}
