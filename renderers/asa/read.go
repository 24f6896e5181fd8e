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
	f, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	p, err := r.read(f.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return p, nil
}

// read takes the entries, then the settings as they have to be, then what is withdrawn.
func (r *renderer) read(data []byte) (*rules.Plan, error) {
	comments, lines := renderers.Uncomment(data, "!")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	isEntry := func(l string) bool { return strings.HasPrefix(l, "access-list ") }
	n := 0
	for n < len(lines) && isEntry(lines[n]) {
		n++
	}
	settings := r.settings(v, fams)
	if len(lines)-n < len(settings) || !slices.Equal(lines[n:n+len(settings)], settings) {
		return nil, errors.New("what follows the entries is not what puts them to use")
	}
	var b ipranges.Builder
	listed := map[netip.Prefix]bool{}
	for _, l := range lines[:n] {
		p, err := r.readEntry(l)
		if err == nil && (!fams.Has(ipranges.FamilyOf(p.Addr())) || listed[p]) {
			err = fmt.Errorf("it is there twice, or not of %s", fams)
		}
		if err == nil {
			listed[p] = true
			err = b.AddPrefix(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%.200q: %w", l, err)
		}
	}
	for _, l := range lines[n+len(settings):] {
		entry, isNo := strings.CutPrefix(l, "no ")
		p, err := r.readEntry(entry)
		if err != nil || !isNo || listed[p] {
			return nil, fmt.Errorf("%.200q takes no entry away that was withdrawn", l)
		}
	}
	if len(listed) == 0 {
		return nil, errors.New("there is no route")
	}
	return rules.RoutePlan(r.env.Name, fams, v, b.Set()), nil
}

// readEntry is the inverse of entry.
func (r *renderer) readEntry(line string) (netip.Prefix, error) {
	rest, ok := strings.CutPrefix(line, "access-list "+r.opt.ACL+" extended permit ip ")
	if !ok {
		return netip.Prefix{}, errors.New("no entry of ours")
	}
	text := strings.TrimSuffix(rest, " any6")
	if v4, ok := strings.CutSuffix(rest, " any4"); ok {
		network, mask, _ := strings.Cut(v4, " ")
		bits := -1
		for n := range 33 {
			if netmask(n).String() == mask {
				bits = n
			}
		}
		text = fmt.Sprintf("%s/%d", network, bits)
	}
	p, err := ipranges.ParsePrefix(text)
	if err == nil && r.entry(p) != line {
		err = fmt.Errorf("it is not written as %q", r.entry(p))
	}
	return p, err
}
