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

// maxMark is within how many bytes from the beginning a mark has to be.
const maxMark = 4 << 10

// judge returns nil if the file in the place of f, whose checksum is old, may be replaced,
// and else an error that says why not. A file with the same bytes is not replaced.
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
	if len(head) == 0 { // an empty file
		return nil
	}
	if f.Ours != nil && f.Ours(head) || f.With != "" && p.carriesMark(f.With, set.Files) {
		return nil
	}
	return fmt.Errorf("%s is no output of target %s, and stays as it is: move it away, or choose another path or --out folder", name, f.Record.Target)
}

// carriesMark reports whether the file at path, one of files, exists and has its mark. Then
// files that go with it, such as the script that removes its rules, are sallyport's too.
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

// checkInputs refuses outputs that would overwrite a file that the run has read: the policy,
// a feed, or a file of the user that a target extends.
func (p *publisher) checkInputs(set Set) error {
	for _, in := range set.Inputs {
		fi, err := os.Stat(in)
		if err != nil {
			continue // it no longer exists, or was no file
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

// orphans returns the entries of the manifest that set no longer has, and whose files still
// exist. If only some targets of the policy were rendered, it returns those of these.
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

// prune deletes the orphans of a report that were not edited, and adds them to its Pruned.
// It keeps edited ones, because they belong to the user now.
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

// refusals joins several reasons to one error on one line.
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
