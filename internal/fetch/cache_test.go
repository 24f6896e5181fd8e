package fetch

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// twoVersions fills the cache with 397, and then 398.
func twoVersions(t *testing.T) (*origin, *Fetcher, *clock, Source) {
	t.Helper()
	o := newOrigin(t, versioned(t, 397))
	f, c := o.fetcher(t)
	src := docSource(o.URL)
	mustFetch(t, f, src, 397)
	c.pass(2 * day)
	o.now(versioned(t, 398))
	mustFetch(t, f, src, 398)
	o.now(versioned(t, 398))
	return o, f, c, src
}

// A blob of another layout is made anew from the kept file, without a word.
func TestOtherFormat(t *testing.T) {
	o, f, _, src := twoVersions(t)
	calls := 0
	src.Format = "test/2"
	src.Check = func(raw []byte) (Checked, error) {
		calls++
		return checkDoc(raw)
	}
	for range 2 {
		if r := mustFetch(t, f, src, 398); len(r.Notes) != 0 {
			t.Errorf("notes: %+v", r.Notes)
		}
	}
	if calls != 1 {
		t.Errorf("the file was compiled %d times", calls)
	}
	wantTries(t, o, 0)
	// Open refuses a blob that is whole but of no use.
	bad := true
	src.Open = func(compiled []byte) error {
		if bad {
			bad = false
			return errors.New("not an index")
		}
		return nil
	}
	mustFetch(t, f, src, 398)
	mustFetch(t, f, src, 398)
	if calls != 2 {
		t.Errorf("the file was compiled %d times", calls)
	}
	// A stricter decoder may refuse what an older one took.
	src.Format = "test/3"
	src.Check = func(raw []byte) (Checked, error) {
		if bytes.Equal(raw, doc(398)) {
			return Checked{}, errors.New("no longer good enough")
		}
		return checkDoc(raw)
	}
	f.Offline = true
	if r := mustFetch(t, f, src, 397); !hasWarning(r) {
		t.Errorf("notes: %+v", r.Notes)
	}
}

// TestGuard: Guard judges a new file, and not the copy at hand.
func TestGuard(t *testing.T) {
	o := newOrigin(t, versioned(t, 397))
	f, c := o.fetcher(t)
	src := docSource(o.URL)
	var seen []string
	refuse := false
	src.Guard = func(before []byte, _ string) error {
		seen = append(seen, string(before))
		if refuse {
			return errors.New("too much at once")
		}
		return nil
	}
	mustFetch(t, f, src, 397)
	refuse = true
	src.Format = "test/2" // compiled anew, and not judged again
	mustFetch(t, f, src, 397)
	o.now(versioned(t, 398))
	c.pass(2 * day)
	if r := mustFetch(t, f, src, 397); r.Problem == nil || !strings.Contains(r.Problem.Error(), "too much at once") {
		t.Errorf("the problem is %v", r.Problem)
	}
	refuse = false
	mustFetch(t, f, src, 398)
	if want := []string{"", "index of 397", "index of 397"}; !slices.Equal(seen, want) {
		t.Errorf("the guard was told of %q, want %q", seen, want)
	}

	name := filepath.Join(t.TempDir(), "feed.json")
	if err := os.WriteFile(name, doc(398), 0o600); err != nil {
		t.Fatal(err)
	}
	src.File, refuse = name, true
	if e := mustFail(t, f, src, nil); !strings.Contains(e.Error(), "too much at once") || seen[len(seen)-1] != "" {
		t.Errorf("a file: %v, after %q", e, seen)
	}
}

func TestNothingCompiled(t *testing.T) {
	o := newOrigin(t, versioned(t, 398))
	f, _ := o.fetcher(t)
	src := docSource(o.URL)
	src.Check, src.Format = nil, ""
	for range 2 {
		r, err := f.Fetch(context.Background(), src)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := r.Raw()
		if err != nil || !bytes.Equal(raw, doc(398)) || r.Compiled() != nil || r.Close() != nil {
			t.Errorf("got %.20q, %v and blob %q", raw, err, r.Compiled())
		}
	}
	wantTries(t, o, 1)
}

