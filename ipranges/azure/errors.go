package azure

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Error says why a file is refused. Every text in it is safe to print: what
// comes from the file is quoted and cut.
type Error struct {
	Problems []Problem // the first 20, in the order of the file; at least one
	More     int       // how many others there are
}

// Problem is one mistake in a file.
type Problem struct {
	Offset  int64  // bytes before the mistake
	Line    int    // from 1
	Pointer string // JSON pointer (RFC 6901) of the value: "/values/3/name"
	Tag     string // the tag's name; "" outside tags
	Text    string // what is wrong
	Fix     string // what to do
}

const maxProblems = 20

func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d (byte %d", p.Line, p.Offset)
	if p.Pointer != "" {
		fmt.Fprintf(&b, ", %s", p.Pointer)
	}
	b.WriteString(")")
	if p.Tag != "" {
		fmt.Fprintf(&b, ", tag %s", p.Tag)
	}
	return b.String() + ": " + p.Text
}

// Error lists the problems, one a line when there are several, and then what
// to do about them.
func (e *Error) Error() string {
	var lines, fixes []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
		if p.Fix != "" && !slices.Contains(fixes, p.Fix) {
			fixes = append(fixes, p.Fix)
		}
	}
	fix := strings.Join(fixes, "; ")
	if len(lines) == 1 {
		return "the Azure feed is refused: " + lines[0] + "; " + fix
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return fmt.Sprintf("the Azure feed is refused for %d mistakes:\n  %s\n%s", len(e.Problems)+e.More, strings.Join(lines, "\n  "), fix)
}

// clean returns s fit for a terminal: what is not printable ASCII is escaped,
// and what is longer than limit bytes is cut.
func clean(s string, limit int) string {
	cut := ""
	if len(s) > limit {
		s, cut = s[:limit], "..."
	}
	q := strconv.QuoteToASCII(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + cut
}

// quoted is clean in quotation marks.
func quoted(s string, limit int) string { return `"` + clean(s, limit) + `"` }

// printable reports whether b, which is valid UTF-8, holds neither control and
// format characters nor blanks other than the space.
func printable(b []byte) bool {
	ascii := true
	for _, c := range b {
		ascii = ascii && c >= ' ' && c <= '~'
	}
	return ascii || bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
