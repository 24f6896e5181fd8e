package verifier

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ReportFormat is the version of the JSON report. Members may be added within a
// version; none changes its meaning.
const ReportFormat = "sallyport-report/1"

// A Report is the outcome of one run. It belongs to the caller.
type Report struct {
	Format   string    `json:"format"` // ReportFormat
	Version  string    `json:"version,omitempty"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	System   string    `json:"system"`            // GOOS/GOARCH
	Machine  string    `json:"machine,omitempty"` // its host name
	Vantage  Vantage   `json:"vantage,omitempty"`
	Plan     Source    `json:"plan"`
	// Diagnosis is what the findings say together.
	Diagnosis []Diagnosis `json:"diagnosis,omitempty"`
	Findings  []Finding   `json:"findings"`
	Notes     []string    `json:"notes,omitempty"` // what limits the whole run, such as verdicts that are weaker here
}

// ExitCode is 1 when something failed, 3 when something is undecided or nothing
// passed at all, and 0 otherwise.
func (r *Report) ExitCode() int {
	n := r.Counts()
	switch {
	case n[Fail] > 0:
		return 1
	case n[Undecided] > 0, n[Pass]+n[Warn] == 0:
		return 3
	}
	return 0
}

// Counts is how many findings have each outcome.
func (r *Report) Counts() map[Outcome]int {
	n := map[Outcome]int{}
	for i := range r.Findings {
		n[r.Findings[i].Outcome]++
	}
	return n
}

// WriteJSON writes the canonical form, indented, with a newline at the end.
func (r *Report) WriteJSON(w io.Writer) error {
	b, err := json.Marshal(r, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Limits of what is read, so that a hostile file costs little.
const (
	maxReportBytes = 64 << 20
	maxFindings    = 200_000
)

// ReadReport reads a JSON report, for [Compare]. It accepts members that it does not
// know, because a later version may have added them, and refuses other formats.
func ReadReport(src io.Reader) (*Report, error) {
	b, err := readAtMost(src, maxReportBytes)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("report: %w; is this a file of sallyport verify --json?", err)
	}
	if r.Format != ReportFormat {
		return nil, fmt.Errorf("report: format %q: this sallyport reads %q; write the report again with this version", r.Format, ReportFormat)
	}
	if len(r.Findings) > maxFindings {
		return nil, fmt.Errorf("report: %d findings, more than %d; is this a report of sallyport?", len(r.Findings), maxFindings)
	}
	return r, nil
}

func readAtMost(src io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(src, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("more than %d MiB; is this the right file?", limit>>20)
	}
	if len(b) == 0 {
		return nil, errors.New("the file is empty")
	}
	return b, nil
}
