package ipranges

import (
	"bytes"
	"errors"
	"math/bits"
)

// block is some whole lines of a text and what was found in them. It is filled again and
// again, to keep its memory.
type block struct {
	text   []byte
	number int // of the block, from 0
	before int // lines of the text before this block
	lines  int

	entries, masked int
	unended         bool // the last entry reaches the end of the text, without a line end
	v4              run[word4]
	v6              run[word6]
	err             *LineError
}

var errLongLine = errors.New("a line is longer than 64 KiB: is this a text file?")

// parse reads the lines up to the first mistake.
func (b *block) parse(opt ReadOptions) {
	b.entries, b.masked, b.unended, b.err = 0, 0, false, nil
	b.v4.reset()
	b.v6.reset()
	t := b.text
	var e entry
	for i := 0; i < len(t); {
		switch t[i] {
		case '\n', ' ', '\t', '\r', '\v', '\f':
			i++
			continue
		case '#':
			i = nextLine(t, i)
			continue
		}
		plain := e.scan(t, i)
		if plain {
			e.next, plain = e.end(t)
		}
		hostBits := plain && e.hostBits()
		if !plain || hostBits && !opt.Lenient {
			end := nextLine(t, i)
			if err := b.parseOdd(t[i:end], opt); err != nil {
				b.err = &LineError{b.before + 1 + bytes.Count(t[:i], []byte{'\n'}), err}
				break
			}
			i = end
			continue
		}
		if hostBits {
			b.masked++
		}
		b.add(&e)
		b.entries++
		b.unended = e.next == len(t)
		i = nextLine(t, e.next)
	}
}

// parseOdd reads a line that the scanner does not know.
func (b *block) parseOdd(text []byte, opt ReadOptions) error {
	l := splitLine(string(text))
	e, ok, err := l.entry(opt)
	if err != nil || !ok {
		return err
	}
	if e.r.From().Is4() {
		b.add4(spanOf4(e.r))
	} else {
		b.add6(spanOf6(e.r))
	}
	b.entries++
	if e.masked {
		b.masked++
	}
	b.unended = !bytes.HasSuffix(text, []byte{'\n'}) && !l.commented
	return nil
}

func (b *block) add(e *entry) {
	switch {
	case e.isRange && e.v6:
		b.add6(span6{e.a, e.last})
	case e.isRange:
		b.add4(span4{word4(e.a.lo), word4(e.last.lo)})
	case e.v6:
		b.add6(prefixSpan6(e.a, e.length))
	default:
		b.add4(prefixSpan4(word4(e.a.lo), e.length))
	}
}

// add4 and add6 join a span to the last one that begins before it and reaches or touches
// it. One comparison says so, which random input makes false nearly always: a processor
// guesses it well.

func (b *block) add4(s span4) {
	if n := len(b.v4.spans); n > 0 {
		last := &b.v4.spans[n-1]
		ahead := uint64(s.lo) - uint64(last.lo) // negative numbers wrap around to large ones
		if ahead <= uint64(last.hi)-uint64(last.lo)+1 {
			last.hi = max(last.hi, s.hi)
			return
		}
		b.v4.unsorted |= ahead >> 63
	} else if cap(b.v4.spans) == 0 {
		b.v4.spans = make([]span4, 0, b.lines)
	}
	b.v4.spans = append(b.v4.spans, s)
}

func (b *block) add6(s span6) {
	if n := len(b.v6.spans); n > 0 {
		last := &b.v6.spans[n-1]
		_, before := bits.Sub64(s.lo.lo, last.lo.lo, 0)
		_, before = bits.Sub64(s.lo.hi, last.lo.hi, before)
		_, beyond := bits.Sub64(last.hi.lo, s.lo.lo, 0)
		_, beyond = bits.Sub64(last.hi.hi, s.lo.hi, beyond)
		if before|beyond == 0 || before == 0 && s.lo == last.hi.next() {
			if last.hi.less(s.hi) {
				last.hi = s.hi
			}
			return
		}
		b.v6.unsorted |= before
	} else if cap(b.v6.spans) == 0 {
		b.v6.spans = make([]span6, 0, b.lines)
	}
	b.v6.spans = append(b.v6.spans, s)
}

// end returns where the entry at t[:e.next] ends: it may be the first address of a range.
// ok is false if something follows that is neither the end of the line nor a comment.
func (e *entry) end(t []byte) (end int, ok bool) {
	if end, ok = plainEnd(t, e.next); ok || end == len(t) || t[end] != '-' {
		return end, ok
	}
	for end++; end < len(t) && (t[end] == ' ' || t[end] == '\t'); end++ {
	}
	if !e.scanLast(t, end) {
		return end, false
	}
	return plainEnd(t, e.next)
}

// plainEnd skips blanks from the end of an entry at t[i], and reports whether only the
// end of the line or a comment follows.
func plainEnd(t []byte, i int) (end int, ok bool) {
	for ; i < len(t); i++ {
		switch t[i] {
		case ' ', '\t', '\r', '\v', '\f':
		case '\n', '#':
			return i, true
		default:
			return i, false
		}
	}
	return i, true
}

// nextLine returns the start of the line after the one that t[i] is in.
func nextLine(t []byte, i int) int {
	if i < len(t) && t[i] == '\n' {
		return i + 1
	}
	if n := bytes.IndexByte(t[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(t)
}
