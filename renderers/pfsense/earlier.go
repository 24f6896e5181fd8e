package pfsense

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// theirRule is a rule of the user's that pf tries before ours or after them, as far as
// its effect can be known from the configuration. What cannot be known counts as
// everything.
type theirRule struct {
	title, tracker, descr string
	fix                   string // instead of naming it in accept
	passes                bool
	families              rules.Families
	src, dst              side
	matches               rules.Matches
	unknownPorts          string
	tab                   string // that it is on
	narrower              bool   // it goes by more than the fields above say
	treatment             treatment
}

// name is what options call the rule by, or empty.
func (e *theirRule) name() string { return cmp.Or(e.tracker, e.descr) }

// nameless is what to do about a rule that has no name.
const nameless = "give that rule a description, download the configuration anew, and then "

// accepted reports whether the options name the rule.
func (r *renderer) accepted(e *theirRule) bool {
	return slices.Contains(r.opt.Accept, e.tracker) || slices.Contains(r.opt.Accept, e.descr)
}

// around lists the rules that can decide before a rule at the place, and those that
// would have decided where it now does. pf's order is floating ones, groups' ones, and
// those of the interface, each in the file's order; floating ones that are not quick
// decide what nothing else does, the last first (filter.inc, filter_rules_generate).
// Rules that never decide are left out.
func (c *config) around(iface string, anchor *node, after bool) (first, behind []theirRule) {
	first = c.builtIn(iface)
	class := c.classOf(iface)
	var tabs, slow []theirRule // behind: of the interfaces of a group, and not quick
	reached := false           // the anchor, in the order of the file
	for _, rule := range c.root.Child("filter").All("rule") {
		if rule == anchor && !after {
			reached = true
		}
		above := !reached
		if rule == anchor {
			reached = true
		}
		if rule.Has("disabled") || rule.Has("separator") || rule.Value("type") == "match" {
			continue
		}
		if rule.Has("floating") {
			switch when, out := c.floats(rule, iface); when {
			case decidesFirst:
				first = append(first, c.read(rule, out))
			case decidesLast:
				slow = append(slow, c.read(rule, false))
			}
			continue
		}
		if !c.shares(rule.Value("interface"), iface) {
			continue
		}
		switch theirs := c.classOf(rule.Value("interface")); {
		case theirs < class || theirs == class && above:
			first = append(first, c.read(rule, false))
		case theirs == class:
			behind = append(behind, c.read(rule, false))
		default:
			tabs = append(tabs, c.read(rule, false))
		}
	}
	slices.Reverse(slow)
	return first, slices.Concat(behind, tabs, slow)
}

// classOf is 1 for groups and 2 for interfaces, whose rules come later.
func (c *config) classOf(iface string) int {
	if c.isGroup(iface) {
		return 1
	}
	return 2
}

// shares reports whether rules of tab a can meet packets that come in by b.
func (c *config) shares(a, b string) bool {
	if a == b {
		return true
	}
	inA, groupA := c.members(a)
	inB, groupB := c.members(b)
	switch {
	case groupA && groupB:
		return slices.ContainsFunc(inA, func(m string) bool { return slices.Contains(inB, m) })
	case groupA:
		return slices.Contains(inA, b)
	case groupB:
		return slices.Contains(inB, a)
	}
	return c.tunnel(a) == b || c.tunnel(b) == a
}

// tunnel is the group that pfSense puts an assigned VPN interface in.
func (c *config) tunnel(iface string) string {
	device := c.root.Child("interfaces").Child(strings.ToLower(iface)).Value("if")
	switch {
	case strings.HasPrefix(device, "ovpn"):
		return "openvpn"
	case strings.HasPrefix(device, "tun_wg"):
		return "wireguard"
	}
	return "no tunnel"
}

// When a floating rule decides.
type when int

const (
	decidesNever when = iota // what ours decide
	decidesFirst
	decidesLast
)

