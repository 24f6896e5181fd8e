package diag

import "encoding/json"

// JSON is the JSON form of a Diagnostic. Later versions may add fields, and remove none.
// File, Line and Column are the start of Subject; they are absent if Subject is no place.
type JSON struct {
	Severity string `json:"severity"` // error or warning
	ID       string `json:"id,omitempty"`
	Accepted bool   `json:"accepted,omitzero"`
	Reason   string `json:"reason,omitempty"` // why it is accepted
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	Fix      string `json:"fix,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
}

// MarshalJSON returns d in the form of JSON.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	out := JSON{Severity: d.Severity.String(), ID: d.ID, Summary: d.Summary, Detail: d.Detail, Fix: d.Fix,
		File: d.Subject.File, Line: d.Subject.Start.Line, Column: d.Subject.Start.Column}
	if d.Accepted != nil {
		out.Accepted, out.Reason = true, d.Accepted.Reason
	}
	return json.Marshal(out)
}

// MarshalJSON returns an array, an empty one for an empty list.
func (l List) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]Diagnostic(l))
}
