package jsonfeed

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"sallyport/ipranges/refusal"
)

// Offset is how many bytes of the file were read.
func (r *Reader) Offset() int64 { return r.base + r.json.InputOffset() }

// Next is the offset of the value that comes next.
func (r *Reader) Next() int64 {
	i := r.Offset()
	for i < int64(len(r.data)) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[i]) >= 0 {
		i++
	}
	return i
}

// Pointer is the JSON pointer of what was read last.
func (r *Reader) Pointer() string { return string(r.json.StackPointer()) }

// Noted is how many mistakes were noted.
func (r *Reader) Noted() int { return r.err.Noted() }

// Problem notes a mistake in what was read last. Text of the file that is in text
// must be safe to print: see [refusal.Clean].
func (r *Reader) Problem(offset int64, text, fix string) { r.ProblemAt(offset, "", text, fix) }

// ProblemAt is Problem for a place below what was read last, or for a value in an
// array that is read once more: below is the rest of the pointer.
func (r *Reader) ProblemAt(offset int64, below, text, fix string) {
	if len(r.err.Problems) == refusal.Max { // it is only counted, because finding its place takes time
		r.err.Note(refusal.Problem{})
		return
	}
	r.err.Note(r.at(offset, r.Pointer()+below, text, fix))
}

// Wrong notes a mistake in raw, the value that was read last.
func (r *Reader) Wrong(raw jsontext.Value, text, fix string) {
	r.Problem(r.Offset()-int64(len(raw)), text, fix)
}

// Another notes that raw, the value that was read last, is of another kind than
// wanted. what names it, and is its JSON pointer if empty.
func (r *Reader) Another(raw jsontext.Value, what, wanted string) {
	if what == "" {
		what = r.Pointer()
	}
	if what == "" {
		what = "the file"
	}
	r.Wrong(raw, fmt.Sprintf("%s must be %s, not %s", refusal.Clean(what, 200), wanted, r.Kind(raw)), r.form.FixKind)
}

func (r *Reader) at(offset int64, pointer, text, fix string) refusal.Problem {
	line := 1 + bytes.Count(r.data[:min(offset, int64(len(r.data)))], []byte("\n"))
	return refusal.Problem{Offset: offset, Line: line, Pointer: refusal.Clean(pointer, 200), Text: text, Fix: fix}
}

// stop notes the mistake that ended reading, in a unit of that name or outside all.
func (r *Reader) stop(err error, unit string) {
	offset, pointer, text, fix := r.Offset(), jsontext.Pointer(""), err.Error(), r.form.FixFile
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		offset, pointer = r.base+syntax.ByteOffset, syntax.JSONPointer
		text = "malformed JSON: " + syntax.Err.Error()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			text = "the file ends too early"
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(r.data[r.base:]), []byte("<")) {
		text, fix = "this is a web page, not JSON", r.form.FixKind
	}
	if errors.Is(err, errEmpty) {
		offset = 0
	}
	p := r.at(offset, string(pointer), refusal.Clean(text, 200), fix)
	p.Part = refusal.Clean(unit, 60)
	r.err.NoteLast(p)
}
