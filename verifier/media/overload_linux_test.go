package media

import (
	"context"
	"strings"
	"testing"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/reflector"
)

// stuck is a socket of a reflector that reads one datagram, the hello, and then nothing
// until it is let go. Its system has to drop what comes meanwhile.
type stuck struct {
	reflector.Socket
	reads int
	free  chan struct{}
}

func (s *stuck) ReadFrom(b []byte) (int, reflector.Peer, error) {
	if s.reads++; s.reads == 2 {
		<-s.free
	}
	return s.Socket.ReadFrom(b)
}

func (s *stuck) Dropped() (uint32, bool) {
	return s.Socket.(interface{ Dropped() (uint32, bool) }).Dropped()
}

// TestOverload: packets that the reflector's system had no room for are no loss of the
// line, and the train says so.
func TestOverload(t *testing.T) {
	t.Parallel()
	for _, slow := range []bool{true, false} {
		sockets, err := reflector.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &stuck{Socket: sockets[0], free: make(chan struct{})}
		if !slow {
			close(s.free)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		server := reflector.NewServer(key, reflector.Options{PerSource: 1e6, Total: 1e6})
		go func() { ended <- server.Serve(ctx, s) }()
		conn, err := Dial(t.Context(), s.LocalAddr(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		limits, opt := brisk()
		if slow {
			opt.Size, opt.Rate, opt.Duration = 1400, 5000, time.Second
		}
		opt.Progress = func(sent, _, of int) {
			if slow && sent == of {
				close(s.free)
			}
		}
		train, err := Measure(t.Context(), conn, key, opt)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		counted := server.Counters().Dropped
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := server.Counters().Dropped; got != counted || uint64(train.There.Dropped) != counted || slow != (counted > 0) {
			t.Errorf("slow %v: the system dropped %d, %d at the end, and the train says %d", slow, counted, got, train.There.Dropped)
		}
		r := Judge(train, limits)
		for m, got := range outcomesOf(r) {
			if got == fail {
				t.Errorf("slow %v: %s fails%s", slow, m, explain(r))
			}
		}
		for _, j := range r.Judgements {
			if slow && j.Criterion == LossRate && (j.Outcome != verifier.Undecided || !strings.Contains(j.Reason, "the reflector is overloaded")) {
				t.Errorf("loss at an overloaded reflector: %s: %s", j.Outcome, j.Reason)
			}
		}
	}
}
