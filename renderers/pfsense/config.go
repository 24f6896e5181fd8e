package pfsense

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sallyport/renderers"
)

// config is a user's config.xml without our objects.
type config struct {
	data    []byte // ours taken out, and room for aliases made
	root    *node
	retired []string // names of our aliases that were taken out
}

// openConfig reads a configuration and takes out what an earlier merge put in: the
// rules and aliases of the target whose descriptions begin with owner. What has such a
// description and is not from a merge is refused with an *renderers.OptionError:
// pfSense's form copies a rule with its description (firewall_rules_edit.php, dup), and
// then it is the user's.
//
// Opening what merge wrote gives what merge began with, byte by byte. To make
// that so, an empty <filter>, and an empty or missing <aliases>, are opened up to two
// lines.
func openConfig(data []byte, owner, prefix string) (*config, error) {
	if bytes.Contains(data[:min(len(data), 200)], []byte("BEGIN config.xml")) {
		return nil, errors.New("it is encrypted")
	}
	root, err := renderers.ParseXML(data, limits)
	if err != nil {
		return nil, err
	}
	filter := root.Child("filter")
	switch {
	case root.Name != "pfsense":
		return nil, fmt.Errorf("its root is <%s> and not <pfsense>: it holds no whole configuration", root.Name)
	case root.Value("version") == "" || !root.Has("interfaces") || filter == nil:
		return nil, errors.New("it lacks version, interfaces or rules: it holds no whole configuration")
	case len(root.All("filter")) > 1 || len(root.All("aliases")) > 1 || len(root.All("interfaces")) > 1:
		return nil, errors.New("a section is there twice, which pfSense refuses")
	}
	c := &config{}
	edits, err := c.takeOut(data, root, owner, prefix)
	if err != nil {
		return nil, err
	}
	if edits = append(edits, roomFor(root)...); len(edits) > 0 {
		slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
		data = apply(data, edits)
		if root, err = renderers.ParseXML(data, limits); err != nil {
			return nil, err
		}
	}
	c.data, c.root = data, root
	return c, nil
}

// takeOut removes our objects with the blanks before them, and moves the bars
// that divide an interface's rules back to where they stood.
func (c *config) takeOut(data []byte, root *node, owner, prefix string) ([]edit, error) {
	var edits []edit
	mine := ours{owner: owner, prefix: prefix, trackers: map[string]bool{}, names: map[string]bool{}}
	gone := map[string][]int{} // places of our rules among those of their tab
	place := map[string]int{}
	for _, rule := range root.Child("filter").All("rule") {
		tab := tabOf(rule)
		if strings.HasPrefix(rule.Value("descr"), owner) {
			if err := mine.rule(rule); err != nil {
				return nil, err
			}
			edits = append(edits, edit{start: blankBefore(data, rule.Start), end: rule.End})
			gone[tab] = append(gone[tab], place[tab])
		}
		place[tab]++
	}
	for tab, places := range gone {
		edits = append(edits, moveSeparators(root, tab, func(row int) int {
			before := 0
			for _, p := range places {
				if p < row {
					before++
				}
			}
			return row - before
		})...)
	}
	for _, a := range root.Child("aliases").All("alias") {
		if strings.HasPrefix(a.Value("descr"), owner) {
			if err := mine.alias(a); err != nil {
				return nil, err
			}
			edits = append(edits, edit{start: blankBefore(data, a.Start), end: a.End})
			c.retired = append(c.retired, a.Value("name"))
		}
	}
	return edits, nil
}

// roomFor opens up the sections that ours go into.
func roomFor(root *node) []edit {
	var edits []edit
	room := func(name string) string { return "<" + name + ">\n\t</" + name + ">" }
	filter, aliases := root.Child("filter"), root.Child("aliases")
	if filter.IsBlank() {
		edits = append(edits, edit{filter.Start, filter.End, room("filter")})
	}
	switch {
	case aliases == nil:
		edits = append(edits, edit{filter.End, filter.End, "\n\t" + room("aliases")})
	case aliases.IsBlank():
		edits = append(edits, edit{aliases.Start, aliases.End, room("aliases")})
	}
	return edits
}

