package fetch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNotOurs puts what cannot be read, or leads elsewhere, in the place of each file
// of the cache: nothing waits, nothing is read or written elsewhere, and the feed is
// fetched.
func TestNotOurs(t *testing.T) {
	elsewhere := t.TempDir()
	ways := map[string]func(path string) error{
		"a named pipe":     func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"a link":           func(p string) error { return os.Symlink(filepath.Join(elsewhere, "file"), p) },
		"a link to itself": func(p string) error { return os.Symlink(p, p) },
		"a device":         func(p string) error { return os.Symlink("/dev/zero", p) },
		"a folder":         func(p string) error { return os.Mkdir(p, 0o700) },
	}
	for _, file := range []string{metaName, previousName, restName, lockName, "raw", "compiled"} {
		for name, make := range ways {
			t.Run(file+"/"+name, func(t *testing.T) {
				_, f, _, src := twoVersions(t)
				src.Pause = 1 // so that rest is looked at
				e, err := f.Cache.get(src.key())
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(e.dir, file)
				raw, compiled := e.files()
				switch file {
				case "raw":
					path = raw
					src.Format = "another" // so that it is read
				case "compiled":
					path = compiled
				}
				if err := errors.Join(os.RemoveAll(path), make(path)); err != nil {
					t.Fatal(err)
				}
				f.Refresh = true
				r, err := f.Fetch(context.Background(), src)
				if err != nil {
					t.Fatal(err)
				}
				if r.Change != "change 398" {
					t.Errorf("%+v", r)
				}
				if list, err := os.ReadDir(elsewhere); err != nil || len(list) > 0 {
					t.Errorf("made elsewhere: %v, %v", list, err)
				}
			})
		}
	}
}

// TestFolderIsLink: a feed's folder that leads elsewhere is neither read nor written.
func TestFolderIsLink(t *testing.T) {
	_, f, _, src := twoVersions(t)
	dir, elsewhere := filepath.Join(f.Cache.Dir(), src.key()), t.TempDir()
	if err := errors.Join(os.RemoveAll(dir), os.Symlink(elsewhere, dir)); err != nil {
		t.Fatal(err)
	}
	r := mustFetch(t, f, src, 398)
	if !hasWarning(r) || !strings.Contains(r.Notes[0].Text, "no folder that sallyport made") {
		t.Errorf("%+v", r.Notes)
	}
	if list, err := os.ReadDir(elsewhere); err != nil || len(list) > 0 {
		t.Errorf("written elsewhere: %v, %v", list, err)
	}
}
