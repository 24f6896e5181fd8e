package reflector

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"
)

// windowSize is how many sequence numbers back a repetition is recognised. At 50
// packets a second that is 20 s, far beyond any queue.
const windowSize = 1024

// sessionID is a session: the client's number and the source that its cookie is for.
type sessionID struct {
	number uint64
	from   netip.AddrPort
}

// session is what the reflector knows of one client.
type session struct {
	cookie     uint64
	heard      time.Time // when its last request came
	any        bool      // a request has come
	highest    uint32    // sequence number
	window     [windowSize / 64]uint64
	arrived    uint32
	duplicates uint32
	declined   uint32
	pending    uint32
	mark       uint8 // DSCP of its last echo
	marked     bool
}

// fresh notes that request n came, and says whether it is new. It is not new if it came
// before, or if it is older than the window.
func (s *session) fresh(n uint32) bool {
	switch {
	case !s.any:
		s.any, s.highest = true, n
	case n > s.highest:
		for i := s.highest + 1; ; i++ {
			s.set(i, false)
			if i == n || i-s.highest > windowSize {
				break
			}
		}
		s.highest = n
	case s.highest-n >= windowSize || s.has(n):
		return false
	}
	s.set(n, true)
	return true
}

func (s *session) has(n uint32) bool { return s.window[n%windowSize/64]&(1<<(n%64)) != 0 }

func (s *session) set(n uint32, on bool) {
	bit := uint64(1) << (n % 64)
	if on {
		s.window[n%windowSize/64] |= bit
	} else {
		s.window[n%windowSize/64] &^= bit
	}
}

// seen are the 64 requests before n that have come: bit i is n-1-i.
func (s *session) seen(n uint32) uint64 {
	var bits uint64
	for i := range uint32(64) {
		before := n - 1 - i
		if i >= n || before > s.highest || s.highest-before >= windowSize {
			continue
		}
		if s.has(before) {
			bits |= 1 << i
		}
	}
	return bits
}

// cookiePeriod is how long the reflector hands out one cookie; that of the period
// before is still accepted.
const cookiePeriod = 2 * time.Minute

// cookie is what a client at a source has to show in a period. It needs no state, so
// that hellos cost no memory.
func (s *Server) cookie(id sessionID, period int64) uint64 {
	h := hmac.New(sha256.New, s.secret)
	var b [8 + 8 + 16 + 2]byte
	binary.BigEndian.PutUint64(b[0:], id.number)
	binary.BigEndian.PutUint64(b[8:], uint64(period))
	a := id.from.Addr().As16()
	copy(b[16:], a[:])
	binary.BigEndian.PutUint16(b[32:], id.from.Port())
	h.Write(b[:])
	h.Write([]byte(id.from.Addr().Zone()))
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// period is the number of the cookie's period at a time since the reflector began.
func (s *Server) period(at time.Time) int64 { return int64(at.Sub(s.began) / cookiePeriod) }

// find is the session that a request belongs to. It makes the session if the cookie
// shows that the source recently got a welcome; otherwise the reason says why there is
// none.
func (s *Server) find(id sessionID, cookie uint64, now time.Time) (*session, Reason) {
	have := s.sessions[id]
	if have != nil && have.cookie == cookie {
		return have, 0
	}
	p := s.period(now)
	if cookie != s.cookie(id, p) && (p == 0 || cookie != s.cookie(id, p-1)) {
		return nil, BadSession
	}
	if have != nil { // a second hello of the same session
		have.cookie = cookie
		return have, 0
	}
	if len(s.sessions) >= s.opt.Sessions {
		s.forget(now)
	}
	if len(s.sessions) >= s.opt.Sessions {
		return nil, Busy
	}
	made := &session{cookie: cookie, heard: now}
	s.sessions[id] = made
	s.count.Sessions++
	return made, 0
}

// forget drops sessions that have been silent for longer than any answer waits and any
// cookie is valid. To go on later, they have to begin with a hello.
func (s *Server) forget(now time.Time) {
	if now.Sub(s.swept) < time.Second {
		return // so that a full table is searched once a second, not for each request
	}
	s.swept = now
	silent := max(s.opt.MaxDelay, 2*cookiePeriod) + 10*time.Second
	for id, one := range s.sessions {
		if now.Sub(one.heard) > silent && one.pending == 0 {
			delete(s.sessions, id)
		}
	}
}
