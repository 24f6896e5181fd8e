package fortigate

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// use is a tunnel's attribute that refers to a group of ours.
type use struct{ vdom, table, tunnel, attribute string }

// published is what the file published before makes, or deletes: things of ours by
// their tables, and uses of them.
type published struct {
	things map[string][]string
	uses   []use
}

// previous reads the file published before. One that is not ours says nothing.
func (r *renderer) previous() published {
	out := published{things: map[string][]string{}}
	if r.env.Previous == nil {
		return out
	}
	comments, lines := renderers.Uncomment(r.env.Previous(r.env.Path), "#")
	if _, _, err := renderers.ReadRouteHeader(comments); err != nil {
		return out
	}
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
		case verb == "set" && strings.HasPrefix(table, "vpn "):
			attribute, _, _ := strings.Cut(rest, " ")
			out.uses = append(out.uses, use{vdom, table, entry, attribute})
		}
	}
	return out
}

// isOurs reports whether a name can be one that a file of ours makes: it holds nothing
// that would end a command.
func isOurs(name string) bool { return isName(name, maxName, "._-:") }

// withdrawn are the things that an earlier file made or deleted and this one does not
// make, by their tables.
func (r *renderer) withdrawn(before published, set ipranges.Set) map[string][]string {
	now := map[string]bool{}
	for _, f := range rules.BothFamilies.List() {
		now[r.group(f)] = true
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

// leftBehind is an error where the file published before sets an attribute that this one
// does not set again: of another tunnel or virtual domain, of the other direction, or of
// a family that has no addresses any more.
func (r *renderer) leftBehind(before published, settings []setting) error {
	now := r.uses(settings)
	left := slices.DeleteFunc(before.uses, func(u use) bool { return slices.Contains(now, u) })
	if len(left) == 0 {
		return nil
	}
	file, in := renderers.Clean(r.env.Path), ""
	if left[0].vdom != "" {
		in = " in the virtual domain " + renderers.Clean(left[0].vdom)
	}
	return &rules.RuleError{
		Cause: fmt.Sprintf("%s of an earlier run sets what this one does not set again: it would stay on the FortiGate", file),
		Fix: fmt.Sprintf("where it is loaded, enter%s: %s; delete its groups and addresses there; then delete %s and run again",
			in, strings.Join(entered(left), "; "), file)}
}
