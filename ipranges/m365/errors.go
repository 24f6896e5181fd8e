package m365

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Error says why an answer of the web service is refused. Every text in it is
// safe to print: what comes from the answer is quoted and cut.
type Error struct {
	Problems []Problem // the first 20, in the order of the file; at least one
	More     int       // how many others there are
}

// Problem is one mistake.
type Problem struct {
	Offset  int64  // bytes before the mistake
	Line    int    // from 1
	Pointer string // JSON pointer (RFC 6901) of the value: "/3/ips/0"
	Set     string // the number of the set; "" outside sets, or without a number
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
	if p.Set != "" {
		fmt.Fprintf(&b, ", set %s", p.Set)
	}
	return b.String() + ": " + p.Text
}

// Error lists the problems, one a line when there are several, and then what
// to do about them.
func (e *Error) Error() string {
	var lines, fixes []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
		if !slices.Contains(fixes, p.Fix) {
			fixes = append(fixes, p.Fix)
		}
	}
	fix := strings.Join(fixes, "; ")
	if len(lines) == 1 {
		return "the Microsoft 365 feed is refused: " + lines[0] + "; " + fix
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return fmt.Sprintf("the Microsoft 365 feed is refused for %d mistakes:\n  %s\n%s", len(e.Problems)+e.More, strings.Join(lines, "\n  "), fix)
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
