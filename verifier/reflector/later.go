package reflector

import "time"

// waiting is an answer that goes out when its session has been silent for a while.
type waiting struct {
	session *session
	reply   Packet
	size    int
	delay   time.Duration
	peer    Peer
	socket  Socket
	timer   *time.Timer
}

// wait keeps an answer until it is due. The caller holds the lock.
func (s *Server) wait(one *session, reply *Packet, size int, peer Peer, socket Socket) Reason {
	delay := time.Duration(reply.Delay) * time.Millisecond
	if delay > s.opt.MaxDelay {
		return BadDelay
	}
	if len(s.pending) >= s.opt.Pending || one.pending >= sessionPending {
		return Busy
	}
	w := &waiting{session: one, reply: *reply, size: size, delay: delay, peer: peer, socket: socket}
	s.pending[w] = true
	one.pending++
	w.timer = time.AfterFunc(delay, func() { s.due(w) })
	return 0
}

// due sends an answer. If the session has sent a request in the meantime, the answer
// waits for the whole delay again, from that request on.
func (s *Server) due(w *waiting) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	if left := w.delay - now.Sub(w.session.heard); left > 0 {
		w.timer.Reset(left)
		s.mu.Unlock()
		return
	}
	delete(s.pending, w)
	w.session.pending--
	w.reply.Kind = Delayed
	w.reply.Arrived, w.reply.Duplicates, w.reply.Declined, w.reply.Pending = w.session.arrived, w.session.duplicates, w.session.declined, w.session.pending
	w.reply.Answered = s.stamp(now)
	s.count.Delayed++
	s.mu.Unlock()

	b := make([]byte, w.size)
	w.reply.encode(b, s.key)
	n := 1
	if w.socket.WriteTo(b, w.peer) != nil {
		n = 0
	}
	s.sent(n, 1)
}

// stop drops the answers that wait, and prevents new ones.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.count.Dropped, s.sockets = uint64(s.dropped()), nil
	for w := range s.pending {
		w.timer.Stop()
	}
	clear(s.pending)
}
