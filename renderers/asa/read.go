package asa

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	return renderers.ReadFile(files, r.env.Path, r.read)
}

// read reads, in order: what is undone first, the entries, the settings, the entries that
// are withdrawn, and what is undone last.
func (r *renderer) read(data []byte) (*rules.Plan, error) {
	comments, lines := renderers.Uncomment(data, "!")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	settings := r.settings(v, fams)
	first, lines := cut(lines, func(l string) bool { return !strings.HasPrefix(l, "access-list ") })
	entries, lines := cut(lines, func(l string) bool { return strings.HasPrefix(l, "access-list ") })
	if len(lines) < len(settings) || !slices.Equal(lines[:len(settings)], settings) {
		return nil, errors.New("what follows the entries is not what puts them to use")
	}
	withdrawn, last := cut(lines[len(settings):], func(l string) bool { return strings.HasPrefix(l, "no access-list ") })
	if err := r.checkTakenBack(first, last, settings, v); err != nil {
		return nil, err
	}
	var b ipranges.Builder
	listed := map[netip.Prefix]bool{}
	for _, l := range entries {
		p, ok := r.readEntry(l)
		if !ok || !fams.Has(ipranges.FamilyOf(p.Addr())) || listed[p] {
			return nil, fmt.Errorf("%.200q is no entry of this list, there twice, or not of %s", l, fams)
		}
		listed[p] = true
		if err := b.AddPrefix(p); err != nil {
			return nil, fmt.Errorf("%.200q: %w", l, err)
		}
	}
	for _, l := range withdrawn {
		p, ok := r.readEntry(strings.TrimPrefix(l, "no "))
		if !ok || listed[p] {
			return nil, fmt.Errorf("%.200q takes no entry away that was withdrawn", l)
		}
	}
	if len(listed) == 0 {
		return nil, errors.New("there is no route")
	}
	return rules.RoutePlan(r.env.Name, fams, v, b.Set()), nil
}

// cut splits lines before the first for which in is false.
func cut(lines []string, in func(string) bool) (begin, rest []string) {
	n := slices.IndexFunc(lines, func(l string) bool { return !in(l) })
	if n < 0 {
		n = len(lines)
	}
	return lines[:n], lines[n:]
}

// checkTakenBack checks that what is undone is of a kind that sallyport makes, and is not
// a setting of this file.
func (r *renderer) checkTakenBack(first, last, settings []string, v rules.Verdict) error {
	uses, things := undo(first)
	_, gone := undo(last)
	made := r.made(settings)
	own := func(c command) bool { return slices.Contains(made, c) }
	domains := command{"", withoutDomains(domainKinds[v], r.opt.ACL)}
	switch {
	case len(things) > 0 || !slices.Equal(typed(uses, " "), first) || slices.ContainsFunc(uses, own):
		return errors.New("what stands before the entries does not take back settings of an earlier file alone")
	case !slices.Equal(typed(gone, ""), last) || slices.ContainsFunc(gone, func(c command) bool { return c != domains || own(c) }):
		return errors.New("what follows the settings does not take back what was withdrawn alone")
	}
	return nil
}

// readEntry is the prefix of an entry.
func (r *renderer) readEntry(line string) (p netip.Prefix, ok bool) {
	for _, f := range rules.BothFamilies.List() {
		if p, ok = r.row(f).Parse(line); ok && ipranges.FamilyOf(p.Addr()) == f {
			return p, true
		}
	}
	return p, false
}
