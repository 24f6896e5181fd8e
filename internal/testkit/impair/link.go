package impair

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"sallyport/verifier/reflector"
)

// NAT is a translator between the client and the reflector. The zero value is none.
type NAT struct {
	Timeout time.Duration // a mapping that nothing used for so long is gone
	// Inbound says that packets from outside keep a mapping, too.
	Inbound bool
	// SamePort makes a new mapping like the one before.
	SamePort bool
}

// Link is a client's connection and a reflector's socket, in memory.
type Link struct {
	forward, backward *Path
	nat               NAT
	toServer          queue
	toClient          queue

	mu     sync.Mutex
	source netip.AddrPort // as the reflector sees it
	used   time.Time      // when the mapping was last used
}

// NewLink joins two ends with a path each way.
func NewLink(forward, backward *Path, nat NAT) *Link {
	l := &Link{forward: forward, backward: backward, nat: nat, source: netip.MustParseAddrPort("192.0.2.1:40000")}
	l.toServer.init()
	l.toClient.init()
	return l
}

// Move gives the client another source port, as a NAT does that forgot the mapping.
func (l *Link) Move() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.move()
}

func (l *Link) move() { l.source = netip.AddrPortFrom(l.source.Addr(), l.source.Port()+1) }

// out is the source of a packet of the client.
func (l *Link) out() netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.nat.Timeout > 0 && !l.used.IsZero() && now.Sub(l.used) > l.nat.Timeout && !l.nat.SamePort {
		l.move()
	}
	l.used = now
	return l.source
}

// in says whether an answer finds the client.
func (l *Link) in(one item) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.from != l.source || l.nat.Timeout > 0 && one.at.Sub(l.used) > l.nat.Timeout {
		return false
	}
	if l.nat.Inbound {
		l.used = one.at
	}
	return true
}

// Client is the client's end.
func (l *Link) Client() reflector.Conn { return (*clientEnd)(l) }

// Server is the reflector's end.
func (l *Link) Server() reflector.Socket { return (*serverEnd)(l) }

type clientEnd Link

func (c *clientEnd) Read(b []byte) (int, error) {
	for {
		one, err := c.toClient.take()
		if err != nil || (*Link)(c).in(one) {
			return copy(b, one.data), err
		}
	}
}

func (c *clientEnd) Write(b []byte) (int, error) {
	from := (*Link)(c).out()
	for _, at := range c.forward.pass(time.Now(), len(b)) {
		c.toServer.put(item{at, bytes.Clone(b), from})
	}
	return len(b), nil
}

func (c *clientEnd) SetReadDeadline(t time.Time) error {
	c.toClient.deadline(t)
	return nil
}

type serverEnd Link

func (s *serverEnd) ReadFrom(b []byte) (int, reflector.Peer, error) {
	one, err := s.toServer.take()
	return copy(b, one.data), reflector.Peer{From: one.from}, err
}

func (s *serverEnd) WriteTo(b []byte, to reflector.Peer) error {
	for _, at := range s.backward.pass(time.Now(), len(b)) {
		s.toClient.put(item{at, bytes.Clone(b), to.From})
	}
	return nil
}

func (s *serverEnd) LocalAddr() netip.AddrPort { return netip.MustParseAddrPort("198.51.100.1:3478") }

func (s *serverEnd) Close() error {
	s.toServer.close()
	return nil
}

type item struct {
	at   time.Time // of arrival
	data []byte
	from netip.AddrPort // the client, as the reflector sees it
}

// queue holds datagrams until they arrive, in order of arrival, and gives them out
// with a deadline.
type queue struct {
	mu     sync.Mutex
	more   *sync.Cond
	list   []item
	until  time.Time
	closed bool
}

func (q *queue) init() { q.more = sync.NewCond(&q.mu) }

func (q *queue) put(one item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := len(q.list)
	for i > 0 && q.list[i-1].at.After(one.at) {
		i--
	}
	q.list = slices.Insert(q.list, i, one)
	q.more.Broadcast()
}

func (q *queue) take() (item, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		now := time.Now()
		next := q.until
		switch {
		case q.closed:
			return item{}, net.ErrClosed
		case !q.until.IsZero() && !now.Before(q.until):
			return item{}, os.ErrDeadlineExceeded
		case len(q.list) > 0 && !q.list[0].at.After(now):
			one := q.list[0]
			q.list = q.list[1:]
			return one, nil
		case len(q.list) > 0 && (next.IsZero() || q.list[0].at.Before(next)):
			next = q.list[0].at
		}
		if next.IsZero() {
			q.more.Wait()
			continue
		}
		wake := time.AfterFunc(next.Sub(now), func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.more.Broadcast()
		})
		q.more.Wait()
		wake.Stop()
	}
}

func (q *queue) deadline(t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.until = t
	q.more.Broadcast()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}
