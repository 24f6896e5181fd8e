package m365

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// What to do about a refused file, for the end of an error.
const (
	fixFile = "download the file again, and keep to an earlier one if that does not help"
	fixKind = "pass the JSON that https://endpoints.office.com/endpoints/... answers with"
	fixWide = "raise the matter with Microsoft and keep to an earlier file, or lower the limit if it is meant"
)

var (
	errEmpty    = errors.New("the file is empty")
	errTrailing = errors.New("more JSON follows the file's list")
	errStopped  = errors.New("reading stopped, and the cause is noted")
)

// reader reads JSON by what is expected. Its methods return an error only when
// reading cannot go on; a value of another kind is skipped and noted.
type reader struct {
	data []byte // the whole file
	base int64  // bytes before the JSON
	json *jsontext.Decoder
	set  string // the number of the set being read
	err  Error
}

func newReader(data []byte) *reader {
	json := bytes.TrimPrefix(data, []byte("\ufeff"))
	return &reader{err: Error{Feed: "Microsoft 365", Unit: "set"}, data: data, base: int64(len(data) - len(json)), json: jsontext.NewDecoder(bytes.NewBuffer(json))}
}

// object calls member for every member of the object that comes next. member
// must read the value.
func (r *reader) object(what string, member func(key string) error) error {
	if r.json.PeekKind() != '{' {
		return r.wrongKind(what, "an object")
	}
	if _, err := r.json.ReadToken(); err != nil {
		return err
	}
	for r.json.PeekKind() == '"' {
		key, err := r.json.ReadToken()
		if err != nil {
			return err
		}
		if err := member(key.String()); err != nil {
			return err
		}
	}
	_, err := r.json.ReadToken() // the brace, or what is wrong in its place
	return err
}

// array calls element for every element of the array that comes next, like
// object.
func (r *reader) array(what string, element func() error) error {
	if r.json.PeekKind() != '[' {
		return r.wrongKind(what, "a list")
	}
	if _, err := r.json.ReadToken(); err != nil {
		return err
	}
	for k := r.json.PeekKind(); k != ']' && k != 0; k = r.json.PeekKind() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := r.json.ReadToken()
	return err
}

// text reads a string and hands it to take, whose answer is what is wrong with
// it and what to do about that.
func (r *reader) text(what string, take func(s string) (problem, fix string)) error {
	return r.scalar(what, '"', "a string", func(raw jsontext.Value) (string, string) {
		b, err := jsontext.AppendUnquote(nil, raw)
		if err != nil { // the decoder has checked it
			return clean(err.Error(), 100), fixFile
		}
		return take(string(b))
	})
}

// number reads a number, like text. take gets its digits.
func (r *reader) number(what string, take func(s string) (problem, fix string)) error {
	return r.scalar(what, '0', "a number", func(raw jsontext.Value) (string, string) { return take(string(raw)) })
}

// truth reads a boolean.
func (r *reader) truth(what string, take func(bool)) error {
	kind := r.json.PeekKind()
	if kind != 't' {
		kind = 'f'
	}
	return r.scalar(what, kind, "true or false", func(raw jsontext.Value) (string, string) {
		take(raw.Kind() == 't')
		return "", ""
	})
}

func (r *reader) scalar(what string, kind jsontext.Kind, wanted string, take func(jsontext.Value) (problem, fix string)) error {
	if r.json.PeekKind() != kind {
		return r.wrongKind(what, wanted)
	}
	raw, err := r.json.ReadValue()
	if err != nil {
		return err
	}
	if problem, fix := take(raw); problem != "" {
		r.problem(r.offset()-int64(len(raw)), string(r.json.StackPointer()), problem, fix)
	}
	return nil
}

// wrongKind skips the value that comes next and notes that it is not what was
// wanted.
func (r *reader) wrongKind(what, wanted string) error {
	raw, err := r.json.ReadValue()
	if err != nil {
		return err
	}
	r.problem(r.offset()-int64(len(raw)), string(r.json.StackPointer()), fmt.Sprintf("%s must be %s, not %s", what, wanted, kindOf(raw)), fixKind)
	return nil
}

func kindOf(raw jsontext.Value) string {
	switch raw.Kind() {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "a string"
}

// end makes sure that nothing follows what was read.
func (r *reader) end() error {
	_, err := r.json.ReadToken()
	switch err {
	case io.EOF:
		return nil
	case nil:
		return errTrailing
	}
	return err
}

// offset returns how many bytes of the file were read.
func (r *reader) offset() int64 { return r.base + r.json.InputOffset() }

// next returns the offset of the value that comes next.
func (r *reader) next() int64 {
	i := r.offset()
	for i < int64(len(r.data)) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[i]) >= 0 {
		i++
	}
	return i
}

// noted returns how many mistakes were noted.
func (r *reader) noted() int { return r.err.Noted() }

// problem notes a mistake.
func (r *reader) problem(offset int64, pointer, text, fix string) {
	r.err.Note(r.at(offset, pointer, text, fix))
}

func (r *reader) at(offset int64, pointer, text, fix string) Problem {
	line := 1 + bytes.Count(r.data[:min(offset, int64(len(r.data)))], []byte("\n"))
	return Problem{Offset: offset, Line: line, Pointer: clean(pointer, 200), Part: r.set, Text: clean(text, 300), Fix: fix}
}

// stop notes the mistake that ended reading. It takes the place of the last one
// when there is no room: it is the one to know.
func (r *reader) stop(err error) {
	offset, pointer, text, fix := r.offset(), jsontext.Pointer(""), err.Error(), fixFile
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		offset, pointer = r.base+syntax.ByteOffset, syntax.JSONPointer
		text = "malformed JSON: " + syntax.Err.Error()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			text = "the file ends too early"
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(r.data[r.base:]), []byte("<")) {
		text, fix = "this is a web page, not JSON", fixKind
	}
	if errors.Is(err, errEmpty) {
		offset = 0
	}
	r.err.NoteLast(r.at(offset, string(pointer), text, fix))
}
