package iproute

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/linuxroutes"
	"sallyport/rules"
)

// list is what the load script knows of a family.
type list struct {
	Family, Root string
	End          string // of its file's name, behind what the files have in common
	Number       int    // of its file, while the script has it open
}

// scriptView is what the templates of scripts see.
type scriptView struct {
	Protocol, Next int
	Table          string
	Lists          []list // that are loaded
	Gone           []list // that an earlier version had
	Own            []list // that are taken away with the target
	Sum            string
	Shell          renderers.Shell
	Clear          string // a function
}

// stem is what the paths of the files have in common.
func (r *renderer) stem() string { return strings.TrimSuffix(r.env.Path, path.Ext(r.env.Path)) }

func (r *renderer) scriptPath(what string) string { return r.stem() + "." + what + ".sh" }

func (r *renderer) list(f ipranges.Family) list {
	end := strings.TrimPrefix(renderers.FamilyPath(r.env.Path, f), r.stem())
	return list{Family: fmt.Sprint(int(f)), Root: linuxroutes.Root(f), End: renderers.ShellWord(end)}
}

// gone are the families without a list in files whose routes are taken away: those that
// the options have a next hop for, which Claims speaks of, and those that the version
// published before had in its lists or took away. Another family's routes can be another
// target's.
func (r *renderer) gone(files []renderers.File) []ipranges.Family {
	return slices.DeleteFunc(r.without(files), func(f ipranges.Family) bool {
		_, own := r.routes.By[f]
		return !own && !r.had(f)
	})
}

// without are the families that have no list in files.
func (r *renderer) without(files []renderers.File) []ipranges.Family {
	return slices.DeleteFunc(rules.BothFamilies.List(), func(f ipranges.Family) bool {
		_, err := renderers.FileAt(files, renderers.FamilyPath(r.env.Path, f))
		return err == nil
	})
}

// checkPlace refuses to write over lists of another table or protocol number: the new
// ones do not know them, and their routes would stay.
func (r *renderer) checkPlace() error {
	for _, f := range rules.BothFamilies.List() {
		name := renderers.FamilyPath(r.env.Path, f)
		_, lines := renderers.Uncomment(r.env.Previous(name), "#")
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "route flush root ") })
		if i < 0 {
			continue // none of ours, or cut short
		}
		option, words := "", strings.Fields(lines[i])
		for _, own := range []struct{ option, word, value string }{{"table", "table", r.routes.Table}, {"protocol", "proto", fmt.Sprint(r.routes.Protocol)}} {
			if at := slices.Index(words, own.word); option == "" && at > 0 && at+1 < len(words) && words[at+1] != own.value {
				option = own.option
			}
		}
		if option == "" {
			continue
		}
		file, script := renderers.Clean(name), renderers.Clean(r.scriptPath("remove"))
		return &renderers.OptionError{Option: option,
			Cause: fmt.Sprintf("%s of an earlier run has its routes under another %s (%s), and they would stay where they are loaded", file, option, renderers.Clean(lines[i])),
			Fix:   fmt.Sprintf("where they are loaded, run sh %s, or ip -%d %s; then delete %s and run again", script, int(f), renderers.Clean(lines[i]), file)}
	}
	return nil
}

// had reports whether the version published before loaded routes of f, or took them away.
func (r *renderer) had(f ipranges.Family) bool {
	if len(r.env.Previous(renderers.FamilyPath(r.env.Path, f))) > 0 {
		return true
	}
	for line := range bytes.Lines(r.env.Previous(r.scriptPath("load"))) {
		verb, rest, _ := strings.Cut(string(line), " ")
		if family, _, _ := strings.Cut(rest, " "); (verb == "load" || verb == "clear") && family == fmt.Sprint(int(f)) {
			return true
		}
	}
	return false
}

// scripts are those that load files, and that take away what they made.
func (r *renderer) scripts(files []renderers.File, gone []ipranges.Family) ([]renderers.File, error) {
	v := scriptView{Protocol: r.routes.Protocol, Next: r.routes.Protocol + 1, Table: r.routes.Table}
	var loaded [][]byte
	for _, f := range rules.BothFamilies.List() {
		l := r.list(f)
		_, own := r.routes.By[f]
		if own || slices.Contains(gone, f) {
			v.Own = append(v.Own, l)
		}
		if file, err := renderers.FileAt(files, renderers.FamilyPath(r.env.Path, f)); err == nil {
			l.Number = 3 + len(v.Lists) // the first that a shell leaves to its scripts
			v.Lists, loaded = append(v.Lists, l), append(loaded, file.Data)
		} else if slices.Contains(gone, f) {
			v.Gone = append(v.Gone, l)
		}
	}
	v.Sum = renderers.CommandSum(loaded...)
	var err error
	if v.Shell, err = renderers.ShellOf(r.env.Name); err != nil {
		return nil, err
	}
	clear, err := renderers.Execute("iproute", "clear.sh.tmpl", nil, v)
	if err != nil {
		return nil, err
	}
	if len(v.Gone) > 0 {
		v.Clear = string(clear)
	}
	load, err := renderers.Execute("iproute", "load.sh.tmpl", nil, v)
	if err != nil {
		return nil, err
	}
	v.Clear = string(clear)
	remove, err := renderers.Execute("iproute", "remove.sh.tmpl", nil, v)
	return []renderers.File{
		{Path: r.scriptPath("load"), Mode: routes.Runs, Data: load, Use: "sh {}", On: "the Linux machine"},
		{Path: r.scriptPath("remove"), Mode: routes.Runs, Data: remove, Undo: "sh {}"},
	}, err
}

// checkScripts holds the scripts among files to those that are written for the lists,
// whatever was published before.
func (r *renderer) checkScripts(files []renderers.File) error {
	for _, gone := range [][]ipranges.Family{r.gone(files), r.without(files)} {
		want, err := r.scripts(files, gone)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(want, func(w renderers.File) bool {
			got, err := renderers.FileAt(files, w.Path)
			return err != nil || !bytes.Equal(got.Data, w.Data)
		}) {
			return nil
		}
	}
	return fmt.Errorf("%s and %s are not the scripts that go with the lists", r.scriptPath("load"), r.scriptPath("remove"))
}
