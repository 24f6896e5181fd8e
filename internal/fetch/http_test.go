package fetch

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/pace"
)

// cut announces more than it sends, and hangs up.
func cut(contentType, coding string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)+100))
		w.Write(data)
	}
}

// cutChunks hangs up between chunks.
func cutChunks(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Write(data)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func typed(contentType string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Write(data)
	}
}

func coded(coding string, data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Encoding", coding)
		w.Write(data)
	}
}

func chunked(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		w.Write(data)
	}
}

// inTurn behaves differently on each try; the last behaviour stays.
func inTurn(o *origin, handlers ...http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		handlers[min(int(o.tries.Load())-1, len(handlers)-1)](w, r)
	}
}

func TestAnswers(t *testing.T) {
	page := []byte("<!DOCTYPE html>\n<html><body>please sign in</body></html>")
	good := doc(398)
	all := int64(3) // with two retries
	for _, c := range []struct {
		name   string
		handle http.HandlerFunc
		tries  int64
		want   error // nil: it works
		code   int   // of the StatusError
	}{
		{"plain", serve(good), 1, nil, 0},
		{"octet-stream", typed("application/octet-stream", good), 1, nil, 0},
		{"no length", chunked(good), 1, nil, 0},
		{"gzip coding", coded("gzip", packed(good)), 1, nil, 0},
		{"x-gzip coding", coded("X-GZIP", packed(good)), 1, nil, 0},
		{"gzip file", typed("application/gzip", packed(good)), 1, nil, 0},
		{"gzip file in gzip coding", coded("gzip", packed(packed(good))), 1, nil, 0},
		{"byte order mark", serve(append([]byte("\xef\xbb\xbf"), good...)), 1, nil, 0},

		{"empty", serve(nil), all, ErrEmpty, 0},
		{"only a byte order mark", serve([]byte("\xef\xbb\xbf")), all, ErrEmpty, 0},
		{"empty gzip coding", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Length", "0")
		}, all, ErrEmpty, 0},
		{"cut short", cut("application/json", "", good), all, io.ErrUnexpectedEOF, 0},
		{"cut between chunks", cutChunks(good), all, io.ErrUnexpectedEOF, 0},
		{"cut gzip coding", coded("gzip", packed(good)[:60]), all, io.ErrUnexpectedEOF, 0},
		{"cut gzip file", typed("application/gzip", packed(good)[:60]), all, io.ErrUnexpectedEOF, 0},
		{"unknown coding", coded("br", good), 1, errAny, 0},
		{"HTML by type", typed("text/html; charset=utf-8", page), 1, ErrWebPage, 0},
		{"JSON sent as HTML", typed("text/html", good), 1, ErrWebPage, 0},
		{"XHTML", typed("application/xhtml+xml", page), 1, ErrWebPage, 0},
		{"HTML by content", typed("application/octet-stream", page), 1, ErrWebPage, 0},
		{"not JSON", typed("image/png", []byte("\x89PNG")), 1, errAny, 0},

		{"not found", status(404), 1, errAny, 404},
		{"forbidden", status(403), 1, errAny, 403},
		{"gone", status(410), 1, errAny, 410},
		{"too many requests", status(429), all, errAny, 429},
		{"server error", status(500), all, errAny, 500},
		{"bad gateway", status(502), all, errAny, 502},
		{"unavailable", status(503), all, errAny, 503},
		{"not implemented", status(501), 1, errAny, 501},
		{"no content", status(204), 1, errAny, 204},
		{"partial content", status(206), 1, errAny, 206},
		{"not modified, though nobody asked", status(304), 1, errAny, 304},
		{"redirect to nowhere", status(302), 1, errAny, 302},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, c.handle)
			f, _ := o.fetcher(t)
			if c.want == nil {
				mustFetch(t, f, docSource(o.URL), 398)
			} else {
				want := c.want
				if want == errAny {
					want = nil
				}
				e := mustFail(t, f, docSource(o.URL), want)
				if !strings.Contains(e.Hint, "--feed azure=FILE") {
					t.Errorf("no word of how to go on by hand: %s", e.Hint)
				}
				var s *StatusError
				if c.code != 0 && (!errors.As(e, &s) || s.Code != c.code) {
					t.Errorf("got %v, want status %d", e, c.code)
				}
				if _, err := f.Cache.get(docSource(o.URL).key()); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("a failed download left something in the cache: %v", err)
				}
			}
			wantTries(t, o, c.tries)
		})
	}
}

// errAny stands for an error of no special kind.
var errAny = errors.New("any")

func TestRecovers(t *testing.T) {
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, bad := range map[string]http.HandlerFunc{
		"500": status(500), "503": status(503), "429": status(429), "408": status(408),
		"empty": serve(nil), "cut short": cut("application/json", "", doc(1)), "hang-up": hangUp,
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, nil)
			o.now(inTurn(o, bad, bad, serve(doc(398))))
			f, _ := o.fetcher(t)
			mustFetch(t, f, docSource(o.URL), 398)
			wantTries(t, o, 3)
		})
	}
}

