// Package diag describes mistakes in a user's policy: where they are, what is
// wrong, why, and what to do about it.
//
// It is a leaf: it knows neither HCL nor rules, so that every package can point
// at a place in the policy. The printer shows the source line with a marker
// under the exact spot, in colour only when asked to.
package diag

// Pos is a place in a source file. Line and Column count from 1, Column in
// grapheme clusters; Byte counts from 0.
type Pos struct {
	Line, Column, Byte int
}

// Range is a stretch of a source file, End exclusive. The zero value means
// "nowhere in particular".
type Range struct {
	File       string
	Start, End Pos
}

// IsZero reports whether r names no place.
func (r Range) IsZero() bool { return r == Range{} }

// Severity tells whether a diagnostic stops the run.
type Severity uint8

// An Error stops the run; a Warning is shown and the run goes on.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Diagnostic is one mistake, or one thing worth a second look.
type Diagnostic struct {
	Severity Severity
	Summary  string    // what is wrong: one line, no full stop
	Detail   string    // why it is wrong, in a sentence or two
	Fix      string    // what to write instead, or which command helps
	Subject  Range     // the tightest place that is to blame
	Related  []Related // other places that matter, such as an earlier definition
	// ID names a warning that can be accepted: it never changes, and errors have none.
	ID string
	// Accepted is why a warning is not shown; nil for all others.
	Accepted *Accepted
}

// Accepted is the judgement of somebody who has read a warning.
type Accepted struct {
	Reason string
	Place  Range // where it is written
}

// Related is a second place that explains a diagnostic.
type Related struct {
	Range Range
	Text  string
}

// List is diagnostics in the order in which they are shown.
type List []Diagnostic

// HasErrors reports whether l holds an error.
func (l List) HasErrors() bool { return l.Count(Error) > 0 }

// Count is the number of diagnostics of severity s that nobody has accepted.
func (l List) Count(s Severity) int {
	n := 0
	for _, d := range l {
		if d.Severity == s && d.Accepted == nil {
			n++
		}
	}
	return n
}

// Accepted is the number of warnings that somebody has accepted.
func (l List) Accepted() int {
	n := 0
	for _, d := range l {
		if d.Accepted != nil {
			n++
		}
	}
	return n
}
