package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/internal/testkit/need"
)

// tree is everything below dir: paths with mode and content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		fi, err := d.Info()
		if err != nil {
			return err
		}
		all[rel] = fi.Mode().String()
		if fi.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[rel] += " " + string(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustPublish(t *testing.T, dir string, files ...File) Report {
	t.Helper()
	rep, err := Publish(dir, Set{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil || !bytes.Equal(data, f.Data) {
			t.Fatalf("%s holds %q, %v", f.Path, data, err)
		}
	}
	mustBeClean(t, dir)
	return rep
}

// mustBeClean fails if anything of a run is left in dir.
func mustBeClean(t *testing.T, dir string) {
	t.Helper()
	for name := range tree(t, dir) {
		if strings.HasPrefix(name, reserved) && name != ManifestName {
			t.Errorf("%s is left behind", name)
		}
	}
}

func file(path, data string) File { return File{Path: path, Data: []byte(data)} }

// visible compares reports by what others see of them.
var visible = cmpopts.IgnoreUnexported(Change{}, Report{})

func sumOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func TestReport(t *testing.T) {
	old := []File{file("a", "one"), file("sub/b", "two"), {Path: "c", Mode: 0o600, Data: nil}}
	created := []Change{{Path: "a"}, {Path: "sub/b"}, {Path: "c"}}
	a := Change{Path: "a", Status: Unchanged, OldSize: 3, OldSum: sumOf("one")}
	b := Change{Path: "sub/b", Status: Unchanged, OldSize: 3, OldSum: sumOf("two")}
	c := Change{Path: "c", Status: Unchanged, OldSum: sumOf("")}
	with := func(c Change, s Status) Change { c.Status = s; return c }

	for _, tc := range []struct {
		name string
		now  []File
		want []Change
	}{
		{"nothing", nil, nil},
		{"equal", old, []Change{a, b, c}},
		{"one differs", []File{file("a", "uno"), old[1], old[2]}, []Change{with(a, Changed), b, c}},
		{"all differ", []File{file("a", "ones"), file("sub/b", ""), {Path: "c", Mode: 0o600, Data: []byte("x")}},
			[]Change{with(a, Changed), with(b, Changed), with(c, Changed)}},
		{"a new one, and deep", []File{old[0], file("x/y/z", "new")}, []Change{a, {Path: "x/y/z"}}},
		{"names that need escaping", []File{file("100%2F/%", "p"), file("é ü", "q")}, []Change{{Path: "100%2F/%"}, {Path: "é ü"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "out")
			if diff := cmp.Diff(created, mustPublish(t, dir, old...).Files, visible); diff != "" {
				t.Error("first", diff)
			}
			if diff := cmp.Diff(tc.want, mustPublish(t, dir, tc.now...).Files, visible); diff != "" {
				t.Error("second", diff)
			}
		})
	}
}

func TestModes(t *testing.T) {
	need.NotWindows(t, "Windows has no such permissions")
	dir := t.TempDir()
	for _, tc := range []struct {
		name, data string
		mode, want fs.FileMode
		status     Status
		secret     bool
	}{
		{"a", "1", 0, 0o644, Created, false},
		{"b", "1", 0o777, 0o777, Created, false}, // whatever the umask
		{"c", "1", 0o400, 0o400, Created, false},
		{"c", "1", 0o644, 0o400, Unchanged, false}, // the admin may have chosen it
		{"c", "2", 0o644, 0o400, Changed, false},
		{"c", "3", 0o644, 0o400, Changed, true}, // more closed than it has to be
		{"a", "1", 0o640, 0o640, Changed, true}, // an earlier run left it open
		{"a", "1", 0o640, 0o640, Unchanged, true},
		{"b", "2", 0o600, 0o700, Changed, true}, // its owner's permissions are no secret from others
	} {
		rep := mustPublish(t, dir, File{Path: tc.name, Mode: tc.mode, Data: []byte(tc.data), Secret: tc.secret})
		fi, err := os.Stat(filepath.Join(dir, tc.name))
		if err != nil || fi.Mode() != tc.want || rep.Files[0].Status != tc.status {
			t.Errorf("mode %o gives %v, %v and %v, want %v and %v", tc.mode, fi.Mode(), rep.Files[0].Status, err, tc.want, tc.status)
		}
	}
}

func TestUnchangedFilesAreNotTouched(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, file("a", "1"), file("b", "2"), file("c", "3"))
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, name := range []string{"a", "b", "c", "."} {
		if err := os.Chtimes(filepath.Join(dir, name), past, past); err != nil {
			t.Fatal(err)
		}
	}
	age := func(name string) bool {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return fi.ModTime().Equal(past)
	}
	mustPublish(t, dir, file("a", "1"), file("b", "2"), file("c", "3"))
	if !age(".") || !age("a") {
		t.Error("a run without changes has written")
	}
	mustPublish(t, dir, file("a", "1"), file("b", "new"), file("c", "new"))
	if !age("a") || age("b") || age("c") {
		t.Error("a run with two changes should write those two only")
	}
}

// A reader that has a file open keeps the old content, whole.
func TestOpenFilesKeepTheirContent(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, file("a", "old"))
	f, err := os.Open(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	need.NotWindows(t, "Windows does not replace open files")
	mustPublish(t, dir, file("a", "new and longer"))
	var got [20]byte
	if n, _ := f.Read(got[:]); string(got[:n]) != "old" {
		t.Errorf("read %q", got[:n])
	}
}

func TestRefused(t *testing.T) {
	link := func(to, name string) func(string) {
		return func(dir string) {
			need.Link(t, to, filepath.Join(dir, name))
		}
	}
	mkdir := func(name string) func(string) {
		return func(dir string) {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	outside := t.TempDir()
	one := func(path string) []File { return []File{file(path, "x")} }
	for _, tc := range []struct {
		name  string
		setup func(dir string)
		files []File
	}{
		{"empty path", nil, one("")},
		{"the folder itself", nil, one(".")},
		{"dot dot", nil, one("../x")},
		{"dot dot inside", nil, one("a/../b")},
		{"dot", nil, one("./a")},
		{"absolute", nil, one(filepath.ToSlash(filepath.Join(outside, "x")))},
		{"double slash", nil, one("a//b")},
		{"trailing slash", nil, one("a/")},
		{"backslash", nil, one(`a\b`)},
		{"a device", nil, one("/dev/stdout")},
		{"line break", nil, one("a\nb")},
		{"zero byte", nil, one("a\x00b")},
		{"bad UTF-8", nil, one("a\xff")},
		{"our lock", nil, one(".sallyport.lock")},
		{"our journal, on a file system that ignores case", nil, one(".SallyPort.pending/x")},
		{"more than permissions", nil, []File{{Path: "x", Mode: fs.ModeSetuid | 0o755}}},
		{"a folder's mode", nil, []File{{Path: "x", Mode: fs.ModeDir | 0o755}}},
		{"twice", nil, []File{file("n", "1"), file("n", "2")}},
		{"file and folder", nil, []File{file("n/b", "1"), file("n", "2")}},
		{"too long", nil, one(strings.Repeat("n", 300))},
		{"a folder is there", mkdir("n"), one("n")},
		{"a file is where a folder must be", nil, one("old/b")},
		{"a link", link("old", "n"), one("n")},
		{"a dangling link", link("nowhere", "n"), one("n")},
		{"a folder that leads out", link(outside, "n"), one("n/x")},
		{"a folder that leads out, relative", link("..", "n"), one("n/x")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			mustPublish(t, dir, file("old", "old"), file("old2", "old"))
			if tc.setup != nil {
				tc.setup(dir)
			}
			before := tree(t, dir)
			defer func() {
				if len(tree(t, outside)) != 1 {
					t.Error("something was written outside the folder")
				}
			}()
			for _, others := range [][]File{nil, {file("old", "new"), file("old2", "new")}} {
				rep, err := Publish(dir, Set{Files: slices.Concat(others, tc.files)})
				if err == nil {
					t.Fatalf("published: %v", rep)
				}
				mustAdvise(t, err)
				if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
					t.Error("the folder changed:", diff)
				}
			}
		})
	}
}

// Links in place of our own folders and lock are not followed out.
func TestPlantedLinks(t *testing.T) {
	for _, name := range []string{stageDir, pendingDir, lockName} {
		t.Run(name, func(t *testing.T) {
			dir, outside := t.TempDir(), t.TempDir()
			target := filepath.Join(outside, "folder")
			mustPublish(t, target, file("precious", "1"))
			if name == lockName {
				target = filepath.Join(target, "precious")
			}
			need.Link(t, target, filepath.Join(dir, name))
			before := tree(t, outside)
			p := publisher{dir: dir, wait: 20 * time.Millisecond}
			if _, err := p.publish(Set{Files: []File{file("a", "1"), file("precious", "2")}}); err != nil {
				mustAdvise(t, err)
			}
			if _, _, err := Read(dir, "precious"); err != nil {
				mustAdvise(t, err)
			}
			if diff := cmp.Diff(before, tree(t, outside)); diff != "" {
				t.Error("something outside changed:", diff)
			}
		})
	}
}

// A lock that leads to an output must not cost the output.
func TestPlantedLock(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, file("a", "old"))
	need.Link(t, "a", filepath.Join(dir, lockName))
	p := publisher{dir: dir, wait: 20 * time.Millisecond}
	_, err := p.publish(Set{Files: []File{file("b", "new")}})
	if data, _ := os.ReadFile(filepath.Join(dir, "a")); string(data) != "old" {
		t.Errorf("a holds %q after %v", data, err)
	}
}

