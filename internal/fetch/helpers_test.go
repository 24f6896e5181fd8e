package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"sallyport/internal/testkit/quickfuzz"
)

// TestMain lets tests start the test program again in another role.
func TestMain(m *testing.M) {
	switch os.Getenv("FETCH_TEST_ROLE") {
	case "writer":
		writerRole()
	case "proxied":
		proxiedRole()
	default:
		quickfuzz.Main(m)
	}
}

// doc is a good feed file of the given version.
func doc(change int) []byte {
	return fmt.Appendf(nil, `{"change": %d, "padding": %q}`, change, strings.Repeat("x", 3000))
}

// checkDoc is the Check of the feeds in these tests.
func checkDoc(raw []byte) (Checked, error) {
	var d struct{ Change int }
	if err := json.Unmarshal(raw, &d); err != nil {
		return Checked{}, err
	}
	if d.Change == 666 {
		return Checked{}, errors.New("it would open everything")
	}
	return Checked{Compiled: compiledDoc(d.Change), Change: fmt.Sprintf("change %d", d.Change)}, nil
}

func compiledDoc(change int) []byte { return fmt.Appendf(nil, "index of %d", change) }

func docSource(url string) Source {
	return Source{Name: "azure", Kind: "azure", Cloud: "public", URL: url, Format: "test/1", Check: checkDoc, ShowsEnd: true}
}

// origin is a server whose behaviour can be changed, and that counts requests.
type origin struct {
	*httptest.Server
	tries  atomic.Int64
	mu     sync.Mutex
	handle http.HandlerFunc
}

// newOrigin starts a TLS server that ends with the test.
func newOrigin(t testing.TB, handle http.HandlerFunc) *origin {
	t.Helper()
	o := &origin{handle: handle}
	o.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.tries.Add(1)
		o.mu.Lock()
		h := o.handle
		o.mu.Unlock()
		h(w, r)
	}))
	o.Config.ErrorLog = discardLog()
	o.StartTLS()
	t.Cleanup(o.Close)
	return o
}

func (o *origin) now(handle http.HandlerFunc) {
	o.mu.Lock()
	o.handle = handle
	o.mu.Unlock()
	o.tries.Store(0)
}

// fetcher returns a Fetcher that trusts o, is impatient, and has a clock and
// a cache of its own.
func (o *origin) fetcher(t testing.TB) (*Fetcher, *clock) {
	t.Helper()
	cache, err := OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	return &Fetcher{
		Cache: cache, Transport: o.Client().Transport, Now: c.now,
		Retries: 2, BackoffMin: time.Millisecond, BackoffMax: 2 * time.Millisecond, Timeout: 20 * time.Second,
	}, c
}

// clock is a settable clock.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// serve sends data as JSON.
func serve(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(data)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func packed(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// mustFetch fetches, and expects the file and blob of the given version.
func mustFetch(t *testing.T, f *Fetcher, src Source, change int) *Result {
	t.Helper()
	r, err := f.Fetch(context.Background(), src)
	if err != nil {
		t.Fatalf("fetching: %v", err)
	}
	raw, err := r.Raw()
	if err != nil {
		t.Fatalf("reading the result: %v", err)
	}
	if !bytes.Equal(raw, doc(change)) {
		t.Fatalf("got %.30q..., want change %d", raw, change)
	}
	if !bytes.Equal(r.Compiled(), compiledDoc(change)) {
		t.Fatalf("got blob %q, want that of change %d", r.Compiled(), change)
	}
	for _, n := range r.Notes {
		wantPrintable(t, n.Text)
	}
	return r
}

// mustFail fetches, and expects an error of this kind that says what to do.
func mustFail(t testing.TB, f *Fetcher, src Source, want error) *Error {
	t.Helper()
	r, err := f.Fetch(context.Background(), src)
	if err == nil {
		t.Fatalf("fetching worked, from %s", r.From)
	}
	var e *Error
	if !errors.As(err, &e) || e.Feed != src.Name || e.Hint == "" || !strings.HasSuffix(err.Error(), e.Hint) {
		t.Fatalf("the error does not say what to do: %#v", err)
	}
	if want != nil && !errors.Is(err, want) {
		t.Fatalf("got error %q, want one that is %q", err, want)
	}
	wantPrintable(t, err.Error())
	return e
}

func wantPrintable(t testing.TB, text string) {
	t.Helper()
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			t.Errorf("%q would reach the terminal in %q", r, text)
			return
		}
	}
}

func wantTries(t testing.TB, o *origin, want int64) {
	t.Helper()
	if got := o.tries.Load(); got != want {
		t.Errorf("the server was asked %d times, want %d", got, want)
	}
}

func hasWarning(r *Result) bool {
	for _, n := range r.Notes {
		if n.Warning {
			return true
		}
	}
	return false
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
