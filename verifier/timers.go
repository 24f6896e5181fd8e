package verifier

import "time"

// Timers are all the times and counts of the probes. They are options so that a
// test can run at a fraction of full scale; [DefaultTimers] are those of the
// standards. A full scale default run stays under a minute, because a STUN
// silence takes 39.5 s and everything else runs beside it or fits after it.
type Timers struct {
	// RTO, Rc and Rm are the retransmission of RFC 8489 section 6.2.1: RTO 500 ms, doubled
	// after each of Rc requests; after the last, it waits Rm times RTO. The defaults send
	// at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s and give up at 39.5 s.
	RTO time.Duration `json:"rto"`
	Rc  int           `json:"rc"`
	Rm  int           `json:"rm"`

	// Connect bounds a TCP connection, Handshake the TLS and HTTP exchange that follows,
	// and three times the STUN exchange over TCP. A slow exchange has not failed: over a
	// bad radio link, or on a busy machine, a handshake takes many seconds.
	Connect   time.Duration `json:"connect"`
	Handshake time.Duration `json:"handshake"`

	// Query is how long one DNS query waits, or one question to a STUN server that
	// answered before; there are three of each.
	Query time.Duration `json:"query"`

	// Hop is how long a packet of a TTL walk waits for its ICMP answer; there are
	// three of each. Walks bounds all walks of a run together.
	Hop   time.Duration `json:"hop"`
	Walks time.Duration `json:"walks"`

	// NoHostAfter tells two meanings of "host unreachable" apart: a router whose neighbour
	// does not answer sends it later than this (Linux: 3 s), a firewall that rejects with
	// it sends it at once.
	NoHostAfter time.Duration `json:"no_host_after"`

	// Idle are the idle times after which NAT mappings are asked for again, in a
	// long run.
	Idle []time.Duration `json:"idle"`
}

// DefaultTimers are the times at full scale.
func DefaultTimers() Timers {
	return Timers{
		RTO: 500 * time.Millisecond, Rc: 7, Rm: 16,
		Connect: 21 * time.Second, Handshake: 30 * time.Second,
		Query:       2 * time.Second,
		Hop:         500 * time.Millisecond,
		Walks:       8 * time.Second,
		NoHostAfter: time.Second,
		Idle: []time.Duration{25 * time.Second, 35 * time.Second, 65 * time.Second,
			115 * time.Second, 130 * time.Second, 175 * time.Second},
	}
}

// Scale returns t with every time multiplied by f, such as 1.0/25. Counts stay.
func (t Timers) Scale(f float64) Timers {
	s := func(d *time.Duration) { *d = time.Duration(float64(*d) * f) }
	t.Idle = append([]time.Duration(nil), t.Idle...)
	for i := range t.Idle {
		s(&t.Idle[i])
	}
	for _, d := range []*time.Duration{&t.RTO, &t.Connect, &t.Handshake, &t.Query, &t.Hop, &t.Walks, &t.NoHostAfter} {
		s(d)
	}
	return t
}

// Silence is how long a STUN request waits for its first answer before it is
// silent: 39.5 s at full scale.
func (t Timers) Silence() time.Duration {
	d, rto := time.Duration(0), t.RTO
	for range t.Rc - 1 {
		d += rto
		rto *= 2
	}
	return d + time.Duration(t.Rm)*t.RTO
}
