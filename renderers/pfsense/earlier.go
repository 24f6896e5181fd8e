package pfsense

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// earlierRule is a rule of the user's that pf tries before ours, as far as its
// effect can be known from the configuration. What cannot be known counts as
// everything.
type earlierRule struct {
	title, tracker, descr string
	fix                   string // instead of naming it in accept
	passes                bool
	families              rules.Families
	src, dst              side
	matches               rules.Matches
	unknownPorts          string
}

// earlier lists the rules that decide before a rule at the place: floating ones,
// groups' ones and those above it on its own tab, in pf's order of the three
// (filter.inc, filter_rules_generate). Rules that never decide are left out.
func (c *config) earlier(iface string, anchor *node, after bool) []earlierRule {
	list := c.builtIn(iface)
	class := c.classOf(iface)
	reached := false // the anchor, in the order of the file
	for _, rule := range c.root.child("filter").all("rule") {
		if rule == anchor && !after {
			reached = true
		}
		above := !reached
		if rule == anchor {
			reached = true
		}
		if rule.has("disabled") || rule.has("separator") || rule.value("type") == "match" {
			continue
		}
		out := false
		switch {
		case rule.has("floating"):
			var first bool
			if first, out = c.floatsFirst(rule, iface); !first {
				continue
			}
		case !c.shares(rule.value("interface"), iface):
			continue
		case c.classOf(rule.value("interface")) > class || c.classOf(rule.value("interface")) == class && !above:
			continue
		}
		list = append(list, c.read(rule, out))
	}
	return list
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
	device := c.root.child("interfaces").child(strings.ToLower(iface)).value("if")
	switch {
	case strings.HasPrefix(device, "ovpn"):
		return "openvpn"
	case strings.HasPrefix(device, "tun_wg"):
		return "wireguard"
	}
	return "no tunnel"
}

// floatsFirst reports whether a floating rule can decide over ours. On the way in
// it can if it is quick: ours is quick and would win over one that is not. On the
// way out of another interface a block cuts what ours let in, quick or not.
//
// Of its interfaces those count that are enabled, and a rule that has none of these
// left is for all (filter.inc, filter_generate_user_rule).
func (c *config) floatsFirst(rule *node, iface string) (first, out bool) {
	var on []string
	if v := rule.value("interface"); v != "any" {
		on = slices.DeleteFunc(strings.Split(v, ","), func(i string) bool { return !c.carries(i) })
	}
	ours := len(on) == 0 || slices.ContainsFunc(on, func(i string) bool { return c.shares(i, iface) })
	others := len(on) == 0 || slices.ContainsFunc(on, func(i string) bool { return i != iface })
	direction := rule.value("direction")
	if direction != "out" && ours && rule.has("quick") {
		return true, false
	}
	blocks := rule.value("type") == "block" || rule.value("type") == "reject"
	return blocks && direction != "in" && others, true
}

// builtIn is what pfSense blocks by settings rather than rules, wherever packets
// come in that meet the rules of iface.
func (c *config) builtIn(iface string) []earlierRule {
	var list []earlierRule
	if !c.root.child("system").has("ipv6allow") {
		list = append(list, earlierRule{title: "the setting that blocks all IPv6", descr: "ipv6allow", families: rules.OnlyIPv6,
			src: everywhere(), dst: everywhere(), matches: rules.EveryProtocol(),
			fix: `allow IPv6 under System > Advanced > Networking, or say families = ["ipv4"]`})
	}
	for _, i := range c.entries(iface) {
		settings := c.root.child("interfaces").child(strings.ToLower(i))
		if settings.has("blockbogons") {
			list = append(list, earlierRule{title: "Block bogon networks of interface " + i, descr: "blockbogons", families: rules.BothFamilies,
				src: side{set: everywhere().set.Minus(neverBogons)}, dst: everywhere(), matches: rules.EveryProtocol()})
		}
		if settings.has("blockpriv") {
			list = append(list, earlierRule{title: "Block private networks of interface " + i, descr: "blockpriv", families: rules.BothFamilies,
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

func (c *config) read(rule *node, out bool) earlierRule {
	e := earlierRule{tracker: rule.value("tracker"), descr: rule.value("descr"), families: rules.OnlyIPv4,
		passes: rule.value("type") != "block" && rule.value("type") != "reject"}
	e.title = fmt.Sprintf("rule %q (tracker %s) of %s", renderers.Clean(e.descr), renderers.Clean(e.tracker), renderers.Clean(tabOf(rule)))
	switch rule.value("ipprotocol") {
	case "inet6":
		e.families = rules.OnlyIPv6
	case "inet46":
		e.families = rules.BothFamilies
	}
	e.src, e.dst = c.side(rule.child("source")), c.side(rule.child("destination"))
	if out {
		e.src = everywhere() // NAT has changed the source by then
	}
	e.matches, e.unknownPorts = c.matchesOf(rule)
	return e
}

// overlaps says for what e decides before f, or "" if they never meet.
func (e *earlierRule) overlaps(f *filterRule) string {
	from, to := f.origin.From, f.origin.To
	common := e.matches.Intersect(f.matches)
	if len(common) == 0 || e.dst.self && !to.IsAny() {
		return ""
	}
	for _, fam := range (e.families & f.families).List() {
		src := e.src.of(fam).Intersect(from.Set())
		dst := e.dst.of(fam).Intersect(to.Set())
		if to.ByName() { // they may have any address
			dst = e.dst.of(fam)
		}
		if e.dst.self {
			dst = to.Set().Only(fam)
		}
		if !src.Has(fam) || !dst.Has(fam) {
			continue
		}
		for _, unknown := range []string{e.src.unknown[only(fam)], e.dst.unknown[only(fam)], e.unknownPorts} {
			if unknown != "" {
				return unknown + " cannot be told from config.xml, so it may meet " + f.descr
			}
		}
		if to.ByName() {
			return fmt.Sprintf("the names of %s may have addresses that it is for", to.Name())
		}
		for rg := range dst.Ranges(fam) {
			return fmt.Sprintf("%s to %s", common[0], ipranges.AppendRange(nil, rg))
		}
	}
	return ""
}
