// Package progress shows how slow fetches go: as bars on a terminal, which are
// gone when the fetches are done, or as a few plain lines anywhere else, such
// as in a log.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"sallyport/internal/fetch"
)

// lineEvery is how often a line in a log says that a fetch goes on. Its first line, and
// one for each new piece of work, come at once.
const lineEvery = 10 * time.Second

// Display shows any number of fetches at once.
type Display struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	mu    sync.Mutex
	bars  *mpb.Progress // nil while there is no bar
	count int           // bars shown
}

// New returns a display that writes to w, as a rule standard error. terminal
// says whether w is a terminal.
func New(w io.Writer, terminal bool) *Display {
	return &Display{w: w, terminal: terminal, now: time.Now}
}

// Feed begins to show the fetch of a feed. It fits fetch.Fetcher.Progress.
func (d *Display) Feed(name string) fetch.Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.terminal {
		return &lines{d: d, name: name}
	}
	if d.bars == nil {
		// mpb would ask w itself whether it is a terminal; the caller has.
		d.bars = mpb.New(mpb.WithOutput(d.w), mpb.WithAutoRefresh())
	}
	d.count++
	b := &bar{d: d}
	b.bar = d.bars.AddBar(0, mpb.BarWidth(20),
		mpb.PrependDecorators(decor.Name(name+" ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return " " + b.text() })))
	return b
}

// bar is one fetch on a terminal.
type bar struct {
	d   *Display
	bar *mpb.Bar

	mu    sync.Mutex
	state fetch.State
}

func (b *bar) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return describe(b.state)
}

// Update shows a new state.
func (b *bar) Update(s fetch.State) {
	b.mu.Lock()
	b.state = s
	b.mu.Unlock()
	b.bar.SetTotal(max(s.Total, 0), false)
	b.bar.SetCurrent(s.Bytes)
}

// Done takes the bar away, and waits until the last one is gone, so that what
// is written next starts on a line of its own.
func (b *bar) Done() {
	b.bar.Abort(true)
	b.bar.Wait()
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	if b.d.count--; b.d.count == 0 {
		b.d.bars.Wait()
		b.d.bars = nil
	}
}

// lines is one fetch in a log.
type lines struct {
	d     *Display
	name  string
	doing string
	last  time.Time
}

func (l *lines) Update(s fetch.State) {
	now := l.d.now()
	if s.Doing == l.doing && now.Sub(l.last) < lineEvery {
		return
	}
	l.doing, l.last = s.Doing, now
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	fmt.Fprintf(l.d.w, "%s: %s\n", l.name, describe(s))
}

func (l *lines) Done() {}

// describe puts a state into words that fit 80 columns beside a bar.
func describe(s fetch.State) string {
	const mib = 1 << 20
	switch {
	case s.Bytes == 0 && s.Total <= 0:
		return s.Doing
	case s.Total <= 0:
		return fmt.Sprintf("%s: %.1f MiB", s.Doing, float64(s.Bytes)/mib)
	}
	return fmt.Sprintf("%s: %.1f of %.1f MiB", s.Doing, float64(s.Bytes)/mib, float64(s.Total)/mib)
}
