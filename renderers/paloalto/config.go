package paloalto

import (
	"fmt"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// config is what a plan becomes: the element tree, and the list files.
type config struct {
	r       *renderer
	plan    *rules.Plan
	root    *node
	objects *node // the scopes inside root; one and the same unless objects are shared
	rules   *node // the scope's rule base
	lists   []renderers.File

	denied    map[string]bool // the sets that some rule denies
	sides     map[string]bool // the sets and lists of names that have been written
	lines     int             // of lists of addresses
	elements  int             // address objects
	hostNames int             // FQDN objects, or URLs
	groups    int
}

// description stands at our rules and lists: the device's administrators should
// know where to look before they edit.
func (r *renderer) description() string {
	return fmt.Sprintf("sallyport target %s: edits are lost", r.env.Name)
}

// ruleDescription is description with the rule's notes, far below maxDescription. Notes
// keep to characters that mean nothing to a command line, quoted or not.
func (r *renderer) ruleDescription(rule *rules.Rule) string {
	text := r.description()
	if note := renderers.RuleNote(rule); note != "" {
		text += "; " + strings.Map(plainChar, note)
	}
	return text
}

// plainChar is c, or a dot in place of what a quoted word of a command cannot hold, and of
// what asks for help or divides commands.
func plainChar(c rune) rune {
	if strings.ContainsRune("\"\\?'`$|<>&;!", c) {
		return '.'
	}
	return c
}

func (r *renderer) configOf(p *rules.Plan) (*config, error) {
	c := &config{r: r, plan: p, root: &node{name: "config", elem: configElement}, denied: deniedSets(p), sides: map[string]bool{}}
	c.objects = c.root.mustChild(r.objectPlace().path...)
	c.rules = c.root.mustChild(r.rulePlace().path...).mustChild(r.rulebase(), "security", "rules")
	for i := range p.Rules {
		if err := c.rule(&p.Rules[i]); err != nil {
			err.Rule, err.Place = p.Rules[i].Name, p.Rules[i].Place
			return nil, err
		}
	}
	return c, c.overLimits()
}

// refuse says what this rule cannot have on PAN-OS.
func refuse(fix, cause string, args ...any) *rules.RuleError {
	return &rules.RuleError{Cause: fmt.Sprintf(cause, args...), Fix: fix}
}

func (c *config) rule(rule *rules.Rule) *rules.RuleError {
	opt := &c.r.opt
	name := c.r.prefix + rule.Name
	if err := checkLength("rule", name, maxName); err != nil {
		return err
	}
	ends, err := c.ends(rule)
	if err != nil {
		return err
	}
	services, err := c.services(rule)
	if err != nil {
		return err
	}
	e := c.rules.mustChild(name)
	e.set([]string{"from"}, opt.FromZones...)
	e.set([]string{"to"}, opt.ToZones...)
	e.set([]string{"source"}, ends.from...)
	e.set([]string{"destination"}, ends.to...)
	e.set([]string{"service"}, services...)
	if len(ends.category) > 0 {
		e.set([]string{"category"}, ends.category...)
	}
	switch rule.Verdict {
	case rules.Allow:
		e.set([]string{"application"}, opt.Applications...)
		e.set([]string{"action"}, "allow")
		if opt.ProfileGroup != "" {
			e.set([]string{"profile-setting", "group"}, opt.ProfileGroup)
		}
	case rules.Deny:
		// Narrowed to applications it would deny less than the policy says. The
		// action deny would answer for some applications; drop never does.
		e.set([]string{"application"}, "any")
		e.set([]string{"action"}, "drop")
	default:
		return refuse("leave the rule out of this target", "PAN-OS rules cannot %s", rule.Verdict)
	}
	if rule.Reject {
		return refuse(`use action = "deny"`, "PAN-OS resets a TCP connection only after its handshake, so a rejected one is not answered")
	}
	e.set([]string{"log-end"}, yesNo(rule.Log))
	if opt.LogSetting != "" {
		e.set([]string{"log-setting"}, opt.LogSetting)
	}
	c.tag(e)
	e.set([]string{"description"}, c.r.ruleDescription(rule))
	return nil
}

// ends are what a rule says of where a connection comes from and goes to.
type ends struct{ from, to, category []string }

func (c *config) ends(rule *rules.Rule) (e ends, err *rules.RuleError) {
	from, err := c.side(rule.From)
	if err != nil {
		return e, err
	}
	e.from = []string{from}
	oneFamily := rule.From.IsAny() && c.plan.Families != rules.BothFamilies
	switch {
	case rule.To.ByName():
		if oneFamily { // names are of both
			e.from = c.wholeFamily()
		}
		e.to, e.category, err = c.hosts(rule)
	case rule.To.IsAny() && oneFamily:
		e.to = c.wholeFamily()
	default:
		var to string
		to, err = c.side(rule.To)
		e.to = []string{to}
	}
	return e, err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (c *config) tag(e *node) {
	if c.r.opt.Tag != "" {
		e.set([]string{"tag"}, c.r.opt.Tag)
	}
}

func checkLength(what, name string, most int) *rules.RuleError {
	if len(name) <= most {
		return nil
	}
	return refuse("give it a shorter name in the policy, or set prefix", "the name of the %s %s has %d characters, and PAN-OS takes %d", what, name, len(name), most)
}

func (c *config) services(rule *rules.Rule) ([]string, *rules.RuleError) {
	if rule.AnyService() {
		return []string{"any"}, nil
	}
	var names []string
	for _, m := range rule.Matches() {
		switch m.Proto {
		case rules.TCP, rules.UDP:
		case rules.SCTP:
			return nil, refuse("leave it out of the service", "PAN-OS matches SCTP on few models only, with SCTP security switched on")
		default:
			return nil, refuse("leave it out of the service", "a service of PAN-OS cannot match %s", m)
		}
		name := c.r.serviceName(m)
		names = append(names, name)
		if c.objects.at("service", name) == nil {
			e := c.objects.mustChild("service", name)
			e.set([]string{"protocol", m.Proto.String(), "port"}, ports(m))
			c.tag(e)
		}
	}
	if len(names) == 0 {
		return nil, refuse("leave the rule out of this target", "its services are empty")
	}
	return names, nil
}

// overLimits compares with what the device has room for: it would skip the excess
// of a list with no more than a line in its log, and refuse to commit objects.
func (c *config) overLimits() error {
	o := &c.r.opt
	names := "FQDN objects"
	if o.Names == namesURL {
		names = "URLs"
	}
	addresses := limit{c.elements, o.MaxAddresses, "address objects", "max_addresses"}
	if o.Form == formEDL {
		addresses = limit{c.elements, o.MaxObjects, "address objects for what is denied", "max_objects"}
	}
	for _, l := range []limit{{c.lines, o.MaxAddresses, "lines in its lists", "max_addresses"}, addresses, {c.hostNames, o.MaxNames, names, "max_names"},
		{c.groups, o.MaxGroups, "address groups", "max_groups"}, {len(c.lists), o.MaxLists, "lists", "max_lists"}} {
		if l.n > l.most {
			return &rules.RuleError{
				Cause: fmt.Sprintf("the rules need %d %s, and the device has room for %d", l.n, l.what, l.most),
				Fix:   fmt.Sprintf("narrow the sets, or raise %s if your model has room beside your own", l.option),
			}
		}
	}
	return nil
}

type limit struct {
	n, most      int
	what, option string
}
