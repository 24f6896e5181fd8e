// Package pace runs tests of programs that have a clock of their own: a probe that
// calls a port silent after some time, a download that gives up.
//
// Such tests run the program with times that are short, so that they take no minutes.
// On a machine that stands still for as long, the program is right to say "too late",
// and the test has shown nothing. It is then run again with longer times, up to those
// that the program has in real life.
package pace

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A Scale is how many times longer all times of a try are than those of the first.
type Scale int

// Times is d, as long as the try needs it.
func (s Scale) Times(d time.Duration) time.Duration { return time.Duration(s) * d }

// Of is the Scale of the try that tb is of, for what a test sets up in functions.
func Of(tb testing.TB) Scale {
	if a, ok := tb.(*attempt); ok {
		return a.scale
	}
	return 1
}

// scales are those of the tries of one test. Tests choose times for the first that are
// some 1/25 of real ones.
var scales = []Scale{1, 3, 9, 25, 25}

// still is how long the machine may stand still in a try of Scale 1 that fails, for the
// failure to be one of the program.
const still = 20 * time.Millisecond

// Run runs try until it passes, or fails while the machine kept up. It must get all its
// times from its Scale. What it fails, logs and cleans up by its testing.TB is of that
// try alone.
func Run(t *testing.T, try func(tb testing.TB, s Scale)) {
	t.Helper()
	run(t, try, lateness)
}

func run(t testing.TB, try func(tb testing.TB, s Scale), watch func() (worst func() time.Duration)) {
	t.Helper()
	for i, s := range scales {
		a := &attempt{TB: t, scale: s}
		worst := watch()
		a.run(func() { try(a, s) })
		stood := worst()
		switch {
		case a.skipped:
			t.Skip(a.said...)
		case !a.failed:
			for _, line := range a.said {
				t.Log(line)
			}
			return
		case stood > s.Times(still) && i < len(scales)-1:
			t.Logf("once more with longer times, because the machine stood still for %v: %q", stood.Round(time.Millisecond), a.said)
			continue
		}
		for _, line := range a.said {
			t.Error(line)
		}
		t.Fatalf("it failed with times %d times those of the first try; the machine stood still for %v", s, stood.Round(time.Millisecond))
	}
}

// lateness watches how late this process is woken, and returns a function that ends
// this and tells the worst.
func lateness() (worst func() time.Duration) {
	const tick = 5 * time.Millisecond
	stop, told := make(chan struct{}), make(chan time.Duration)
	go func() {
		var late time.Duration
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
				late = max(late, time.Since(last)-tick)
				last = time.Now()
			case <-stop:
				told <- max(late, time.Since(last)-tick)
				return
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-told
	}
}

// An attempt is the testing.TB of one try.
type attempt struct {
	testing.TB
	scale Scale

	mu       sync.Mutex
	said     []any
	failed   bool
	skipped  bool
	cleanups []func()
}

// run calls f, and what it asked to be called at the end.
func (a *attempt) run(f func()) {
	a.alone(f)
	for {
		a.mu.Lock()
		n := len(a.cleanups)
		if n == 0 {
			a.mu.Unlock()
			return
		}
		last := a.cleanups[n-1]
		a.cleanups = a.cleanups[:n-1]
		a.mu.Unlock()
		a.alone(last)
	}
}

// alone calls f on a goroutine that it may end, as FailNow does.
func (a *attempt) alone(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// say keeps a line with the place in the test that says it.
func (a *attempt) say(text string) {
	pc := make([]uintptr, 10)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	place, _ := frames.Next()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said = append(a.said, fmt.Sprintf("%s:%d: %s", filepath.Base(place.File), place.Line, text))
}

func (a *attempt) Cleanup(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cleanups = append(a.cleanups, f)
}

func (a *attempt) Fail() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = true
}

func (a *attempt) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

func (a *attempt) FailNow() {
	a.Fail()
	runtime.Goexit()
}

func (a *attempt) SkipNow() {
	a.mu.Lock()
	a.skipped = true
	a.mu.Unlock()
	runtime.Goexit()
}

func (a *attempt) Skipped() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.skipped
}

func (a *attempt) Log(args ...any)                 { a.say(fmt.Sprint(args...)) }
func (a *attempt) Logf(format string, args ...any) { a.say(fmt.Sprintf(format, args...)) }

func (a *attempt) Error(args ...any) {
	a.say(fmt.Sprint(args...))
	a.Fail()
}

func (a *attempt) Errorf(format string, args ...any) {
	a.say(fmt.Sprintf(format, args...))
	a.Fail()
}

func (a *attempt) Fatal(args ...any) {
	a.say(fmt.Sprint(args...))
	a.FailNow()
}

func (a *attempt) Fatalf(format string, args ...any) {
	a.say(fmt.Sprintf(format, args...))
	a.FailNow()
}

func (a *attempt) Skip(args ...any) {
	a.say(fmt.Sprint(args...))
	a.SkipNow()
}

func (a *attempt) Skipf(format string, args ...any) {
	a.say(fmt.Sprintf(format, args...))
	a.SkipNow()
}
