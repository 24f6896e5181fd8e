// Package cost compares, in tests, what pieces of work cost, as times of this process
// on a processor. How long a machine that has more to do lets them wait does not count.
//
// Whatever else runs in the process counts too, so tests that use it are not parallel.
package cost

import (
	"runtime"
	"testing"
	"time"
)

// Least is what f costs, in the cheapest of several turns.
func Least(turns int, f func()) time.Duration {
	least := time.Duration(1<<63 - 1)
	for range turns {
		runtime.GC() // so that garbage of before is not collected in this turn
		start := spent()
		f()
		least = min(least, spent()-start)
	}
	return least
}

// Linear fails the test where the cost of work grows faster than its size: eight times
// the size may cost 24 times as much, where 64 times were that of a square.
func Linear(tb testing.TB, what string, size int, work func(size int)) {
	tb.Helper()
	small := Least(3, func() { work(size) })
	large := Least(3, func() { work(8 * size) })
	tb.Logf("%s costs %v for %d, and %v for eight times as many", what, small, size, large)
	if large > 24*max(small, time.Millisecond) {
		tb.Errorf("%s costs %v for %d, and %v for eight times as many", what, small, size, large)
	}
}
