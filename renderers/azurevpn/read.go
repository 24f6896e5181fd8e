package azurevpn

import (
	"bytes"
	"errors"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. A list says by its own name which way it
// goes, and there is no route but of IPv4, so no comment is needed.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	return renderers.ReadFile(files, r.env.Path, r.read)
}

func (r *renderer) read(data []byte) (*rules.Plan, error) {
	var errs []error
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		read := readFragment
		if r.opt.Form == formMerge {
			read = r.profile.readMerged
		}
		set, err := read(data, v)
		if err == nil {
			return rules.RoutePlan(r.env.Name, rules.OnlyIPv4, v, set), nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func readFragment(data []byte, v rules.Verdict) (ipranges.Set, error) {
	_, body, err := routes.DivideXML(data)
	if err != nil {
		return ipranges.Set{}, err
	}
	set, err := routesIn(body)
	if err == nil && string(body) != fragment(set, v)+"\n" {
		err = errors.New("the elements are not those of " + lists[v] + " that sallyport writes for the routes")
	}
	return set, err
}

// readMerged takes the user's part away, which must be as it was, and reads ours.
func (p *profile) readMerged(data []byte, v rules.Verdict) (ipranges.Set, error) {
	s, err := p.slot(v)
	if err != nil {
		return ipranges.Set{}, err
	}
	rest, ok := bytes.CutPrefix(data, p.data[:s.start])
	if !ok {
		return ipranges.Set{}, errors.New("what stands before the routes is not as in your profile")
	}
	ours, ok := bytes.CutSuffix(rest, p.data[s.end:])
	if !ok {
		return ipranges.Set{}, errors.New("what stands behind the routes is not as in your profile")
	}
	set, err := routesIn(ours)
	if err == nil && !bytes.Equal(ours, p.fill(s, set)) {
		err = errors.New("the routes are not written as sallyport writes them")
	}
	return set, err
}

// routesIn are the routes that stand on lines of text. A line that is no route although it
// should be is found when the text is compared.
func routesIn(text []byte) (ipranges.Set, error) {
	var lines []string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, strings.Trim(line, blanks))
	}
	set, err := routes.Rows{Row: row}.Find(lines, ipranges.IPv4)
	if err == nil && set.IsEmpty() {
		err = errors.New("there is no route")
	}
	return set, err
}
