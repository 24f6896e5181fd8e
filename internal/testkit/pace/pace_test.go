package pace

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// judged runs tries on a machine that stands still for some times, one a try, and
// returns what the test comes to.
func judged(t *testing.T, stood []time.Duration, try func(tb testing.TB, s Scale)) *attempt {
	t.Helper()
	test := &attempt{TB: t}
	next := 0
	test.run(func() {
		run(test, try, func() func() time.Duration {
			next++
			return func() time.Duration { return stood[next-1] }
		})
	})
	return test
}

const ms = time.Millisecond

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		stood  []time.Duration
		needs  Scale // the try passes from this Scale on
		scales []Scale
		failed bool
	}{
		{"passes", []time.Duration{0}, 1, []Scale{1}, false},
		{"passes though it stood still", []time.Duration{time.Hour}, 1, []Scale{1}, false},
		{"fails by itself", []time.Duration{still}, 99, []Scale{1}, true},
		{"needs longer times", []time.Duration{50 * ms, 100 * ms, 200 * ms}, 9, []Scale{1, 3, 9}, false},
		{"fails by itself in the end", []time.Duration{50 * ms, 60 * ms}, 99, []Scale{1, 3}, true},
		{"never kept up", slices.Repeat([]time.Duration{time.Hour}, len(scales)), 99, scales, true},
	} {
		var seen []Scale
		cleaned := 0
		got := judged(t, c.stood, func(tb testing.TB, s Scale) {
			tb.Cleanup(func() { cleaned++ })
			if Of(tb) != s {
				t.Errorf("of %d, not %d", Of(tb), s)
			}
			if seen = append(seen, s); s < c.needs {
				tb.Fatal("too late")
			}
		})
		if got.failed != c.failed || !slices.Equal(seen, c.scales) || cleaned != len(seen) {
			t.Errorf("%s: failed %v after tries at %v, of which %d were cleaned up: %q", c.name, got.failed, seen, cleaned, got.said)
		}
	}
}

// TestSaid: a failure names its place, and what was logged before.
func TestSaid(t *testing.T) {
	got := judged(t, []time.Duration{0}, func(tb testing.TB, _ Scale) {
		tb.Log("before")
		tb.Cleanup(func() {
			if !tb.Failed() {
				t.Error("the cleanup does not learn of the failure")
			}
			tb.Errorf("after %d", 7)
		})
		tb.FailNow()
	})
	text := ""
	for _, line := range got.said {
		text += line.(string) + "\n"
	}
	for _, want := range []string{"pace_test.go:", ": before\n", ": after 7\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	if got := judged(t, []time.Duration{0}, func(tb testing.TB, _ Scale) { tb.Skip("not here") }); !got.skipped || got.failed {
		t.Errorf("skipped %v, failed %v", got.skipped, got.failed)
	}
}

func TestLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		worst := lateness()
		time.Sleep(time.Second)
		if stood := worst(); stood != 0 {
			t.Errorf("in time that is never late: %v", stood)
		}
	})
	// A goroutine that keeps the only processor for itself.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	worst := lateness()
	time.Sleep(10 * ms)
	for end := time.Now().Add(100 * ms); time.Now().Before(end); {
	}
	if stood := worst(); stood <= 0 {
		t.Errorf("nothing was late: %v", stood)
	}
}
