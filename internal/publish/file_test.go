package publish

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"sallyport/internal/testkit/need"
)

func page(name, text string) Document {
	return Document{Name: name, Data: []byte("a page: " + text), Mode: 0o640, Mark: "a page"}
}

func TestDocument(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "report.html")
	mode := func(want os.FileMode) {
		t.Helper()
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != want {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	for _, text := range []string{"first", "second"} {
		d := page(name, text)
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
		if err := d.Write(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != "a page: "+text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	mode(0o640)
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := page(name, "third").Write(); err != nil {
		t.Fatal(err)
	}
	mode(0o600)
	link := filepath.Join(dir, "link")
	need.Link(t, "report.html", link)
	if err := page(link, "fourth").Write(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "a page: fourth" {
		t.Errorf("through a link: %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestDocumentRefused tries names that must not be written, before and after the work.
func TestDocumentRefused(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{"key.pem": "secret", "late": strings.Repeat(" ", maxMark) + "a page", "input": "a page"} {
		write(t, dir, name, text)
	}
	input := page(in("input"), "x")
	input.Inputs = []string{in("missing"), in("input")}
	for _, d := range []Document{page(in("no/such/x"), "x"), page(dir, "x"), page(in("key.pem"), "x"), page(in("late"), "x"), input} {
		before := tree(t, dir)
		for _, err := range []error{d.Check(), d.Write()} {
			if err == nil || !strings.Contains(err.Error(), d.Name) {
				t.Errorf("%s: %v", d.Name, err)
				continue
			}
			mustAdvise(t, err)
		}
		for path, what := range tree(t, dir) {
			if before[path] != what {
				t.Errorf("%s: %s is now %s", d.Name, path, what)
			}
		}
	}
	write(t, dir, "empty", "")
	if err := page(in("empty"), "x").Write(); err != nil {
		t.Error(err)
	}
}
