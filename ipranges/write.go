package ipranges

import (
	"io"
	"sync"
)

// WritePrefixes writes the minimal prefixes of s, one a line, IPv4 first. It
// returns the first error of w. Up to four processors share the work, and w
// is never called by two goroutines at once.
func (s Set) WritePrefixes(w io.Writer) error { return s.write(w, Set.AppendPrefixes) }

// WriteRanges is WritePrefixes with the ranges of s, as [AppendRange] writes
// them.
func (s Set) WriteRanges(w io.Writer) error { return s.write(w, Set.AppendRanges) }

type render func(s Set, dst []byte, f Family, before, after string) []byte

// pieceLen is how many ranges are rendered before they are written.
const pieceLen = 4096

func (s Set) write(w io.Writer, render render) error {
	out := &printer{w: w, render: render, pieces: s.pieces()}
	out.turn.L = &out.mu
	if len(out.pieces) <= 2 {
		out.work()
		return out.err
	}
	var wg sync.WaitGroup
	for range workers() {
		wg.Go(out.work)
	}
	wg.Wait()
	return out.err
}

// pieces returns s in parts of at most pieceLen ranges, in order.
func (s Set) pieces() (out []Set) {
	for len(s.v4) > 0 {
		n := min(pieceLen, len(s.v4))
		out = append(out, Set{v4: s.v4[:n]})
		s.v4 = s.v4[n:]
	}
	for len(s.v6) > 0 {
		n := min(pieceLen, len(s.v6))
		out = append(out, Set{v6: s.v6[:n]})
		s.v6 = s.v6[n:]
	}
	return out
}

// printer writes pieces in order while several goroutines render them.
type printer struct {
	w      io.Writer
	render render
	pieces []Set

	mu      sync.Mutex // guards all below, and calls of w
	turn    sync.Cond  // written or err has changed
	taken   int        // pieces that a goroutine has taken
	written int
	err     error
}

func (p *printer) work() {
	var buf []byte
	for {
		p.mu.Lock()
		mine := p.taken
		p.taken++
		stop := mine >= len(p.pieces) || p.err != nil
		p.mu.Unlock()
		if stop {
			return
		}
		buf = p.render(p.pieces[mine], buf[:0], IPv4, "", "\n")
		buf = p.render(p.pieces[mine], buf, IPv6, "", "\n")
		p.mu.Lock()
		for p.written != mine && p.err == nil {
			p.turn.Wait()
		}
		if p.err == nil {
			_, p.err = p.w.Write(buf)
			p.written++
			p.turn.Broadcast()
		}
		p.mu.Unlock()
	}
}