// mustAdvise fails unless err is one line that begins in lower case or with a
// path and has more to say after its cause.
func mustAdvise(t *testing.T, err error) {
	t.Helper()
	s := err.Error()
	if strings.Contains(s, "\n") || s[0] >= 'A' && s[0] <= 'Z' || !strings.Contains(s, ": ") {
		t.Errorf("no helpful message: %s", s)
	}
}

func TestOutputFolder(t *testing.T) {
	t.Run("is a file", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		if err := os.WriteFile(out, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{out, filepath.Join(out, "below")} {
			if _, err := Publish(dir, Set{Files: []File{file("a", "1")}}); err == nil {
				t.Errorf("published into %s", dir)
			} else {
				mustAdvise(t, err)
			}
			if _, err := Recover(dir); err == nil && dir == out {
				t.Error("recovered in a file")
			}
			if _, _, err := Read(dir, "a"); err == nil && dir == out {
				t.Error("read below a file")
			}
		}
		if data, err := os.ReadFile(out); err != nil || string(data) != "precious" {
			t.Errorf("the file now holds %q, %v", data, err)
		}
	})
	t.Run("is a link, and so is a folder in it", func(t *testing.T) {
		base := t.TempDir()
		if err := os.MkdirAll(filepath.Join(base, "run1", "real"), 0o755); err != nil {
			t.Fatal(err)
		}
		need.Link(t, "run1", filepath.Join(base, "out"))
		if err := os.Symlink("real", filepath.Join(base, "run1", "link")); err != nil {
			t.Fatal(err)
		}
		mustPublish(t, filepath.Join(base, "out"), file("a", "1"), file("link/b", "2"))
		if data, err := os.ReadFile(filepath.Join(base, "run1", "real", "b")); err != nil || string(data) != "2" {
			t.Errorf("behind the links is %q, %v", data, err)
		}
	})
	t.Run("is missing", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "no", "where")
		if done, err := Recover(dir); err != nil || done != nil {
			t.Errorf("Recover gives %v, %v", done, err)
		}
		if data, ok, err := Read(dir, "a"); err != nil || ok || data != nil {
			t.Errorf("Read gives %q, %v, %v", data, ok, err)
		}
		if !missing(filepath.Dir(dir)) {
			t.Error("reading has created a folder")
		}
	})
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, file("a", "one"), file("sub/b", ""))
	for _, tc := range []struct {
		path, want string
		ok, fails  bool
	}{
		{path: "a", want: "one", ok: true},
		{path: "sub/b", want: "", ok: true},
		{path: "c"},
		{path: "no/c"},
		{path: "sub", fails: true},
		{path: "../a", fails: true},
		{path: ".sallyport.lock", fails: true},
	} {
		data, ok, err := Read(dir, tc.path)
		if string(data) != tc.want || ok != tc.ok || (err != nil) != tc.fails {
			t.Errorf("Read(%q) gives %q, %v, %v", tc.path, data, ok, err)
		}
		if err != nil {
			mustAdvise(t, err)
		}
	}
	mustBeClean(t, dir)
}

