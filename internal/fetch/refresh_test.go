package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// versioned serves a file as a well-behaved server does: with ETag and date,
// and 304 to one who has it.
func versioned(t *testing.T, change int) http.HandlerFunc {
	etag := fmt.Sprintf(`"v%d"`, change)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		w.Header().Set("Last-Modified", "Mon, 16 Nov 2026 00:00:00 GMT")
		if tag := r.Header.Get("If-None-Match"); tag != "" {
			if r.Header.Get("If-Modified-Since") == "" {
				t.Error("a conditional request without a date")
			}
			if tag == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		serve(doc(change))(w, r)
	}
}

func TestFreshCopyAsksNobody(t *testing.T) {
	o := newOrigin(t, versioned(t, 398))
	f, c := o.fetcher(t)
	src := docSource(o.URL)
	r := mustFetch(t, f, src, 398)
	if r.FromCache || r.Stale || r.Change != "change 398" || r.ETag != `"v398"` {
		t.Errorf("the download is described as %+v", r)
	}
	c.pass(day - time.Second)
	r = mustFetch(t, f, src, 398)
	wantTries(t, o, 1)
	if !r.FromCache || r.Stale || r.Change != "change 398" || len(r.Notes) != 0 || r.Age(c.now()) != day-time.Second {
		t.Errorf("the copy is described as %+v", r)
	}

	f.Refresh = true
	mustFetch(t, f, src, 398)
	wantTries(t, o, 2)
	f.Refresh = false
	src.MaxAge = -1
	mustFetch(t, f, src, 398)
	wantTries(t, o, 3)
	c.pass(-day) // a clock that is set back proves nothing fresh
	src.MaxAge = 0
	mustFetch(t, f, src, 398)
	wantTries(t, o, 4)
}

func TestNotModified(t *testing.T) {
	o := newOrigin(t, versioned(t, 398))
	f, c := o.fetcher(t)
	src := docSource(o.URL)
	first := mustFetch(t, f, src, 398)
	c.pass(2 * day)
	r := mustFetch(t, f, src, 398)
	wantTries(t, o, 2)
	if !r.FromCache || r.Stale || len(r.Notes) != 0 || !r.Fetched.Equal(first.Fetched) || !r.Checked.Equal(c.now()) {
		t.Errorf("the confirmed copy is described as %+v", r)
	}
	// The confirmation is kept: the next run asks nobody.
	c.pass(day / 2)
	r = mustFetch(t, f, src, 398)
	wantTries(t, o, 2)
	if r.Age(c.now()) != day/2 || !r.Fetched.Equal(first.Fetched) {
		t.Errorf("the copy's times are %v and %v", r.Fetched, r.Checked)
	}
}

// A server without ETag is asked by date alone.
func TestModifiedSince(t *testing.T) {
	const date = "Mon, 16 Nov 2026 00:00:00 GMT"
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", date)
		if r.Header.Get("If-Modified-Since") == date {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		serve(doc(398))(w, r)
	})
	f, c := o.fetcher(t)
	mustFetch(t, f, docSource(o.URL), 398)
	c.pass(2 * day)
	if r := mustFetch(t, f, docSource(o.URL), 398); !r.FromCache {
		t.Error("it was downloaded again")
	}
}

func TestNewVersion(t *testing.T) {
	o := newOrigin(t, versioned(t, 397))
	f, c := o.fetcher(t)
	src := docSource(o.URL)
	mustFetch(t, f, src, 397)
	o.now(versioned(t, 398))
	c.pass(2 * day)
	var before []byte
	src.Guard = func(b []byte, _ string) error {
		before = bytes.Clone(b)
		return nil
	}
	if r := mustFetch(t, f, src, 398); r.FromCache || hasWarning(r) {
		t.Errorf("the new version is described as %+v", r)
	}
	if string(before) != string(compiledDoc(397)) {
		t.Errorf("Guard was told that %q came before", before)
	}
	if e, err := f.Cache.previous(src.key()); err != nil || e.Change != "change 397" {
		t.Errorf("the copy before is not kept: %v, %v", e, err)
	}
}

// Whatever goes wrong, the good copy stands in, and says so and why; on disk
// it stays as it was.
func TestGoodCopyStandsIn(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{
		"500": status(500), "404": status(404), "429": status(429), "empty": serve(nil),
		"web page": typed("text/html", []byte("<html>")), "cut short": cut("application/json", "", doc(398)),
		"malformed": serve([]byte(`{"change": 39`)), "refused": serve(doc(666)),
		"hang-up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, versioned(t, 397))
			f, c := o.fetcher(t)
			src := docSource(o.URL)
			mustFetch(t, f, src, 397)
			disk := snapshot(t, f.Cache.Dir())
			o.now(bad)
			c.pass(3 * day)
			r := mustFetch(t, f, src, 397)
			if !r.FromCache || !r.Stale || r.Problem == nil || r.Age(c.now()) != 3*day {
				t.Errorf("the old copy is described as %+v", r)
			}
			if len(r.Notes) != 1 || !r.Notes[0].Warning || !strings.Contains(r.Notes[0].Text, "3 days ago") || !strings.Contains(r.Notes[0].Text, "change 397") {
				t.Errorf("the notes are %+v", r.Notes)
			}
			if now := snapshot(t, f.Cache.Dir()); now != disk {
				t.Errorf("the cache changed from\n%s\nto\n%s", disk, now)
			}

			c.pass(28 * day)
			e := mustFail(t, f, src, ErrTooStale)
			if !strings.Contains(e.Hint, "--offline") || !strings.Contains(e.Error(), "31 days ago") {
				t.Errorf("the error is %q", e)
			}
			f.Offline = true
			mustFetch(t, f, src, 397)

			f.Offline, f.MaxStale = false, -1
			c.pass(-30 * day)
			f.Refresh = true
			mustFail(t, f, src, ErrTooStale)
		})
	}
}

