package ipranges

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// The largest text that [ReadSet] takes. The largest published lists have some million
// lines.
const (
	MaxLines = 20_000_000
	MaxText  = 2 << 30 // bytes
)

// ReadOptions say how [ReadSet] reads. The zero value is strict.
type ReadOptions struct {
	// Lenient masks the host bits of a prefix (10.0.0.1/8 is read as
	// 10.0.0.0/8) and counts it, where strict reading fails.
	Lenient bool
	// NoWords refuses words after an entry that are neither a comment nor fields with
	// separators between. Without it, words are ignored that cannot belong to an entry.
	NoWords bool
	// Size is how many bytes the text is thought to have, such as the size of its file; 0
	// is unknown. It saves memory, and decides nothing.
	Size int64
}

// ReadStats tell what [ReadSet] read.
type ReadStats struct {
	Lines   int // lines, with blank ones and comments
	Entries int // prefixes, ranges and addresses
	Masked  int // entries whose host bits were masked
	// Unended says that the text ends within the line of an entry: if it was cut short,
	// that entry may be, too.
	Unended bool
}

// LineError is a mistake in the text that [ReadSet] reads.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns e.Err.
func (e *LineError) Unwrap() error { return e.Err }

// ReadSet reads one prefix, range "a-b" or address a line and returns the set of all
// their addresses. Text after a '#' and blank lines are ignored; [ParseLine] describes
// what else a line may hold. Lines end in LF or CRLF; longer ones than 64 KiB may be
// refused. The first mistake is a *[LineError]; an error of r is returned as it is.
// Neither comes with a set.
//
// It needs memory for the ranges and not for the text: 8 bytes for a range of IPv4 and 32
// for one of IPv6, and twice that if opt.Size is 0. Up to four processors share the work.
// A text of more than [MaxLines] lines or [MaxText] bytes is refused: it may never end.
func ReadSet(r io.Reader, opt ReadOptions) (Set, ReadStats, error) {
	return readSet(r, opt, 128<<10)
}

func readSet(r io.Reader, opt ReadOptions, blockSize int) (Set, ReadStats, error) {
	src := &source{r: r, blockSize: blockSize, size: opt.Size}
	src.turn.L = &src.mu
	src.work(opt, 1)
	if !src.ended {
		var wg sync.WaitGroup
		for range workers() {
			wg.Go(func() { src.work(opt, -1) })
		}
		wg.Wait()
	}
	if src.err != nil {
		return Set{}, src.stats, src.err
	}
	return Set{normal4(src.v4.take()), normal6(src.v6.take())}, src.stats, nil
}

// workers is how many goroutines share the work on a large set.
func workers() int { return min(4, runtime.GOMAXPROCS(0)) }

// source is text that several goroutines take in blocks, in turns, parse at the same
// time, and hand back in the order of the text. Each block ends with a line.
type source struct {
	blockSize int
	size      int64 // what the text is thought to have; 0: nobody knows

	mu    sync.Mutex // guards all below
	r     io.Reader
	tail  []byte // what was read after the last line of the last block
	lines int    // in all blocks
	bytes int64  // in all blocks
	taken int    // blocks
	ended bool   // nothing more to take
	late  error  // a mistake after the last block

	turn   sync.Cond // joined has changed
	joined int       // blocks
	stats  ReadStats // of these
	v4     pile[word4]
	v6     pile[word6]
	err    error // the first mistake
}

// work takes, parses and joins blocks, at most limit of them unless it is negative.
func (s *source) work(opt ReadOptions, limit int) {
	buf := make([]byte, s.blockSize)
	var b block
	for ; limit != 0 && s.take(&b, buf); limit-- {
		b.parse(opt)
		s.join(&b)
	}
}

// take reads the next block into buf, and reports whether there is one.
func (s *source) take(b *block, buf []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	n := copy(buf, s.tail)
	m, err := io.ReadFull(s.r, buf[n:])
	text := buf[:n+m]
	if s.ended = err != nil; !s.ended {
		end := bytes.LastIndexByte(text, '\n') + 1
		s.tail = append(s.tail[:0], text[end:]...)
		text = text[:end]
		// The longest line is half a block, so that the rest of one always
		// leaves room to read more.
		s.ended = len(s.tail) > len(buf)/2
	} else if err != io.EOF && err != io.ErrUnexpectedEOF {
		s.late, text = err, nil
	}
	if s.lines == 0 {
		text = bytes.TrimPrefix(text, []byte("\ufeff")) // the mark of UTF-8 that some editors write
	}
	b.text, b.number, b.before, b.lines = text, s.taken, s.lines, bytes.Count(text, []byte{'\n'})
	if len(text) > 0 && text[len(text)-1] != '\n' {
		b.lines++
	}
	s.taken++
	s.lines += b.lines
	s.bytes += int64(len(text))
	switch {
	case len(s.tail) > len(buf)/2:
		s.late = &LineError{s.lines + 1, errLongLine}
	case s.lines > MaxLines:
		s.late, s.ended = &LineError{MaxLines, fmt.Errorf("the text goes on after %d lines: split it", MaxLines)}, true
	case s.bytes > MaxText:
		s.late, s.ended = &LineError{s.lines, fmt.Errorf("the text is larger than %d GiB: split it", MaxText>>30)}, true
	}
	return true
}

// join adds what a block holds, when those before it are joined.
func (s *source) join(b *block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.joined != b.number {
		s.turn.Wait()
	}
	s.joined++
	s.turn.Broadcast()
	if s.err != nil {
		return
	}
	if b.err != nil {
		s.err, s.ended = b.err, true
		return
	}
	if s.joined == s.taken && s.ended {
		s.err = s.late
	}
	s.stats.Lines = s.lines
	s.stats.Entries += b.entries
	s.stats.Masked += b.masked
	s.stats.Unended = b.unended
	s.v4.add(b.v4, s.expected(len(b.v4.spans)))
	s.v6.add(b.v6, s.expected(len(b.v6.spans)))
}

// expected is how many spans the whole text has beside those that have memory: if the rest
// is like the first block, which has n. It is 0 where nobody knows.
func (s *source) expected(n int) int {
	switch {
	case s.ended:
		return n
	case s.size <= s.bytes || s.taken > 1:
		return 0
	}
	return int(min(MaxLines, 1.1*float64(n)*float64(s.size)/float64(s.bytes)))
}
