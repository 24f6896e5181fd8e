package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func fileSource(name string) Source {
	src := docSource("https://example.invalid/not-asked")
	src.File = name
	return src
}

func writeTemp(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLocal(t *testing.T) {
	bom := append([]byte("\xef\xbb\xbf"), doc(398)...)
	for name, c := range map[string]struct {
		data []byte
		want error // nil: it works
	}{
		"plain":             {doc(398), nil},
		"gzip":              {packed(doc(398)), nil},
		"byte order mark":   {bom, nil},
		"packed with mark":  {packed(bom), nil},
		"empty":             {nil, ErrEmpty},
		"packed emptiness":  {packed(nil), ErrEmpty},
		"packed, cut short": {packed(doc(398))[:70], io.ErrUnexpectedEOF},
		"a saved web page":  {[]byte("  <!doctype html><title>Download</title>"), ErrWebPage},
		"malformed":         {[]byte("{"), errAny},
		"refused":           {doc(666), errAny},
		"huge":              {make([]byte, 1<<20+1), ErrTooLarge},
		"unpacks to huge":   {packed(make([]byte, 1<<20+1)), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeTemp(t, c.data)
			for _, from := range []string{path, "-"} {
				cache, _ := OpenCache(t.TempDir())
				f := &Fetcher{MaxBytes: 1 << 20, Stdin: bytes.NewReader(c.data), Cache: cache, Offline: true}
				if c.want == nil {
					r := mustFetch(t, f, fileSource(from), 398)
					if want := map[string]string{path: path, "-": "standard input"}[from]; r.From != want || r.FromCache || len(r.Notes) != 0 {
						t.Errorf("described as %+v, want that it comes from %s", r, want)
					}
				} else {
					want := c.want
					if want == errAny {
						want = nil
					}
					mustFail(t, f, fileSource(from), want)
				}
				if kept, _ := filepath.Glob(filepath.Join(cache.Dir(), "*", "*.raw")); len(kept) != 0 {
					t.Errorf("a local file was cached: %v", kept)
				}
				if kept, _ := os.ReadDir(cache.Dir()); len(kept) != 0 && (c.want != nil || from == "-") {
					t.Errorf("something of a file that is refused, or of a pipe, is kept: %v", kept)
				}
			}
		})
	}
}

// TestDecodedOnce: what was compiled of a file serves while the file has the same bytes.
func TestDecodedOnce(t *testing.T) {
	dir := t.TempDir()
	cache, err := OpenCache(filepath.Join(dir, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "feed.json")
	checks, keep := 0, true
	date := time.Now() // of all versions: that a file has other bytes shows nowhere else
	fetch := func(data []byte, change int, format string, refresh bool) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, date, date)); err != nil {
			t.Fatal(err)
		}
		src := fileSource(path)
		check := src.Check
		src.Format, src.Keep = format, func() bool { return keep }
		src.Check = func(raw []byte) (Checked, error) {
			checks++
			return check(raw)
		}
		mustFetch(t, &Fetcher{Cache: cache, Refresh: refresh}, src, change)
	}
	for i, step := range []struct {
		change  int
		format  string
		refresh bool
		checks  int
		damage  bool
	}{
		{398, "a", false, 1, false},
		{398, "a", false, 1, false}, // the same bytes
		{398, "a", true, 2, false},  // the user wants it anew
		{399, "a", false, 3, false}, // other bytes
		{399, "a", false, 3, false},
		{398, "a", false, 4, false}, // and back: one file, one blob
		{398, "b", false, 5, false}, // another decoder
		{398, "b", false, 6, true},
		{398, "b", false, 6, false}, // repaired
	} {
		if blobs, _ := filepath.Glob(filepath.Join(cache.Dir(), "*", "*.compiled")); step.damage {
			for _, b := range blobs {
				if err := os.WriteFile(b, []byte("damaged"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		fetch(doc(step.change), step.change, step.format, step.refresh)
		if checks != step.checks {
			t.Fatalf("step %d: the file was decoded %d times, and not %d", i, checks, step.checks)
		}
	}
	fetch(packed(doc(398)), 398, "b", false) // the same in a packed file
	if checks != 6 {
		t.Errorf("a packed file of the same bytes was decoded")
	}
	keep = false // the guard would have refused it
	fetch(doc(400), 400, "b", false)
	fetch(doc(400), 400, "b", false)
	if checks != 8 {
		t.Errorf("a file that is not to be kept was decoded %d times", checks-6)
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	f := &Fetcher{}
	mustFail(t, f, fileSource(filepath.Join(dir, "absent.json")), fs.ErrNotExist)
	if e := mustFail(t, f, fileSource(dir), nil); !strings.Contains(e.Error(), "folder") {
		t.Errorf("a folder gives %v", e)
	}
	mustFail(t, f, Source{Name: "azure"}, nil)
	e := mustFail(t, f, fileSource(dir+"/\x1b[2J\n.json"), fs.ErrNotExist)
	if strings.ContainsAny(e.Error(), "\x1b\n") {
		t.Errorf("the name reaches the terminal as it is: %q", e)
	}
}

func TestStdinOnce(t *testing.T) {
	f := &Fetcher{Stdin: bytes.NewReader(doc(398))}
	mustFetch(t, f, fileSource("-"), 398)
	second := fileSource("-")
	second.Name = "gov"
	if e := mustFail(t, f, second, nil); !strings.Contains(e.Error(), "azure") {
		t.Errorf("it does not say who has read it: %v", e)
	}
}

// A pipe that nobody writes to does not hold up one who wants to stop.
func TestStdinCancel(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (&Fetcher{Stdin: r}).Fetch(ctx, fileSource("-")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A reader that never ends is read no further than the limit.
func TestEndless(t *testing.T) {
	f := &Fetcher{MaxBytes: 1 << 20, Stdin: endless{}}
	mustFail(t, f, fileSource("-"), ErrTooLarge)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":          "plain text",
		"  two\n\tlines\r\n ": "two lines",
		"\x1b[31mred\x1b[0m":  "[31mred [0m",
		"a\u202eb\u200bc":     "a b c",
		"bad \xff\xfe utf":    "bad utf",
		"\x9b31m":             "31m",
		"düsseldorf 東京":       "düsseldorf 東京",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := foreign(strings.Repeat("ü", 10000)); utf8.RuneCountInString(got) > maxForeign+3 {
		t.Errorf("%d runes are left", utf8.RuneCountInString(got))
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b]0;x\x07\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{clean(s), foreign(s), strings.ReplaceAll(cleanLines(s), "\n", "")} {
			if !utf8.ValidString(out) {
				t.Fatalf("%q is not UTF-8", out)
			}
			wantPrintable(t, out)
		}
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add(doc(1))
	f.Add(packed(doc(1)))
	f.Add(packed(make([]byte, 1<<16)))
	f.Add([]byte{0x1f, 0x8b})
	f.Add([]byte("\xff\xfe\x00\x4e"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 12
		out, err := unpack(data, limit)
		switch {
		case err == nil && len(out) == 0:
			t.Fatal("an empty file passes")
		case err == nil && len(out) > max(limit, len(data)):
			t.Fatalf("%d bytes were unpacked", len(out))
		}
	})
}
