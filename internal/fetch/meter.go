package fetch

import (
	"io"
	"sync"
	"time"
)

// Progress shows how a slow fetch goes. Its methods are called by one
// goroutine at a time, and the last call is Done, before Fetch returns.
type Progress interface {
	Update(State) // some ten times a second
	Done()        // the fetch has ended, well or not: clear the display
}

// State is what a fetch is doing.
type State struct {
	Doing string // "downloading from example.com"; safe to print
	Bytes int64  // read so far, as sent
	Total int64  // to be read; -1 where it is not known
}

const meterTick = 100 * time.Millisecond

// meter follows one fetch and tells a Progress about it, but only once the fetch has
// taken a while. All methods work on nil.
type meter struct {
	mu    sync.Mutex
	state State

	end  chan struct{} // closed by stop
	done chan struct{} // closed when no Progress will be called any more
}

func (f *Fetcher) startMeter(feed string) *meter {
	if f.Progress == nil {
		return nil
	}
	m := &meter{state: State{Total: -1}, end: make(chan struct{}), done: make(chan struct{})}
	go m.run(setting(f.ProgressAfter, DefaultProgressAfter), func() Progress { return f.Progress(feed) })
	return m
}

func (m *meter) run(after time.Duration, begin func() Progress) {
	defer close(m.done)
	select {
	case <-m.end:
		return
	case <-time.After(after):
	}
	p := begin()
	defer p.Done()
	tick := time.NewTicker(meterTick)
	defer tick.Stop()
	for {
		m.mu.Lock()
		state := m.state
		m.mu.Unlock()
		if state.Doing != "" { // until there is something to say
			p.Update(state)
		}
		select {
		case <-m.end:
			return
		case <-tick.C:
		}
	}
}

// stop ends the display; after it nothing more is shown.
func (m *meter) stop() {
	if m != nil {
		close(m.end)
		<-m.done
	}
}

// say starts a new piece of work of total bytes, or -1.
func (m *meter) say(doing string, total int64) {
	if m != nil {
		m.mu.Lock()
		m.state = State{Doing: clean(doing), Total: total}
		m.mu.Unlock()
	}
}

// count returns r, with what is read through it shown as progress.
func (m *meter) count(r io.Reader) io.Reader {
	if m == nil {
		return r
	}
	return countingReader{r, m}
}

type countingReader struct {
	io.Reader
	m *meter
}

func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.m.mu.Lock()
	c.m.state.Bytes += int64(n)
	c.m.mu.Unlock()
	return n, err
}
