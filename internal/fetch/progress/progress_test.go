package progress

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/fetch"
	"sallyport/internal/testkit/await"
)

func TestLines(t *testing.T) {
	var out bytes.Buffer
	d := New(&out, false)
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	d.now = func() time.Time { return now }
	p := d.Feed("azure")
	for second := range 25 {
		s := fetch.State{Doing: "waiting for example.com", Total: -1}
		if second >= 2 {
			s = fetch.State{Doing: "downloading from example.com", Bytes: int64(second) << 18, Total: 8 << 20}
		}
		p.Update(s)
		now = now.Add(time.Second)
	}
	p.Update(fetch.State{Doing: "reading standard input", Bytes: 3 << 20, Total: -1})
	p.Done()
	want := `azure: waiting for example.com
azure: downloading from example.com: 0.5 of 8.0 MiB
azure: downloading from example.com: 3.0 of 8.0 MiB
azure: downloading from example.com: 5.5 of 8.0 MiB
azure: reading standard input: 3.0 MiB
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// syncBuffer can be read while the display still writes.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Bars are seen while fetches go on, fit a terminal of 80 columns, and are gone
// when the last one is done.
func TestBars(t *testing.T) {
	out := &syncBuffer{}
	d := New(out, true)
	for range 2 { // a display can be used again
		azure, other := d.Feed("azure"), d.Feed("gov")
		azure.Update(fetch.State{Doing: "downloading from download.example.com", Bytes: 1 << 20, Total: 4 << 20})
		other.Update(fetch.State{Doing: "waiting for example.org", Total: -1})
		waitFor(t, out, "1.0 of 4.0 MiB")
		waitFor(t, out, "waiting for example.org")
		azure.Done()
		other.Done()
	}
	text := out.String()
	if !strings.HasSuffix(text, "\x1b[J") {
		t.Errorf("the last thing written is not a cleared line: %q", text[max(0, len(text)-40):])
	}
	for line := range strings.Lines(regexp.MustCompile(`\x1b\[\d*[A-Z]`).ReplaceAllString(text, "")) {
		if n := len([]rune(strings.TrimSpace(line))); n > 80 {
			t.Errorf("a line has %d columns: %q", n, line)
		}
	}
	before := len(text)
	time.Sleep(200 * time.Millisecond)
	if len(out.String()) != before {
		t.Error("something was written after the end")
	}
}

func waitFor(t *testing.T, out *syncBuffer, text string) {
	t.Helper()
	await.Until(t, "the display of "+text, func() bool { return strings.Contains(out.String(), text) })
}
