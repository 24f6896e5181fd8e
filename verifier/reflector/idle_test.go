package reflector_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/verifier/reflector"
)

var key = func() *reflector.Key {
	k, err := reflector.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		panic(err)
	}
	return k
}()

// serve runs a reflector at the end of a link, in a bubble of fake time.
func serve(t *testing.T, l *impair.Link, opt reflector.Options) *reflector.Server {
	s := reflector.NewServer(key, opt)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l.Server()) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestIdle(t *testing.T) {
	only := func(numbers ...int) func(int) bool {
		return func(n int) bool {
			for _, k := range numbers {
				if n == k {
					return true
				}
			}
			return false
		}
	}
	for _, c := range []struct {
		name              string
		forward, backward impair.Faults
		nat               impair.NAT
		idle              time.Duration
		want              reflector.Persistence
		moved             bool
	}{
		{name: "no NAT", idle: 175 * time.Second, want: reflector.Kept},
		{name: "a long timeout", nat: impair.NAT{Timeout: 120 * time.Second}, idle: 60 * time.Second, want: reflector.Kept},
		{name: "just within", nat: impair.NAT{Timeout: 30 * time.Second}, idle: 29 * time.Second, want: reflector.Kept},
		{name: "just past", nat: impair.NAT{Timeout: 30 * time.Second}, idle: 31 * time.Second, want: reflector.Gone, moved: true},
		{name: "past, and the port stays", nat: impair.NAT{Timeout: 30 * time.Second, SamePort: true}, idle: 60 * time.Second, want: reflector.Gone},
		{name: "past, kept from outside", nat: impair.NAT{Timeout: 30 * time.Second, Inbound: true}, idle: 60 * time.Second, want: reflector.Gone, moved: true},
		// Answers to the hello, the tally, and then the first delayed one.
		{name: "a delayed answer is lost", backward: impair.Faults{Drop: only(2)}, idle: 60 * time.Second, want: reflector.Kept},
		{name: "requests are lost", forward: impair.Faults{Drop: only(1, 3)}, idle: 60 * time.Second, want: reflector.Kept},
		{name: "the path ends", backward: impair.Faults{Drop: func(n int) bool { return n >= 2 }}, idle: 60 * time.Second, want: reflector.Unknown},
		{name: "lossy", forward: impair.Faults{Loss: 0.1}, backward: impair.Faults{Loss: 0.1}, idle: 60 * time.Second, want: reflector.Kept},
		{name: "slow", forward: impair.Faults{Delay: 300 * time.Millisecond}, backward: impair.Faults{Delay: 300 * time.Millisecond}, idle: 60 * time.Second, want: reflector.Kept},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := impair.NewLink(impair.NewPath(c.forward, 1), impair.NewPath(c.backward, 2), c.nat)
				serve(t, l, reflector.Options{})
				s, err := reflector.Open(t.Context(), l.Client(), key, nil)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				got, err := s.Idle(t.Context(), c.idle)
				if err != nil || got.Persistence != c.want {
					t.Fatalf("%v: %+v, want %s", err, got, c.want)
				}
				if took := time.Since(began); took < c.idle || took > c.idle+15*time.Second {
					t.Errorf("took %v", took)
				}
				if c.want != reflector.Unknown && (got.After != got.Before) != c.moved {
					t.Errorf("%v before, %v after", got.Before, got.After)
				}
			})
		})
	}
}

// TestIdleRestart: a reflector that was started again meanwhile has forgotten the
// answers, which says nothing of the mapping.
func TestIdleRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := impair.NewLink(impair.NewPath(impair.Faults{}, 1), impair.NewPath(impair.Faults{}, 2), impair.NAT{})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- reflector.NewServer(key, reflector.Options{}).Serve(ctx, halfOpen{l.Server()}) }()
		s, err := reflector.Open(t.Context(), l.Client(), key, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(20 * time.Second)
			stop()
			l.Client().Write([]byte("wakes the reader, which then ends"))
			if err := <-done; err != nil {
				t.Error(err)
			}
			serve(t, l, reflector.Options{})
		}()
		got, err := s.Idle(t.Context(), time.Minute)
		if err != nil || got.Persistence != reflector.Unknown || got.After != got.Before {
			t.Errorf("%v %+v", err, got)
		}
	})
}

// halfOpen is a socket that another reflector takes over.
type halfOpen struct{ reflector.Socket }

func (halfOpen) Close() error { return nil }

// TestIdleLimits asks for more than the reflector allows.
func TestIdleLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := impair.NewLink(impair.NewPath(impair.Faults{}, 1), impair.NewPath(impair.Faults{}, 2), impair.NAT{})
		server := serve(t, l, reflector.Options{MaxDelay: 10 * time.Second, Pending: 2})
		s, err := reflector.Open(t.Context(), l.Client(), key, nil)
		if err != nil {
			t.Fatal(err)
		}
		var refused *reflector.RefusedError
		if _, err := s.Idle(t.Context(), 11*time.Second); !errors.As(err, &refused) || refused.Reason != reflector.BadDelay {
			t.Errorf("too long: %v", err)
		}
		time.Sleep(time.Minute)
		s, err = reflector.Open(t.Context(), l.Client(), key, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Idle(t.Context(), 5*time.Second); !errors.As(err, &refused) || refused.Reason != reflector.Busy {
			t.Errorf("more than may wait: %v", err)
		}
		time.Sleep(time.Minute)
		if c := server.Counters(); c.Delayed != 2 {
			t.Errorf("%+v", c)
		}
	})
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name    string
		forward impair.Faults
		within  time.Duration
	}{
		{"at once", impair.Faults{}, 10 * time.Millisecond},
		{"two lost", impair.Faults{Drop: func(n int) bool { return n < 2 }}, 2 * time.Second},
		{"silence", impair.Faults{Loss: 1}, 8 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := impair.NewLink(impair.NewPath(c.forward, 1), impair.NewPath(impair.Faults{}, 2), impair.NAT{})
				serve(t, l, reflector.Options{})
				began := time.Now()
				_, err := reflector.Open(t.Context(), l.Client(), key, nil)
				if (err == nil) != (c.forward.Loss == 0) || err != nil && !errors.Is(err, reflector.ErrNoAnswer) {
					t.Error(err)
				}
				if took := time.Since(began); took > c.within {
					t.Errorf("took %v", took)
				}
			})
		})
	}
	t.Run("interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := impair.NewLink(impair.NewPath(impair.Faults{Loss: 1}, 1), impair.NewPath(impair.Faults{}, 2), impair.NAT{})
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			began := time.Now()
			if _, err := reflector.Open(ctx, l.Client(), key, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	})
}

// TestWrongClock has a hello that is too old when it arrives, as that of a client
// whose clock is behind: the client takes the reflector's time, and is welcome.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := impair.NewLink(impair.NewPath(impair.Faults{Delay: time.Second / 4}, 1), impair.NewPath(impair.Faults{}, 2), impair.NAT{})
		server := serve(t, l, reflector.Options{Skew: time.Second / 5})
		if _, err := reflector.Open(t.Context(), l.Client(), key, nil); err != nil {
			t.Error(err)
		}
		if c := server.Counters(); c.Refused != 1 {
			t.Errorf("%+v", c)
		}
	})
}
