//go:build unix

package cost

import (
	"slices"
	"testing"
	"time"
)

// Beside runs ours and theirs in turns, each after it was made ready by what it has as
// before, and reports the medians of ours: on the clock, and on processors for the programs
// that it starts. Both are said as multiples of theirs, too, which is what counts: the
// machine does other work.
func Beside(b *testing.B, ours, theirs Way) {
	b.Helper()
	var clock, processor [2][]time.Duration
	for range b.N {
		for i, w := range []Way{ours, theirs} {
			w.Before()
			start, busy := time.Now(), children()
			w.Run()
			clock[i], processor[i] = append(clock[i], time.Since(start)), append(processor[i], children()-busy)
		}
	}
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2].Microseconds()) / 1000
	}
	b.ReportMetric(0, "ns/op") // says nothing here: it holds both
	b.ReportMetric(median(clock[0]), "ms")
	b.ReportMetric(median(clock[0])/median(clock[1]), "times-ms")
	b.ReportMetric(median(processor[0]), "cpu-ms")
	b.ReportMetric(median(processor[0])/median(processor[1]), "times-cpu")
}

// Way is one way to do some work, and what comes before it and is not counted.
type Way struct{ Before, Run func() }
