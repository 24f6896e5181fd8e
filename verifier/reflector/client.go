package reflector

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// Conn is a socket that sends datagrams to one reflector and receives from it.
// *net.UDPConn is one, once connected.
type Conn interface {
	Read(b []byte) (int, error)
	Write(b []byte) (int, error)
	SetReadDeadline(t time.Time) error
}

// ErrNoAnswer says that no hello was answered. A reflector does not answer a client
// with another key, so that this looks the same as a path that drops everything.
var ErrNoAnswer = errors.New("no answer: the reflector may be down, something on the way may drop UDP, or the keys differ; see what the reflector counts, and compare the key files")

// RefusedError is an answer that says why a request was not served.
type RefusedError struct{ Reason Reason }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the reflector refused: %s: %s", e.Reason, e.Reason.fix())
}

func (r Reason) fix() string {
	switch r {
	case BadClock:
		return "set this machine's clock"
	case BadSession:
		return "begin again"
	case Busy:
		return "try again later, or raise its limits"
	case BadDelay:
		return "ask for less, or raise its --max-delay"
	}
	return "use the same version of sallyport at both ends"
}

// defaultWaits are how long to wait for an answer before a request is sent again.
var defaultWaits = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// Session is the client's half of a session. Request and Parse may be called from
// several goroutines; the other methods, which use the connection, may not.
type Session struct {
	conn     Conn
	waits    []time.Duration
	key      *Key
	number   uint64
	cookie   uint64
	observed netip.AddrPort
	dropped  uint32 // what the reflector's system had dropped when it answered the hello
	next     uint32 // sequence number, for Idle
}

// Open makes a session. waits say how long to wait for an answer to each hello, and
// to what Idle asks, before it is sent again: 0.5, 1, 2 and 4 s if nil. ctx ends it
// early. The connection stays the caller's, whose read deadline Open changes.
func Open(ctx context.Context, conn Conn, key *Key, waits []time.Duration) (*Session, error) {
	if len(waits) == 0 {
		waits = defaultWaits
	}
	var number [8]byte
	rand.Read(number[:])
	s := &Session{conn: conn, key: key, waits: waits, number: binary.BigEndian.Uint64(number[:])}
	var skew time.Duration // what to add to this machine's clock, once a refusal told
	corrected := false
	var unsent error
	for i := 0; i < len(waits); i++ {
		sent := time.Now()
		b := make([]byte, MinSize+ExtraSize)
		(&Packet{Kind: Hello, Session: s.number, Sent: sent.Add(skew).UnixNano()}).encode(b, key)
		if _, err := conn.Write(b); err != nil {
			unsent = err // often an error of an earlier datagram: the next may pass
		}
		p, err := s.await(ctx, sent.Add(waits[i]), Welcome)
		var refused *RefusedError
		switch {
		case err == nil:
			s.cookie, s.observed, s.dropped = p.Cookie, p.Observed, p.Extra.Dropped
			return s, nil
		case errors.As(err, &refused) && refused.Reason == BadClock && !corrected:
			// The reflector's answer holds its time, authenticated with the key: use it. The
			// difference includes the time that this hello was on its way, which the next one
			// needs, too.
			skew, corrected = time.Unix(0, p.Received).Sub(sent), true
			i--
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		}
	}
	if unsent != nil {
		return nil, fmt.Errorf("%w; and sending failed: %w", ErrNoAnswer, unsent)
	}
	return nil, ErrNoAnswer
}

// Observed is the source address that the reflector saw: behind a NAT, the mapping.
func (s *Session) Observed() netip.AddrPort { return s.observed }

// Dropped is how many datagrams the reflector's system had no room for since the session
// was opened, as an Extra says.
func (s *Session) Dropped(e Extra) uint32 { return e.Dropped - s.dropped }

// Request writes a request into b, whose length is the datagram's, and at least
// MinSize. Each request of a session needs a sequence number of its own, which the
// caller chooses (so do not use Idle in the same session). Sent comes back unchanged.
func (s *Session) Request(b []byte, kind Kind, sequence uint32, sent int64, delay time.Duration) {
	clear(b[headerSize:])
	p := Packet{
		Kind: kind, Session: s.number, Cookie: s.cookie, Sequence: sequence,
		Sent: sent, Delay: uint32(delay / time.Millisecond),
	}
	p.encode(b, s.key)
}

// Parse reads a datagram. It is false if it is no answer of the reflector in this
// session.
func (s *Session) Parse(b []byte) (Packet, bool) {
	p, err := decode(b, s.key)
	return p, err == nil && !p.Kind.request() && p.Session == s.number
}

// await reads until an answer of the kind comes, or the time is over. Where the answer
// is a refusal it returns that as well as the error.
func (s *Session) await(ctx context.Context, until time.Time, kind Kind) (Packet, error) {
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, MaxSize+1)
	for failed := 0; ; {
		if err := s.conn.SetReadDeadline(until); err != nil {
			return Packet{}, err
		}
		if ctx.Err() != nil {
			return Packet{}, context.Cause(ctx)
		}
		n, err := s.conn.Read(buf)
		switch {
		case ctx.Err() != nil:
			return Packet{}, context.Cause(ctx)
		case err != nil:
			// An error of an earlier datagram, such as an ICMP message, is no reason to stop; a
			// broken socket is.
			if failed++; failed > 20 || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				return Packet{}, err
			}
			continue
		}
		p, ok := s.Parse(buf[:n])
		switch {
		case ok && p.Kind == Refused:
			return p, &RefusedError{p.Reason}
		case ok && p.Kind == kind:
			return p, nil
		}
	}
}
