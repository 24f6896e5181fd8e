package openvpn

import (
	"errors"
	"fmt"
	"slices"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	if r.Elsewhere == 0 {
		return r.File.ReadBack(files)
	}
	if len(files) != 2 {
		return nil, fmt.Errorf("there are %d files, and sallyport writes two", len(files))
	}
	sh, err := renderers.FileAt(files, r.scriptPath())
	if err != nil {
		return nil, err
	}
	return renderers.ReadFile(files, r.Env.Path, func(data []byte) (*rules.Plan, error) {
		list, err := r.Read(data)
		if err != nil {
			return nil, err
		}
		if list.Set, err = r.withScript(list, sh.Data); err != nil {
			return nil, fmt.Errorf("%s: %w", sh.Path, err)
		}
		return rules.RoutePlan(r.Env.Name, list.Families, list.Way, list.Set), nil
	})
}

// withScript is the addresses of a list with those of its script.
func (r *renderer) withScript(list rules.RouteList, data []byte) (ipranges.Set, error) {
	set, err := r.hook.Read(data, list.Way, list.Families)
	if err != nil {
		return set, err
	}
	if set = set.Union(list.Set); set.IsEmpty() {
		return set, errors.New("there is no route")
	}
	return set, nil
}

// withoutHooks parts a file into its comments and its routes: the hooks have to follow.
func (r *renderer) withoutHooks(data []byte) (comments []string, body []byte, err error) {
	comments, lines := renderers.Uncomment(data, "#")
	hooks := r.hooks()
	rest := len(lines) - len(hooks)
	if rest < 0 || !slices.Equal(lines[rest:], hooks) {
		return nil, nil, fmt.Errorf("it does not run %s", r.hook.File)
	}
	for _, l := range lines[:rest] {
		body = append(append(body, l...), '\n')
	}
	return comments, body, nil
}