func TestRecover(t *testing.T) {
	set := []File{file("a", "new"), file("sub/b", "new")}
	// cut leaves the journal of set behind, published, with nothing in place.
	cut := func(t *testing.T) string {
		dir := t.TempDir()
		mustPublish(t, dir, file("a", "old"), file("c", "old"))
		p := publisher{dir: dir, wait: time.Second, hook: func(step string) error {
			if strings.HasPrefix(step, "put ") {
				return fs.ErrPermission
			}
			return nil
		}}
		_, err := p.publish(Set{Files: set})
		if err == nil {
			t.Fatal("the run should have been cut short")
		}
		mustAdvise(t, err)
		return dir
	}
	t.Run("by Recover", func(t *testing.T) {
		dir := cut(t)
		done, err := Recover(dir)
		if diff := cmp.Diff([]string{"a", "sub/b"}, done); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if rep := mustPublish(t, dir, set...); len(rep.Recovered) != 0 || rep.Changed() {
			t.Errorf("a second run gives %v", rep)
		}
	})
	t.Run("by Publish, which goes on from there", func(t *testing.T) {
		dir := cut(t)
		rep := mustPublish(t, dir, file("a", "newer"), file("c", "old"))
		want := Report{
			Files:     []Change{{Path: "a", Status: Changed, OldSize: 3, OldSum: sumOf("new")}, {Path: "c", Status: Unchanged, OldSize: 3, OldSum: sumOf("old")}},
			Recovered: []string{"a", "sub/b"},
		}
		rep.Orphans = nil // sub/b, which that run published
		if diff := cmp.Diff(want, rep, visible); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("seen by Read", func(t *testing.T) {
		dir := cut(t)
		for path, want := range map[string]string{"a": "new", "sub/b": "new", "c": "old"} {
			if data, ok, err := Read(dir, path); string(data) != want || !ok || err != nil {
				t.Errorf("%s reads %q, %v, %v", path, data, ok, err)
			}
		}
		if data, _ := os.ReadFile(filepath.Join(dir, "a")); string(data) != "old" {
			t.Errorf("a holds %q: the test should have a journal to look into", data)
		}
	})
	for what, take := range map[string]func(t *testing.T, place string){
		"folder": func(t *testing.T, place string) {
			if err := os.Mkdir(place, 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"link": func(t *testing.T, place string) { need.Link(t, "c", place) },
	} {
		t.Run("a place is taken by a "+what+" meanwhile", func(t *testing.T) {
			dir := cut(t)
			place := filepath.Join(dir, "a")
			if err := os.Remove(place); err != nil {
				t.Fatal(err)
			}
			take(t, place)
			for range 2 {
				if _, err := Publish(dir, Set{Files: []File{file("c", "newest")}}); err == nil {
					t.Fatal("published over an unfinished set")
				} else if mustAdvise(t, err); !strings.Contains(err.Error(), pendingDir) {
					t.Errorf("the journal is not named: %v", err)
				}
			}
			if err := os.Remove(place); err != nil {
				t.Fatal(err)
			}
			mustPublish(t, dir, file("c", "newest"))
			if data, _ := os.ReadFile(place); string(data) != "new" {
				t.Errorf("a holds %q", data)
			}
		})
	}
	t.Run("a folder is gone meanwhile", func(t *testing.T) {
		dir := cut(t)
		if err := os.Remove(filepath.Join(dir, "sub")); err != nil {
			t.Fatal(err)
		}
		if done, err := Recover(dir); err != nil || len(done) != 2 {
			t.Errorf("recovered %v, %v", done, err)
		}
		mustBeClean(t, dir)
	})
	t.Run("a journal with a forged name", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, pendingDir), 0o755); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, pendingDir, escape("../escaped"))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Recover(dir); err == nil {
			t.Error("recovered")
		}
		if !missing(filepath.Join(dir, "..", "escaped")) {
			t.Error("a file was written outside the folder")
		}
	})
}

