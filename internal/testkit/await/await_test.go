package await

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, tries := time.Now(), 0
		wrong := errors.New("not yet")
		err := within(Patience, func() error {
			if tries++; time.Since(start) < Patience-time.Second {
				return wrong
			}
			return nil
		})
		if err != nil || tries < 100 {
			t.Errorf("%v after %v and %d tries", err, time.Since(start), tries)
		}
		start = time.Now()
		if err := within(Patience, func() error { return wrong }); err != wrong || time.Since(start) > Patience+time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestReceive(t *testing.T) {
	c := make(chan int)
	go func() { c <- 7; close(c) }()
	if first, second := Receive(t, "a number", c), Receive(t, "the end", c); first != 7 || second != 0 {
		t.Errorf("%d, then %d", first, second)
	}
	Until(t, "true", func() bool { return true })
	if Context(t).Err() != nil || time.Until(Deadline()) < Patience/2 {
		t.Error("no time is left")
	}
}
