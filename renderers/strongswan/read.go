package strongswan

import (
	"errors"
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	p, err := r.read(files)
	if err == nil && len(r.ports) > 0 {
		return nil, fmt.Errorf("%w: %s", renderers.ErrNoReadBack, info.NoReadBack)
	}
	return p, err
}

// read is the plan that files carry out, with the ports that they name. It finds the
// prefixes, and takes the file if they make the very lines that it has.
func (r *renderer) read(files []renderers.File) (*rules.Plan, error) {
	f, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%d files, and one is ours", len(files))
	}
	comments, lines := renderers.Uncomment(f.Data, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	set, err := listedIn(lines, v)
	switch {
	case err != nil:
	case set.IsEmpty():
		err = errors.New("it lists nothing")
	case strings.Join(lines, "\n")+"\n" != string(r.config(set, v)):
		err = errors.New("its sections are not those that its prefixes make")
	case !familiesIn(set, fams):
		err = fmt.Errorf("the header speaks of %s only", fams)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	p := rules.RoutePlan(r.env.Name, fams, v, set)
	if len(r.ports) > 0 {
		p.Rules[0].Services = []rules.Service{rules.NewService("ports", r.ports...)}
	}
	return p, nil
}

func familiesIn(set ipranges.Set, fams rules.Families) bool {
	for _, f := range (rules.BothFamilies &^ fams).List() {
		if set.Has(f) {
			return false
		}
	}
	return true
}

// listedIn finds the prefixes: on the lines of children behind remote_ts, or on
// lines of their own.
func listedIn(lines []string, v rules.Verdict) (ipranges.Set, error) {
	var b ipranges.Builder
	for _, l := range lines {
		var text string
		if v == rules.Bypass {
			_, rest, ok := strings.Cut(l, "{ remote_ts = ")
			if !ok {
				continue
			}
			text = rest[:strings.IndexAny(rest+" ", "[ ,")]
		} else {
			rest, ok := strings.CutSuffix(l, ",\\")
			if !ok {
				continue
			}
			text = rest
		}
		p, err := ipranges.ParsePrefix(text)
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return ipranges.Set{}, fmt.Errorf("%q: %w", l, err)
		}
	}
	return b.Set(), nil
}
