package wireguard

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
	main, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	comments, lines := renderers.Uncomment(main.Data, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", main.Path, err)
	}
	var set ipranges.Set
	switch {
	case v == rules.Bypass && r.opt.Form == formRoutes && len(r.routes.By) == 0:
		set, err = r.readScript(files, lines, v, fams)
	case v == rules.Bypass && r.opt.Form == formRoutes:
		set, err = r.readHooks(files, lines, v, fams)
	case len(files) != 1:
		err = errors.New("it comes with files that it does not need")
	default:
		set, err = r.readAllowed(comments, lines, v, fams)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", main.Path, err)
	}
	return rules.RoutePlan(r.env.Name, fams, v, set), nil
}

// readScript reads the script, and checks that the hooks run it.
func (r *renderer) readScript(files []renderers.File, lines []string, v rules.Verdict, fams rules.Families) (ipranges.Set, error) {
	file, err := renderers.FileAt(files, r.scriptPath())
	if err != nil {
		return ipranges.Set{}, err
	}
	set, err := r.script.Read(file.Data, v, fams)
	switch {
	case err != nil:
		return set, fmt.Errorf("%s: %w", file.Path, err)
	case len(files) != 2:
		return set, fmt.Errorf("%d files, and two are ours", len(files))
	case set.IsEmpty():
		return set, fmt.Errorf("%s lists nothing", file.Path)
	case !slices.Equal(lines, r.scriptHooks()):
		return set, errors.New("its hooks do not run the script")
	}
	return set, nil
}

// readHooks reads the batch files, and checks that the hooks load all of them.
func (r *renderer) readHooks(files []renderers.File, lines []string, v rules.Verdict, fams rules.Families) (ipranges.Set, error) {
	list, n, err := r.routes.Read(files, r.batchPath)
	switch {
	case err != nil:
		return list.Set, err
	case n == 0 || n+1 != len(files):
		return list.Set, fmt.Errorf("of %d files, %d are ours", len(files), n+1)
	case list.Way != v || list.Families != fams:
		return list.Set, errors.New("the batch files have another header")
	case !slices.Equal(lines, r.hooks(list.Set)):
		return list.Set, errors.New("its hooks do not load and remove what the batch files hold")
	}
	return list.Set, nil
}