func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var s strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var data []byte
			data, err = os.ReadFile(path)
			fmt.Fprintf(&s, "%s %q\n", path, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func TestOffline(t *testing.T) {
	o := newOrigin(t, versioned(t, 398))
	empty, _ := o.fetcher(t)
	src := docSource(o.URL)

	empty.Offline = true
	if e := mustFail(t, empty, src, ErrNoCopy); !strings.Contains(e.Hint, "--feed azure=FILE") {
		t.Errorf("the hint is %q", e.Hint)
	}
	wantTries(t, o, 0)
	empty.Cache = nil
	mustFail(t, empty, src, ErrNoCopy)

	f, c := o.fetcher(t)
	mustFetch(t, f, src, 398)
	f.Offline = true
	for _, step := range []struct {
		pass  time.Duration
		stale bool
		words string
	}{
		{2 * time.Hour, false, "fetched 2 hours ago"},
		{5 * day, true, "fetched 5 days ago"},
		{400 * day, true, "fetched 405 days ago"},
	} {
		c.pass(step.pass)
		r := mustFetch(t, f, src, 398)
		if r.Stale != step.stale || hasWarning(r) != step.stale || len(r.Notes) != 1 || !strings.Contains(r.Notes[0].Text, step.words) {
			t.Errorf("after %v: stale %v, notes %+v", step.pass, r.Stale, r.Notes)
		}
	}
	wantTries(t, o, 1)
}

func TestDiscover(t *testing.T) {
	page := "<html><a href='/ServiceTags_Public_20261116.json'>click here</a></html>"
	mux := http.NewServeMux()
	mux.HandleFunc("/details", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
	})
	mux.HandleFunc("/ServiceTags_Public_20261116.json", versioned(t, 398))
	o := newOrigin(t, mux.ServeHTTP)
	errLayout := errors.New("no link to ServiceTags_Public_*.json in the page")
	src := docSource("")
	src.Discover = func(ctx context.Context, get Getter) (string, error) {
		p, err := get(ctx, o.URL+"/details")
		if err != nil {
			return "", err
		}
		_, rest, ok := strings.Cut(string(p.Body), "href='")
		link, _, ok2 := strings.Cut(rest, "'")
		if !ok || !ok2 {
			return "", errLayout
		}
		return strings.TrimSuffix(p.URL, "/details") + link, nil
	}
	f, c := o.fetcher(t)
	r := mustFetch(t, f, src, 398)
	if r.From != o.URL+"/ServiceTags_Public_20261116.json" {
		t.Errorf("it comes from %s", r.From)
	}
	wantTries(t, o, 2)
	mustFetch(t, f, src, 398)
	wantTries(t, o, 2)
	c.pass(2 * day)
	if r := mustFetch(t, f, src, 398); !r.FromCache || r.Stale {
		t.Errorf("the unchanged file is described as %+v", r)
	}

	page = "<html>all new and shiny</html>"
	c.pass(2 * day)
	if r := mustFetch(t, f, src, 398); !errors.Is(r.Problem, errLayout) || !hasWarning(r) {
		t.Errorf("with the old copy: %+v", r)
	}
	f, _ = o.fetcher(t)
	if e := mustFail(t, f, src, errLayout); !strings.Contains(e.Hint, "--feed azure=FILE") {
		t.Errorf("the hint is %q", e.Hint)
	}
	// A page is no more trusted than a redirect.
	for _, link := range []string{"http://127.0.0.1/x.json", "file:///etc/passwd", "//", ""} {
		src.Discover = func(context.Context, Getter) (string, error) { return link, nil }
		mustFail(t, f, src, nil)
	}
	plain := httptest.NewServer(mux)
	t.Cleanup(plain.Close)
	src.Discover = func(ctx context.Context, get Getter) (string, error) {
		p, err := get(ctx, plain.URL+"/details")
		return p.URL, err
	}
	mustFail(t, f, src, ErrNotHTTPS)
}

// The copies of two feeds do not mix, and an address of one's own makes another feed.
func TestKeys(t *testing.T) {
	seen := map[string]Source{}
	for _, s := range []Source{
		{Kind: "azure", Cloud: "public"}, {Kind: "azure", Cloud: "usgov"}, {Kind: "azure", Cloud: "USGOV"},
		{Kind: "azurepublic"}, {Kind: "azure-public"}, {Kind: "azure", Cloud: "public", URL: "https://h/a"},
		{Kind: "azure", Cloud: "public", URL: "https://h/b"}, {Kind: "azure", Cloud: "public", URL: "https://u@h/b"},
		{Kind: "../../etc", Cloud: "passwd\x00"}, {Kind: strings.Repeat("long", 200)},
	} {
		key := s.key()
		if other, ok := seen[key]; ok {
			t.Errorf("%+v and %+v share a key", s, other)
		}
		seen[key] = s
		if !filepath.IsLocal(key) || strings.ContainsAny(key, `./\`) || len(key) > 64 {
			t.Errorf("the key %q is no good folder name", key)
		}
	}
	if (Source{Kind: "a", Name: "x"}).key() != (Source{Kind: "a", Name: "y"}).key() {
		t.Error("the label should not matter")
	}
}
