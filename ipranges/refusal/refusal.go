// Package refusal says why a feed's file is refused: every mistake with its place
// in the file, and what to do about it. The decoders of feeds share it.
//
// Text from a file may be hostile: Clean makes it safe for a terminal.
package refusal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Max is how many mistakes an Error holds; the rest is counted.
const Max = 20

// Error says why a file is refused. Every text in it is safe to print: what comes
// from the file is quoted and cut. It is not safe for concurrent use while problems
// are noted.
type Error struct {
	Feed     string    // for people: "Azure"
	Unit     string    // what the file is a list of: "tag"
	Problems []Problem // the first 20, in the order of the file; at least one
	More     int       // how many others there are
}

// Problem is one mistake in a file.
type Problem struct {
	Offset  int64  // bytes before the mistake
	Line    int    // from 1
	Pointer string // JSON pointer (RFC 6901) of the value: "/values/3/name"
	Part    string // the name of the unit; "" outside of all
	Text    string // what is wrong
	Fix     string // what to do
}

// Note adds a problem, or counts it when there is no room.
func (e *Error) Note(p Problem) {
	if len(e.Problems) == Max {
		e.More++
		return
	}
	e.Problems = append(e.Problems, p)
}

// NoteLast adds the problem that ended reading. If there is no room, it replaces the
// last one, because it is more important.
func (e *Error) NoteLast(p Problem) {
	if len(e.Problems) == Max {
		e.Problems = e.Problems[:Max-1]
		e.More++
	}
	e.Note(p)
}

// Noted is how many problems there are, with those that are only counted.
func (e *Error) Noted() int { return len(e.Problems) + e.More }

func (e *Error) line(p Problem) string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d (byte %d", p.Line, p.Offset)
	if p.Pointer != "" {
		fmt.Fprintf(&b, ", %s", p.Pointer)
	}
	b.WriteString(")")
	if p.Part != "" {
		fmt.Fprintf(&b, ", %s %s", e.Unit, p.Part)
	}
	return b.String() + ": " + p.Text
}

// Error lists the problems, one a line when there are several, and then what to do
// about them.
func (e *Error) Error() string {
	var lines, fixes []string
	for _, p := range e.Problems {
		lines = append(lines, e.line(p))
		if p.Fix != "" && !slices.Contains(fixes, p.Fix) {
			fixes = append(fixes, p.Fix)
		}
	}
	fix := strings.Join(fixes, "; ")
	if len(lines) == 1 {
		return fmt.Sprintf("the %s feed is refused: %s; %s", e.Feed, lines[0], fix)
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return fmt.Sprintf("the %s feed is refused for %d mistakes:\n  %s\n%s", e.Feed, e.Noted(), strings.Join(lines, "\n  "), fix)
}

// Clean returns s safe for a terminal: bytes that are not printable ASCII are escaped,
// and text longer than limit bytes is cut. A backslash stays as it is, so that text
// that was escaped before is not escaped twice.
func Clean(s string, limit int) string {
	cut := ""
	if len(s) > limit {
		s, cut = s[:limit], "..."
	}
	q := strconv.QuoteToASCII(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1:len(q)-1]) + cut
}

// Quoted is Clean in quotation marks.
func Quoted(s string, limit int) string { return `"` + Clean(s, limit) + `"` }
