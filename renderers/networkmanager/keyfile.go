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
	if len(files) != 1 {
		return nil, fmt.Errorf("there are %d files, and sallyport writes one", len(files))
	}
	return renderers.ReadFile(files, r.env.Path, func(data []byte) (*rules.Plan, error) {
		own, ok := bytes.CutPrefix(data, r.profile)
		if !ok {
			return nil, errors.New("it does not begin with your profile")
		}
		comments, lines := renderers.Uncomment(own, "#")
		v, fams, err := renderers.ReadRouteHeader(comments)
		if err != nil {
			return nil, err
		}
		set, err := listedIn(lines)
		switch {
		case err != nil:
			return nil, err
		case set.IsEmpty():
			return nil, errors.New("there is no route")
		case strings.Join(lines, "\n")+"\n" != string(r.groups(set, fams, v)):
			return nil, errors.New("its groups are not those that its prefixes make")
		}
		return rules.RoutePlan(r.env.Name, fams, v, set), nil
	})
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
