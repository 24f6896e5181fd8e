package ipranges

import (
	"bytes"
	"errors"
	"math/bits"
	"net/netip"
)

// block is some whole lines of a text and what was found in them.
type block struct {
	text   []byte
	before int // lines of the text before this block
	lines  int

	entries, masked      int
	v4                   []span4 // in the order of the lines
	v6                   []span6
	unsorted4, unsorted6 uint64 // 1 when one starts before the one before it
	err                  *LineError
}

var errLongLine = errors.New("a line is longer than 64 KiB: is this a text file?")

// parse reads the lines up to the first mistake and lets go of the text.
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
		plain := e.scan(t, i) && wordEnds(t, e.next)
		hostBits := plain && e.hostBits()
		if !plain || hostBits && !opt.Lenient {
			var err error
			if i, err = b.parseOdd(i, opt); err != nil {
				b.err = &LineError{b.before + 1 + bytes.Count(t[:i], []byte{'\n'}), err}
				break
			}
		} else {
			if hostBits {
				b.masked++
			}
			b.add(&e)
			i = e.next
		}
		b.entries++
		i = nextLine(t, i)
	}
	b.text = nil
}

// parseOdd reads the word at i, which the scanner does not know: a range, an
// odd form of an address, or a mistake. It returns the word's end, or its
// start with an error.
func (b *block) parseOdd(i int, opt ReadOptions) (int, error) {
	end := i
	for !wordEnds(b.text, end) {
		end++
	}
	word := string(b.text[i:end])
	if opt.Lenient {
		if p, err := netip.ParsePrefix(word); err == nil && p != p.Masked() {
			word = p.Masked().String()
			b.masked++
		}
	}
	r, err := ParseRange(word)
	if err != nil {
		return i, err
	}
	if r.From().Is4() {
		b.add4(spanOf4(r))
	} else {
		b.add6(spanOf6(r))
	}
	return end, nil
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

// wordEnds reports whether a word ends before t[i].
func wordEnds(t []byte, i int) bool {
	if i >= len(t) {
		return true
	}
	switch t[i] {
	case '\n', ' ', '\t', '\r', '\v', '\f', '#':
		return true
	}
	return false
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
