// Package diag describes mistakes in a user's policy: where they are, what is
// wrong, why, and what to do about it.
//
// It imports no other package of the module, so that every package can report a place in
// the policy. Print shows the source line with a marker under the place.
package diag

// Pos is a place in a source file. Line and Column count from 1, Column in
// grapheme clusters; Byte counts from 0.
type Pos struct {
	Line, Column, Byte int
}

// Range is a part of a source file; End is exclusive. The zero value is no place.
type Range struct {
	File       string
	Start, End Pos
}

// IsZero reports whether r is no place.
func (r Range) IsZero() bool { return r == Range{} }

// Severity is that of a diagnostic.
type Severity uint8

// An Error stops the run. A Warning does not.
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

// Diagnostic is a mistake, or a warning about something that may be one.
type Diagnostic struct {
	Severity Severity
	Summary  string    // what is wrong: one line, no full stop
	Detail   string    // why it is wrong, in a sentence or two
	Fix      string    // what to write instead, or which command helps
	Subject  Range     // the smallest part of the source that has the mistake
	Related  []Related // other places that matter, such as an earlier definition
	// ID identifies the kind of a warning, so that a policy can accept it. IDs do not change.
	// Errors have none.
	ID string
	// Accepted is set for a warning that the policy accepts. Print leaves it out.
	Accepted *Accepted
}

// Accepted says why a policy accepts a warning.
type Accepted struct {
	Reason string
	Place  Range // where it is written
}

// Related is a second place that explains a diagnostic.
type Related struct {
	Range Range
	Text  string
}

// List is a list of diagnostics, in the order in which Print shows them.
type List []Diagnostic

// HasErrors reports whether l has an error.
func (l List) HasErrors() bool { return l.Count(Error) > 0 }

// Count is the number of diagnostics of severity s that are not accepted.
func (l List) Count(s Severity) int {
	n := 0
	for _, d := range l {
		if d.Severity == s && d.Accepted == nil {
			n++
		}
	}
	return n
}

// Accepted is the number of accepted warnings.
func (l List) Accepted() int {
	n := 0
	for _, d := range l {
		if d.Accepted != nil {
			n++
		}
	}
	return n
}
