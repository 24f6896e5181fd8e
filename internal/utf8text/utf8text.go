// Package utf8text makes UTF-8 of texts that people hand over: it drops a byte order
// mark, and reads UTF-16, which is what PowerShell 5 and "Unicode" in Windows' editors
// write. What is neither passes as it is, for its own reader to judge.
package utf8text

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrHalf says that a UTF-16 text ends in the middle of a character.
var ErrHalf = errors.New("it is UTF-16 and ends in the middle of a character: it was cut short")

const bom = "\xef\xbb\xbf"

// order is the byte order of a text that begins as head does, or nil if it is not UTF-16.
// A text without a byte order mark is UTF-16 when one of its first two bytes is 0: no
// other text has a character NUL.
func order(head []byte) binary.ByteOrder {
	switch {
	case len(head) < 2:
		return nil
	case head[0] == 0xff && head[1] == 0xfe, head[0] != 0 && head[1] == 0:
		return binary.LittleEndian
	case head[0] == 0xfe && head[1] == 0xff, head[0] == 0 && head[1] != 0:
		return binary.BigEndian
	}
	return nil
}

// Bytes returns data as UTF-8 without a byte order mark. It may share memory with data.
func Bytes(data []byte) ([]byte, error) {
	if order(data) == nil {
		return bytes.TrimPrefix(data, []byte(bom)), nil
	}
	return io.ReadAll(NewReader(bytes.NewReader(data)))
}

// NewReader returns a reader of what r has as UTF-8 without a byte order mark.
func NewReader(r io.Reader) io.Reader { return &reader{src: bufio.NewReaderSize(r, 64<<10)} }

// reader looks at the first bytes when it is read first.
type reader struct {
	src   *bufio.Reader
	begun bool
	order binary.ByteOrder // nil: UTF-8
	rest  []byte           // decoded, and not read yet
	high  rune             // the first half of a character that has two; 0: none
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	if !r.begun {
		r.begin()
	}
	if r.order == nil {
		return r.src.Read(p)
	}
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.decode()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *reader) begin() {
	r.begun = true
	head, _ := r.src.Peek(3) // a shorter text is looked at as it is
	r.order = order(head)
	if string(head) == bom {
		r.src.Discard(3)
	} else if r.order != nil && r.order.Uint16(head) == 0xfeff {
		r.src.Discard(2)
	}
}

// decode fills rest with what the source has at hand, at least one character of it.
func (r *reader) decode() {
	r.rest = r.rest[:0]
	var b [2]byte
	for first := true; first || r.src.Buffered() >= 2; first = false {
		if _, err := io.ReadFull(r.src, b[:]); err != nil {
			r.end(err)
			return
		}
		c := rune(r.order.Uint16(b[:]))
		if r.high != 0 {
			c = utf16.DecodeRune(r.high, c) // U+FFFD unless c is the second half
			r.high = 0
		} else if c >= 0xd800 && c < 0xdc00 {
			r.high = c
			continue
		}
		r.rest = utf8.AppendRune(r.rest, c) // U+FFFD for a half of its own
	}
}

func (r *reader) end(err error) {
	r.err = err
	if err == io.ErrUnexpectedEOF || err == io.EOF && r.high != 0 {
		r.err = ErrHalf
	}
}
