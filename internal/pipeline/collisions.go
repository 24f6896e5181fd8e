package pipeline

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"sallyport/diag"
	"sallyport/rules/policy"
)

// written is a file that a target writes.
type written struct {
	target *policy.Target
	path   string
}

// declared reports whether the path is the one in the policy, and not one that the kind of
// target adds.
func (w written) declared() bool { return w.path == w.target.Path }

// collisions reports targets that write the same file, or of which one needs a folder
// where another writes a file. It looks at the declared paths of all targets and at the
// further files of outputs, and reports each pair of targets once. It ignores case, as
// some file systems do.
func collisions(prog *policy.Program, outputs []Output) diag.List {
	var list diag.List
	said := map[[2]*policy.Target]bool{}
	report := func(f, other written, summary, fix, related string) {
		if pair := [2]*policy.Target{other.target, f.target}; !said[pair] {
			said[pair] = true
			list = append(list, diag.Diagnostic{Subject: f.target.OptionPlace("path"), Summary: summary, Fix: fix,
				Related: []diag.Related{{Range: other.target.OptionPlace("path"), Text: related}}})
		}
	}
	first := map[string]written{}
	files := filesOf(prog, outputs)
	for _, f := range files {
		other, taken := first[strings.ToLower(f.path)]
		switch {
		case !taken:
			first[strings.ToLower(f.path)] = f
		case f.declared() && other.declared():
			report(f, other, "two targets write to "+f.path, `give one of them another path: path = "..."`, "the first is here")
		default:
			report(f, other, fmt.Sprintf("targets %s and %s both write %s", other.target.Name, f.target.Name, f.path),
				"give one of them another path", "the other one")
		}
	}
	for _, f := range files {
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			if other, taken := first[strings.ToLower(dir)]; taken {
				report(f, other, other.path+" is a file of another target, and cannot be a folder", "give one of them another path", "the file is here")
			}
		}
	}
	return list
}

// filesOf returns the files of all targets, in the order of the targets in the policy.
func filesOf(prog *policy.Program, outputs []Output) []written {
	var targets []*policy.Target
	for _, list := range [][]policy.Target{prog.Targets, prog.Unfinished} {
		for i := range list {
			targets = append(targets, &list[i])
		}
	}
	slices.SortStableFunc(targets, func(a, b *policy.Target) int { return cmp.Compare(a.Place.Start.Byte, b.Place.Start.Byte) })
	var files []written
	names := map[string]bool{}
	for _, t := range targets {
		if t.Path == "" || names[t.Name] { // its path is unknown, or its name is a duplicate, which is reported already
			continue
		}
		names[t.Name] = true
		files = append(files, written{t, t.Path})
		for _, o := range outputs {
			if o.Target != t {
				continue
			}
			for _, f := range o.Files {
				if f.Path != t.Path {
					files = append(files, written{t, f.Path})
				}
			}
		}
	}
	return files
}
