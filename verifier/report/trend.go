package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"sallyport/verifier"
)

// A Trend is what a history shows of one check.
type Trend struct {
	Last    verifier.Finding // of the last run that had the check
	Current bool             // the last run of all had it
	// Since is when the first of the runs with the last outcome began: since when it has
	// been failing, say. Runs without the check are ignored.
	Since time.Time
	// AllAlong says that every run of the history had that outcome, so that it may
	// have begun even earlier.
	AllAlong bool
	Runs     int // that had the check
	Passes   int // of them that passed, with a warning or without
	Tried    int // of them that tried anything: the share of passes is Passes of Tried
	Changes  int // of the outcome, from one run to the next
	// RTT has a value for each run of the history, in seconds; NaN: none was measured.
	RTT []float64

	before verifier.Outcome // of the earliest run so far
}

// Trends are the checks of a history, those of the last run first and in its order.
func (h *History) Trends() []Trend {
	var list []Trend
	at := map[string]int{}
	for n := len(h.Runs) - 1; n >= 0; n-- { // from the last, so that its order counts
		for _, e := range entriesOfRun(&h.Runs[n]) {
			key := e.worst.Key()
			i, known := at[key]
			if !known {
				i = len(list)
				at[key] = i
				list = append(list, Trend{Last: *e.worst, Current: n == len(h.Runs)-1, AllAlong: true, RTT: blanks(len(h.Runs))})
			}
			list[i].earlier(h.Runs[n].Started, n, e.worst)
		}
	}
	return list
}

// earlier adds a run that is earlier than all runs so far.
func (t *Trend) earlier(started time.Time, run int, f *verifier.Finding) {
	t.Runs++
	switch f.Outcome {
	case verifier.Pass, verifier.Warn:
		t.Passes++
		t.Tried++
	case verifier.Fail, verifier.Undecided:
		t.Tried++
	}
	if f.Outcome != t.before {
		if t.Runs > 1 {
			t.Changes++
		}
		t.before = f.Outcome
	}
	if t.AllAlong && f.Outcome == t.Last.Outcome {
		t.Since = started
	} else {
		t.AllAlong = false
	}
	if m := metric(f, verifier.MetricRTT); m != nil {
		t.RTT[run] = m.Value
	}
}

func blanks(n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = math.NaN()
	}
	return list
}

// bars are the steps of a sparkline; a dot is a run without a measurement.
var bars = []rune("▁▂▃▄▅▆▇█")

// Sparkline draws values as one row of blocks, from the least to the greatest: so a
// steady value is a flat line, however high. With more values than columns, each block
// is the greatest of several, because what is bad must not vanish.
func Sparkline(values []float64, width int) string {
	values = binned(values, width)
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteRune('·')
		case high <= low:
			b.WriteRune(bars[0])
		default:
			b.WriteRune(bars[int((v-low)/(high-low)*float64(len(bars)-1)+0.5)])
		}
	}
	return b.String()
}

// binned makes at most width values of a list, each the greatest of its part.
func binned(values []float64, width int) []float64 {
	if width <= 0 || len(values) <= width {
		return values
	}
	out := blanks(width)
	for i, v := range values {
		at := i * width / len(values)
		if math.IsNaN(out[at]) || v > out[at] {
			out[at] = v
		}
	}
	return out
}

// WriteTrend writes what a history shows of each check: since when it has had its
// outcome, its share of passes, and its round trips. What fails comes first.
func WriteTrend(w io.Writer, h *History, opt TextOptions) error {
	p := newPrinter(opt)
	if len(h.Runs) == 0 {
		p.line("No run is on record yet.")
		return p.writeTo(w)
	}
	first, last := h.Runs[0].Started, h.Runs[len(h.Runs)-1].Started
	p.labelled("runs", fmt.Sprintf("%d, from %s to %s", len(h.Runs), moment(first), moment(last)))
	trends := h.Trends()
	all := verifier.Outcomes()
	for i := len(all) - 1; i >= 0; i-- {
		title := false
		for n := range trends {
			if trends[n].Last.Outcome != all[i] {
				continue
			}
			if !title {
				p.line("\n%s", p.paint(roleOf(all[i]), trendTitle(all[i])))
				title = true
			}
			p.trend(&trends[n])
		}
	}
	return p.writeTo(w)
}

func trendTitle(o verifier.Outcome) string {
	if o == verifier.Pass {
		return "Passes"
	}
	if t := problemTitles[o]; t != "" {
		return t
	}
	return outcomeWord(o)
}

// trend writes a check and its past: "since", "passed 12 of 14 runs, changed twice".
func (p *printer) trend(t *Trend) {
	p.b.WriteString("  ")
	p.hang(plain, about(&t.Last), 2)
	since := "since " + moment(t.Since)
	if t.AllAlong {
		since = "in all runs"
	}
	text := fmt.Sprintf("%s; passed %d of %s", since, t.Passes, plural(t.Tried, "run"))
	if t.Changes > 0 {
		text += ", " + plural(t.Changes, "change")
	}
	if !t.Current {
		text += "; not in the last run"
	}
	p.b.WriteString("    ")
	p.hang(Faint, text, 4)
	low, high, last := span(t.RTT)
	if math.IsNaN(last) {
		return
	}
	const label = "    rtt "
	p.line("%s%s", label, Sparkline(t.RTT, p.width-len(label)))
	p.b.WriteString("        ")
	p.hang(Faint, fmt.Sprintf("%s to %s, last %s", verifier.FormatSeconds(low), verifier.FormatSeconds(high), verifier.FormatSeconds(last)), 8)
}

// span is the least, the greatest and the last value; NaN if there is none.
func span(values []float64) (low, high, last float64) {
	low, high, last = math.NaN(), math.NaN(), math.NaN()
	for _, v := range values {
		if math.IsNaN(v) {
			continue
		}
		if math.IsNaN(low) || v < low {
			low = v
		}
		if math.IsNaN(high) || v > high {
			high = v
		}
		last = v
	}
	return low, high, last
}
