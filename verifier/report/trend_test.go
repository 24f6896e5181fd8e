package report_test

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/verifier"
	"sallyport/verifier/report"
)

// watched is a run n hours after the first, with outcomes of udp/3478, udp/3479, ...
func watched(n int, outcomes ...verifier.Outcome) *verifier.Report {
	r := empty()
	r.Started = r.Started.Add(time.Duration(n) * time.Hour)
	r.Finished = r.Started.Add(time.Second)
	for i, o := range outcomes {
		f := verifier.Finding{Kind: verifier.STUN, Check: verifier.CheckReach, Outcome: o, Probe: "relay", Host: "relay.example", Rule: "calls",
			Family: "ipv4", Protocol: "udp", Port: uint16(3478 + i), Summary: "x", Evidence: []string{"a line"}, Remedy: "do it",
			Series: []verifier.Series{{Name: "rtt_seconds", Points: [][2]float64{{0, 1}}}}}
		if o == verifier.Pass {
			f.Verdict = verifier.Reachable
			f.Metrics = []verifier.Metric{{Name: "rtt_seconds", Value: 0.020 + 0.002*float64(n)}}
		}
		r.Findings = append(r.Findings, f)
	}
	return r
}

func week() *report.History {
	const pass, fail, open, skip = verifier.Pass, verifier.Fail, verifier.Undecided, verifier.Unprobed
	h := new(report.History)
	for i, o := range [][]verifier.Outcome{{pass, pass, pass}, {pass, fail, pass}, {fail, pass, pass}, {pass, fail}, {pass, fail}, {pass, fail, open}, {pass, fail, skip}} {
		h.Add(watched(i, o...), 100)
	}
	return h
}

func TestTrend(t *testing.T) {
	golden(t, "trend.txt", func(w io.Writer) error { return report.WriteTrend(w, week(), report.TextOptions{}) })
	none := text(t, func(w io.Writer) error { return report.WriteTrend(w, new(report.History), report.TextOptions{}) })
	if !strings.Contains(none, "No run") {
		t.Error(none)
	}
}

func TestTrends(t *testing.T) {
	type sum struct {
		Port                       uint16
		Outcome                    verifier.Outcome
		Since, Runs, Passes, Tried int
		Changes                    int
		AllAlong, Current          bool
	}
	var got []sum
	for _, x := range week().Trends() {
		got = append(got, sum{x.Last.Port, x.Last.Outcome, int(x.Since.Sub(began).Hours()), x.Runs, x.Passes, x.Tried, x.Changes, x.AllAlong, x.Current})
		if len(x.RTT) != 7 {
			t.Errorf("%d round trips of 7 runs", len(x.RTT))
		}
	}
	want := []sum{
		{3478, verifier.Pass, 3, 7, 6, 7, 2, false, true},
		{3479, verifier.Fail, 3, 7, 2, 7, 3, false, true},
		// In two runs it was not there, and in one it was not tried.
		{3480, verifier.Unprobed, 6, 5, 3, 4, 2, false, true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTrendOfAConstantAndOfOneThatIsGone(t *testing.T) {
	h := new(report.History)
	h.Add(watched(0, verifier.Fail, verifier.Pass), 10)
	h.Add(watched(1, verifier.Fail), 10)
	got := h.Trends()
	if len(got) != 2 || !got[0].AllAlong || !got[0].Since.Equal(began) || !got[0].Current || got[1].Current {
		t.Errorf("%+v", got)
	}
}

func TestHistoryTravels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	h, err := report.LoadHistory(path)
	if err != nil || len(h.Runs) != 0 {
		t.Fatalf("%v, %v", h, err)
	}
	for i := range 5 {
		h.Add(watched(i, verifier.Pass), 3)
		if err := os.WriteFile(path, []byte(text(t, h.Write)), 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err = report.LoadHistory(path); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.Runs) != 3 || !h.Runs[2].Started.Equal(began.Add(4*time.Hour)) {
		t.Errorf("%d runs are kept, the last of %s", len(h.Runs), h.Runs[len(h.Runs)-1].Started)
	}
	f := h.Runs[0].Findings[0]
	if f.Evidence != nil || f.Remedy != "" || f.Series != nil || len(f.Metrics) != 1 {
		t.Errorf("kept: %+v", f)
	}
	if back, err := report.ReadHistory(strings.NewReader(text(t, week().Write))); err != nil || text(t, back.Write) != text(t, week().Write) {
		t.Errorf("a history that was read is another: %v", err)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("more than the history is left behind: %v, %v", names, err)
	}
}

// Adding to a history leaves the caller's report whole.
func TestAddLeavesTheReport(t *testing.T) {
	r := watched(0, verifier.Pass)
	new(report.History).Add(r, 5)
	if len(r.Findings[0].Evidence) == 0 || len(r.Findings[0].Series) == 0 {
		t.Errorf("%+v", r.Findings[0])
	}
}

func TestReadHistoryIsStrict(t *testing.T) {
	good := text(t, week().Write)
	lines := strings.SplitAfter(good, "\n")
	for name, src := range map[string]string{
		"a torn line":    good[:len(good)-40],
		"an empty line":  lines[0] + "\n" + lines[1],
		"out of order":   lines[1] + lines[0],
		"another format": strings.Replace(good, verifier.ReportFormat, "other/9", 1),
		"no JSON":        "x\n",
		"a long line":    strings.Repeat(" ", 17<<20),
		"too many runs":  strings.Repeat(text(t, func(w io.Writer) error { h := new(report.History); h.Add(watched(0), 1); return h.Write(w) }), report.MaxRuns+1),
	} {
		if _, err := report.ReadHistory(strings.NewReader(src)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if !strings.Contains(err.Error(), "history: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "history.jsonl")
	if err := os.WriteFile(path, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := report.LoadHistory(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("%v", err)
	}
}

func FuzzReadHistory(f *testing.F) {
	var b bytes.Buffer
	if err := week().Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		h, err := report.ReadHistory(bytes.NewReader(src))
		if err != nil {
			return
		}
		if err := report.WriteTrend(io.Discard, h, report.TextOptions{}); err != nil {
			t.Fatal(err)
		}
		again, err := report.ReadHistory(strings.NewReader(text(t, h.Write)))
		if err != nil || len(again.Runs) != len(h.Runs) {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

func TestSparkline(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 10, ""}, {[]float64{nan, nan}, 10, "··"}, {[]float64{3, 3, 3}, 10, "▁▁▁"}, {[]float64{0, 7, nan, 3.5}, 10, "▁█·▅"},
		{[]float64{1, 9, 1, 1, 1, 1}, 3, "█▁▁"}, {[]float64{nan, 2, nan, nan, 1, nan}, 3, "█·▁"},
	} {
		if got := report.Sparkline(c.values, c.width); got != c.want {
			t.Errorf("%v in %d: %q, want %q", c.values, c.width, got, c.want)
		}
	}
}
