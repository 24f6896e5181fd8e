package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// damage takes away each file, and the lines that hold an address or a port, one at a
// time: what is read back must differ from the plan, or not be readable at all. It shows
// that the read-back looks at the files.
func (s *suite) damage(t testing.TB) {
	if s.variant.NoReadBack {
		return // there is nothing to fool: readBack demands the refusal
	}
	r := s.build(t, "edge")
	lowered := lower(t, r, s.rich(t))
	files := s.render(t, r, lowered)
	tried := 0
	for n, f := range files {
		if got, err := r.ReadBack(slices.Delete(slices.Clone(files), n, n+1)); err == nil && rules.Compare(lowered, got) == nil && !forPeople(f) {
			t.Errorf("without %s the files read back the same", f.Path)
		}
		lines := strings.SplitAfter(string(f.Data), "\n")
		for i, l := range lines {
			says := func(text string) bool { return strings.Contains(l, text) }
			if !slices.ContainsFunc(telling, says) && !(s.variant.Complement && says("52.116.0.0")) {
				continue
			}
			tried++
			broken := slices.Clone(files)
			broken[n].Data = []byte(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""))
			got, err := r.ReadBack(broken)
			if err == nil && rules.Compare(lowered, got) == nil {
				t.Errorf("without line %d of %s, %q, the files read back the same", i+1, f.Path, l)
			}
		}
	}
	if tried == 0 {
		t.Error("no line to damage was found")
	}
}

// telling is what lines have that hold addresses or ports of a rich plan.
var telling = []string{"52.112.0.0", "2603:1063:8:", "2603:1063::/38", "3478", "10.20.0.0", "52-112-0-0"}

func (s *suite) readFile(name string) ([]byte, error) {
	if data, ok := s.read[name]; ok {
		return data, nil
	}
	data, err := os.ReadFile(name)
	if err == nil {
		s.read[name] = data
	}
	return data, err
}

// checkFrom wants a file that carries a file of the user's along to say so, or to be for
// its owner alone: what is in it can be secret.
func (s *suite) checkFrom(t testing.TB, f renderers.File) {
	t.Helper()
	for name, data := range s.read {
		for line := range bytes.Lines(data) {
			long := bytes.TrimSpace(line)
			if len(long) >= 20 && bytes.Contains(f.Data, long) && f.From != name && f.Mode&0o077 != 0 {
				t.Errorf("%s holds %.60q of %s and does not say that it is from there", f.Path, long, name)
				break
			}
		}
	}
}

func (s *suite) golden(t testing.TB) {
	r := s.build(t, "edge")
	for _, f := range s.render(t, r, lower(t, r, s.rich(t))) {
		CheckShell(t, f)
		path := filepath.Join("testdata", "golden", strings.ReplaceAll(s.variant.Name, " ", "_"), f.Path)
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v: go test -update writes it", err)
		}
		if !bytes.Equal(want, f.Data) {
			t.Errorf("%s differs from %s; go test -update after a look at:\n%s", f.Path, path, firstDifference(want, f.Data))
		}
	}
}

func firstDifference(want, got []byte) string {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines against %d", len(a), len(b))
}
