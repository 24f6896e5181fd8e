package asa

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// previous is the direction and the commands of the file published before. A file that
// sallyport did not write has none.
func (r *renderer) previous() (rules.Verdict, []string) {
	comments, lines := renderers.Uncomment(r.env.Previous(r.env.Path), "!")
	v, _, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return 0, nil
	}
	return v, lines
}

// withdrawn are the commands that remove the entries that an earlier file made or removed
// and that set no longer has.
func (r *renderer) withdrawn(before []string, set ipranges.Set) []string {
	listed := map[netip.Prefix]bool{}
	for _, f := range rules.BothFamilies.List() {
		for p := range set.Prefixes(f) {
			listed[p] = true
		}
	}
	var gone []netip.Prefix
	for _, l := range before {
		if p, ok := r.readEntry(strings.TrimPrefix(l, "no ")); ok && !listed[p] {
			listed[p] = true
			gone = append(gone, p)
		}
	}
	slices.SortFunc(gone, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	lines := make([]string, len(gone))
	for i, p := range gone {
		lines[i] = "no " + r.row(ipranges.FamilyOf(p.Addr())).Line(p)
	}
	return lines
}

// command is a command, and the one that begins the mode it is entered in; empty: no mode.
type command struct{ mode, text string }

// undo are the commands that undo what lines set, or undid themselves: uses, in the modes
// of group policies, and things that were used. Lines that sallyport never writes are
// ignored.
func undo(lines []string) (uses, things []command) {
	add := func(list *[]command, mode, format string, args ...any) {
		if c := (command{mode, fmt.Sprintf(format, args...)}); !slices.Contains(*list, c) {
			*list = append(*list, c)
		}
	}
	mode := ""
	for _, l := range lines {
		if !strings.HasPrefix(l, " ") {
			mode = modeOf(l)
		}
		w := strings.Fields(strings.TrimPrefix(strings.TrimLeft(l, " "), "no "))
		switch {
		case len(w) == 0:
		case mode != "" && slices.Contains(attributes, w[0]):
			add(&uses, mode, "no %s", w[0])
		case mode != "" && w[0] == "anyconnect-custom" && len(w) == 4 && isDomainKind(w[1]) && isACL(w[3]):
			add(&uses, mode, "no %s %s value %s", w[0], w[1], w[3])
		case mode == "" && w[0] == "anyconnect-custom-data" && len(w) > 2 && isDomainKind(w[1]) && isACL(w[2]):
			add(&things, "", "%s", withoutDomains(w[1], w[2]))
		case mode == "" && w[0] == "access-list" && len(w) > 2 && isACL(w[1]):
			add(&things, "", "%s", clearing(w[1]))
		}
	}
	return listsLast(uses), things
}

// listsLast moves, in each mode, the command that undoes the list behind those for the
// policies that use it.
func listsLast(uses []command) []command {
	for from := 0; from < len(uses); {
		to := from
		for to < len(uses) && uses[to].mode == uses[from].mode {
			to++
		}
		slices.SortStableFunc(uses[from:to], func(a, b command) int { return cmp.Compare(isList(a), isList(b)) })
		from = to
	}
	return uses
}

func isList(c command) int {
	if c.text == "no "+attributes[len(attributes)-1] {
		return 1
	}
	return 0
}

func clearing(acl string) string { return "clear configure access-list " + acl }

// attributes are those of a group policy that settings set, without domains.
var attributes = []string{"split-tunnel-policy", "ipv6-split-tunnel-policy", "split-tunnel-network-list"}

func isDomainKind(s string) bool {
	return s == domainKinds[rules.Bypass] || s == domainKinds[rules.Tunnel]
}

// modeOf is the line if it begins the attributes of a group policy, or empty.
func modeOf(line string) string {
	name, ok := strings.CutPrefix(strings.TrimSuffix(line, " attributes"), "group-policy ")
	name = strings.Trim(name, `"`)
	if !ok || !isPolicy(name) || line != modeLine(name) {
		return ""
	}
	return line
}

// typed are commands as they are typed, with those that begin their modes; in is the
// indent of commands in a mode.
func typed(list []command, in string) []string {
	var lines []string
	mode := ""
	for _, c := range list {
		before := ""
		if c.mode != "" {
			before = in
		}
		if c.mode != mode && c.mode != "" {
			lines = append(lines, c.mode)
		}
		mode = c.mode
		lines = append(lines, before+c.text)
	}
	return lines
}

// made are the commands that undo all that this file makes: first its uses, then the rest.
func (r *renderer) made(settings []string) []command {
	uses, things := undo(append([]string{"access-list " + r.opt.ACL + " extended"}, settings...))
	return append(uses, things...)
}

// leftBehind takes back what the files before set, or took back, and this one does not
// set again: another group policy, a family, domains. What uses a thing goes before
// anything is entered, and the thing at the end.
func (r *renderer) leftBehind(before, settings []string) (uses, things []command) {
	now := r.made(settings)
	set := func(c command) bool { return slices.Contains(now, c) }
	uses, things = undo(before)
	return slices.DeleteFunc(uses, set), slices.DeleteFunc(things, set)
}

// checkPrevious returns an error where the list published before is of the other
// direction, or of another name. Entered over it, entries would be in force in the old
// direction; and what an earlier list of this name was is not known any more.
func (r *renderer) checkPrevious(direction rules.Verdict, before []string, v rules.Verdict) error {
	uses, things := undo(before)
	own := []command{{"", clearing(r.opt.ACL)}, {"", withoutDomains(domainKinds[v], r.opt.ACL)}}
	cause := "is of another access list, which would stay on the ASA"
	switch {
	case direction == 0:
		return nil
	case direction != v:
		cause = "lists what goes the other way: for a moment the ASA would take this list for that"
	case !slices.ContainsFunc(things, func(c command) bool { return !slices.Contains(own, c) }):
		return nil
	}
	file := renderers.Clean(r.env.Path)
	return &rules.RuleError{
		Cause: fmt.Sprintf("%s of an earlier run %s", file, cause),
		Fix: fmt.Sprintf("where it is loaded, enter in configuration mode: %s; then delete %s and run again",
			strings.Join(typed(append(uses, things...), ""), "; "), file)}
}
