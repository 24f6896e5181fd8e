package ipranges

import (
	"bytes"
	"errors"
	"math/bits"
)

// block is some whole lines of a text and what was found in them.
type block struct {
	text   []byte
	before int // lines of the text before this block
	lines  int

	entries, masked      int
	unended              bool    // the last entry reaches the end of the text, without a line end
	v4                   []span4 // in the order of the lines
	v6                   []span6
	unsorted4, unsorted6 uint64 // 1 when one starts before the one before it
	err                  *LineError
}

var errLongLine = errors.New("a line is longer than 64 KiB: is this a text file?")

// parse reads the lines up to the first mistake, and drops its reference to the text.
func (b *block) parse(opt ReadOptions) {
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
			e.next, plain = plainEnd(t, e.next)
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
	b.text = nil
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
	if e.v6 {
		b.add6(prefixSpan6(e.a, e.length))
	} else {
		b.add4(prefixSpan4(word4(e.a.lo), e.length))
	}
}

// add4 and add6 have room for a span a line, so that appending never grows.

func (b *block) add4(s span4) {
	if b.v4 == nil {
		b.v4 = make([]span4, 0, b.lines-b.entries)
	} else {
		last := b.v4[len(b.v4)-1]
		b.unsorted4 |= (uint64(s.lo) - uint64(last.lo)) >> 63
	}
	b.v4 = append(b.v4, s)
}

func (b *block) add6(s span6) {
	if b.v6 == nil {
		b.v6 = make([]span6, 0, b.lines-b.entries)
	} else {
		last := &b.v6[len(b.v6)-1]
		_, borrow := bits.Sub64(s.lo.lo, last.lo.lo, 0)
		_, borrow = bits.Sub64(s.lo.hi, last.lo.hi, borrow)
		b.unsorted6 |= borrow
	}
	b.v6 = append(b.v6, s)
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
