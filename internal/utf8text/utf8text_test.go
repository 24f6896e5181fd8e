package utf8text

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"
)

// encode is s in UTF-16, with a byte order mark or without.
func encode(s string, order binary.AppendByteOrder, mark bool) []byte {
	var out []byte
	if mark {
		s = "\ufeff" + s
	}
	for _, c := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, c)
	}
	return out
}

// read is Bytes and NewReader, which must say the same.
func read(t *testing.T, data []byte) (string, error) {
	t.Helper()
	got, err := Bytes(bytes.Clone(data))
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(data), "byte by byte": iotest.OneByteReader(bytes.NewReader(data)),
		"late error": iotest.DataErrReader(bytes.NewReader(data)),
	} {
		again, readErr := io.ReadAll(NewReader(r))
		if string(again) != string(got) || !errors.Is(readErr, err) {
			t.Errorf("%s: %.40q, %v, and at once %.40q, %v", name, again, readErr, got, err)
		}
	}
	return string(got), err
}

func TestForms(t *testing.T) {
	for _, s := range []string{"{", "10.0.0.0/8\r\n# Zürich 😀\r\n", strings.Repeat("10.0.0.0/8\n", 20_000), strings.Repeat("😀", 33_000)} {
		for name, data := range map[string][]byte{
			"UTF-8":           []byte(s),
			"with a mark":     []byte("\ufeff" + s),
			"UTF-16LE marked": encode(s, binary.LittleEndian, true),
			"UTF-16BE marked": encode(s, binary.BigEndian, true),
			"UTF-16LE":        encode(s, binary.LittleEndian, false),
			"UTF-16BE":        encode(s, binary.BigEndian, false),
		} {
			if strings.HasPrefix(s, "😀") && strings.HasPrefix(name, "UTF-16") && !strings.HasSuffix(name, "marked") {
				continue // its first character shows nothing
			}
			if got, err := read(t, data); got != s || err != nil {
				t.Errorf("%s of %.20q: %.40q, %v", name, s, got, err)
			}
		}
	}
	for _, s := range []string{"", "\xef", "\xef\xbb", "x", "\x00", "\x00\x00", "\xff", "\xc3\x28"} {
		if got, err := read(t, []byte(s)); got != s || err != nil {
			t.Errorf("%q becomes %q, %v", s, got, err)
		}
	}
}

// TestCut: a text in UTF-16 that ends inside a character is no whole text.
func TestCut(t *testing.T) {
	whole := encode("a😀b", binary.LittleEndian, true)
	for n := 3; n < len(whole); n++ {
		got, err := read(t, whole[:n])
		inside := n%2 == 1 || n == 6 // between the halves of the second
		if errors.Is(err, ErrHalf) != inside || !inside && err != nil {
			t.Errorf("%d bytes: %q, %v", n, got, err)
		}
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("broken")
	for _, head := range []string{"", "x", "10.0.0.0/8\n", "\xff\xfex\x00", "\xff\xfex"} {
		r := NewReader(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)))
		if _, err := io.ReadAll(r); !errors.Is(err, broken) {
			t.Errorf("after %q: %v", head, err)
		}
	}
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte("\xff\xfe1\x000\x00"))
	f.Add([]byte("\x00{\x00}"))
	f.Add([]byte("\ufeffx"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := read(t, data)
		if order(data) != nil && err == nil && !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
	})
}
