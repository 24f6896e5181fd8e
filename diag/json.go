package diag

import "encoding/json"

// The JSON form of diagnostics, for --json. A List is an array of
//
//	{
//	  "severity": "error",            // or "warning"
//	  "id": "open-cloud",             // of a warning that can be accepted
//	  "accepted": true,               // left out when it is not
//	  "reason": "...",                // why it is accepted
//	  "summary": "...",
//	  "detail": "...",                // left out when empty
//	  "fix": "...",                   // left out when empty
//	  "place": {                      // left out when there is none
//	    "file": "edge.hcl",
//	    "line": 14, "column": 14, "byte": 213,
//	    "end_line": 14, "end_column": 42, "end_byte": 241
//	  },
//	  "related": [{"text": "...", "place": {...}}]
//	}
//
// Lines and columns count from 1, columns in characters as people count them,
// bytes from 0; the end is exclusive.
type (
	jsonDiagnostic struct {
		Severity string        `json:"severity"`
		ID       string        `json:"id,omitempty"`
		Accepted bool          `json:"accepted,omitempty"`
		Reason   string        `json:"reason,omitempty"`
		Summary  string        `json:"summary"`
		Detail   string        `json:"detail,omitempty"`
		Fix      string        `json:"fix,omitempty"`
		Place    *jsonPlace    `json:"place,omitempty"`
		Related  []jsonRelated `json:"related,omitempty"`
	}
	jsonRelated struct {
		Text  string     `json:"text"`
		Place *jsonPlace `json:"place,omitempty"`
	}
	jsonPlace struct {
		File      string `json:"file"`
		Line      int    `json:"line"`
		Column    int    `json:"column"`
		Byte      int    `json:"byte"`
		EndLine   int    `json:"end_line"`
		EndColumn int    `json:"end_column"`
		EndByte   int    `json:"end_byte"`
	}
)

// MarshalJSON returns the documented form of d.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	out := jsonDiagnostic{Severity: d.Severity.String(), ID: d.ID, Summary: d.Summary, Detail: d.Detail, Fix: d.Fix, Place: placeJSON(d.Subject)}
	if d.Accepted != nil {
		out.Accepted, out.Reason = true, d.Accepted.Reason
	}
	for _, r := range d.Related {
		out.Related = append(out.Related, jsonRelated{r.Text, placeJSON(r.Range)})
	}
	return json.Marshal(out)
}

// MarshalJSON returns an array, an empty one for an empty list.
func (l List) MarshalJSON() ([]byte, error) {
	if l == nil {
		l = List{}
	}
	return json.Marshal([]Diagnostic(l))
}

func placeJSON(r Range) *jsonPlace {
	if r.IsZero() {
		return nil
	}
	return &jsonPlace{r.File, r.Start.Line, r.Start.Column, r.Start.Byte, r.End.Line, r.End.Column, r.End.Byte}
}
