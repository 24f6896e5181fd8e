package fetch

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// polled serves a file that does not know its version, and the version beside it.
func polled(change *int) http.HandlerFunc { return lagging(change, change) }

// lagging is polled by two servers, of which one has another version.
func lagging(change, file *int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"latest": "v%d"}`, *change)
			return
		}
		serve(doc(*file))(w, r)
	}
}

// polledSource asks for the version first. Its file is at a new address each time.
func polledSource(o *origin) Source {
	asked := 0
	return Source{
		Name: "m365", Kind: "m365", Cloud: "worldwide", Format: "test/1", Pause: time.Hour,
		Discover: func(context.Context, Getter) (string, error) {
			asked++
			return fmt.Sprintf("%s/file?id=%d", o.URL, asked), nil
		},
		Version: func(ctx context.Context, get Getter) (string, error) {
			page, err := get(ctx, o.URL+"/version")
			if err != nil {
				return "", err
			}
			_, latest, _ := strings.Cut(string(page.Body), `"latest": "`)
			latest, _, _ = strings.Cut(latest, `"`)
			return latest, nil
		},
		Check: func(raw []byte) (Checked, error) {
			c, err := checkDoc(raw)
			c.Change = "" // the file does not say
			return c, err
		},
	}
}

func TestVersionFirst(t *testing.T) {
	change := 398
	o := newOrigin(t, polled(&change))
	f, c := o.fetcher(t)
	src := polledSource(o)
	fetch := func(wantCopy bool, wantChange string, tries int64) *Result {
		t.Helper()
		r, err := f.Fetch(context.Background(), src)
		if err != nil {
			t.Fatal(err)
		}
		if r.FromCache != wantCopy || r.Change != wantChange || hasWarning(r) {
			t.Errorf("%s, from the cache: %v, notes %v; want %s, %v", r.Change, r.FromCache, r.Notes, wantChange, wantCopy)
		}
		wantTries(t, o, tries)
		o.tries.Store(0)
		return r
	}
	fetch(false, "v398", 2) // the version, and the file
	fetch(true, "v398", 0)  // of today
	c.pass(2 * day)
	fetch(false, "v398", 2) // to be sure that the file is of that version
	c.pass(2 * day)
	if r := fetch(true, "v398", 1); r.Stale || !r.Checked.Equal(c.now()) {
		t.Errorf("the copy counts as not confirmed: %+v", r)
	}
	c.pass(day / 2)
	fetch(true, "v398", 0) // the confirmation is kept
	c.pass(2 * day)
	change = 400
	fetch(false, "v400", 2)
	c.pass(2 * day)
	fetch(false, "v400", 2)

	// A program with another format compiles anew, and still knows the version.
	src.Format = "test/2"
	fetch(true, "v400", 0)
	src.Format = "test/3"
	c.pass(2 * day)
	fetch(true, "v400", 1)
}

// TestLateServer: where the version and the file come from servers of which one is
// late, the copy catches up with the later of them, and is then left alone.
func TestLateServer(t *testing.T) {
	type visit struct {
		version, file int    // as the servers say
		change        string // as the copy is labelled
		tries         int64
	}
	for name, days := range map[string][]visit{
		"the file is late": {
			{1, 1, "v1", 2}, {1, 1, "v1", 2}, {1, 1, "v1", 1},
			{2, 1, "v1", 2}, {2, 1, "v1", 2}, // known as the file of v1
			{2, 2, "v2", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 1},
		},
		"the file is late from the start":    {{2, 1, "v2", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 1}},
		"the file is late by two":            {{1, 1, "v1", 2}, {3, 2, "v3", 2}, {3, 3, "v3", 2}, {3, 3, "v3", 2}, {3, 3, "v3", 1}},
		"the version is late":                {{1, 2, "v1", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 1}},
		"the version is late and then gone":  {{1, 1, "v1", 2}, {1, 1, "v1", 2}, {1, 2, "v1", 1}, {2, 2, "v2", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 1}},
		"servers of two ages take turns":     {{2, 2, "v2", 2}, {2, 1, "v2", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 2}, {2, 2, "v2", 1}},
		"a version that changed not a thing": {{1, 1, "v1", 2}, {2, 1, "v2", 2}, {2, 1, "v2", 2}, {2, 1, "v2", 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var version, file int
			o := newOrigin(t, lagging(&version, &file))
			f, c := o.fetcher(t)
			src, have := polledSource(o), 0
			for i, d := range days {
				version, file = d.version, d.file
				o.tries.Store(0)
				if d.tries > 1 {
					have = file
				}
				r := mustFetch(t, f, src, have)
				if r.Change != d.change || r.Stale || hasWarning(r) {
					t.Errorf("day %d: %s, notes %v, want %s", i, r.Change, r.Notes, d.change)
				}
				if said := len(r.Notes) > 0; said != (d.change != fmt.Sprintf("v%d", version)) {
					t.Errorf("day %d: notes %v of a file of %s", i, r.Notes, d.change)
				}
				wantTries(t, o, d.tries)
				c.pass(2 * day)
			}
		})
	}
}