// floats says when a floating rule decides over what ours match. On the way in it is
// the first if it is quick, and the last if it is not: ours are quick. On the way out
// of another interface a block cuts what ours let in, quick or not.
//
// Of its interfaces those count that are enabled, and a rule that has none of these
// left is for all (filter.inc, filter_generate_user_rule).
func (c *config) floats(rule *node, iface string) (w when, out bool) {
	var on []string
	if v := rule.Value("interface"); v != "any" {
		on = slices.DeleteFunc(strings.Split(v, ","), func(i string) bool { return !c.carries(i) })
	}
	ours := len(on) == 0 || slices.ContainsFunc(on, func(i string) bool { return c.shares(i, iface) })
	others := len(on) == 0 || slices.ContainsFunc(on, func(i string) bool { return i != iface })
	direction := rule.Value("direction")
	blocks := rule.Value("type") == "block" || rule.Value("type") == "reject"
	switch {
	case direction != "out" && ours && rule.Has("quick"):
		return decidesFirst, false
	case blocks && direction != "in" && others:
		return decidesFirst, true
	case direction != "out" && ours:
		return decidesLast, false
	}
	return decidesNever, false
}

// builtIn is what pfSense blocks by settings rather than rules, wherever packets
// come in that meet the rules of iface.
func (c *config) builtIn(iface string) []theirRule {
	var list []theirRule
	if !c.root.Child("system").Has("ipv6allow") {
		list = append(list, theirRule{title: "the setting that blocks all IPv6", descr: "ipv6allow", families: rules.OnlyIPv6,
			src: everywhere(), dst: everywhere(), matches: rules.EveryProtocol(),
			fix: `allow IPv6 under System > Advanced > Networking, or say families = ["ipv4"]`})
	}
	for _, i := range c.entries(iface) {
		settings := c.root.Child("interfaces").Child(strings.ToLower(i))
		if settings.Has("blockbogons") {
			list = append(list, theirRule{title: "Block bogon networks of interface " + i, descr: "blockbogons", families: rules.BothFamilies,
				src: side{set: everywhere().set.Minus(neverBogons)}, dst: everywhere(), matches: rules.EveryProtocol()})
		}
		if settings.Has("blockpriv") {
			list = append(list, theirRule{title: "Block private networks of interface " + i, descr: "blockpriv", families: rules.BothFamilies,
				src: side{set: privateNetworks}, dst: everywhere(), matches: rules.EveryProtocol()})
		}
	}
	return list
}

// What the settings of an interface block (filter.inc, filter_rules_generate). The
// lists of bogons change; pfSense takes the private networks out of them, and what
// else is missing today may be there tomorrow (rc.update_bogons.sh).
var (
	privateNetworks = ipranges.MustParse("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
	neverBogons     = ipranges.MustParse("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)

func (c *config) read(rule *node, out bool) theirRule {
	e := theirRule{tracker: rule.Value("tracker"), descr: rule.Value("descr"), families: rules.OnlyIPv4, tab: tabOf(rule),
		passes: rule.Value("type") != "block" && rule.Value("type") != "reject", narrower: isNarrower(rule), treatment: treatmentOf(rule)}
	e.title = fmt.Sprintf("rule %q (tracker %s) of %s", renderers.Clean(e.descr), renderers.Clean(e.tracker), renderers.Clean(tabOf(rule)))
	switch rule.Value("ipprotocol") {
	case "inet6":
		e.families = rules.OnlyIPv6
	case "inet46":
		e.families = rules.BothFamilies
	}
	e.src, e.dst = c.side(rule.Child("source")), c.side(rule.Child("destination"))
	if out {
		e.src = everywhere() // NAT has changed the source by then
	}
	e.matches, e.unknownPorts = c.matchesOf(rule)
	return e
}

// overlaps says what e decides before f does, or "" if they never meet.
func (e *theirRule) overlaps(f *filterRule) string {
	to := f.origin.To
	if e.dst.self && !to.IsAny() {
		return ""
	}
	for _, b := range f.boxes() {
		what := e.meets(b)
		if what == "" {
			continue
		}
		for _, unknown := range []string{e.src.unknown[rules.Only(b.family)], e.dst.unknown[rules.Only(b.family)], e.unknownPorts} {
			if unknown != "" {
				return unknown + " cannot be told from config.xml, so it may meet " + f.descr
			}
		}
		if to.ByName() {
			return fmt.Sprintf("the names of %s may have addresses that it is for", to.Name())
		}
		return what
	}
	return ""
}