// The folder holds two copies, and nothing that an interrupted writer left.
func TestSweep(t *testing.T) {
	o, f, c, src := twoVersions(t)
	dir := filepath.Join(f.Cache.Dir(), src.key())
	for _, name := range []string{".new-123", "0123.raw", "stray.compiled"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for change := 399; change < 402; change++ {
		o.now(versioned(t, change))
		c.pass(2 * day)
		mustFetch(t, f, src, change)
		wantFiles(t, dir, 7)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the folder is open to others: %v, %v", info, err)
	}
}

func wantFiles(t *testing.T, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != want {
		t.Errorf("the folder holds %v", entries)
	}
}

// Writers of one feed and its readers at once: what is read is whole.
func TestConcurrent(t *testing.T) {
	cache, err := OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	src := docSource("https://example.com/")
	put := func(change int) error {
		return cache.put(context.Background(), src.key(), doc(change), compiledDoc(change), src.Format, meta{Change: "x"})
	}
	if err := put(1000); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		writers.Go(func() {
			for i := range 10 {
				if err := put(1000 + 100*w + i%7); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	f := &Fetcher{Cache: cache, Offline: true}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := f.Fetch(context.Background(), src)
				if errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("a reader met %v", err)
				}
				if err != nil {
					continue
				}
				// The blob must belong to the file of the same result.
				if raw, err := r.Raw(); err == nil {
					if want, _ := checkDoc(raw); !bytes.Equal(want.Compiled, r.Compiled()) {
						t.Errorf("blob %q with a file of %q", r.Compiled(), want.Compiled)
					}
				}
				r.Close()
				time.Sleep(100 * time.Microsecond)
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func TestLockedOut(t *testing.T) {
	cache, err := OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	held, release := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- cache.locked(context.Background(), "k", func(string) error {
			close(held)
			<-release
			return nil
		})
	}()
	<-held
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := cache.put(ctx, "k", []byte("x"), nil, "", meta{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second writer got %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := cache.put(context.Background(), "k", []byte("x"), nil, "", meta{}); err != nil {
		t.Error(err)
	}
}

// A cache that can't be written costs a warning, not the data.
func TestCacheUnwritable(t *testing.T) {
	o := newOrigin(t, versioned(t, 398))
	f, _ := o.fetcher(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.Cache, _ = OpenCache(filepath.Join(file, "cache"))
	r := mustFetch(t, f, docSource(o.URL), 398)
	if !hasWarning(r) {
		t.Errorf("no warning: %+v", r.Notes)
	}
}

func TestOpenCache(t *testing.T) {
	t.Setenv("SALLYPORT_CACHE", "")
	t.Setenv("HOME", "/home/somebody")
	t.Setenv("XDG_CACHE_HOME", "/var/tmp/xdg")
	t.Setenv("LocalAppData", `C:\Users\somebody\AppData\Local`)
	user, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ arg, env, want string }{
		{"", "", filepath.Join(user, "sallyport")},
		{"", "/env", "/env"},
		{"/arg", "/env", "/arg"},
	} {
		t.Setenv("SALLYPORT_CACHE", c.env)
		got, err := OpenCache(c.arg)
		if err != nil || got.Dir() != c.want {
			t.Errorf("OpenCache(%q) with %q: %v, %v", c.arg, c.env, got, err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add([]byte(`{"version":1,"sha256":"` + strings.Repeat("ab", 32) + `","size":3,"compiled":{"format":"f","size":1,"crc32c":7}}`))
	f.Add([]byte(`{"version":1,"sha256":"../..","etag":"a\nb"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMeta(data)
		if err != nil {
			return
		}
		for _, s := range []string{m.ETag, m.LastModified, m.URL, m.Change} {
			wantPrintable(t, s)
		}
		names := []string{m.rawName()}
		if m.Compiled != nil {
			names = append(names, m.compiledName())
		}
		for _, name := range names {
			if filepath.Base(name) != name || !filepath.IsLocal(name) {
				t.Fatalf("the name %q leads out of the folder", name)
			}
		}
	})
}