// TestLateServerNotModified: a file that is confirmed by ETag is also known by that.
func TestLateServerNotModified(t *testing.T) {
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			serve([]byte(`{"latest": "v398"}`))(w, r)
			return
		}
		versioned(t, 398)(w, r)
	})
	f, c := o.fetcher(t)
	src := polledSource(o)
	src.Discover = func(context.Context, Getter) (string, error) { return o.URL + "/file", nil }
	for i, tries := range []int64{2, 2, 1, 1} {
		o.tries.Store(0)
		if r := mustFetch(t, f, src, 398); r.Change != "v398" || r.FromCache != (i > 0) || r.Stale {
			t.Errorf("day %d: %s, from the cache: %v", i, r.Change, r.FromCache)
		}
		wantTries(t, o, tries)
		c.pass(2 * day)
	}
}

func TestPause(t *testing.T) {
	change := 398
	o := newOrigin(t, polled(&change))
	f, c := o.fetcher(t)
	src := polledSource(o)
	mustFetch(t, f, src, 398)
	f.Refresh = true
	change = 400
	wantTries(t, o, 2)
	c.pass(59 * time.Minute)
	if r := mustFetch(t, f, src, 398); len(r.Notes) != 1 || r.Notes[0].Warning || !strings.Contains(r.Notes[0].Text, "not asked again") {
		t.Errorf("what is said of a copy that is not refreshed: %+v", r.Notes)
	}
	wantTries(t, o, 2)
	c.pass(time.Minute)
	mustFetch(t, f, src, 400)
	wantTries(t, o, 4)
}

// TestPauseAfter429: whatever the server asks for, it is left alone, in this run
// and in those of the hour after it.
func TestPauseAfter429(t *testing.T) {
	change := 398
	o := newOrigin(t, polled(&change))
	f, c := o.fetcher(t)
	src := polledSource(o)
	mustFetch(t, f, src, 398)
	for after, pause := range map[string]time.Duration{"": time.Hour, "1": time.Hour, "7200": 2 * time.Hour} {
		o.now(func(w http.ResponseWriter, _ *http.Request) {
			if after != "" {
				w.Header().Set("Retry-After", after)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		})
		c.pass(2 * day)
		fetch := func(tries int64) {
			t.Helper()
			r := mustFetch(t, f, src, 398)
			wantTries(t, o, tries)
			if r.Problem == nil || !strings.Contains(r.Problem.Error(), "429") || !hasWarning(r) {
				t.Errorf("Retry-After %q: the problem is %v", after, r.Problem)
			}
		}
		fetch(1)
		c.pass(pause - time.Minute)
		fetch(1)
		c.pass(2 * time.Minute)
		fetch(2)
	}

	// Without a copy, the run fails, and still nobody is asked.
	empty, _ := o.fetcher(t)
	for range 2 {
		if _, err := empty.Fetch(context.Background(), polledSource(o)); err == nil || !strings.Contains(err.Error(), "429") || !strings.Contains(err.Error(), "--feed m365=FILE") {
			t.Errorf("an origin that says 429 from the start: %v", err)
		}
	}
	wantTries(t, o, 3)

	// A clock that is set back far does not cut the feed off.
	change = 400
	o.now(polled(&change))
	c.pass(-10 * day)
	mustFetch(t, f, src, 400)
}

func TestVersionUnknown(t *testing.T) {
	o := newOrigin(t, serve([]byte(`{"hello": 1}`)))
	f, _ := o.fetcher(t)
	if _, err := f.Fetch(context.Background(), polledSource(o)); err == nil || !strings.Contains(err.Error(), "current version") {
		t.Errorf("an answer without a version: %v", err)
	}
}