func TestNoRetries(t *testing.T) {
	o := newOrigin(t, status(500))
	f, _ := o.fetcher(t)
	f.Retries = -1
	mustFail(t, f, docSource(o.URL), nil)
	wantTries(t, o, 1)
}

func TestUnreachable(t *testing.T) {
	o := newOrigin(t, nil)
	o.Close()
	f, _ := o.fetcher(t)
	mustFail(t, f, docSource(o.URL), ErrNoCopy)
}

func TestLimit(t *testing.T) {
	const limit = 1 << 20
	zeros := make([]byte, 8<<20)
	noise := make([]byte, limit+1)
	rand.NewChaCha8([32]byte{}).Read(noise)
	bomb := packed(zeros)
	if len(bomb) > limit {
		t.Fatal("the bomb itself is over the limit")
	}
	for name, handle := range map[string]http.HandlerFunc{
		"declared":         serve(zeros[:limit+1]),
		"chunked":          chunked(zeros[:limit+1]),
		"gzip coding":      coded("gzip", bomb),
		"gzip file":        serve(bomb),
		"gzip in gzip":     coded("gzip", packed(bomb)),
		"packed too large": coded("gzip", packed(noise)),
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, handle)
			f, _ := o.fetcher(t)
			f.MaxBytes = limit
			mustFail(t, f, docSource(o.URL), ErrTooLarge)
			wantTries(t, o, 1)
		})
	}
	t.Run("exactly", func(t *testing.T) {
		for _, data := range [][]byte{doc(398), packed(doc(398))} {
			o := newOrigin(t, serve(data))
			f, _ := o.fetcher(t)
			f.MaxBytes = int64(len(doc(398)))
			mustFetch(t, f, docSource(o.URL), 398)
		}
	})
}

func TestTimeouts(t *testing.T) {
	drip := func(every time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for i := range 1000 {
				w.Write(doc(1)[i : i+1])
				w.(http.Flusher).Flush()
				select {
				case <-time.After(every):
				case <-r.Context().Done():
					return
				}
			}
		}
	}
	for name, handle := range map[string]http.HandlerFunc{
		"no headers":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"silent in body":   drip(time.Hour),
		"a byte at a time": drip(100 * time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(tb testing.TB, s pace.Scale) {
				o := newOrigin(tb, handle)
				f, _ := o.fetcher(tb)
				f.Timeout, f.Retries = s.Times(200*time.Millisecond), 1
				mustFail(tb, f, docSource(o.URL), ErrTimeout)
				wantTries(tb, o, 2)
			})
		})
	}
}

func TestCancel(t *testing.T) {
	o := newOrigin(t, serve(doc(397)))
	f, c := o.fetcher(t)
	mustFetch(t, f, docSource(o.URL), 397)
	c.pass(48 * time.Hour)
	begun := make(chan struct{})
	o.now(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-begun
		cancel()
	}()
	r, err := f.Fetch(ctx, docSource(o.URL))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want that it stops, and not that it goes on with the old copy", r, err)
	}
	wantTries(t, o, 1)
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		serve(doc(1))(w, r)
	})
	f, _ := o.fetcher(t)
	f.UserAgent = "sallyport/1.2.3"
	mustFetch(t, f, docSource(o.URL), 1)
	if ua := got.Get("User-Agent"); ua != "sallyport/1.2.3" {
		t.Errorf("User-Agent is %q", ua)
	}
	if a := got.Get("Accept"); !strings.HasPrefix(a, "application/json") {
		t.Errorf("Accept is %q", a)
	}
	if got.Get("If-None-Match")+got.Get("If-Modified-Since") != "" {
		t.Error("the first request is conditional")
	}
}

// TestOpenEnd: of a file that does not show its end, an answer that ends where the
// connection does may be a part.
func TestOpenEnd(t *testing.T) {
	const list = "33.0.0.0/24\n33.0.1.0/24\n"
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(conn, text)
			conn.Close()
		}
	}
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
		list   bool // is taken for a list
		json   bool // for a file that shows its end
	}{
		{"a length", typed("text/plain", []byte(list)), true, true},
		{"chunks", chunked([]byte(list)), true, true},
		{"gzip coding", coded("gzip", packed([]byte(list))), true, true},
		{"gzip without a length", raw("HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + string(packed([]byte(list)))), true, true},
		{"HTTP/1.1 without a length", raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + list), false, true},
		{"HTTP/1.0 without a length", raw("HTTP/1.0 200 OK\r\n\r\n" + list), false, true},
		{"identity", raw("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n\r\n" + list), false, true},
	} {
		o := newOrigin(t, tt.handle)
		for _, shows := range []bool{false, true} {
			f, _ := o.fetcher(t)
			src := Source{Name: "own", Kind: "text", URL: o.URL, ShowsEnd: shows}
			r, err := f.Fetch(context.Background(), src)
			want := tt.list && !shows || tt.json && shows
			if (err == nil) != want {
				t.Errorf("%s, shows its end %v: %v", tt.name, shows, err)
			}
			if err == nil && r.Size != int64(len(list)) {
				t.Errorf("%s: %d bytes", tt.name, r.Size)
			}
		}
	}
}
