// Package await waits, in tests, for states and never for times.
//
// What is waited for comes on a slow machine too, only later. So there is one
// bound for all waits, which is far beyond what any of them takes: it ends a
// test that hangs, and says what did not come.
package await

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Patience ends what hangs. On an idle machine, what tests wait for takes a few
// seconds at most.
const Patience = 5 * time.Minute

// tick is how often a state is looked at that nothing announces.
const tick = 10 * time.Millisecond

var errNotYet = errors.New("it did not come")

// Until waits until a state is there. It ends the test when that hangs.
func Until(tb testing.TB, what string, there func() bool) {
	tb.Helper()
	NoError(tb, what, func() error {
		if !there() {
			return errNotYet
		}
		return nil
	})
}

// NoError tries until there is no error. It ends the test with the last one
// when that hangs.
func NoError(tb testing.TB, what string, try func() error) {
	tb.Helper()
	if err := within(Patience, try); err != nil {
		tb.Fatalf("%s: %v, in %v", what, err, Patience)
	}
}

func within(patience time.Duration, try func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(tick) {
		err := try()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Receive waits for what a channel gives, or for its end.
func Receive[T any](tb testing.TB, what string, c <-chan T) (v T) {
	tb.Helper()
	select {
	case v = <-c:
	case <-time.After(Patience):
		tb.Fatalf("%s: %v, in %v", what, errNotYet, Patience)
	}
	return v
}

// Deadline is for what takes a point in time, such as a socket.
func Deadline() time.Time { return time.Now().Add(Patience) }

// Context is for what takes one, and ends with the test.
func Context(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(tb.Context(), Patience)
	tb.Cleanup(cancel)
	return ctx
}
