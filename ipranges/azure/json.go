package azure

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// What to do about a refused file, for the end of an error.
const (
	fixFile = "download the file again, and keep to an earlier one if that does not help"
	fixKind = "pass the JSON file that the download page of Azure IP Ranges and Service Tags gives"
	fixWide = "raise the matter with Microsoft and keep to an earlier file, or lower the limit if it is meant"
)

var (
	errEmpty    = errors.New("the file is empty")
	errTrailing = errors.New("more JSON follows the file's object")
	errStopped  = errors.New("reading stopped, and the cause is noted")
)

// tooMany stops a file that has more of something than the limits allow.
type tooMany struct {
	what  string
	limit int
}

func (e tooMany) Error() string {
	return fmt.Sprintf("the file has more than %d %s", e.limit, e.what)
}

// object calls member for every member of the object that comes next. member
// must read the value; key is good until it does. Another kind of value is skipped and is a mistake.
func (d *decoder) object(at place, member func(key []byte) error) error {
	if k := d.json.PeekKind(); k != '{' {
		return d.wrongKind(at, "an object")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() == '"' {
		raw, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		key, _ := unquote(raw)
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken() // the brace, or what is wrong in its place
	return err
}

// array calls element for every element of the array that comes next, like
// object.
func (d *decoder) array(at place, element func() error) error {
	if k := d.json.PeekKind(); k != '[' {
		return d.wrongKind(at, "an array")
	}
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for k := d.json.PeekKind(); k != ']' && k != 0; k = d.json.PeekKind() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// text reads a string into s: printable and at most maxName bytes long.
func (d *decoder) text(at place, what string, s *string) error {
	raw, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	start := d.offset() - int64(len(raw))
	b, ok := unquote(raw)
	if !ok {
		d.problem(start, at, fmt.Sprintf("%s must be a string, not %s", what, kindOf(raw)), fixFile)
		return nil
	}
	if word, ok := d.words[string(b)]; ok {
		*s = word // it was checked when it came first
		return nil
	}
	switch {
	case len(b) > maxName:
		d.problem(start, at, fmt.Sprintf("%s has %d bytes, more than %d", what, len(b), maxName), fixFile)
	case !printable(b):
		d.problem(start, at, fmt.Sprintf("%s %s holds a character that cannot be printed", what, quoted(string(b), 60)), fixFile)
	default:
		*s = d.word(b)
	}
	return nil
}

// number reads a whole number without a sign into s.
func (d *decoder) number(at place, s *string) error {
	raw, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	for _, c := range raw {
		if c < '0' || c > '9' || len(raw) > 18 {
			d.problem(d.offset()-int64(len(raw)), at, "changeNumber must be a whole number, not "+clean(string(raw), 30), fixFile)
			return nil
		}
	}
	*s = d.word(raw)
	return nil
}

// place is where in the file a value stands.
type place struct {
	tag    int    // of values; -1: outside
	member string // JSON pointer, from the tag or the file
	index  int    // of the list that member is, from 1; 0: the list itself
}

var (
	top      = place{tag: -1}
	inCloud  = place{tag: -1, member: "/cloud"}
	inValues = place{tag: -1, member: "/values"}
)

func (p place) in(member string) place { return place{tag: p.tag, member: member} }
func (p place) element(i int) place    { return place{p.tag, p.member, i + 1} }

// String returns the JSON pointer (RFC 6901) of the place.
func (p place) String() string {
	s := p.member
	if p.tag >= 0 {
		s = inValues.member + "/" + strconv.Itoa(p.tag) + s
	}
	if p.index > 0 {
		s += "/" + strconv.Itoa(p.index-1)
	}
	return s
}

// pointer is a JSON pointer that holds text of the file.
type pointer string

func (p pointer) String() string { return clean(string(p), 200) }

// word returns b as a string, the same one for equal bytes.
func (d *decoder) word(b []byte) string {
	s, ok := d.words[string(b)]
	if !ok {
		s = string(b)
		d.words[s] = s
	}
	return s
}

// unquote returns the content of a JSON string, which jsontext has checked. It
// may share memory with raw.
func unquote(raw jsontext.Value) ([]byte, bool) {
	if raw.Kind() != '"' {
		return nil, false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], true
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	return b, err == nil
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
		return "an array"
	}
	return "a string"
}

// wrongKind skips the value that comes next and notes that it is not what was
// wanted.
func (d *decoder) wrongKind(at place, wanted string) error {
	raw, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	where := at.String()
	if where == "" {
		where = "the file"
	}
	d.problem(d.offset()-int64(len(raw)), at, fmt.Sprintf("%s must be %s, not %s", where, wanted, kindOf(raw)), fixKind)
	return nil
}

// offset returns how many bytes of the file were read.
func (d *decoder) offset() int64 { return d.base + d.json.InputOffset() }

// next returns the offset of the value that comes next.
func (d *decoder) next() int64 {
	i := d.offset()
	for i < int64(len(d.data)) && bytes.IndexByte([]byte(" \t\r\n,:"), d.data[i]) >= 0 {
		i++
	}
	return i
}

// noted returns how many mistakes were noted.
func (d *decoder) noted() int { return d.err.Noted() }

// problem notes a mistake.
func (d *decoder) problem(offset int64, at fmt.Stringer, text, fix string) {
	d.err.Note(Problem{Offset: offset, Line: d.line(offset), Pointer: at.String(), Text: text, Fix: fix})
}

func (d *decoder) line(offset int64) int {
	return 1 + bytes.Count(d.data[:min(offset, int64(len(d.data)))], []byte("\n"))
}

// stop notes the mistake that ended reading, in a tag of that name or outside
// tags. It takes the place of the last one when there is no room: it is the
// one to know.
func (d *decoder) stop(err error, tag string) {
	offset, at, text, fix := d.offset(), jsontext.Pointer(""), err.Error(), fixFile
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		offset = d.base + syntax.ByteOffset
		at = syntax.JSONPointer
		text = "malformed JSON: " + syntax.Err.Error()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			text = "the file ends too early"
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(d.data[d.base:]), []byte("<")) {
		text, fix = "this is a web page, not JSON", fixKind
	}
	if errors.Is(err, errEmpty) {
		offset = 0
	}
	d.err.NoteLast(Problem{Offset: offset, Line: d.line(offset), Pointer: pointer(at).String(), Part: clean(tag, 60), Text: clean(text, 200), Fix: fix})
}
