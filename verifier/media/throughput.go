package media

import "time"

// Throughput is what was sent in a direction, and what of it came through, in bits a
// second. A rate is that between the first and the last packet; 0 where there are not
// two.
type Throughput struct{ Offered, Delivered float64 }

// Throughput of a train in each direction. overhead is the bytes of the headers that
// each datagram has on the way. Back, what is offered is what came through there.
func (t *Train) Throughput(overhead int) (there, back Throughput) {
	bits := float64(8 * (t.Size + overhead))
	var sent, arrived, returned span
	kept := 0 // packets that arrived there since the last answer: when, only an answer tells
	for i := range t.Samples {
		one := &t.Samples[i]
		if one.Fate != Unsent {
			sent.add(one.Sent, 1)
		}
		if one.Fate == LostBackward && arrived.n > 0 {
			kept++
		}
		if one.Fate != Answered {
			continue
		}
		arrived.add(one.ReceivedThere, 1+kept)
		returned.add(one.Arrived, 1)
		kept = 0
	}
	return Throughput{sent.rate(bits), arrived.rate(bits)}, Throughput{arrived.rate(bits), returned.rate(bits)}
}

// span is packets between two moments.
type span struct {
	first, last time.Duration
	n           int
}

func (s *span) add(at time.Duration, packets int) {
	if s.n == 0 {
		s.first, s.last = at, at
	}
	s.first, s.last = min(s.first, at), max(s.last, at)
	s.n += packets
}

func (s *span) rate(bits float64) float64 {
	if s.n < 2 || s.last <= s.first {
		return 0
	}
	return float64(s.n-1) * bits / (s.last - s.first).Seconds()
}
