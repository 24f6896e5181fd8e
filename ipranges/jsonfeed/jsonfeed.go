// Package jsonfeed reads the JSON of a feed's file, for the decoders of feeds. Each
// decoder says in callbacks what an object or an array may hold, and what is wrong with
// a value; this package finds the place of the mistake.
//
// Reading is strict (RFC 8259, without duplicate names and invalid UTF-8, one value
// in the file) and goes on after a mistake in content, so that a person sees all of
// them at once. It ends at a mistake in syntax.
//
// It is bounded: whatever the file, time is linear in its bytes, no more than
// [refusal.Max] mistakes are kept, and memory is what the callbacks keep.
package jsonfeed

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"sallyport/ipranges/refusal"
)

// Form is what the errors about one kind of file say.
type Form struct {
	Feed, Unit string // as in [refusal.Error]
	Array      string // its publisher's word for an array: "an array", "a list"
	FixFile    string // what to do about a file that is damaged
	FixKind    string // what to do about one that is something else
}

// Reader reads one file. Its methods, and the callbacks they call, return an error
// only when reading cannot go on; mistakes in content are noted. It is not safe for
// concurrent use.
type Reader struct {
	form Form
	data []byte // the whole file
	base int64  // bytes before the JSON
	json *jsontext.Decoder
	err  refusal.Error
}

var (
	errEmpty   = errors.New("the file is empty")
	errStopped = errors.New("reading stopped, and the cause is noted")
)

// NewReader reads data, which must not change meanwhile. A byte order mark is
// skipped.
func NewReader(data []byte, form Form) *Reader {
	json := bytes.TrimPrefix(data, []byte("\ufeff"))
	return &Reader{
		form: form, data: data, base: int64(len(data) - len(json)),
		json: jsontext.NewDecoder(bytes.NewBuffer(json)),
		err:  refusal.Error{Feed: form.Feed, Unit: form.Unit},
	}
}

// File calls read, which must read one value, which kind names ("object"), and makes
// sure that it is the only one. Its error is a [*refusal.Error] with all mistakes, in
// the order of the file.
func (r *Reader) File(kind string, read func() error) error {
	if err := r.file(kind, read); err != nil && err != errStopped {
		r.stop(err, "")
	}
	if r.err.Problems == nil {
		return nil
	}
	slices.SortStableFunc(r.err.Problems, func(a, b refusal.Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	return &r.err
}

func (r *Reader) file(kind string, read func() error) error {
	if len(bytes.TrimSpace(r.data[r.base:])) == 0 {
		return errEmpty
	}
	if err := read(); err != nil {
		return err
	}
	switch _, err := r.json.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("more JSON follows the file's %s", kind)
	default:
		return err
	}
}

// Unit calls read for one of the things that the file lists. The mistakes that are
// noted meanwhile get the name that read returns, which may stand after them.
func (r *Reader) Unit(read func() (name string, err error)) error {
	first := len(r.err.Problems)
	name, err := read()
	if err != nil && err != errStopped {
		r.stop(err, name)
		err = errStopped
	}
	for i := first; i < len(r.err.Problems); i++ {
		r.err.Problems[i].Part = refusal.Clean(name, 60)
	}
	return err
}

// Object calls member for every member of the object that comes next. member must read
// the value; key is valid until it does. A value of another kind is skipped and is a
// mistake; what names it, and is its JSON pointer if empty.
func (r *Reader) Object(what string, member func(key []byte) error) error {
	if r.json.PeekKind() != '{' {
		return r.another(what, "an object")
	}
	if _, err := r.json.ReadToken(); err != nil {
		return err
	}
	for r.json.PeekKind() == '"' {
		raw, err := r.json.ReadValue()
		if err != nil {
			return err
		}
		key, _ := Unquote(raw)
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := r.json.ReadToken() // the brace, or what is wrong in its place
	return err
}

// Array calls element, which must read it, for every element of the array that comes
// next; it is like Object.
func (r *Reader) Array(what string, element func() error) error {
	if r.json.PeekKind() != '[' {
		return r.another(what, r.form.Array)
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

// Value reads the value that comes next, which is valid until more is read.
func (r *Reader) Value() (jsontext.Value, error) { return r.json.ReadValue() }

// Skip reads over the value that comes next.
func (r *Reader) Skip() error { return r.json.SkipValue() }

// another skips the value that comes next, which is of another kind than wanted.
func (r *Reader) another(what, wanted string) error {
	raw, err := r.json.ReadValue()
	if err == nil {
		r.Another(raw, what, wanted)
	}
	return err
}

// Unquote returns the content of a JSON string as [Reader.Value] returns it, and
// whether it is one. It may share memory with raw.
func Unquote(raw jsontext.Value) ([]byte, bool) {
	if raw.Kind() != '"' {
		return nil, false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], true
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	return b, err == nil
}

// Kind is what errors call the kind of a value.
func (r *Reader) Kind(raw jsontext.Value) string {
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
		return r.form.Array
	}
	return "a string"
}
