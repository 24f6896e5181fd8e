package pfsense

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// treatment is what a rule does to what it passes besides passing it, one element an
// item: it is lost to a rule that passes the same traffic before.
type treatment []extra

// extra is one of its elements: what it is called in words, and its value.
type extra struct {
	name, words, value string
	node               *node
}

// extras are the elements that make a treatment (filter.inc, filter_generate_user_rule;
// looked up 2026-11), and what they are called under Advanced Options of the form.
var extras = []extra{
	{name: "gateway", words: "gateway"}, {name: "tag", words: "tag"},
	{name: "dnpipe", words: "limiter"}, {name: "pdnpipe", words: "limiter"},
	{name: "defaultqueue", words: "queue"}, {name: "ackqueue", words: "ACK queue"},
	{name: "sched", words: "schedule"}, {name: "vlanprioset", words: "VLAN priority"},
	{name: "statetype", words: "state type"}, {name: "statetimeout", words: "state timeout"}, {name: "statepolicy", words: "state policy"},
	{name: "max", words: "maximum of states"}, {name: "source-track", words: "source tracking"},
	{name: "max-src-nodes", words: "maximum of hosts"}, {name: "max-src-conn", words: "maximum of connections of a host"},
	{name: "max-src-states", words: "maximum of states of a host"}, {name: "max-src-conn-rate", words: "maximum of new connections"},
	{name: "max-src-conn-rates", words: "seconds of that"},
	{name: "nopfsync", words: "no pfsync"}, {name: "allowopts", words: "allow IP options"}, {name: "disablereplyto", words: "disable reply-to"},
}

// flags are those of the extras that count by being there.
var flags = words("nopfsync allowopts disablereplyto")

func treatmentOf(rule *node) treatment {
	var list treatment
	for _, e := range extras {
		n := rule.Child(e.name)
		if n == nil {
			continue
		}
		e.value, e.node = rule.Value(e.name), n
		none := e.value == "" && !flags[e.name] || e.name == "statetype" && e.value == ordinaryState || e.name == "vlanprioset" && e.value == "none"
		if flags[e.name] {
			e.value = ""
		}
		if !none {
			list = append(list, e)
		}
	}
	return list
}

const ordinaryState = "keep state"

// isNarrower reports whether a rule goes by something that theirRule does not hold: it
// may leave some of what it seems to match to the rules behind it.
func isNarrower(rule *node) bool {
	for _, name := range []string{"tagged", "os", "dscp", "vlanprio", "tcpflags2", "tcpflags_any", "sched"} {
		if rule.Value(name) != "" || name == "tcpflags_any" && rule.Has(name) {
			return true
		}
	}
	return rule.Child("source").Value("port") != ""
}

func (t treatment) equal(other treatment) bool {
	return slices.EqualFunc(t, other, func(a, b extra) bool { return a.name == b.name && a.value == b.value })
}

func (t treatment) String() string {
	var list []string
	for _, e := range t {
		list = append(list, strings.TrimSpace(e.words+" "+renderers.Clean(e.value)))
	}
	return strings.Join(list, ", ")
}

func (t treatment) value(name string) string {
	for _, e := range t {
		if e.name == name {
			return e.value
		}
	}
	return ""
}

// readLike finds the rule whose treatment ours get.
func (r *renderer) readLike() error {
	if r.opt.Like == "" {
		return nil
	}
	rule, _, err := r.config.findRule(r.opt.Interface, r.opt.Like)
	if rule == nil && err != nil {
		rule, _, err = r.config.findRule("floatingrules", r.opt.Like)
	}
	if err != nil {
		return renderers.Wrong("like", "Firewall > Rules shows a rule's tracking ID when you edit it",
			"no rule of %s, and no floating one, has the tracker or description %q, or more than one has", r.opt.Interface, renderers.Clean(r.opt.Like))
	}
	like := r.config.read(rule, false)
	switch {
	case !like.passes || rule.Value("type") == "match":
		return renderers.Wrong("like", "name a rule that passes", "%s does not pass", like.title)
	case len(like.treatment) == 0:
		return renderers.Wrong("like", "leave it out, or name a rule that has one", "%s has no gateway, tag, limiter, queue or other advanced option", like.title)
	}
	r.like = &like
	return nil
}

// checkLike refuses a gateway for a family that it is not of: pfSense takes none for
// rules of both (firewall_rules_edit.php).
func (r *renderer) checkLike(o *objects) error {
	if r.like == nil || r.like.treatment.value("gateway") == "" {
		return nil
	}
	for _, f := range o.rules {
		if f.action == "pass" && f.families&^r.like.families != 0 {
			return &rules.RuleError{Rule: f.origin.Name, Place: f.origin.Place,
				Cause: fmt.Sprintf("%s, which like names, has a gateway of %s, and the rule is for %s", r.like.title, r.like.families, f.families),
				Fix:   fmt.Sprintf("say families = [%q] in the target, and make a second target for the other family", rules.FamilyWord(r.like.families))}
		}
	}
	return nil
}

