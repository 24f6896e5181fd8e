package azure

import (
	"bytes"
	"unicode"

	"sallyport/ipranges/refusal"
)

// Error says why a file is refused; its problems are of tags.
type Error = refusal.Error

// Problem is one mistake in a file.
type Problem = refusal.Problem

func clean(s string, limit int) string  { return refusal.Clean(s, limit) }
func quoted(s string, limit int) string { return refusal.Quoted(s, limit) }

// printable reports whether b, which is valid UTF-8, holds neither control and
// format characters nor blanks other than the space.
func printable(b []byte) bool {
	ascii := true
	for _, c := range b {
		ascii = ascii && c >= ' ' && c <= '~'
	}
	return ascii || bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
