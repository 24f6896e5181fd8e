package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These tests run on the virtual clock of testing/synctest, so that real
// settings, of seconds and minutes, are tested exactly and at once.

// transport is a server without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(r *http.Request, code int, body io.Reader, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Header: h, Request: r,
		Body: io.NopCloser(body), ContentLength: -1, ProtoMajor: 1, ProtoMinor: 1,
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  int
		after string
		waits []time.Duration // between the tries; nil: their number and length is our choice
		tries int
	}{
		{"seconds", 429, "7", []time.Duration{7 * time.Second}, 0},
		{"unavailable", 503, "45", []time.Duration{45 * time.Second}, 0},
		{"date", 429, "Sat, 01 Jan 2000 00:00:20 GMT", []time.Duration{20 * time.Second, 0, 0}, 4},
		{"longest allowed", 429, "60", []time.Duration{time.Minute}, 0},
		{"too long", 429, "61", []time.Duration{}, 1},
		{"much too long", 503, "2147483647", []time.Duration{}, 1},
		{"not a time", 429, "soon", nil, 4},
		{"negative", 429, "-5", nil, 4},
		{"past", 503, "Sat, 01 Jan 2000 00:00:00 GMT", nil, 4},
		{"of no meaning here", 404, "7", []time.Duration{}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				f := &Fetcher{Transport: transport(func(r *http.Request) (*http.Response, error) {
					at = append(at, time.Now())
					return respond(r, c.code, strings.NewReader("no"), "Retry-After", c.after), nil
				})}
				e := mustFail(t, f, docSource("https://example.com/"), nil)
				var s *StatusError
				if !errors.As(e, &s) || s.Code != c.code {
					t.Errorf("got %v", e)
				}
				tries := c.tries
				if tries == 0 {
					tries = 4
				}
				if len(at) != tries {
					t.Fatalf("%d tries, want %d", len(at), tries)
				}
				for i := 1; i < len(at); i++ {
					wait := at[i].Sub(at[i-1])
					switch {
					case len(c.waits) == 1 && wait != c.waits[0]:
						t.Errorf("wait %d took %v, want %v", i, wait, c.waits[0])
					case len(c.waits) > 1 && c.waits[i-1] > 0 && wait != c.waits[i-1]:
						t.Errorf("wait %d took %v, want %v", i, wait, c.waits[i-1])
					case wait <= 0:
						t.Errorf("wait %d took %v", i, wait)
					}
				}
			})
		})
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		f := &Fetcher{Retries: 8, Transport: transport(func(*http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			return nil, errors.New("connection reset")
		})}
		mustFail(t, f, docSource("https://example.com/"), nil)
		if len(at) != 9 {
			t.Fatalf("%d tries, want 9", len(at))
		}
		want := DefaultBackoffMin
		for i := 1; i < len(at); i++ {
			wait := at[i].Sub(at[i-1])
			if wait < want/2 || wait > want {
				t.Errorf("wait %d took %v, want between %v and %v", i, wait, want/2, want)
			}
			want = min(2*want, DefaultBackoffMax)
		}
	})
}

// slowBody waits before it sends each piece.
type slowBody struct {
	ctx    context.Context
	pieces [][]byte
	pause  time.Duration
	ready  []byte // what is left of a piece, to be read at once
}

func (s *slowBody) Read(p []byte) (int, error) {
	if len(s.ready) == 0 {
		if len(s.pieces) == 0 {
			return 0, io.EOF
		}
		select {
		case <-time.After(s.pause):
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
		s.ready, s.pieces = s.pieces[0], s.pieces[1:]
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

func TestSlow(t *testing.T) {
	pieces := func(n int) [][]byte {
		data := doc(398)
		return slices.Collect(slices.Chunk(data, (len(data)+n-1)/n))
	}
	for _, c := range []struct {
		name   string
		header time.Duration // until the headers come
		pause  time.Duration // before each piece of the body
		pieces int
		takes  time.Duration // 0: it works
	}{
		{"slow but steady", 20 * time.Second, 25 * time.Second, 3, 0},
		{"no headers", time.Hour, 0, 1, 30 * time.Second},
		{"silent in the body", 10 * time.Second, time.Hour, 2, 40 * time.Second},
		{"never done", 0, 20 * time.Second, 20, 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &Fetcher{Retries: -1, Transport: transport(func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(c.header):
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
					return respond(r, 200, &slowBody{ctx: r.Context(), pieces: pieces(c.pieces), pause: c.pause}), nil
				})}
				start := time.Now()
				if c.takes == 0 {
					mustFetch(t, f, docSource("https://example.com/"), 398)
					return
				}
				mustFail(t, f, docSource("https://example.com/"), ErrTimeout)
				if d := time.Since(start); d != c.takes {
					t.Errorf("it gave up after %v, want %v", d, c.takes)
				}
			})
		})
	}
}

// A server that sees us hang up may end its half-said answer in good form. That
// is still no whole answer.
func TestCleanEndOfAnEndedTry(t *testing.T) {
	for name, pause := range map[string]time.Duration{"silence": time.Hour, "whole": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &Fetcher{Retries: -1, Transport: transport(func(r *http.Request) (*http.Response, error) {
					return respond(r, 200, &politeBody{r.Context(), pause}), nil
				})}
				src := docSource("https://example.com/")
				src.Check = nil // takes anything
				mustFail(t, f, src, ErrTimeout)
			})
		})
	}
}

// politeBody sends a byte after each pause, and a clean end when it is cut off.
type politeBody struct {
	ctx   context.Context
	pause time.Duration
}

