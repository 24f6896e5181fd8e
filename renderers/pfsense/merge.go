package pfsense

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// merge puts o into the user's configuration: the aliases after theirs, the rules
// at the place that the options name, and nothing else.
func (r *renderer) merge(o *objects) ([]byte, error) {
	c, at := r.config, r.at
	for _, check := range []error{r.checkTaken(o), r.checkRetired(o), r.checkPlace(o), r.checkLike(o)} {
		if check != nil {
			return nil, check
		}
	}
	o.track(c.trackers())
	section := c.root.Child("aliases")
	aliasAt := blankBefore(c.data, section.InnerEnd)
	edits := []edit{
		{at.offset, at.offset, "\n" + strings.TrimSuffix(r.ruleElements(o), "\n")},
		{aliasAt, aliasAt, "\n" + strings.TrimSuffix(r.aliasElements(o), "\n")},
	}
	if len(o.aliases) == 0 {
		edits = edits[:1]
	}
	// A bar right before the named rule stays before ours as well: it is the
	// heading of the section that the rule is in.
	edits = append(edits, moveSeparators(c.root, r.opt.Interface, func(row int) int {
		if row > at.row {
			return row + len(o.rules)
		}
		return row
	})...)
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	return apply(c.data, edits), nil
}

// claims: the output is a changed copy of the user's file.
func (r *renderer) claims() []renderers.Claim {
	if r.opt.Form != formMerge {
		return nil
	}
	return []renderers.Claim{{File: r.opt.Config, Option: "config", Cost: "each output is that file without the other's rules",
		Fix: "put the rules into one target, or let the second begin with the first one's output: config = ..."}}
}

// place is where our rules go.
type place struct {
	rule   *node // that the options name; nil where the tab has none
	after  bool  // they go after it
	row    int   // of that rule on its tab
	offset int   // in the text
}

// readPlace finds it.
func (r *renderer) readPlace() (err error) {
	if r.opt.Form == formMerge {
		r.at, err = r.placeOf()
	}
	return err
}

func (r *renderer) placeOf() (place, error) {
	c := r.config
	if !c.knows(r.opt.Interface) {
		return place{}, renderers.Wrong("interface", "write it as config.xml does: lan, opt1, or the name of a group",
			"%s has no interface %s", r.opt.Config, r.opt.Interface)
	}
	if !c.carries(r.opt.Interface) {
		return place{}, renderers.Wrong("interface", "enable it and download the configuration anew, or name another",
			"%s is not enabled in %s, or no member of it is: pfSense makes nothing of its rules", r.opt.Interface, r.opt.Config)
	}
	option, name := "before", r.opt.Before
	if name == "" {
		option, name = "after", r.opt.After
	}
	if name == "" {
		return r.onlyPlace()
	}
	rule, row, err := c.findRule(r.opt.Interface, name)
	if err != nil {
		fix := "Firewall > Rules shows a rule's tracking ID when you edit it"
		if c.firstRule(r.opt.Interface) == nil {
			fix = fmt.Sprintf("leave %s out: %s has no rule yet, so there is one place only", option, r.opt.Interface)
		}
		return place{}, renderers.Wrong(option, fix, "%v", err)
	}
	at := place{rule: rule, row: row, after: option == "after", offset: blankBefore(c.data, rule.Start)}
	if at.after {
		at.offset = rule.End
	}
	return at, nil
}

// onlyPlace is the place on an interface without rules: behind the rules of all others. The
// order between interfaces means nothing.
func (r *renderer) onlyPlace() (place, error) {
	c := r.config
	if rule := c.firstRule(r.opt.Interface); rule != nil {
		name := cmp.Or(rule.Value("tracker"), rule.Value("descr"))
		return place{}, renderers.Wrong("form", fmt.Sprintf("add before = %q, which is its first rule, or another one's tracker or description, or after = ...", name),
			"merge needs a place among the rules of %s, since the first rule that matches decides", r.opt.Interface)
	}
	filter := c.root.Child("filter")
	at := place{offset: blankBefore(c.data, filter.InnerEnd)}
	if all := filter.All("rule"); len(all) > 0 {
		at.offset = all[len(all)-1].End
	}
	return at, nil
}

// trackers are the numbers that rules have.
func (c *config) trackers() map[uint32]bool {
	taken := map[uint32]bool{}
	for _, rule := range c.root.Child("filter").All("rule") {
		if n, err := strconv.ParseUint(rule.Value("tracker"), 10, 32); err == nil {
			taken[uint32(n)] = true
		}
	}
	return taken
}

// checkTaken refuses names that something else has: aliases, interfaces and
// groups share one name space (alias-utils.inc, saveAlias).
func (r *renderer) checkTaken(o *objects) error {
	for _, a := range o.aliases {
		if what := r.config.taken(a.name); what != "" {
			return renderers.Wrong("prefix", `choose another prefix, such as prefix = "sally_"`, "%s is called %s already", what, a.name)
		}
	}
	return nil
}

func (c *config) taken(name string) string {
	for _, a := range c.root.Child("aliases").All("alias") {
		if strings.EqualFold(a.Value("name"), name) {
			return "an alias of yours"
		}
	}
	for _, i := range c.root.Child("interfaces").Children {
		if strings.EqualFold(i.Name, name) || strings.EqualFold(i.Value("descr"), name) {
			return "an interface"
		}
	}
	for _, g := range c.root.Child("ifgroups").All("ifgroupentry") {
		if strings.EqualFold(g.Value("ifname"), name) {
			return "an interface group"
		}
	}
	return ""
}

// checkRetired refuses to take an alias away that the user's own rules use.
func (r *renderer) checkRetired(o *objects) error {
	for _, name := range r.config.retired {
		if o.named(name) == nil && mentions(r.config.root, name) {
			return renderers.Wrong("config", "take it out of your own rules and aliases first, and download the configuration anew",
				"alias %s is no longer needed, and something of yours uses it", name)
		}
	}
	return nil
}

// mentions reports whether the text of an element holds the word.
func mentions(n *node, word string) bool {
	if len(n.Children) == 0 {
		return slices.Contains(strings.FieldsFunc(n.Text, func(c rune) bool { return !isNameChar(c) }), word)
	}
	return slices.ContainsFunc(n.Children, func(c *node) bool { return mentions(c, word) })
}

// checkPlace refuses where a rule that pf tries first decides otherwise, and where one
// that it would have tried after ours does more than pass: what we add takes effect
// inside the user's order of rules, or not at all.
func (r *renderer) checkPlace(o *objects) error {
	first, behind := r.config.around(r.opt.Interface, r.at.rule, r.at.after)
	for i := range first {
		if e := &first[i]; !r.accepted(e) {
			for _, f := range o.rules {
				if e.passes == (f.action == "pass") {
					continue
				}
				if why := e.overlaps(f); why != "" {
					return earlierError(f.origin, e, why)
				}
			}
		}
	}
	return r.checkBehind(o, first, behind)
}

func earlierError(rule *rules.Rule, e *theirRule, why string) error {
	verb, ours := "blocks", "passes"
	if e.passes {
		verb, ours = "passes", "denies"
	}
	fix := fmt.Sprintf("name an earlier place, change that rule, or add accept = [%q] if it is meant to go first", e.name())
	if e.name() == "" {
		fix = nameless + "name it in accept if it is meant to go first; or name an earlier place"
	}
	fix = cmp.Or(e.fix, fix)
	return &rules.RuleError{Rule: rule.Name, Place: rule.Place, Fix: fix,
		Cause: fmt.Sprintf("%s comes first and %s some of what the rule %s: %s", e.title, verb, ours, why)}
}
