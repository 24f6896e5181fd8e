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
// It needs memory for the ranges, twice while they are sorted, and not for the whole
// text. Up to four processors share the work. A text of more than [MaxLines] lines or
// [MaxText] bytes is refused: it may never end.
func ReadSet(r io.Reader, opt ReadOptions) (Set, ReadStats, error) {
	return readSet(r, opt, 128<<10)
}

func readSet(r io.Reader, opt ReadOptions, blockSize int) (Set, ReadStats, error) {
	src := &source{r: r, blockSize: blockSize}
	src.work(opt, 1)
	if !src.ended {
		var wg sync.WaitGroup
		for range workers() {
			wg.Go(func() { src.work(opt, -1) })
		}
		wg.Wait()
	}
	return src.result()
}

// workers is how many goroutines share the work on a large set.
func workers() int { return min(4, runtime.GOMAXPROCS(0)) }

// source is text that several goroutines take in blocks, in turns, and parse
// at the same time. Each block ends with a line.
type source struct {
	blockSize int

	mu     sync.Mutex // guards all below
	r      io.Reader
	tail   []byte   // what was read after the last line of the last block
	lines  int      // in all blocks
	bytes  int64    // in all blocks
	blocks []*block // in the order of the text
	ended  bool     // nothing more to take
	err    error    // why, unless at the end of the text
}

// work takes and parses blocks, at most limit of them unless it is negative.
func (s *source) work(opt ReadOptions, limit int) {
	buf := make([]byte, s.blockSize)
	for ; limit != 0; limit-- {
		b := s.take(buf)
		if b == nil {
			return
		}
		if b.parse(opt); b.err != nil {
			s.mu.Lock()
			s.ended = true // every block before this one is taken
			s.mu.Unlock()
		}
	}
}

// take reads the next block into buf, or returns nil at the end.
func (s *source) take(buf []byte) *block {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
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
		s.err = err
		return nil
	}
	if s.lines == 0 {
		text = bytes.TrimPrefix(text, []byte("\ufeff")) // the mark of UTF-8 that some editors write
	}
	b := &block{text: text, before: s.lines, lines: bytes.Count(text, []byte{'\n'})}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		b.lines++
	}
	s.lines += b.lines
	s.bytes += int64(len(text))
	switch {
	case len(s.tail) > len(buf)/2:
		s.err = &LineError{s.lines + 1, errLongLine}
	case s.lines > MaxLines:
		s.err, s.ended = &LineError{MaxLines, fmt.Errorf("the text goes on after %d lines: split it", MaxLines)}, true
	case s.bytes > MaxText:
		s.err, s.ended = &LineError{s.lines, fmt.Errorf("the text is larger than %d GiB: split it", MaxText>>30)}, true
	}
	s.blocks = append(s.blocks, b)
	return b
}

// result joins the blocks, once all of them are parsed.
func (s *source) result() (Set, ReadStats, error) {
	var b Builder
	st := ReadStats{Lines: s.lines}
	for _, part := range s.blocks {
		if part.err != nil {
			return Set{}, st, part.err
		}
		st.Entries += part.entries
		st.Masked += part.masked
		st.Unended = part.unended
		b.v4.addChunk(part.v4, part.unsorted4 == 0)
		b.v6.addChunk(part.v6, part.unsorted6 == 0)
	}
	if s.err != nil {
		return Set{}, st, s.err
	}
	return b.Set(), st, nil
}
