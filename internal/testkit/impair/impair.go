// Package impair is a network with faults, for tests: loss, bursts, delay, jitter,
// reordering and NAT, all from a seed, so that a run can be repeated.
//
// Link joins a client and a reflector in memory, and obeys the fake clock of
// testing/synctest. Forwarder stands between real sockets.
package impair

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Faults are what a path does to packets in one direction. The zero value is a perfect
// path.
type Faults struct {
	Loss      float64       // part of packets that are lost
	Burst     int           // how many are lost in a row, on average; 0 and 1: each on its own
	Delay     time.Duration // of every packet
	Jitter    time.Duration // up to this much more, uniformly distributed; the order stays
	Reorder   float64       // part of packets that are held back, so that others overtake them
	HoldBack  time.Duration // for how long
	Duplicate float64       // part of packets that arrive twice
	Spare     int           // the first packets, which suffer no Loss: those that open a session
	// Rate is how many bytes a second pass, and Queue the longest that a packet waits for
	// its turn before it is lost. A Rate of 0 has no limit.
	Rate  float64
	Queue time.Duration
	// Longest is the length of the longest packet that passes; 0: any.
	Longest int
	// Drop, if set, loses packets by their number, from 0, before all else.
	Drop func(n int) bool
}

// Path applies faults. It is safe for concurrent use.
type Path struct {
	mu     sync.Mutex
	faults Faults
	rng    *rand.Rand
	n      int
	lost   int
	bad    bool // within a burst
	last   time.Time
	free   time.Time // when the line has sent all that came so far
}

// NewPath makes a path whose random choices follow from seed.
func NewPath(f Faults, seed uint64) *Path {
	return &Path{faults: f, rng: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))}
}

// Counts says how many packets came, and how many of them were lost.
func (p *Path) Counts() (packets, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n, p.lost
}

// pass says when a packet of size bytes that is sent now arrives: never, once or twice.
func (p *Path) pass(now time.Time, size int) []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &p.faults
	n := p.n
	p.n++
	if f.Drop != nil && f.Drop(n) || f.Longest > 0 && size > f.Longest || p.drop() {
		p.lost++
		return nil
	}
	if f.Rate > 0 {
		if p.free.Before(now) {
			p.free = now
		}
		if p.free.Sub(now) > f.Queue {
			p.lost++
			return nil
		}
		p.free = p.free.Add(time.Duration(float64(size) / f.Rate * float64(time.Second)))
		now = p.free
	}
	at := now.Add(f.Delay)
	if f.Jitter > 0 {
		at = now.Add(f.Delay + time.Duration(p.rng.Int64N(int64(f.Jitter))))
	}
	if f.Reorder > 0 && p.rng.Float64() < f.Reorder {
		at = at.Add(f.HoldBack) // last is not raised, so that the next packets overtake this one
	} else {
		if at.Before(p.last) {
			at = p.last
		}
		p.last = at
	}
	if f.Duplicate > 0 && p.rng.Float64() < f.Duplicate {
		return []time.Time{at, at.Add(time.Millisecond)}
	}
	return []time.Time{at}
}

// drop is the Gilbert model: a good state, and a bad one that loses everything.
func (p *Path) drop() bool {
	f := &p.faults
	switch {
	case f.Loss <= 0, p.n <= f.Spare:
		return false
	case f.Burst <= 1:
		return p.rng.Float64() < f.Loss
	case p.bad:
		p.bad = p.rng.Float64() >= 1/float64(f.Burst)
	default:
		p.bad = p.rng.Float64() < f.Loss/((1-f.Loss)*float64(f.Burst))
	}
	return p.bad
}
