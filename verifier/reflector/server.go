package reflector

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are the limits of a reflector. Zero fields take the defaults.
type Options struct {
	PerSource float64       // answers a second to an IPv4 address or an IPv6 /64; 500
	Total     float64       // answers a second in all; 5,000
	Sources   int           // sources whose rate is remembered; 4,096
	Sessions  int           // sessions at once; 4,096, about 1.5 MiB
	Pending   int           // delayed answers that wait, in all; 1,024
	MaxDelay  time.Duration // the longest delay of an answer; 180 s
	Skew      time.Duration // how far a hello's clock may be from the reflector's; 5 min
}

// sessionPending is how many delayed answers one session may wait for.
const sessionPending = 4

// refusals is how many refusals are sent a second, in total: enough for people who set
// up a client, and too few to be of use to somebody who replays recordings.
const refusals = 10

func (o Options) withDefaults() Options {
	def := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	if o.PerSource <= 0 {
		o.PerSource = 500
	}
	if o.Total <= 0 {
		o.Total = 5000
	}
	def(&o.Sources, 4096)
	def(&o.Sessions, 4096)
	def(&o.Pending, 1024)
	if o.MaxDelay <= 0 {
		o.MaxDelay = 180 * time.Second
	}
	if o.Skew <= 0 {
		o.Skew = 5 * time.Minute
	}
	return o
}

// Counters say what a reflector did since it began, in datagrams.
type Counters struct {
	Received   uint64 `json:"received"`
	Answered   uint64 `json:"answered"`
	Delayed    uint64 `json:"delayed_answers"` // a part of Answered
	Sessions   uint64 `json:"sessions"`
	Stranger   uint64 `json:"unauthenticated"` // not of the protocol, or under another key
	Malformed  uint64 `json:"malformed"`       // authenticated, and no request of this version
	Repeated   uint64 `json:"repeated"`
	RateLimit  uint64 `json:"rate_limited"`
	Refused    uint64 `json:"refused"`         // a part of Answered
	Unrefused  uint64 `json:"refused_quietly"` // not answered, because of the rate of refusals
	SendErrors uint64 `json:"send_errors"`
	Dropped    uint64 `json:"dropped"` // by the system before they could be read, as far as it tells
}

// Server is a reflector. It is safe for concurrent use.
type Server struct {
	key    *Key
	opt    Options
	secret []byte // of cookies; a new one each time the reflector starts
	began  time.Time

	mu       sync.Mutex
	sessions map[sessionID]*session
	swept    time.Time // when sessions were last forgotten
	limit    *limiter
	refusal  *rate.Limiter
	pending  map[*waiting]bool
	stopped  bool
	count    Counters
	sockets  []Socket // those that Serve has
}

// NewServer makes a reflector for clients that hold key.
func NewServer(key *Key, opt Options) *Server {
	opt = opt.withDefaults()
	s := &Server{
		key: key, opt: opt, secret: make([]byte, 32), began: time.Now(),
		sessions: map[sessionID]*session{}, pending: map[*waiting]bool{},
		limit:   newLimiter(opt.PerSource, opt.Total, opt.Sources),
		refusal: rate.NewLimiter(refusals, refusals),
	}
	rand.Read(s.secret)
	return s
}

// Counters says what the reflector did so far.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.count
	c.Dropped += uint64(s.dropped())
	return c
}

// dropped is how many datagrams the sockets had no room for. The caller holds the lock.
func (s *Server) dropped() (n uint32) {
	for _, socket := range s.sockets {
		if d, ok := socket.(interface{ Dropped() (uint32, bool) }); ok {
			one, _ := d.Dropped()
			n += one
		}
	}
	return n
}

