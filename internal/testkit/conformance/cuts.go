package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/renderers"
	"sallyport/rules"
)

// cuts ends each rendered file early, at every byte or at many: what is left does not read
// back as the plan, and where it is what an earlier run published, a new run renders what
// reads back, or says what is wrong. Neither panics. The same goes for the files of the
// user's that options name.
func (s *suite) cuts(t testing.TB) {
	r := s.build(t, "edge")
	lowered, next := lower(t, r, s.rich(t)), lower(t, r, s.plan(t, cloud))
	files := s.render(t, r, lowered)
	points := 300
	if testing.Short() {
		points = 60
	}
	for name, data := range s.read {
		for n := range cutPoints(len(data), points) {
			s.renderIn(t, fmt.Sprintf("%s, cut at %d of %d", name, n, len(data)), next, renderers.Env{Read: func(asked string) ([]byte, error) {
				if asked == name {
					return data[:n:n], nil
				}
				return s.readFile(asked)
			}})
		}
	}
	for i, f := range files {
		for n := range cutPoints(len(f.Data), points/len(files)) {
			cut := slices.Clone(files)
			cut[i].Data = f.Data[:n:n]
			got, err := r.ReadBack(cut)
			if !forPeople(f) && !s.variant.NoReadBack && err == nil && rules.Compare(lowered, got) == nil && !isRemark(f.Data[n:]) {
				t.Errorf("%s reads back the same without %.200q", f.Path, f.Data[n:])
			}
			s.renderIn(t, fmt.Sprintf("after %s, cut at %d of %d", f.Path, n, len(f.Data)), next, renderers.Env{Read: s.readFile, Previous: rendered.Previous(cut)})
		}
	}
}

// forPeople reports whether a file is what somebody is to do: no program reads it.
func forPeople(f renderers.File) bool { return strings.HasSuffix(f.Path, ".steps.txt") }

// cutPoints yields every length below size, or about as many as most.
func cutPoints(size, most int) func(func(int) bool) {
	step := max(1, size/max(1, most))
	return func(yield func(int) bool) {
		for n := 0; n < size; n += step {
			if !yield(n) {
				return
			}
		}
	}
}

// renderIn renders plan in an environment with a file that was cut.
func (s *suite) renderIn(t testing.TB, name string, plan *rules.Plan, env renderers.Env) {
	t.Helper()
	env.Name, env.Path = "edge", "edge"+s.Kind.Extension
	r, err := s.Kind.Build(s.variant.Options, env)
	var files []renderers.File
	if err == nil {
		files, err = r.Render(plan)
	}
	if err != nil {
		checkMistake(t, name, err)
		return
	}
	if got, err := r.ReadBack(files); !s.variant.NoReadBack && (err != nil || rules.Compare(plan, got) != nil) {
		t.Errorf("%s: what is rendered does not read back as the plan: %v", name, err)
	}
}

// isRemark reports whether the end of a file says nothing: blanks, and lines that are
// comments.
func isRemark(end []byte) bool {
	for line := range bytes.Lines(end) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != '!' {
			return false
		}
	}
	return true
}
