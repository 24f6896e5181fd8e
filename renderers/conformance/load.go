package conformance

import (
	"strings"
	"testing"

	"sallyport/renderers"
)

// checkLoad wants an output to say how it is loaded, and on which machine.
func (s *suite) checkLoad(t testing.TB, files []renderers.File) {
	said := false
	for _, f := range files {
		how := f.Use != "" || f.Hand != ""
		said = said || how
		if how != (f.On != "") {
			t.Errorf("%s: the command %q, by hand %q, on %q: one says how, the other where", f.Path, f.Use, f.Hand, f.On)
		}
		if len(f.Once) > 0 && f.Use == "" {
			t.Errorf("%s: once %q, and no command loads it", f.Path, f.Once)
		}
		for _, text := range append([]string{f.Use, f.Undo, f.Hand, f.On}, f.Once...) {
			if strings.Contains(text, "\n") || strings.TrimSpace(text) != text {
				t.Errorf("%s: %q is not one line", f.Path, text)
			}
		}
	}
	if said == (s.Kind.Load == renderers.NotLoaded) {
		t.Errorf("how the files are loaded is said: %v, and the load contract is %q", said, s.Kind.Load)
	}
}
