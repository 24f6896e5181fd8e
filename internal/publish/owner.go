package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// maxMark is where a mark has to stand: near the beginning.
const maxMark = 4 << 10

// judge says whether the file in the place of f, whose sum is old, may be replaced: nil,
// or why not. Equal files have nothing to be replaced for.
func (p *publisher) judge(f File, e *Entry, old string, set Set) error {
	name := p.full(f.Path)
	switch {
	case e != nil && (e.Target != f.Record.Target || e.Kind != f.Record.Kind):
		if set.Force {
			return nil
		}
		return fmt.Errorf("%s was written for target %s %s of %s: give one of them another path%s, or replace it with --force",
			name, e.Kind, e.Target, e.Policy, undoHint(e))
	case e != nil && e.SHA256 == old:
		return nil
	case e != nil:
		if set.Force {
			return nil
		}
		return fmt.Errorf("%s was edited since it was written: move the edits into the policy or into a file of your own, "+
			"then replace it with --force", name)
	}
	head, err := p.head(f.Path)
	if err != nil {
		return p.fail("read", f.Path, err)
	}
	if len(head) == 0 { // there is nothing to lose
		return nil
	}
	if f.Ours != nil && f.Ours(head) || f.With != "" && p.carriesMark(f.With, set.Files) {
		return nil
	}
	return fmt.Errorf("%s is no output of target %s, and stays as it is: move it away, or choose another path or --out folder", name, f.Record.Target)
}

// carriesMark reports whether the file at path, one of files, is there and carries its
// mark: what goes with it, such as the script that removes its rules, is ours as well.
func (p *publisher) carriesMark(path string, files []File) bool {
	for _, f := range files {
		if f.Path == path && f.Ours != nil {
			head, err := p.head(path)
			return err == nil && f.Ours(head)
		}
	}
	return false
}

// head is the beginning of the file at path.
func (p *publisher) head(path string) ([]byte, error) {
	f, err := p.root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxMark))
}

func undoHint(e *Entry) string {
	if e.Undo == "" {
		return ""
	}
	return " (" + e.Undo + " takes away what it loaded)"
}

// checkInputs refuses outputs that the run has read: the policy, a feed, a file of the
// user's that a target extends.
func (p *publisher) checkInputs(set Set) error {
	for _, in := range set.Inputs {
		fi, err := os.Stat(in)
		if err != nil {
			continue // it is there no more, or was no file
		}
		for _, f := range set.Files {
			out, err := os.Stat(p.full(f.Path))
			if err == nil && os.SameFile(fi, out) {
				return fmt.Errorf("%s is read by this run, as %s: an output needs another path", p.full(f.Path), in)
			}
		}
	}
	return nil
}

// orphans are the entries on record that set no longer has, and whose files are still
// there. Of a policy of which only some targets were rendered, only those count.
func (p *publisher) orphans(m Manifest, set Set) (there []Entry, gone []string, err error) {
	for _, e := range m {
		same := func(f File) bool { return f.Path == e.Path }
		sibling := func(f File) bool { return f.Record.Target == e.Target && f.Record.Kind == e.Kind }
		if e.Policy != set.Policy || slices.ContainsFunc(set.Files, same) || !set.Complete && !slices.ContainsFunc(set.Files, sibling) {
			continue
		}
		fi, err := p.root.Lstat(e.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			gone = append(gone, e.Path)
		case err != nil:
			return nil, nil, p.fail("look at", e.Path, err)
		case fi.Mode().IsRegular():
			there = append(there, e)
		}
	}
	return there, gone, nil
}

// prune deletes the orphans of a report that are as they were written, and says so in
// it. One that was edited stays: it is the user's now.
func (p *publisher) prune(rep *Report) error {
	var kept []Entry
	for _, e := range rep.Orphans {
		_, sum, err := p.sum(e.Path)
		if err != nil {
			return p.fail("read", e.Path, err)
		}
		if sum != e.SHA256 {
			kept = append(kept, e)
			continue
		}
		if err := errors.Join(p.at("prune "+e.Path), p.root.Remove(e.Path)); err != nil {
			return p.fail("remove", e.Path, err)
		}
		rep.Pruned = append(rep.Pruned, e.Path)
		for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
			if p.root.Remove(dir) != nil { // not empty
				break
			}
		}
	}
	rep.Orphans, rep.gone = kept, append(rep.gone, rep.Pruned...)
	return nil
}

// refusals is several reasons as one error of one line.
func refusals(list []error) error {
	if len(list) < 2 {
		return errors.Join(list...)
	}
	var text []string
	for _, err := range list {
		text = append(text, err.Error())
	}
	return errors.New(strings.Join(text, "; "))
}
