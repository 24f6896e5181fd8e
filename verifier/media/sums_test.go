package media

import (
	"math"
	"testing"
	"time"

	"sallyport/verifier"
)

// TestBinomial compares with values that were computed with exact fractions.
func TestBinomial(t *testing.T) {
	for _, c := range []struct {
		k, n       int
		p          float64
		most, more float64 // at most k, at least k
	}{
		{0, 10, 0.1, 0.3486784401, 1},
		{1, 10, 0.1, 0.7360989291, 0.6513215599},
		{5, 10, 0.5, 0.623046875, 0.623046875},
		{10, 10, 0.5, 1, 0.0009765625},
		{0, 459, 0.01, 0.0099207, 1},
		{3, 7, 0, 1, 0},
		{3, 7, 1, 0, 1},
	} {
		if got := atMost(c.k, c.n, c.p); math.Abs(got-c.most) > 1e-6 {
			t.Errorf("at most %d of %d at %v: %v, want %v", c.k, c.n, c.p, got, c.most)
		}
		if got := atLeast(c.k, c.n, c.p); math.Abs(got-c.more) > 1e-6 {
			t.Errorf("at least %d of %d at %v: %v, want %v", c.k, c.n, c.p, got, c.more)
		}
	}
	for _, n := range []int{1, 7, 50, 750, 3000} {
		for _, p := range []float64{0.0005, 0.01, 0.3, 0.99} {
			for k := 0; k <= n; k += 1 + n/13 {
				if got := atMost(k, n, p) + atLeast(k+1, n, p); math.Abs(got-1) > 1e-9 {
					t.Fatalf("%d of %d at %v: the two tails add up to %v", k, n, p, got)
				}
			}
		}
	}
	for limit, want := range map[float64]int{0.01: 459, 0.001: 4603, 0.0005: 9209} {
		if got := needed(limit); got != want || atMost(0, got, limit) >= doubt || atMost(0, got-1, limit) < doubt {
			t.Errorf("%v needs %d, want %d", limit, got, want)
		}
	}
	low, high := interval(0, 459)
	if low != 0 || math.Abs(high-0.01) > 1e-4 {
		t.Errorf("%v to %v", low, high)
	}
	if low, high = interval(5, 10); math.Abs(low-0.1504) > 1e-3 || math.Abs(high-0.8496) > 1e-3 {
		t.Errorf("5 of 10: %v to %v", low, high) // tables of Clopper and Pearson, 98 %
	}
}

// TestJitterByHand compares with a series worked out by hand from RFC 3550.
func TestJitterByHand(t *testing.T) {
	train := &Train{Interval: 20 * time.Millisecond}
	for i, transit := range []time.Duration{10, 26, 10, 10} {
		due := time.Duration(i) * train.Interval
		train.Samples = append(train.Samples, Sample{
			Due: due, Sent: due, Fate: Answered, ReceivedThere: due + transit*time.Millisecond, AnsweredThere: due + transit*time.Millisecond,
			Arrived: due + transit*time.Millisecond, OrderThere: uint32(i + 1), OrderHere: uint32(i + 1),
		})
	}
	s := train.Stats(Client())
	// J: 1; 1+(16-1)/16 = 1.9375; 1.9375-1.9375/16 = 1.81640625 ms
	if got := s.Forward.Jitter; got.Peak != 1937500 || got.Samples != 3 || got.Worst != (1000000+1937500+1816406)/3 {
		t.Errorf("%+v", got)
	}
	if s.Backward.Jitter.Peak != 0 {
		t.Errorf("%+v", s.Backward.Jitter)
	}
}

// TestReorderByHand is the example of RFC 4737: a packet that is late by any number of
// places is one reordered packet.
func TestReorderByHand(t *testing.T) {
	for _, c := range []struct {
		order []int // in which packets arrive there
		want  int
	}{
		{[]int{0, 1, 2, 3}, 0}, {[]int{0, 2, 1, 3}, 1}, {[]int{1, 2, 3, 0}, 1}, {[]int{3, 0, 1, 2}, 3}, {[]int{0, 2, 4, 6}, 0}, {[]int{7, 3, 8, 4}, 2},
	} {
		train := &Train{Interval: 20 * time.Millisecond, Samples: make([]Sample, 10)}
		for i := range train.Samples {
			train.Samples[i] = Sample{Due: time.Duration(i) * train.Interval, Fate: Lost}
		}
		for place, n := range c.order {
			train.Samples[n].Fate, train.Samples[n].OrderThere, train.Samples[n].OrderHere = Answered, uint32(place+1), uint32(place+1)
		}
		if s := train.Stats(Client()); s.Forward.Reordered != c.want || s.Backward.Reordered != 0 {
			t.Errorf("%v: %d there and %d back, want %d and 0", c.order, s.Forward.Reordered, s.Backward.Reordered, c.want)
		}
	}
}

func TestLimits(t *testing.T) {
	for vantage, want := range map[verifier.Vantage]bool{verifier.Client: true, verifier.Edge: true, "": false, "server": false} {
		if l, ok := At(vantage); ok != want || ok && (l.Vantage != vantage || l.Source == "") {
			t.Errorf("%q: %v %+v", vantage, ok, l)
		}
	}
}
