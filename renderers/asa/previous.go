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

// previous is the commands of the file published before. One that is not ours has none.
func (r *renderer) previous() []string {
	if r.env.Previous == nil {
		return nil
	}
	comments, lines := renderers.Uncomment(r.env.Previous(r.env.Path), "!")
	if _, _, err := renderers.ReadRouteHeader(comments); err != nil {
		return nil
	}
	return lines
}

// withdrawn are the commands that take away the entries that an earlier file of ours made
// or took away, and set has no more.
func (r *renderer) withdrawn(before []string, set ipranges.Set) []string {
	listed := map[netip.Prefix]bool{}
	for _, f := range rules.BothFamilies.List() {
		for p := range set.Prefixes(f) {
			listed[p] = true
		}
	}
	var gone []netip.Prefix
	for _, l := range before {
		if p, err := r.readEntry(strings.TrimPrefix(l, "no ")); err == nil && !listed[p] {
			listed[p] = true
			gone = append(gone, p)
		}
	}
	slices.SortFunc(gone, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	lines := make([]string, len(gone))
	for i, p := range gone {
		lines[i] = "no " + r.entry(p)
	}
	return lines
}

// undo are the commands that take back what lines set, each with the mode it is entered
// in: first the group policy's use of the list and the domains, then those themselves.
func undo(lines []string) []command {
	var uses, things []command
	mode := ""
	add := func(list *[]command, c command) {
		if !slices.Contains(*list, c) {
			*list = append(*list, c)
		}
	}
	for _, l := range lines {
		w := strings.Fields(l)
		switch {
		case strings.HasPrefix(l, "group-policy ") && strings.HasSuffix(l, " attributes"):
			mode = l
		case strings.HasPrefix(l, " split-tunnel-") || strings.HasPrefix(l, " ipv6-split-tunnel-policy "):
			add(&uses, command{mode, "no " + w[0]})
		case strings.HasPrefix(l, " anyconnect-custom "):
			add(&uses, command{mode, "no" + l})
		case strings.HasPrefix(l, "anyconnect-custom-data ") && len(w) > 3:
			add(&things, command{"", fmt.Sprintf("no %s %s %s", w[0], w[1], w[2])})
		case strings.HasPrefix(l, "access-list ") && len(w) > 2:
			add(&things, command{"", "clear configure access-list " + w[1]})
		}
	}
	return append(uses, things...)
}

// command is one that is entered in a mode, which a command begins; none is the top.
type command struct{ mode, text string }

// entered are commands as they are typed, with those that begin their modes.
func entered(list []command) []string {
	var lines []string
	mode := ""
	for _, c := range list {
		if c.mode != mode && c.mode != "" {
			lines = append(lines, renderers.Clean(c.mode))
		}
		mode = c.mode
		lines = append(lines, renderers.Clean(c.text))
	}
	return lines
}

// made is what undo needs to know of a file: the list's name, and the settings.
func (r *renderer) made(settings []string) []string {
	return append([]string{"access-list " + r.opt.ACL + " extended"}, settings...)
}

// leftBehind is an error where the file published before set something that this one does
// not set again: another access list or group policy, a family, domains. Nobody would
// take it back.
func (r *renderer) leftBehind(before, settings []string) error {
	now := undo(r.made(settings))
	left := slices.DeleteFunc(undo(before), func(c command) bool { return slices.Contains(now, c) })
	if len(left) == 0 {
		return nil
	}
	file := renderers.Clean(r.env.Path)
	return &rules.RuleError{
		Cause: fmt.Sprintf("%s of an earlier run sets what this one does not set again: it would stay on the ASA", file),
		Fix:   fmt.Sprintf("where it is loaded, enter in configuration mode: %s; then delete %s and run again", strings.Join(entered(left), "; "), file)}
}
