package faults

import (
	"slices"
	"testing"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/verifier"
	"sallyport/verifier/reflector"
)

// Further cases of a train's findings.
const (
	size  = "packet_size"
	width = "bandwidth"
)

// widePaths are lines of a known width, and what is true of calls over them.
func widePaths() []path {
	line := func(kbits float64, queue time.Duration) impair.Faults {
		return impair.Faults{Rate: kbits * 1000 / 8, Queue: queue}
	}
	short := 60 * time.Millisecond
	fails := func(exit int, cases ...string) path {
		p := path{exit: exit, truth: map[string]quality{}, want: map[string]verifier.Outcome{}}
		for _, c := range cases {
			p.truth[c], p.want[c] = bad, verifier.Fail
		}
		return p
	}
	named := func(name string, there, back impair.Faults, p path) path {
		p.name, p.there, p.back = name, there, back
		return p
	}
	list := []path{
		named("no fault", impair.Faults{}, impair.Faults{}, fails(0)),
		named("10 Mbit/s", line(10_000, short), line(10_000, short), fails(0)),
		named("2 Mbit/s", line(2_000, short), line(2_000, short), fails(0)),
		named("2 Mbit/s and deep queues", line(2_000, 3*time.Second), line(2_000, 3*time.Second), fails(0)),
		named("900 kbit/s", line(900, short), line(900, short), fails(1, width)),
		named("256 kbit/s", line(256, short), line(256, short), fails(1, width)),
		named("256 kbit/s there", line(256, short), impair.Faults{}, fails(1, width)),
		named("256 kbit/s back", impair.Faults{}, line(256, short), fails(1, width)),
		named("256 kbit/s and deep queues", line(256, 3*time.Second), line(256, 3*time.Second), fails(1, width)),
		named("no long packets there", impair.Faults{Longest: 700}, impair.Faults{}, fails(1, size)),
		named("no long packets back", impair.Faults{}, impair.Faults{Longest: 700}, fails(1, size)),
		named("no full packets", impair.Faults{Longest: 1320}, impair.Faults{}, fails(0)),
		named("loss of 20 %", impair.Faults{Loss: 0.2}, impair.Faults{}, fails(1, loss, burst)),
		named("a reflector with a low limit", impair.Faults{}, impair.Faults{}, fails(0)),
	}
	at := func(name string) *path {
		return &list[slices.IndexFunc(list, func(p path) bool { return p.name == name })]
	}
	for _, name := range []string{"no long packets there", "no long packets back", "loss of 20 %", "a reflector with a low limit"} {
		at(name).want[width] = verifier.Unprobed // of long packets none comes back, or it is not the line
	}
	at("no full packets").want[size] = verifier.Warn
	at("a reflector with a low limit").limits = reflector.Options{PerSource: 50}
	for i := range list {
		list[i].more = true
		list[i].want[reorder] = verifier.Unprobed
	}
	return list
}

// TestWidth measures lines of a known width. What is said passes is never more than the
// line takes.
func TestWidth(t *testing.T) {
	for _, p := range widePaths() {
		t.Run(p.name, func(t *testing.T) {
			report := p.measure(t, 1)
			p.judge(t, report)
			var f *verifier.Finding
			if at := slices.IndexFunc(report.Findings, func(f verifier.Finding) bool { return f.Case == width }); at >= 0 {
				f = &report.Findings[at]
			}
			for i, rate := range []float64{p.there.Rate, p.back.Rate} {
				if f == nil || f.Outcome == verifier.Unprobed || rate == 0 {
					continue
				}
				// The line counts the bytes of datagrams, and the finding those of IP packets.
				rate *= 8 * 1228.0 / 1200
				said := f.Metrics[1+i].Value
				if narrow := rate < 2.8e6; said > 1.02*rate || narrow && i == 0 && said < 0.9*rate {
					t.Errorf("%.0f bit/s are said to pass, and the line takes %.0f", said, rate)
				}
			}
			if t.Failed() {
				for _, f := range report.Findings {
					t.Logf("%s %s: %s %q", f.Case, f.Outcome, f.Summary, f.Evidence)
				}
			}
		})
	}
}
