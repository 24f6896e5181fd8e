package policy

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"sallyport/internal/utf8text"
)

// decodeSource decodes the text of a file. It also reads UTF-16 with a byte order mark, which
// some editors and PowerShell write. If src is no text, wrong says why and offset where, and
// text is what can be shown of it.
func decodeSource(src []byte) (text []byte, wrong string, offset int) {
	const utf32 = "it is UTF-32"
	switch {
	case bytes.HasPrefix(src, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(src, []byte{0, 0, 0xfe, 0xff}):
		return nil, utf32, 0
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}), bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		return decode16(src)
	}
	text = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	nul := bytes.IndexByte(text, 0)
	switch {
	case nul < 0:
	case looksUTF16(text):
		return nil, "it looks like UTF-16 without a byte order mark", 0
	default:
		return nil, fmt.Sprintf("byte %d is zero, which no text has", nul+len(src)-len(text)+1), 0
	}
	if at, n := badUTF8(text); n > 0 {
		return text, fmt.Sprintf("%s not UTF-8", counted(n, "byte")+map[bool]string{true: " is", false: " are"}[n == 1]), at
	}
	return text, "", 0
}

func decode16(src []byte) (text []byte, wrong string, offset int) {
	text, err := utf8text.Bytes(src)
	if nul := bytes.IndexByte(text, 0); nul >= 0 {
		return nil, fmt.Sprintf("it is UTF-16, and character %d is zero, which no text has", utf8.RuneCount(text[:nul])+1), 0
	}
	if err != nil {
		return text, "it is UTF-16, and its last character is cut in half", len(text)
	}
	return text, "", 0
}

// looksUTF16 reports whether most bytes at even offsets, or most at odd ones, are zero, as in
// Latin text in UTF-16.
func looksUTF16(text []byte) bool {
	var zero [2]int
	for i, b := range text {
		if b == 0 {
			zero[i%2]++
		}
	}
	half := len(text) / 2
	return zero[0] > half*3/4 && zero[1] < half/4 || zero[1] > half*3/4 && zero[0] < half/4
}

// badUTF8 counts the bytes of text that are not valid UTF-8, and returns the offset of the
// first.
func badUTF8(text []byte) (first, n int) {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			if n++; n == 1 {
				first = i
			}
		}
		i += size
	}
	return first, n
}

// checkText reports a source that is no text, in one diagnostic. It returns whether to go on.
func (c *compiler) checkText(wrong string, offset int) bool {
	if wrong == "" {
		return true
	}
	at := c.placeAt(offset, 1)
	c.error(at, "the policy is not text: "+wrong, "A policy is text in UTF-8.",
		"save it as UTF-8, or take a whole copy of it")
	if _, n := badUTF8(c.f.src); n == 0 || n > 1+len(c.f.src)/100 {
		return false
	}
	// With a few bytes of another encoding, the rest can still be read.
	for i := offset; i < len(c.chars); {
		r, size := utf8.DecodeRune(c.chars[i:])
		if r == utf8.RuneError && size <= 1 {
			c.chars[i] = '?'
		}
		i += size
	}
	return true
}

// placeAt is the place of n bytes of the source.
func (c *compiler) placeAt(offset, n int) hcl.Range {
	before := c.f.src[:min(offset, len(c.f.src))]
	line := bytes.LastIndexByte(before, '\n') + 1
	start := hcl.Pos{Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[line:]), Byte: len(before)}
	end := start
	end.Byte = min(start.Byte+n, len(c.f.src))
	end.Column += utf8.RuneCount(c.f.src[start.Byte:end.Byte])
	return hcl.Range{Filename: c.f.name, Start: start, End: end}
}

// foreign are characters that look like those of the language. Most come from text that was
// copied from a document or a web page.
var foreign = map[rune]struct{ name, plain string }{
	'“': {"a typographic quote", `"`}, '”': {"a typographic quote", `"`}, '„': {"a typographic quote", `"`}, '‟': {"a typographic quote", `"`},
	'«': {"a typographic quote", `"`}, '»': {"a typographic quote", `"`}, '＂': {"a wide quote", `"`}, '″': {"a double prime", `"`},
	'‘': {"a typographic quote", `"`}, '’': {"a typographic quote", `"`}, '‚': {"a typographic quote", `"`},
	'\u00a0': {"a non-breaking space", " "}, '\u202f': {"a narrow non-breaking space", " "}, '\u2007': {"a figure space", " "},
	'\u2009': {"a thin space", " "}, '\u3000': {"a wide space", " "}, '\u2003': {"a wide space", " "}, '\u2002': {"a wide space", " "},
	'\u200b': {"an invisible space", ""}, '\ufeff': {"a byte order mark in the middle of the text", ""}, '\u2060': {"an invisible character", ""},
	'\u200e': {"an invisible mark of direction", ""}, '\u200f': {"an invisible mark of direction", ""},
	'–': {"a dash", "-"}, '—': {"a dash", "-"}, '−': {"a minus sign", "-"}, '‐': {"a hyphen", "-"}, '‑': {"a non-breaking hyphen", "-"},
	'＝': {"a wide equals sign", "="}, '｛': {"a wide brace", "{"}, '｝': {"a wide brace", "}"}, '［': {"a wide bracket", "["}, '］': {"a wide bracket", "]"},
	'，': {"a wide comma", ","}, '…': {"an ellipsis", "..."},
}

// describeRune describes a character, for a message about it.
func describeRune(r rune) string {
	f, ok := foreign[r]
	switch {
	case ok && unicode.IsPrint(r):
		return fmt.Sprintf("%c is %s (U+%04X)", r, f.name, r)
	case ok:
		return fmt.Sprintf("this is %s (U+%04X)", f.name, r)
	case r == '\r':
		return "this is a carriage return without a line feed (U+000D)"
	case unicode.IsPrint(r):
		return fmt.Sprintf("%c (U+%04X) is not part of the policy language", r, r)
	}
	return fmt.Sprintf("this character (U+%04X) is not part of the policy language", r)
}

// foreignFix says what to write instead of a character.
func foreignFix(r rune) string {
	f, ok := foreign[r]
	switch {
	case r == '\r':
		return "end the line with a line feed"
	case !ok:
		return "remove it, or put it in quotes"
	case f.plain == "":
		return "remove it"
	case f.plain == " ":
		return "write a plain space"
	case f.plain == `"`:
		return `write the plain quote "`
	}
	return fmt.Sprintf("write the plain character %s", f.plain)
}
