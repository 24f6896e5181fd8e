package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"sallyport/verifier"
)

// Progress shows how a run goes on: as one line of a terminal that is drawn again and
// again, and gone at the end; or as a few plain lines anywhere else. A run that is over
// within a second shows nothing. It is safe for concurrent use; none of its methods
// waits for the terminal.
//
// The line is drawn with carriage returns and spaces only, which every terminal knows.
type Progress struct {
	w        io.Writer
	terminal bool
	width    int
	began    time.Time
	end      chan struct{}
	over     sync.WaitGroup

	mu      sync.Mutex
	counts  map[verifier.Outcome]int
	train   string
	changed bool // since the last plain line

	shown int // columns of the line on the terminal; of the drawing goroutine
}

// When a line is shown.
const (
	quiet     = time.Second // no line before
	drawEvery = 200 * time.Millisecond
	lineEvery = 10 * time.Second
)

// NewProgress begins to show a run. terminal says whether w is a terminal of so many
// columns; 0: 80. Call Done at the end.
func NewProgress(w io.Writer, terminal bool, width int) *Progress {
	p := &Progress{w: w, terminal: terminal, width: max(cmp.Or(width, usualWidth), leastWidth), began: time.Now(),
		end: make(chan struct{}), counts: map[verifier.Outcome]int{}}
	p.over.Go(p.show)
	return p
}

// Finding takes a finding. It fits probe.Options.Progress.
func (p *Progress) Finding(f verifier.Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[f.Outcome]++
	p.changed = true
}

// Train takes the progress of a media train. It fits media.Options.Progress.
func (p *Progress) Train(sent, answered, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.train = fmt.Sprintf("train: %d of %d sent, %d answered", sent, of, answered)
	if sent >= of {
		p.train = ""
	}
	p.changed = true
}

// Done ends the display and clears its line, so that what is written next starts on a
// line of its own. Only the first call does anything.
func (p *Progress) Done() {
	p.mu.Lock()
	select {
	case <-p.end:
	default:
		close(p.end)
	}
	p.mu.Unlock()
	p.over.Wait()
}

func (p *Progress) show() {
	every := lineEvery
	if p.terminal {
		every = drawEvery
	}
	for next := quiet; ; next = every {
		t := time.NewTimer(next)
		select {
		case <-p.end:
			t.Stop()
			p.clear()
			return
		case <-t.C:
			p.draw()
		}
	}
}

// draw writes the state. An error of the terminal is no reason to end a run.
func (p *Progress) draw() {
	line, changed := p.state()
	if !p.terminal {
		if changed {
			fmt.Fprintln(p.w, line)
		}
		return
	}
	line = columns.Truncate(line, p.width-1, "...") // the last column would wrap
	n := columns.StringWidth(line)
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.shown-n)))
	p.shown = n
}

func (p *Progress) clear() {
	if p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.shown))
	}
}

// state is the line: "12 s, 9 findings: 1 failed, 8 passed; train: 50 of 750 sent, 49 answered".
func (p *Progress) state() (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.counts {
		n += c
	}
	s := fmt.Sprintf("verifying: %.0f s, %s", time.Since(p.began).Seconds(), plural(n, "finding"))
	if n > 0 {
		s += ": " + counted(p.counts)
	}
	if p.train != "" {
		s += "; " + p.train
	}
	changed := p.changed
	p.changed = false
	return s, changed
}
