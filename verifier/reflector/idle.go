package reflector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// Persistence says whether a mapping outlived a silence.
type Persistence string

const (
	Kept    Persistence = "kept"    // an answer came through it without a new request
	Gone    Persistence = "gone"    // none came, and a new request is answered
	Unknown Persistence = "unknown" // none came, and nothing shows that it is the mapping's fault
)

// IdleResult is what a silence showed.
type IdleResult struct {
	Idle        time.Duration // without a datagram in either direction
	Persistence Persistence
	Asked, Came int            // delayed answers
	Before      netip.AddrPort // the source that the reflector saw, before and after
	After       netip.AddrPort // not valid if nothing came
}

// apart spreads the delayed answers, so that a burst of loss does not take them all:
// with the usual waits to 0, 0.3 and 0.9 s after the silence.
func (s *Session) apart() []time.Duration {
	w := s.waits[0]
	return []time.Duration{0, w * 3 / 5, w * 9 / 5}
}

// Idle keeps the session silent for idle and says whether the reflector's answers,
// due then, still find the way. It takes idle and about 3 s; where there are no
// answers 7 s more, to see whether the path still works. The same mapping before and
// after does not prove anything, because many NATs choose the same port again.
func (s *Session) Idle(ctx context.Context, idle time.Duration) (IdleResult, error) {
	apart := s.apart()
	r := IdleResult{Idle: idle, Before: s.observed, Asked: len(apart), Persistence: Unknown}
	first := s.next + 1
	began, err := s.arm(ctx, idle)
	if err != nil {
		return r, err
	}
	for until := began.Add(idle + apart[len(apart)-1] + 4*s.waits[0]); r.Came < r.Asked; {
		p, err := s.await(ctx, until, Delayed)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return r, err
		}
		if p.Sequence < first {
			continue // of an earlier silence
		}
		r.Came++
		r.After = p.Observed
	}
	if r.Came > 0 {
		r.Persistence = Kept
		return r, nil
	}
	p, err := s.ask(ctx, Echo, Echoed)
	var refused *RefusedError
	moved := errors.As(err, &refused) && refused.Reason == BadSession
	switch {
	case err == nil:
		r.After = p.Observed
		if p.Pending == 0 { // the answers were sent, and did not arrive
			r.Persistence = Gone
		}
		return r, nil
	case moved:
		// A new mapping is a new source, for which the cookie is not valid. If the source is
		// the old one, the reflector forgot the session, for example because it was
		// restarted.
		r.After = p.Observed
		if r.After != r.Before {
			r.Persistence = Gone
		}
		return r, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return r, nil
	}
	return r, err
}

// arm asks for the delayed answers, and makes sure that the reflector knows of them.
// It returns when the silence began.
func (s *Session) arm(ctx context.Context, idle time.Duration) (time.Time, error) {
	b := make([]byte, MinSize)
	for _, more := range s.apart() {
		s.Request(b, Later, s.sequence(), time.Now().UnixNano(), idle+more)
		if _, err := s.conn.Write(b); err != nil && errors.Is(err, net.ErrClosed) {
			return time.Time{}, err
		}
	}
	for range 3 { // the tally may have overtaken them
		p, err := s.ask(ctx, Tally, Tallied)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return time.Time{}, ErrNoAnswer
		case err != nil:
			return time.Time{}, err
		case p.Pending > 0:
			return time.Now(), nil
		}
		time.Sleep(s.waits[0] / 2)
	}
	return time.Time{}, fmt.Errorf("the reflector got none of %d requests for a later answer: try again", len(s.apart()))
}

// ask sends a request until it is answered: at most as often as there are waits.
func (s *Session) ask(ctx context.Context, kind, answer Kind) (p Packet, err error) {
	b := make([]byte, MinSize)
	for _, wait := range s.waits {
		now := time.Now()
		s.Request(b, kind, s.sequence(), now.UnixNano(), 0)
		if _, err := s.conn.Write(b); err != nil && errors.Is(err, net.ErrClosed) {
			return p, err
		}
		p, err = s.await(ctx, now.Add(wait), answer)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return p, err
		}
	}
	return p, err
}

// sequence returns the next unused sequence number.
func (s *Session) sequence() uint32 {
	s.next++
	return s.next
}
