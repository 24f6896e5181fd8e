package policy

import (
	"fmt"
	"slices"
	"time"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/rules"
)

// soon is how long before its expiry a rule gets a warning.
const soon = 14 * 24 * time.Hour

// rule is the value of a rule block.
type rule struct {
	known    bool
	out      Rule
	from, to addresses
	decl     *decl
}

func (c *compiler) evalRules(p *Program) {
	for _, d := range c.f.decls["rule"] {
		r := c.rule(d)
		r.known = r.known && !d.broken
		if d.repeated {
			continue
		}
		c.rules[d.name] = r
		if r.known {
			p.Rules = append(p.Rules, r.out)
		}
	}
}

// rule evaluates a rule block.
func (c *compiler) rule(d *decl) *rule {
	r := &rule{known: true, decl: d}
	r.out.Name, r.out.Place = d.name, place(d.header)
	ok := func(good bool) { r.known = r.known && good }

	acted := c.action(d, &r.out.Rule)
	ok(acted)
	var uses []portUse
	r.from = addresses{known: true, any: true}
	if a := d.attr("from"); a != nil {
		r.from = c.addresses(a, true)
	}
	if a := c.need(d, "to", "name the destinations, such as to = set.NAME, or write to = any"); a != nil {
		if names := c.namesAlone(a); names != nil {
			r.to = c.hostsOf(names)
		} else {
			r.to = c.addresses(a, true)
		}
	}
	if a := c.need(d, "services", "name the services, such as services = [service.NAME], or write services = any"); a != nil {
		var good bool
		r.out.Services, uses, good = c.serviceList(a)
		ok(good)
	} else {
		ok(false)
	}
	for _, use := range uses {
		if use.known {
			ok(c.portsFit(r, use))
			r.out.Feeds = append(r.out.Feeds, use.feed)
		}
	}
	ok(r.from.known && r.to.known)
	r.out.From, r.out.To = c.side(d.name+"_from", r.from), c.side(d.name+"_to", r.to)
	r.out.Feeds = sortedSet(slices.Concat(r.out.Feeds, r.from.feeds, r.to.feeds))

	var good bool
	r.out.Log, good = c.flag(d, "log", false)
	ok(good)
	ok(c.notes(d, &r.out.Notes))
	ok(c.tunnel(d, r))
	enabled, good := c.flag(d, "enabled", true)
	ok(good)
	if !enabled {
		r.out.LeftOut = "it is not enabled"
	}
	ok(c.expiry(d, &r.out, enabled && acted))
	if r.from.known && r.to.known && r.out.LeftOut == "" && !d.broken {
		from, to := c.someAddress(r, "from", r.from), c.someAddress(r, "to", r.to)
		ok(from && to && c.sameFamily(r))
	}
	return r
}