// tabOf is the tab of Firewall > Rules that shows the rule.
func tabOf(rule *node) string {
	if rule.Has("floating") {
		return "floatingrules"
	}
	return rule.Value("interface")
}

// moveSeparators gives the bars of a tab new rows. A bar stands before the rule
// that its row, "fr" and a number, counts to among the rules of the tab.
func moveSeparators(root *node, tab string, to func(row int) int) []edit {
	var edits []edit
	for _, section := range root.Child("filter").All("separator") {
		for _, bars := range section.Children {
			if !strings.EqualFold(bars.Name, tab) {
				continue
			}
			for _, bar := range bars.Children {
				row := bar.Child("row")
				if row == nil {
					continue
				}
				digits, ok := strings.CutPrefix(strings.TrimSpace(row.Text), "fr")
				n, err := strconv.Atoi(digits)
				if !ok || err != nil || to(n) == n {
					continue
				}
				edits = append(edits, edit{row.Inner, row.InnerEnd, fmt.Sprintf("fr%d", to(n))})
			}
		}
	}
	return edits
}

// findRule finds the rule of an interface by its tracker or description, and its
// place among the rules of its tab.
func (c *config) findRule(iface, name string) (rule *node, place int, err error) {
	for _, field := range []string{"tracker", "descr"} {
		n := 0
		for _, r := range c.root.Child("filter").All("rule") {
			if tabOf(r) != iface {
				continue
			}
			if r.Value(field) == name {
				if rule != nil {
					return nil, 0, fmt.Errorf("more than one rule of %s is called %q: name one by its tracker", iface, name)
				}
				rule, place = r, n
			}
			n++
		}
		if rule != nil {
			return rule, place, nil
		}
	}
	return nil, 0, fmt.Errorf("no rule of %s has the tracker or description %q", iface, name)
}

// firstRule is the first rule of a tab, or nil.
func (c *config) firstRule(tab string) *node {
	for _, r := range c.root.Child("filter").All("rule") {
		if tabOf(r) == tab {
			return r
		}
	}
	return nil
}

// knows reports whether rules can be on the interface: one that is assigned, a
// group, or one of those that pfSense makes for VPNs.
func (c *config) knows(iface string) bool {
	return c.root.Child("interfaces").Has(strings.ToLower(iface)) || c.isGroup(iface)
}

// vpnGroups are rule tabs that pfSense treats as groups (filter.inc,
// vpn_and_ppp_ifs).
var vpnGroups = words("l2tp pptp pppoe enc0 openvpn wireguard")

func (c *config) isGroup(iface string) bool {
	if vpnGroups[iface] {
		return true
	}
	_, ok := c.members(iface)
	return ok
}

// members is the interfaces of a group.
func (c *config) members(group string) ([]string, bool) {
	for _, g := range c.root.Child("ifgroups").All("ifgroupentry") {
		if g.Value("ifname") == group {
			return strings.Fields(g.Value("members")), true
		}
	}
	return nil, false
}

// carries reports whether packets can come in by iface: pfSense writes no rule for an
// interface that is not enabled (interfaces.inc, get_configured_interface_list).
func (c *config) carries(iface string) bool {
	return vpnGroups[iface] || len(c.entries(iface)) > 0
}

// entries are the enabled interfaces that packets come in by which meet the rules of
// iface: itself, or the members of the group.
func (c *config) entries(iface string) []string {
	list := []string{strings.ToLower(iface)}
	if members, ok := c.members(iface); ok {
		list = members
	} else if vpnGroups[iface] {
		list = nil
		for _, i := range c.root.Child("interfaces").Children {
			if c.tunnel(i.Name) == iface {
				list = append(list, i.Name)
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(i string) bool {
		return !c.root.Child("interfaces").Child(strings.ToLower(i)).Has("enable")
	})
}

// alias finds an alias by its name.
func (c *config) alias(name string) *node {
	for _, a := range c.root.Child("aliases").All("alias") {
		if a.Value("name") == name {
			return a
		}
	}
	return nil
}
