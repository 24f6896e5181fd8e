package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/go-json-experiment/json"

	"sallyport/internal/readfile"
	"sallyport/verifier"
)

// A History is the outcomes of earlier runs, oldest first, as --watch keeps them in a
// file: a report a line, without evidence, remedies and series. The zero value is
// empty. It is not safe for concurrent use.
type History struct {
	Runs []verifier.Report
}

// Bounds of a history, so that neither a long watch nor a hostile file costs much.
const (
	MaxRuns         = 10_000
	maxHistoryBytes = 256 << 20
	maxRunBytes     = 16 << 20
)

// Add appends a run and forgets all but the last keep, 1 to MaxRuns. The report stays
// the caller's.
func (h *History) Add(r *verifier.Report, keep int) {
	h.Runs = append(h.Runs, kept(r))
	if extra := len(h.Runs) - min(max(keep, 1), MaxRuns); extra > 0 {
		h.Runs = slices.Delete(h.Runs, 0, extra)
	}
}

// kept is what a history keeps of a report: what happened, and not why.
func kept(r *verifier.Report) verifier.Report {
	out := *r
	out.Notes = nil
	out.Findings = slices.Clone(r.Findings)
	for i := range out.Findings {
		f := &out.Findings[i]
		f.Evidence, f.Remedy, f.Series = nil, "", nil
		f.Metrics = slices.Clone(f.Metrics)
	}
	return out
}

// LoadHistory reads the history in a file. A file that does not exist is an empty one.
func LoadHistory(path string) (*History, error) {
	file, err := readfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return new(History), nil
	}
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	defer file.Close()
	h, err := ReadHistory(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; move the file away to begin a new one", path, err)
	}
	return h, nil
}

// ReadHistory reads a history. It is strict: each line has to be a report, later than
// the one before.
func ReadHistory(src io.Reader) (*History, error) {
	h := new(History)
	limited := &io.LimitedReader{R: src, N: maxHistoryBytes + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 64<<10), maxRunBytes)
	for n := 1; lines.Scan(); n++ {
		if n > MaxRuns {
			return nil, fmt.Errorf("history: more than %d runs", MaxRuns)
		}
		r, err := verifier.ReadReport(bytes.NewReader(lines.Bytes()))
		if err != nil {
			return nil, fmt.Errorf("history: line %d: %w", n, err)
		}
		if last := len(h.Runs) - 1; last >= 0 && r.Started.Before(h.Runs[last].Started) {
			return nil, fmt.Errorf("history: line %d: a run of %s comes after one of %s", n, moment(r.Started), moment(h.Runs[last].Started))
		}
		h.Runs = append(h.Runs, *r)
	}
	switch {
	case limited.N == 0:
		return nil, fmt.Errorf("history: more than %d MiB", maxHistoryBytes>>20)
	case lines.Err() != nil:
		return nil, fmt.Errorf("history: line %d: %w", len(h.Runs)+1, lines.Err())
	}
	return h, nil
}

// Write writes the history as [ReadHistory] reads it.
func (h *History) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	for i := range h.Runs {
		if err := json.MarshalWrite(out, &h.Runs[i], json.Deterministic(true)); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		out.WriteByte('\n')
	}
	return out.Flush()
}
