package report_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/report"
)

// run shows 25 s of a run, in time that costs nothing.
func run(t *testing.T, terminal bool, seconds int) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		p := report.NewProgress(&out, terminal, 60)
		p.Finding(verifier.Finding{Outcome: verifier.Pass})
		for s := range seconds {
			time.Sleep(time.Second)
			o := verifier.Pass
			if s == 3 {
				o = verifier.Fail
			}
			if s < 11 {
				p.Finding(verifier.Finding{Outcome: o})
			}
			p.Train(50*s, 49*s, 750)
		}
		time.Sleep(100 * time.Millisecond)
		p.Done()
		p.Done()
	})
	return out.String()
}

func TestProgressOnATerminal(t *testing.T) {
	got := run(t, true, 25)
	if n := strings.Count(got, "\r"); n < 100 {
		t.Errorf("%d lines were drawn in 25 s", n)
	}
	if strings.ContainsAny(got, "\n\x1b") {
		t.Errorf("more than one line, or an escape: %q", got)
	}
	for line := range strings.SplitSeq(got, "\r") {
		if len(line) > 59 {
			t.Errorf("%d columns: %q", len(line), line)
		}
	}
	lines := strings.Split(strings.TrimSuffix(got, "\r"), "\r")
	if last := lines[len(lines)-1]; strings.TrimSpace(last) != "" {
		t.Errorf("what is left on the line is %q", last)
	}
	if !strings.Contains(got, "12 findings: 1 failed, 11 passed") {
		t.Errorf("the findings are not counted: %q", lines[len(lines)-2])
	}
}

func TestProgressInALog(t *testing.T) {
	got := run(t, false, 25)
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 3 { // after 1, 11 and 21 s
		t.Errorf("%d lines in 25 s:\n%s", len(lines), got)
	}
	if !strings.Contains(got, "train: ") {
		t.Errorf("what goes on is not told:\n%s", got)
	}
}

func TestProgressOfAShortRun(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		if got := run(t, terminal, 0); got != "" {
			t.Errorf("a run of 0.1 s shows %q", got)
		}
	}
}

// Many goroutines may report at once.
func TestProgressIsSafe(t *testing.T) {
	var out bytes.Buffer
	p := report.NewProgress(&out, true, 0)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			p.Finding(verifier.Finding{Outcome: verifier.Pass})
			p.Train(1, 1, 2)
		})
	}
	all.Wait()
	p.Done()
}
