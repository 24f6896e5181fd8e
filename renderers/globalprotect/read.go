package globalprotect

import (
	"fmt"
	"slices"

	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	return renderers.ReadFile(files, r.main, func(data []byte) (*rules.Plan, error) {
		list, err := r.form.Read(data)
		if err == nil && r.opt.Form == formXML {
			err = r.readScript(files, list.Way)
		}
		if err != nil {
			return nil, err
		}
		return rules.RoutePlan(r.env.Name, list.Families, list.Way, list.Set), nil
	})
}

// readScript holds the file that loads the tree to the commands for it.
func (r *renderer) readScript(files []renderers.File, v rules.Verdict) error {
	f, err := renderers.FileAt(files, r.script)
	if err != nil {
		return err
	}
	_, lines := renderers.Uncomment(f.Data, "#")
	if !slices.Equal(lines, append(r.deletes(v), r.loads(v)...)) {
		return fmt.Errorf("%s: it does not delete our lists and load them again, and nothing else", f.Path)
	}
	return nil
}
