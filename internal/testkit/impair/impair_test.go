package impair

import (
	"math"
	"testing"
	"time"
)

// TestChances sends many packets over paths, and counts.
func TestChances(t *testing.T) {
	const n = 200_000
	start := time.Unix(0, 0)
	for _, f := range []Faults{
		{Loss: 0.01}, {Loss: 0.2}, {Loss: 0.05, Burst: 6}, {Loss: 0.3, Burst: 20}, {Duplicate: 0.1}, {Jitter: 40 * time.Millisecond},
		{Reorder: 0.02, HoldBack: 50 * time.Millisecond, Delay: 10 * time.Millisecond},
	} {
		p, again := NewPath(f, 7), NewPath(f, 7)
		lost, bursts, twice, overtaken := 0, 0, 0, 0
		before, last := true, start
		for i := range n {
			now := start.Add(time.Duration(i) * 20 * time.Millisecond)
			at := p.pass(now, 200)
			same := again.pass(now, 200)
			if len(at) != len(same) || len(at) > 0 && at[0] != same[0] {
				t.Fatalf("%+v: packet %d differs with the same seed", f, i)
			}
			switch len(at) {
			case 0:
				lost++
				if before {
					bursts++
				}
			case 2:
				twice++
			}
			before = len(at) > 0
			if !before {
				continue
			}
			if d := at[0].Sub(now); d < f.Delay || f.HoldBack == 0 && d > f.Delay+f.Jitter {
				t.Fatalf("%+v: a delay of %v", f, d)
			}
			if at[0].Before(last) {
				overtaken++
			}
			last = at[0]
		}
		near := func(what string, got, want float64) {
			if math.Abs(got-want) > 0.1*want+0.0005 {
				t.Errorf("%+v: %s is %v, want about %v", f, what, got, want)
			}
		}
		near("loss", float64(lost)/n, f.Loss)
		near("duplicates", float64(twice)/n, f.Duplicate)
		if f.Reorder > 0 {
			near("reordering", float64(overtaken)/n, f.Reorder)
		} else if overtaken > 0 {
			t.Errorf("%+v: %d were overtaken", f, overtaken)
		}
		if f.Burst > 1 {
			near("length of a burst", float64(lost)/float64(bursts), float64(f.Burst))
		}
		if packets, dropped := p.Counts(); packets != n || dropped != lost {
			t.Errorf("%+v: counted %d and %d", f, packets, dropped)
		}
	}
}

// TestRate: a line passes so many bytes a second, after a queue, and no long packet.
func TestRate(t *testing.T) {
	p := NewPath(Faults{Rate: 10_000, Queue: 50 * time.Millisecond, Longest: 1000}, 1)
	start := time.Unix(0, 0)
	arrived := 0
	for i := range 1000 { // 100,000 bytes a second
		now := start.Add(time.Duration(i) * time.Millisecond)
		for _, at := range p.pass(now, 100) {
			if arrived++; at.Sub(now) > 60*time.Millisecond {
				t.Fatalf("packet %d waits %v", i, at.Sub(now))
			}
		}
	}
	if arrived < 100 || arrived > 107 { // those of a second, and of the queue
		t.Errorf("%d packets arrived", arrived)
	}
	if at := p.pass(start.Add(time.Hour), 1001); len(at) > 0 {
		t.Error("a long packet passed")
	}
}
