package networkmanager

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. It finds the prefixes, and takes the file if
// they make the very lines that it has.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	f, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%d files, and one is ours", len(files))
	}
	own, ok := bytes.CutPrefix(f.Data, r.profile)
	if !ok {
		return nil, fmt.Errorf("%s: it does not begin with your profile", f.Path)
	}
	comments, lines := renderers.Uncomment(own, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	set, err := listedIn(lines)
	switch {
	case err != nil:
	case set.IsEmpty():
		err = errors.New("it lists nothing")
	case strings.Join(lines, "\n")+"\n" != string(r.groups(set, fams, v)):
		err = errors.New("its groups are not those that its prefixes make")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return rules.RoutePlan(r.env.Name, fams, v, set), nil
}

// listedIn finds the prefixes on lines of routes.
func listedIn(lines []string) (ipranges.Set, error) {
	var b ipranges.Builder
	for _, l := range lines {
		key, value, ok := strings.Cut(l, "=")
		if !ok || !strings.HasPrefix(key, "route") {
			continue
		}
		text, _, _ := strings.Cut(value, ",")
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
