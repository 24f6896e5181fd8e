package fortigate

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

// read collects the address objects and what is deleted, and then holds the whole file to
// the commands for just these.
func (r *renderer) read(data []byte) (*rules.Plan, error) {
	comments, lines := renderers.Uncomment(data, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	var b ipranges.Builder
	gone := map[string][]string{}
	var unset []string
	table := ""
	for _, l := range lines {
		if rest, ok := strings.CutPrefix(l, "config "); ok {
			table = rest
		} else if rest, ok := strings.CutPrefix(l, `    delete "`); ok {
			gone[table] = append(gone[table], strings.TrimSuffix(rest, `"`))
		} else if rest, ok := strings.CutPrefix(l, "        unset "); ok && strings.HasPrefix(table, "vpn ") {
			unset = append(unset, rest)
		} else if p, ok := valueIn(l, table); ok && fams.Has(ipranges.FamilyOf(p.Addr())) {
			if err := b.AddPrefix(p); err != nil {
				return nil, fmt.Errorf("%.200q: %w", l, err)
			}
		}
	}
	set := b.Set()
	if set.IsEmpty() {
		return nil, errors.New("there is no route")
	}
	if err := r.checkGone(gone, set); err != nil {
		return nil, err
	}
	settings := r.settings(set, v)
	if err := r.checkUnset(unset, settings, v); err != nil {
		return nil, err
	}
	_, want := renderers.Uncomment(r.commands(set, v, settings, unset, gone), "#")
	if err := renderers.SameLines(lines, want); err != nil {
		return nil, err
	}
	return rules.RoutePlan(r.env.Name, fams, v, set), nil
}

// valueIn is the prefix that a line sets in an address object of the table. A line
// that sets none although it should is found when the commands are compared.
func valueIn(line, table string) (p netip.Prefix, ok bool) {
	for f, t := range tablesOf {
		if p, ok = value(f).Parse(line); ok && table == t.address && ipranges.FamilyOf(p.Addr()) == f {
			return p, true
		}
	}
	return p, false
}

// checkGone holds what is deleted to names that can be ours and are not in use.
func (r *renderer) checkGone(gone map[string][]string, set ipranges.Set) error {
	before := published{things: gone}
	left := r.withdrawn(before, set)
	for table, names := range gone {
		if !slices.Contains(deleteOrder, table) || !slices.Equal(names, left[table]) || slices.ContainsFunc(names, func(n string) bool { return !isOurs(n) }) {
			return fmt.Errorf("what is deleted from %.60q is in use, or not ours, or not in order", table)
		}
	}
	return nil
}

// checkUnset holds what is unset to our attributes that nothing sets, in order.
func (r *renderer) checkUnset(unset []string, settings []setting, v rules.Verdict) error {
	next := 0
	all := r.attributes(v)
	for _, attribute := range unset {
		i := slices.Index(all[next:], attribute)
		if i < 0 || slices.ContainsFunc(settings, func(s setting) bool { return s.attribute == attribute }) {
			return fmt.Errorf("what is unset, %.60q, is set too, or not ours, or not in order", attribute)
		}
		next += i + 1
	}
	return nil
}
