package fortigate

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// use is a tunnel's attribute that refers to one of our groups.
type use struct{ vdom, table, tunnel, attribute string }

// published is what the file published before makes, or takes away: our things by
// their tables, and uses of them.
type published struct {
	direction rules.Verdict // zero: there was no file
	things    map[string][]string
	uses      []use
}

// previous reads the file published before. One that sallyport did not write is ignored.
func (r *renderer) previous() published {
	out := published{things: map[string][]string{}}
	comments, lines := renderers.Uncomment(r.env.Previous(r.env.Path), "#")
	v, _, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return out
	}
	out.direction = v
	vdom, table, entry := "", "", ""
	for _, l := range lines {
		verb, rest, _ := strings.Cut(strings.TrimLeft(l, " "), " ")
		name := strings.Trim(rest, `"`)
		switch {
		case verb == "config":
			table = rest
		case verb == "edit" && table == "vdom":
			vdom = name
		case verb == "edit" || verb == "delete":
			entry = name
			if strings.HasPrefix(table, "firewall ") && isOurs(name) {
				out.things[table] = append(out.things[table], name)
			}
		case (verb == "set" || verb == "unset") && strings.HasPrefix(table, "vpn "):
			attribute, _, _ := strings.Cut(rest, " ")
			if u := (use{vdom, table, entry, attribute}); !slices.Contains(out.uses, u) {
				out.uses = append(out.uses, u)
			}
		}
	}
	return out
}

// isOurs reports whether sallyport can have made the name: it holds nothing that would end
// a command.
func isOurs(name string) bool { return renderers.IsName(name, maxName, "._-:") }

// withdrawn are the things that an earlier file made or deleted and this one does not
// make, by their tables.
func (r *renderer) withdrawn(before published, set ipranges.Set) map[string][]string {
	now := map[string]bool{}
	for _, f := range rules.BothFamilies.List() {
		if set.Has(f) {
			now[r.group(f)] = true
		}
		for p := range set.Prefixes(f) {
			now[r.name(p)] = true
		}
	}
	gone := map[string][]string{}
	for _, table := range deleteOrder {
		list := slices.DeleteFunc(slices.Clone(before.things[table]), func(name string) bool { return now[name] })
		slices.Sort(list)
		gone[table] = slices.Compact(list)
	}
	return gone
}

// uses are those that settings make.
func (r *renderer) uses(settings []setting) []use {
	list := make([]use, len(settings))
	for i, s := range settings {
		list[i] = use{r.opt.VDOM, r.table(), r.opt.Tunnel, s.attribute}
	}
	return list
}

// entered are the commands that take uses back, as they are typed.
func entered(list []use) []string {
	var lines []string
	for i, u := range list {
		first := i == 0 || list[i-1].table != u.table || list[i-1].tunnel != u.tunnel
		last := i == len(list)-1 || list[i+1].table != u.table || list[i+1].tunnel != u.tunnel
		if first {
			lines = append(lines, "config "+renderers.Clean(u.table), fmt.Sprintf(`edit "%s"`, renderers.Clean(u.tunnel)))
		}
		lines = append(lines, "unset "+renderers.Clean(u.attribute))
		if last {
			lines = append(lines, "next", "end")
		}
	}
	return lines
}

// leftBehind are the tunnel's attributes that an earlier file set, or took back, and this
// one does not set again, because a family has no addresses any more. It is an error
// where an earlier file set them of another tunnel or virtual domain, which may be gone
// by now and would be made anew, or where its list was of the other direction.
func (r *renderer) leftBehind(before published, settings []setting, v rules.Verdict) ([]string, error) {
	now := r.uses(settings)
	left := slices.DeleteFunc(slices.Clone(before.uses), func(u use) bool { return slices.Contains(now, u) })
	var attributes []string
	for _, attribute := range r.attributes(v) {
		u := use{r.opt.VDOM, r.table(), r.opt.Tunnel, attribute}
		if i := slices.Index(left, u); i >= 0 {
			attributes, left = append(attributes, attribute), slices.Delete(left, i, i+1)
		}
	}
	if len(left) == 0 && (before.direction == 0 || before.direction == v) {
		return attributes, nil
	}
	cause := "sets what this one does not set again: it would stay on the FortiGate"
	if before.direction != v {
		cause = "lists what goes the other way: for a moment the tunnel would take this list for that"
	}
	file, in := renderers.Clean(r.env.Path), ""
	if len(before.uses) > 0 && before.uses[0].vdom != "" {
		in = " in the virtual domain " + renderers.Clean(before.uses[0].vdom)
	}
	return nil, &rules.RuleError{
		Cause: fmt.Sprintf("%s of an earlier run %s", file, cause),
		Fix: fmt.Sprintf("where it is loaded, enter%s: %s; delete there %s; then delete %s and run again",
			in, strings.Join(entered(before.uses), "; "), before.names(), file)}
}

// attributes are all that a list of direction v can set, in order.
func (r *renderer) attributes(v rules.Verdict) []string {
	var list []string
	for _, f := range rules.BothFamilies.List() {
		for _, s := range r.settingsOf(f, v) {
			list = append(list, s.attribute)
		}
	}
	return list
}

// names describes the groups and addresses of earlier files. The prefixes of addresses are
// taken from the names of the groups.
func (p *published) names() string {
	var groups, prefixes []string
	for _, table := range deleteOrder[:2] {
		for _, g := range p.things[table] {
			groups = append(groups, g)
			if prefix := g[:max(len(g)-len("v4"), 0)]; !slices.Contains(prefixes, prefix) {
				prefixes = append(prefixes, prefix)
			}
		}
	}
	return fmt.Sprintf("the groups %s, and then the addresses whose names begin with %s", strings.Join(groups, ", "), strings.Join(prefixes, " or "))
}