// treatment is what our rules do besides passing.
func (r *renderer) treatment(action string) treatment {
	if r.like == nil || action != "pass" {
		return nil
	}
	return r.like.treatment
}

// box is traffic of one family.
type box struct {
	family   ipranges.Family
	src, dst ipranges.Set
	matches  rules.Matches
}

func (b box) empty() bool {
	return !b.src.Has(b.family) || !b.dst.Has(b.family) || len(b.matches) == 0
}

// boxes is what our rule matches. Names can have any address.
func (f *filterRule) boxes() []box {
	var list []box
	for _, fam := range f.families.List() {
		b := box{fam, f.origin.From.Set().Only(fam), f.origin.To.Set().Only(fam), f.matches}
		if f.origin.To.ByName() {
			b.dst = ipranges.Full(fam)
		}
		if !b.empty() {
			list = append(list, b)
		}
	}
	return list
}

// maxBoxes bounds the pieces that rules cut traffic into: with more, what a rule decides
// is no longer taken out, and the check may refuse more than it has to.
const maxBoxes = 300

// minus is boxes without what e decides for sure.
func minus(boxes []box, e *theirRule) []box {
	if e.narrower || e.src.self || e.dst.self || e.unknownPorts != "" || len(e.src.unknown)+len(e.dst.unknown) > 0 || len(boxes) > maxBoxes {
		return boxes
	}
	var out []box
	for _, b := range boxes {
		if !e.families.Has(b.family) || !b.src.Overlaps(e.src.set) || len(b.matches.Intersect(e.matches)) == 0 || !b.dst.Overlaps(e.dst.set) {
			out = append(out, b)
			continue
		}
		src, dst := b.src.Intersect(e.src.set), b.dst.Intersect(e.dst.set)
		for _, rest := range []box{
			{b.family, b.src.Minus(e.src.set), b.dst, b.matches},
			{b.family, src, b.dst.Minus(e.dst.set), b.matches},
			{b.family, src, dst, b.matches.Minus(e.matches)},
		} {
			if !rest.empty() {
				out = append(out, rest)
			}
		}
	}
	return out
}

// meets says which traffic of a box e matches or may match, or "".
func (e *theirRule) meets(b box) string {
	common := e.matches.Intersect(b.matches)
	if len(common) == 0 || !e.families.Has(b.family) || e.src.unknown[rules.Only(b.family)] == "" && !e.src.set.Overlaps(b.src) {
		return ""
	}
	src, dst := e.src.of(b.family).Intersect(b.src), e.dst.of(b.family).Intersect(b.dst)
	if e.dst.self { // what the policy lists are other hosts
		dst = b.dst
		if !dst.Equal(ipranges.Full(b.family)) {
			return ""
		}
	}
	if e.src.self || !src.Has(b.family) || !dst.Has(b.family) {
		return ""
	}
	for rg := range dst.Ranges(b.family) {
		return fmt.Sprintf("%s to %s", common[0], ipranges.AppendRange(nil, rg))
	}
	return ""
}

// checkBehind refuses one of our rules that takes traffic from one of the user's that
// passes it in a way of its own: by a gateway, with a tag, through a limiter.
func (r *renderer) checkBehind(o *objects, first, behind []theirRule) error {
	for _, f := range o.rules {
		if f.action != "pass" {
			continue
		}
		left := f.boxes()
		for i := range first {
			if first[i].tab == r.opt.Interface {
				left = minus(left, &first[i])
			}
		}
		for i := range behind {
			e := &behind[i]
			t := e.treatment
			if e.tab == "floatingrules" { // a tag stays, whichever rule decides then (pf.conf(5), tag)
				t = slices.DeleteFunc(slices.Clone(t), func(x extra) bool { return x.name == "tag" })
			}
			mine := r.treatment("pass")
			if e.passes && len(t) > 0 && !t.equal(mine) && !e.treatment.equal(mine) && !r.accepted(e) {
				for _, b := range left {
					if what := e.meets(b); what != "" {
						return r.behindError(f, e, t, what)
					}
				}
			}
			if e.tab == r.opt.Interface {
				left = minus(left, e)
			}
		}
	}
	return nil
}

func (r *renderer) behindError(f *filterRule, e *theirRule, t treatment, what string) error {
	fix := fmt.Sprintf("give our rules the same with like = %q, or add accept = [%[1]q] if they are meant to pass it without", e.name())
	switch {
	case e.name() == "":
		fix = nameless + "name it in like, to give our rules the same, or in accept, if they are meant to pass it without"
	case e.tab == r.opt.Interface:
		fix = fmt.Sprintf("leave it to that rule with after = %q, give", e.name()) + strings.TrimPrefix(fix, "give")
	}
	return &rules.RuleError{Rule: f.origin.Name, Place: f.origin.Place, Fix: fix,
		Cause: fmt.Sprintf("%s comes after it and passes some of the same with %s, which that would lose: %s", e.title, t, what)}
}