// side names the addresses of one side of a rule.
func (c *compiler) side(name string, a addresses) rules.Addresses {
	switch {
	case a.any:
		return rules.Any()
	case len(a.hosts) > 0:
		return rules.Named(a.one, a.hosts)
	case a.one != "":
		return rules.In(a.one, a.set)
	}
	// The rule's name and the two suffixes make these names unique among rules. Only a set
	// can have the same name.
	base := name
	for i := 2; c.taken[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	c.taken[name] = true
	return rules.In(name, a.set)
}

func (c *compiler) action(d *decl, r *rules.Rule) bool {
	const form = `write action = "allow", "deny" or "reject"`
	a := c.need(d, "action", form)
	if a == nil {
		return false
	}
	s, ok := c.text(a)
	if !ok {
		return false
	}
	switch s {
	case "allow":
		r.Verdict = rules.Allow
	case "deny":
		r.Verdict = rules.Deny
	case "reject":
		r.Verdict, r.Reject = rules.Deny, true
	default:
		c.error(a.Expr.Range(), fmt.Sprintf("there is no action %.60q", s), "", actionFix(s, form))
		return false
	}
	return true
}

func actionFix(s, form string) string {
	switch s {
	case "accept", "permit", "pass":
		return `write action = "allow"`
	case "drop", "block", "discard":
		return `write action = "deny"; "reject" answers the sender`
	}
	if near := suggest(s, []string{"allow", "deny", "reject"}); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return form
}

// expiry checks the date in expires, the last day of the rule. An expired rule that allows is
// left out, so that less is allowed, as intended. An expired rule that denies is an error,
// because leaving it out would allow more without anybody noticing. If judge is false, only
// the form of the date is checked.
func (c *compiler) expiry(d *decl, r *Rule, judge bool) bool {
	a := d.attr("expires")
	if a == nil {
		return true
	}
	s, ok := c.text(a)
	if !ok {
		return false
	}
	last, err := time.Parse(time.DateOnly, s)
	if err != nil {
		c.error(a.Expr.Range(), fmt.Sprintf("%.60q is not a date", s), "", `write the rule's last day as "2027-01-31"`)
		return false
	}
	if !judge {
		return true
	}
	now := c.f.opt.Now
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	switch left := last.Sub(today); {
	case left < 0 && r.Verdict == rules.Allow:
		r.LeftOut = "it expired on " + s
		c.warn("expired", a.Expr.Range(), fmt.Sprintf("rule %q expired on %s and is left out", d.name, s), "What it allowed no longer passes.",
			"remove the rule, or set a later date")
	case left < 0:
		c.error(a.Expr.Range(), fmt.Sprintf("rule %q expired on %s", d.name, s),
			"Leaving a rule out that denies would open what it closed, so this is for you to decide.", "remove the rule, or set a later date")
		return false
	case left <= soon:
		c.warn("expires-soon", a.Expr.Range(), fmt.Sprintf("rule %q expires %s", d.name, inDays(left)), fmt.Sprintf("Its last day is %s.", s),
			"set a later date if it is still needed")
	}
	return true
}

func inDays(d time.Duration) string {
	switch n := int(d.Hours() / 24); n {
	case 0:
		return "today"
	case 1:
		return "tomorrow"
	default:
		return fmt.Sprintf("in %d days", n)
	}
}

// someAddress reports an empty side of a rule: the rule would match nothing.
func (c *compiler) someAddress(r *rule, name string, side addresses) bool {
	if side.any || len(side.hosts) > 0 || !side.set.IsEmpty() {
		a := r.decl.attr(name)
		return a == nil || c.notEverything(a, side).known
	}
	c.error(r.decl.attr(name).Expr.Range(), fmt.Sprintf("%s of rule %q is empty", name, r.decl.name), "What it lists holds no address.",
		"list something that does, or remove the rule")
	return false
}

// sameFamily reports a rule whose sources and destinations have no family in
// common: the rule would match nothing.
func (c *compiler) sameFamily(r *rule) bool {
	for _, f := range rules.BothFamilies.List() {
		if r.out.From.Has(f) && r.out.To.Has(f) {
			return true
		}
	}
	to := r.decl.attr("to")
	var related []diag.Related
	if from := r.decl.attr("from"); from != nil {
		related = append(related, at(from.Expr.Range(), "the sources are here"))
	}
	c.error(to.Expr.Range(), fmt.Sprintf("rule %q can match nothing", r.decl.name),
		fmt.Sprintf("Its sources are %s and its destinations %s.", families(r.from.set), families(r.to.set)),
		"give both sides addresses of one family", related...)
	return false
}

func families(s ipranges.Set) string {
	var fams rules.Families
	for _, f := range rules.BothFamilies.List() {
		if s.Has(f) && f == ipranges.IPv4 {
			fams |= rules.OnlyIPv4
		} else if s.Has(f) {
			fams |= rules.OnlyIPv6
		}
	}
	return fams.String()
}

// relatedRules returns the places of rules.
func relatedRules(list []*rules.Rule, text string) []diag.Related {
	var out []diag.Related
	for _, r := range list {
		out = append(out, diag.Related{Range: r.Place, Text: fmt.Sprintf("rule %q %s", r.Name, text)})
	}
	return out
}
