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
func polled(change *int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"latest": "v%d"}`, *change)
			return
		}
		serve(doc(*change))(w, r)
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
		Check: func(raw, before []byte) (Checked, error) {
			c, err := checkDoc(raw, before)
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
			t.Errorf("%+v, want %s, from the cache: %v", r, wantChange, wantCopy)
		}
		wantTries(t, o, tries)
		o.tries.Store(0)
		return r
	}
	fetch(false, "v398", 2) // the version, and the file
	fetch(true, "v398", 0)  // of today
	c.pass(2 * day)
	if r := fetch(true, "v398", 1); r.Stale || !r.Checked.Equal(c.now()) {
		t.Errorf("the copy counts as not confirmed: %+v", r)
	}
	c.pass(day / 2)
	fetch(true, "v398", 0) // the confirmation is kept
	c.pass(2 * day)
	change = 400
	fetch(false, "v400", 2)

	// A program with another format compiles anew, and still knows the version.
	src.Format = "test/2"
	fetch(true, "v400", 0)
	src.Format = "test/3"
	c.pass(2 * day)
	fetch(true, "v400", 1)
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
