package publish

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "report.json")
	for _, text := range []string{"first", "second"} {
		if err := WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("report.json", link); err != nil {
		t.Skip(err) // Windows without the right
	}
	if err := WriteFile(link, []byte("third"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "third" {
		t.Errorf("through a link: %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	err := WriteFile(filepath.Join(dir, "no", "such", "x"), []byte("x"), 0o644)
	if err == nil || !strings.Contains(err.Error(), "writing") {
		t.Errorf("%v", err)
	}
	if err := WriteFile(dir, []byte("x"), 0o644); err == nil {
		t.Error("a folder was written")
	}
}