func TestWaitsForTheLock(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, file("a", "old"))
	l := flock.New(filepath.Join(dir, lockName))
	if err := l.Lock(); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if runtime.GOOS != "windows" { // where nobody reads what is locked
		if err := os.WriteFile(l.Path(), []byte("4711"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := publisher{dir: dir, wait: 20 * time.Millisecond}
	_, err := p.publish(Set{Files: []File{file("a", "new")}})
	if err == nil {
		t.Fatal("published under another run's lock")
	}
	mustAdvise(t, err)
	if runtime.GOOS != "windows" && !strings.Contains(err.Error(), "4711") {
		t.Errorf("the other run is not named: %v", err)
	}
	if data, ok, err := Read(dir, "a"); string(data) != "old" || !ok || err != nil {
		t.Errorf("Read waits or fails: %q, %v, %v", data, ok, err)
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = l.Unlock() })
	mustPublish(t, dir, file("a", "new"))
}

// steps is what a run on dir does, in order.
func steps(t *testing.T, dir string, files []File) (all []string) {
	t.Helper()
	p := publisher{dir: dir, wait: time.Second, hook: func(step string) error {
		all = append(all, step)
		return nil
	}}
	if _, err := p.publish(Set{Files: files}); err != nil {
		t.Fatal(err)
	}
	return all
}

// What is synced, and when, is what a power cut leaves whole.
func TestOrderOfSyncs(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name  string
		files []File
		want  []string
	}{
		{"a set", []File{file("a", "1"), file("s/b", "1")}, []string{
			"write a", "sync a", "write s/b", "sync s/b", "write " + ManifestName, "sync " + ManifestName, "sync folder .sallyport.new",
			"commit", "sync folder .", "put " + ManifestName, "put a", "put s/b", "sync folder .", "sync folder s"}},
		{"one file of two", []File{file("a", "2"), file("s/b", "1")}, []string{
			"write a", "sync a", "write " + ManifestName, "sync " + ManifestName, "sync folder .sallyport.new",
			"commit", "sync folder .", "put " + ManifestName, "put a", "sync folder ."}},
		{"nothing", []File{file("a", "2"), file("s/b", "1")}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, s := range steps(t, dir, tc.files) {
				switch verb, _, _ := strings.Cut(s, " "); verb {
				case "write", "sync", "commit", "put":
					got = append(got, s)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a", "fw/edge.nft", "%", "%2F/%25", "../a", "a//b", "", `C:\a`, "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if name := escape(path); strings.Contains(name, "/") || unescape(name) != path {
			t.Errorf("%q is escaped as %q, which reads as %q", path, name, unescape(name))
		}
		inside := filepath.Join("/out", filepath.FromSlash(path))
		if checkPath(path) == nil && !strings.HasPrefix(inside, filepath.FromSlash("/out/")) {
			t.Errorf("%q is accepted and leads to %s", path, inside)
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{0, 1, 2, 20} {
		b.Run(fmt.Sprintf("changed=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			files := []File{file("edge.nft", ""), file("laptops.conf", "")}
			for i := len(files); i < n; i++ {
				files = append(files, file(fmt.Sprintf("f%d", i), ""))
			}
			for i := range files {
				files[i].Data = bytes.Repeat([]byte{'x'}, 60_000) // about AzureCloud as nftables
			}
			for i := 0; b.Loop(); i++ {
				for j := range n {
					copy(files[j].Data, fmt.Sprint(i))
				}
				if _, err := Publish(dir, Set{Files: files}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
