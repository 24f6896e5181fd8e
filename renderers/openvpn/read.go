package openvpn

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
	comments, lines := renderers.Uncomment(f.Data, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	var scripted ipranges.Set
	if len(r.hook.Families) > 0 {
		if scripted, lines, err = r.readScript(files, lines, v, fams); err != nil {
			return nil, err
		}
	} else if len(files) != 1 {
		return nil, fmt.Errorf("%d files, and one is ours", len(files))
	}
	var b ipranges.Builder
	for _, l := range lines {
		p, err := r.readRoute(l, v)
		if err == nil && !fams.Has(ipranges.FamilyOf(p.Addr())) {
			err = fmt.Errorf("the header speaks of %s only", fams)
		}
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", f.Path, l, err)
		}
	}
	set := b.Set()
	if set.IsEmpty() && scripted.IsEmpty() {
		return nil, fmt.Errorf("%s: there is no route", f.Path)
	}
	if r.ipv6 == complement && fams.Has(ipranges.IPv6) && v == rules.Bypass {
		set = set.Only(ipranges.IPv4).Union(set.Complement(ipranges.IPv6))
	}
	return rules.RoutePlan(r.env.Name, fams, v, set.Union(scripted)), nil
}

// readScript reads the script, and checks that the hooks run it. It returns the other lines.
func (r *renderer) readScript(files []renderers.File, lines []string, v rules.Verdict, fams rules.Families) (ipranges.Set, []string, error) {
	var none ipranges.Set
	file, err := renderers.FileAt(files, r.scriptPath())
	if err != nil {
		return none, nil, err
	}
	comments, set, err := r.hook.Read(file.Data)
	if err != nil {
		return none, nil, fmt.Errorf("%s: %w", file.Path, err)
	}
	hooks := r.hooks()
	rest := len(lines) - len(hooks)
	switch sv, sf, err := renderers.ReadRouteHeader(comments); {
	case err != nil || sv != v || sf != fams || v != rules.Bypass || familiesOf(set)&^fams != 0:
		return none, nil, fmt.Errorf("%s has another header", file.Path)
	case len(files) != 2:
		return none, nil, fmt.Errorf("%d files, and two are ours", len(files))
	case rest < 0 || !slices.Equal(lines[rest:], hooks):
		return none, nil, fmt.Errorf("%s: it does not run %s", r.env.Path, file.Path)
	}
	return set, lines[:rest], nil
}

func (r *renderer) readRoute(line string, v rules.Verdict) (netip.Prefix, error) {
	for _, f := range rules.BothFamilies.List() {
		before, after := r.words(f, v)
		rest, ok := strings.CutPrefix(line, before)
		if !ok {
			continue
		}
		text, ok := strings.CutSuffix(rest, after)
		switch {
		case !ok:
			return netip.Prefix{}, fmt.Errorf("it does not end in %q", after)
		case v == rules.Bypass && r.scripted(f):
			return netip.Prefix{}, fmt.Errorf("the script has %s", f)
		case f == ipranges.IPv4:
			return readMasked(text)
		case v == rules.Bypass && r.ipv6 != complement:
			return netip.Prefix{}, errors.New("OpenVPN sends no IPv6 past the tunnel")
		}
		p, err := ipranges.ParsePrefix(text)
		if err == nil && p.Addr().Is4() {
			err = errors.New("an IPv4 prefix as IPv6 route")
		}
		return p, err
	}
	return netip.Prefix{}, errors.New("no line of ours")
}

// readMasked reads "52.112.0.0 255.252.0.0".
func readMasked(text string) (netip.Prefix, error) {
	network, mask, ok := strings.Cut(text, " ")
	if !ok {
		return netip.Prefix{}, errors.New("network and mask are not two words")
	}
	for bits := range 33 {
		if netmask(bits).String() == mask {
			return ipranges.ParsePrefix(fmt.Sprintf("%s/%d", network, bits))
		}
	}
	return netip.Prefix{}, fmt.Errorf("%s is no mask", mask)
}
