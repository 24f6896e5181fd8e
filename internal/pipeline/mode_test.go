//go:build unix

package pipeline

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/testkit/need"
	"sallyport/renderers"
)

// TestNarrow holds outputs to the modes of what they are made from.
func TestNarrow(t *testing.T) {
	for _, tt := range []struct{ source, output, want fs.FileMode }{
		{0o600, 0o644, 0o600},
		{0o400, 0o644, 0o600},
		{0o640, 0o644, 0o640},
		{0o644, 0o644, 0o644},
		{0o666, 0o644, 0o644},
		{0o604, 0o644, 0o604},
		{0o644, 0o600, 0o600}, // one that is closed by itself stays so
		{0o644, 0o755, 0o755}, // who can read a script can run it
		{0o640, 0o755, 0o750},
		{0o600, 0o755, 0o700},
		{0o620, 0o644, 0o600},
	} {
		dir := t.TempDir()
		write := func(name string, mode fs.FileMode) {
			name = filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(name, mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
		}
		write("config.xml", tt.source)
		write("templates/pfsense/merge.txt.tmpl", tt.source)
		write("templates/asa/main.cfg.tmpl", 0o600) // of another kind
		req := Request{Policy: filepath.Join(dir, "policy.hcl")}
		files := func() []renderers.File {
			return []renderers.File{{Path: "a.xml", Mode: tt.output, From: "config.xml"}, {Path: "b.xml", Mode: tt.output, From: filepath.Join(dir, "config.xml")}, {Path: "c.txt", Mode: 0o644}}
		}
		list := files()
		narrow("pfsense", list, req)
		for _, f := range list[:2] {
			if f.Mode != tt.want {
				t.Errorf("%s: from a file of mode %o, %o became %o, not %o", f.Path, tt.source, tt.output, f.Mode, tt.want)
			}
		}
		if list[2].Mode != 0o644 {
			t.Errorf("a file that is from nowhere became %o", list[2].Mode)
		}
		req.Templates = filepath.Join(dir, "templates")
		list = files()[:1]
		list[0].From = ""
		narrow("pfsense", list, req)
		if list[0].Mode != tt.want {
			t.Errorf("by a template of mode %o, %o became %o, not %o", tt.source, tt.output, list[0].Mode, tt.want)
		}
	}
}

// TestNarrowOfAnotherGroup closes an output to a group that the source is not of.
func TestNarrowOfAnotherGroup(t *testing.T) {
	name := filepath.Join(t.TempDir(), "config.xml")
	if err := os.WriteFile(name, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	need.Root(t) // who may give a file to another group
	if err := os.Chown(name, -1, os.Getegid()+1); err != nil {
		t.Fatal(err)
	}
	if got := open(name); got != 0 {
		t.Errorf("our group can do %o with what another group can read", got)
	}
}