func (b *politeBody) Read(p []byte) (int, error) {
	select {
	case <-time.After(b.pause):
		p[0] = ' '
		return 1, nil
	case <-b.ctx.Done():
		return 0, io.EOF
	}
}

// A caller's own deadline ends the tries, and lets a good copy stand in.
func TestDeadline(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cache, _ := OpenCache(dir)
		answer := true
		f := &Fetcher{Cache: cache, MaxAge: -1, Transport: transport(func(r *http.Request) (*http.Response, error) {
			if answer {
				return respond(r, 200, bytes.NewReader(doc(398))), nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		src := docSource("https://example.com/")
		mustFetch(t, f, src, 398)
		answer = false
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		r, err := f.Fetch(ctx, src)
		if err != nil || !errors.Is(r.Problem, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("got %+v, %v after %v", r, err, time.Since(start))
		}
	})
}

// recorder is a Progress that remembers.
type recorder struct {
	mu     sync.Mutex
	begun  time.Time
	feed   string
	states []State
	done   int
}

func (p *recorder) begin(feed string) Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.feed, p.begun = feed, time.Now()
	return p
}

func (p *recorder) Update(s State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states = append(p.states, s)
}

func (p *recorder) Done() { p.done++ }

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		name  string
		takes time.Duration
		want  bool
	}{
		{"quick", 0, false},
		{"just in time", 999 * time.Millisecond, false},
		{"slow", 1001 * time.Millisecond, true},
		{"very slow", 20 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := &recorder{}
				f := &Fetcher{Progress: rec.begin, Transport: transport(func(r *http.Request) (*http.Response, error) {
					resp := respond(r, 200, &slowBody{ctx: r.Context(), pieces: [][]byte{doc(398)}, pause: c.takes})
					resp.ContentLength = int64(len(doc(398)))
					return resp, nil
				})}
				start := time.Now()
				mustFetch(t, f, docSource("https://example.com/"), 398)
				if !c.want {
					if rec.feed != "" || len(rec.states) != 0 || rec.done != 0 {
						t.Errorf("it was shown: %+v", rec)
					}
					return
				}
				if rec.feed != "azure" || rec.begun.Sub(start) != time.Second || rec.done != 1 {
					t.Errorf("shown for %q after %v, ended %d times", rec.feed, rec.begun.Sub(start), rec.done)
				}
				want := State{Doing: "downloading from example.com", Total: int64(len(doc(398)))}
				if len(rec.states) == 0 || !reflect.DeepEqual(rec.states[0], want) {
					t.Errorf("shown %+v, want first %+v", rec.states, want)
				}
				if n := time.Duration(len(rec.states)); n > (c.takes-time.Second)/meterTick+2 {
					t.Errorf("%d updates", n)
				}
			})
		})
	}
}

// The display says what is going on while nothing arrives, and counts bytes as
// they were sent.
func TestProgressStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		try := 0
		f := &Fetcher{Progress: rec.begin, Transport: transport(func(r *http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			if try++; try == 1 {
				return respond(r, 503, strings.NewReader(""), "Retry-After", "5"), nil
			}
			data := packed(doc(398))
			return respond(r, 200, &slowBody{ctx: r.Context(), pieces: [][]byte{data[:40], data[40:]}, pause: 2030 * time.Millisecond}), nil
		})}
		mustFetch(t, f, docSource("https://example.com/"), 398)
		var seen []State
		for _, s := range rec.states {
			if len(seen) == 0 || seen[len(seen)-1] != s {
				seen = append(seen, s)
			}
		}
		want := []State{
			{"waiting for example.com", 0, -1},
			{"example.com did not answer well, trying again in 5 seconds", 0, -1},
			{"waiting for example.com", 0, -1},
			{"downloading from example.com", 0, -1},
			{"downloading from example.com", 40, -1},
		}
		if !reflect.DeepEqual(seen, want) {
			t.Errorf("shown\n%+v\nwant\n%+v", seen, want)
		}
	})
}

// A file is soon read, but it may take long to check: the display says so even
// then, and never shows an empty line.
func TestProgressOfFile(t *testing.T) {
	path := writeTemp(t, doc(398))
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		src := fileSource(path)
		check := src.Check
		src.Check = func(raw []byte) (Checked, error) {
			time.Sleep(1500 * time.Millisecond)
			return check(raw)
		}
		mustFetch(t, &Fetcher{Progress: rec.begin}, src, 398)
		n := int64(len(doc(398)))
		want := State{Doing: "reading " + path, Bytes: n, Total: n}
		if len(rec.states) == 0 {
			t.Fatal("nothing was shown")
		}
		for _, s := range rec.states {
			if s != want {
				t.Errorf("shown %+v, want %+v", s, want)
			}
		}
	})
}

func TestRetryAfterValues(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, "120": 2 * time.Minute, "": 0, "-1": 0, "1.5": 0, "99999999999999999999": 0, " 3": 0,
		"Fri, 20 Nov 2026 12:00:30 GMT":  30 * time.Second,
		"Friday, 20-Nov-26 12:00:30 GMT": 30 * time.Second,
		"Fri Nov 20 12:00:30 2026":       30 * time.Second,
		"Fri, 20 Nov 2026 11:59:30 GMT":  0,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a second", 0: "less than a second", time.Second: "1 second", 90 * time.Second: "90 seconds",
		2 * time.Minute: "2 minutes", 119 * time.Minute: "119 minutes", 47*time.Hour + 59*time.Minute: "47 hours", 48 * time.Hour: "2 days",
		700 * time.Hour: "29 days",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
