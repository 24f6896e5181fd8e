package text

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/ipranges/refusal"
)

// The forms of JSON that lists have:
//
//	["33.0.0.0/24", "33.2.0.1"]                     an array of entries
//	[{"cidr": "33.0.0.0/24", "rir": "apnic"}]       an array of objects with an entry each
//	{"cidr": "33.0.0.0/24", "sblid": "SBL1"}        an object a line (Spamhaus drop_v4.json, 2026-11)
//	{"type": "metadata", "records": 1}              without an entry, as the same list ends
//
// An object must hold one entry. Its other members must not change the meaning of the
// entry: an address in one member and a length or a mask in another are refused.

// isJSON reports whether a text is JSON: no line of a list begins like that.
func isJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && (data[0] == '{' || data[0] == '[')
}

// readJSON calls add for every entry, in order, with the line it is in.
func readJSON(data []byte, lenient bool, add func(line int, r netipx.IPRange, text string) error) error {
	d := &jsonList{dec: jsontext.NewDecoder(bytes.NewBuffer(data)), data: data, line: 1, lenient: lenient, add: add}
	err := d.values()
	var syntax *jsontext.SyntacticError
	var own *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{d.lineAt(int64(len(data))), "the JSON ends too early", fixCut}
	case errors.As(err, &syntax):
		return &Error{d.lineAt(syntax.ByteOffset), "malformed JSON: " + clean(syntax.Err.Error()), fixFile}
	}
	return &Error{d.lineAt(d.dec.InputOffset()), clean(err.Error()), fixFile}
}

// jsonList reads the JSON forms of a list.
type jsonList struct {
	dec     *jsontext.Decoder
	data    []byte
	lenient bool // host bits are masked
	add     func(line int, r netipx.IPRange, text string) error

	line int   // of byte at
	at   int64 // never goes back by much
}

// lineAt is the line of the byte at offset, from 1.
func (d *jsonList) lineAt(offset int64) int {
	offset = min(offset, int64(len(d.data)))
	if offset < d.at {
		d.line, d.at = 1, 0
	}
	d.line += bytes.Count(d.data[d.at:offset], []byte("\n"))
	d.at = offset
	return d.line
}

func (d *jsonList) wrong(text, fix string) error {
	return &Error{d.lineAt(d.dec.InputOffset()), text, fix}
}

// values reads the one array, or the objects, of the file.
func (d *jsonList) values() error {
	if d.dec.PeekKind() == '[' {
		if err := d.array(); err != nil {
			return err
		}
		if _, err := d.dec.ReadToken(); err != io.EOF {
			if err == nil {
				return d.wrong("more JSON follows the array", fixFile)
			}
			return err
		}
		return nil
	}
	for {
		switch kind := d.dec.PeekKind(); kind {
		case '{':
			if err := d.object(); err != nil {
				return err
			}
		case 0: // the end, or a mistake
			if _, err := d.dec.ReadToken(); err != io.EOF {
				return err
			}
			return nil
		default:
			if err := d.dec.SkipValue(); err != nil {
				return err
			}
			return d.wrong("a list of JSON lines has an object on each", fixFile)
		}
	}
}

func (d *jsonList) array() error {
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	for d.dec.PeekKind() != ']' {
		switch d.dec.PeekKind() {
		case '{':
			if err := d.object(); err != nil {
				return err
			}
		default:
			raw, err := d.dec.ReadValue()
			if err != nil {
				return err
			}
			if raw.Kind() != '"' {
				return d.wrong("an element of the array is neither text nor an object", fixFile)
			}
			if err := d.entry(unquote(raw)); err != nil {
				return err
			}
		}
	}
	_, err := d.dec.ReadToken()
	return err
}

func (d *jsonList) entry(text string) error {
	r, ok, err := ipranges.ParseLine(text, ipranges.ReadOptions{NoWords: true, Lenient: d.lenient})
	if err == nil && !ok {
		err = fmt.Errorf("%s is no prefix, range or address", refusal.Quoted(text, 60))
	}
	if err != nil {
		return d.wrong(clean(err.Error()), fixFile)
	}
	return d.add(d.lineAt(d.dec.InputOffset()), r, text)
}

// object reads an object with one entry.
func (d *jsonList) object() error {
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	var found []string // texts that are entries
	var small string   // a member that may be a length
	metadata, members := false, 0
	for ; d.dec.PeekKind() == '"'; members++ {
		raw, err := d.dec.ReadValue()
		if err != nil {
			return err
		}
		key := unquote(raw)
		switch d.dec.PeekKind() {
		case '{', '[':
			return d.wrong(fmt.Sprintf("member %s of an object is neither text nor a number", refusal.Quoted(key, 60)), fixObject)
		}
		if raw, err = d.dec.ReadValue(); err != nil {
			return err
		}
		value := string(raw)
		if raw.Kind() == '"' {
			value = unquote(raw)
		}
		if raw.Kind() == '"' && isEntry(value) {
			found = append(found, value)
		} else if n, err := strconv.ParseFloat(strings.TrimPrefix(value, "/"), 64); err == nil && n >= 0 && n <= 128 {
			small = key
		}
		metadata = metadata || key == "type" && value == "metadata"
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	switch {
	case len(found) == 0 && metadata:
		return nil
	case len(found) == 0:
		return d.wrong("an object holds no prefix, range or address", fixObject)
	case len(found) > 1:
		return d.wrong(fmt.Sprintf("an object holds %s and %s", found[0], found[1]), fixObject)
	case small != "" && isAddress(found[0]):
		return d.wrong(fmt.Sprintf("an object holds the address %s without a length, and %s may be it", found[0], refusal.Quoted(small, 60)), fixObject)
	}
	return d.entry(found[0])
}

// isEntry reports a prefix, also one with host bits, a range or an address.
func isEntry(text string) bool {
	_, err := ipranges.ParseRange(text)
	if err != nil {
		_, err = netip.ParsePrefix(text)
	}
	return err == nil
}

func isAddress(text string) bool { return !strings.ContainsAny(text, "/-") }

func unquote(raw jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil { // a value that was read is well formed
		return ""
	}
	return string(b)
}