// Serve answers on the sockets until ctx ends, which is no error, or a socket fails.
// It closes the sockets and drops answers that still wait. A server serves once.
func (s *Server) Serve(ctx context.Context, sockets ...Socket) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.mu.Lock()
	s.sockets = sockets
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, socket := range sockets {
		all.Go(func() {
			if err := s.serve(ctx, socket); err != nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	s.stop()
	for _, socket := range sockets {
		socket.Close()
	}
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// serve answers on one socket. Single errors of reading are normal, such as an ICMP
// message that some systems report, or a shortage of memory. Many in a row are a
// failure.
func (s *Server) serve(ctx context.Context, socket Socket) error {
	batch, ok := socket.(batchSocket)
	if !ok {
		batch = oneByOne{socket}
	}
	list, answers := make([]datagram, batchSize), make([]datagram, 0, batchSize)
	buf := make([]byte, batchSize*(MaxSize+1)) // one more byte shows that a datagram is too long
	for failed := 0; ; {
		for i := range list {
			list[i].data = buf[i*(MaxSize+1):][:MaxSize+1]
		}
		n, err := batch.readBatch(list)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			if failed++; failed == 100 {
				return fmt.Errorf("receiving on %s: %w", socket.LocalAddr(), err)
			}
			continue
		}
		failed = 0
		now := time.Now()
		answers = answers[:0]
		for _, d := range list[:n] {
			if answer := s.answer(d.data, d.peer, socket, now); answer != nil {
				answers = append(answers, datagram{answer, d.peer})
			}
		}
		s.sent(batch.writeBatch(answers), len(answers))
	}
}

// batchSize is how many datagrams are read and sent at once, if so many wait.
const batchSize = 32

// sent counts answers.
func (s *Server) sent(n, of int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Answered += uint64(n)
	s.count.SendErrors += uint64(of - n)
}

// stamp is a time as it is sent. It is monotonic, even if the clock is set.
func (s *Server) stamp(at time.Time) int64 { return s.began.UnixNano() + int64(at.Sub(s.began)) }

// answer decides on one datagram. It returns what to send now, written over b, or
// nothing. now is when the datagram was read.
func (s *Server) answer(b []byte, peer Peer, socket Socket, now time.Time) []byte {
	p, err := decode(b, s.key) // outside the lock, so that strangers do not block it
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Received++
	switch {
	case s.stopped || !answerable(peer.From):
		return nil
	case errors.Is(err, errFields), err == nil && !p.Kind.request():
		s.count.Malformed++
		return nil
	case err != nil:
		s.count.Stranger++
		return nil
	}
	reply := Packet{
		Session: p.Session, Cookie: p.Cookie, Sequence: p.Sequence, Delay: p.Delay,
		Sent: p.Sent, Received: s.stamp(now), Observed: peer.From,
	}
	reason := s.decide(&p, &reply, len(b), peer, socket, now)
	if reason != 0 {
		if !s.refusal.AllowN(now, 1) {
			s.count.Unrefused++
			return nil
		}
		s.count.Refused++
		reply.Kind, reply.Reason, b = Refused, reason, b[:MinSize]
	}
	if reply.Kind == 0 {
		return nil
	}
	clear(b[headerSize:])
	at := time.Now()
	reply.Answered = s.stamp(at)
	if reply.Kind == Tallied || reply.Kind == Welcome {
		reply.Extra.Dropped = s.dropped()
		reply.Extra.Clock = time.Duration(at.UnixNano() - reply.Answered)
		reply.Extra.ClockError, _ = ClockError()
		reply.Extra.put(b)
	}
	reply.encode(b, s.key)
	return b
}

// decide fills in the answer to a request, or leaves its kind 0 where there is
// nothing to send, or says why the request is refused.
func (s *Server) decide(p, reply *Packet, size int, peer Peer, socket Socket, now time.Time) Reason {
	id := sessionID{p.Session, peer.From}
	if p.Kind == Hello {
		// The wall clock, because the client sends its own.
		if off := time.Duration(now.UnixNano() - p.Sent); off > s.opt.Skew || off < -s.opt.Skew {
			reply.Received = now.UnixNano()
			return BadClock
		}
		if s.allow(peer, now) {
			reply.Kind, reply.Cookie = Welcome, s.cookie(id, s.period(now))
		}
		return 0
	}
	one, reason := s.find(id, p.Cookie, now)
	if reason != 0 {
		return reason
	}
	one.heard = now
	if !one.fresh(p.Sequence) {
		s.count.Repeated++
		one.duplicates++
		return 0
	}
	if p.Kind == Echo {
		one.arrived++
		one.mark, one.marked = peer.Mark, peer.Marked
	}
	if !s.allow(peer, now) {
		one.declined++
		return 0
	}
	reply.Seen, reply.Arrived, reply.Duplicates, reply.Declined, reply.Pending = one.seen(p.Sequence), one.arrived, one.duplicates, one.declined, one.pending
	switch p.Kind {
	case Echo:
		reply.Kind = Echoed
	case Tally:
		reply.Kind = Tallied
		reply.Extra = Extra{Mark: one.mark, Marked: one.marked}
	case Later:
		return s.wait(one, reply, size, peer, socket)
	}
	return 0
}

func (s *Server) allow(peer Peer, now time.Time) bool {
	ok := s.limit.allow(peer.From.Addr(), now)
	if !ok {
		s.count.RateLimit++
	}
	return ok
}

// answerable says whether a source is one host that can be answered.
func answerable(from netip.AddrPort) bool {
	a := from.Addr()
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && from.Port() != 0
}
