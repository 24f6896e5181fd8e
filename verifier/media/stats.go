package media

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Summary sums up spans of time.
type Summary struct {
	Count                 int
	Min, Median, P95, P99 time.Duration
	Max                   time.Duration
}

func summarize(list []time.Duration) Summary {
	if len(list) == 0 {
		return Summary{}
	}
	s := slices.Sorted(slices.Values(list))
	// The nearest rank: the smallest value that so many percent do not exceed.
	rank := func(percent int) time.Duration { return s[(len(s)*percent+99)/100-1] }
	return Summary{len(s), s[0], rank(50), rank(95), rank(99), s[len(s)-1]}
}

// Window is a stretch of a train.
type Window struct {
	Start   time.Duration
	Packets int // that were on their way in the direction
	Lost    int
	Unknown int // lost, and perhaps in the other direction
}

// Jitter is the interarrival jitter of RFC 3550 over windows.
type Jitter struct {
	Samples int           // differences of successive packets
	Worst   time.Duration // the highest mean of the running estimate in a window
	Peak    time.Duration // the highest that the running estimate ever was
}

// Stream is what happened to the packets in one direction.
type Stream struct {
	Name       string // the direction: "to the reflector" or "from the reflector"
	Packets    int
	Lost       int
	Unknown    int // lost, and perhaps in the other direction
	Duplicates int
	Arrived    int
	Reordered  int // of the arrived
	Jitter     Jitter
	Loss       []Window // of Limits.Window
	Bursts     []Window // of Limits.BurstWindow
}

// Stats are the sums of a train.
type Stats struct {
	Duration time.Duration // of the train
	Packets  int           // that were sent
	Answered int
	RTT      Summary
	// Late is how late this machine sent: the timer's error.
	Late     Summary
	Forward  Stream
	Backward Stream
	// Either is loss in both directions together; the rest of it is not filled in.
	Either Stream
}

// Stats sums a train up in the windows of the limits.
func (t *Train) Stats(l Limits) Stats {
	s := Stats{
		Duration: time.Duration(len(t.Samples)) * t.Interval,
		Forward:  Stream{Name: "to the reflector", Duplicates: int(t.DuplicateThere)},
		Backward: Stream{Name: "from the reflector"},
		Either:   Stream{Name: "in both directions"},
	}
	var rtt, late []time.Duration
	for i := range t.Samples {
		one := &t.Samples[i]
		if one.Fate == Unsent {
			continue
		}
		s.Packets++
		late = append(late, max(0, one.Sent-one.Due))
		if one.Fate == Answered {
			s.Answered++
			rtt = append(rtt, one.RTT)
			s.Backward.Duplicates += one.Duplicates
		}
	}
	s.RTT, s.Late = summarize(rtt), summarize(late)
	t.losses(&s.Forward, l, forward)
	t.losses(&s.Backward, l, backward)
	t.losses(&s.Either, l, either)
	t.order(&s.Forward, l, func(a *Sample) (uint32, uint32, time.Duration, time.Duration) {
		return a.OrderThere, uint32(a.Due / t.Interval), a.Sent, a.ReceivedThere
	})
	t.order(&s.Backward, l, func(a *Sample) (uint32, uint32, time.Duration, time.Duration) {
		return a.OrderHere, a.OrderThere, a.AnsweredThere, a.Arrived
	})
	return s
}

// state is what a packet's fate means in a direction.
type state uint8

const (
	absent  state = iota // it was never on its way
	arrived              //
	gone                 //
	unknown              // lost, and perhaps not in this direction
)

func forward(f Fate) state {
	return map[Fate]state{Answered: arrived, LostBackward: arrived, LostForward: gone, Lost: unknown}[f]
}

func backward(f Fate) state {
	return map[Fate]state{Answered: arrived, LostBackward: gone, Lost: unknown}[f]
}

func either(f Fate) state {
	return map[Fate]state{Answered: arrived, LostBackward: gone, LostForward: gone, Lost: gone}[f]
}

// losses counts a direction's losses, in all and in windows.
func (t *Train) losses(d *Stream, l Limits, of func(Fate) state) {
	states := make([]state, len(t.Samples))
	for i := range t.Samples {
		states[i] = of(t.Samples[i].Fate)
	}
	all := count(states)
	d.Packets, d.Lost, d.Unknown = all.Packets, all.Lost, all.Unknown
	d.Loss = t.slide(states, l.Window)
	d.Bursts = t.slide(states, l.BurstWindow)
}

func count(states []state) (w Window) {
	for _, s := range states {
		w.add(s, 1)
	}
	return w
}

func (w *Window) add(s state, n int) {
	switch s {
	case arrived:
		w.Packets += n
	case gone:
		w.Packets += n
		w.Lost += n
	case unknown:
		w.Packets += n
		w.Unknown += n
	}
}

// slide counts in every window of a width, one beginning at each packet; windows that
// count the same are given once. A train that is shorter than the width is one window.
func (t *Train) slide(states []state, width time.Duration) []Window {
	n := t.perWindow(width)
	if n >= len(states) {
		return []Window{count(states)}
	}
	var list []Window
	known := map[Window]bool{}
	w := count(states[:n])
	for i := 0; ; i++ {
		if !known[w] {
			known[w] = true
			found := w
			found.Start = t.Samples[i].Due
			list = append(list, found)
		}
		if i+n == len(states) {
			return list
		}
		w.add(states[i], -1)
		w.add(states[i+n], 1)
	}
}

// perWindow is how many packets a window holds.
func (t *Train) perWindow(width time.Duration) int {
	return max(1, int(math.Round(float64(width)/float64(t.Interval))))
}

// order looks at the packets whose answer came, in the order in which they arrived in
// a direction. of gives a sample's place in that order, its number as it was sent, and
// when it was sent and received, each by the clock of that end.
func (t *Train) order(d *Stream, l Limits, of func(*Sample) (place, number uint32, sent, received time.Duration)) {
	var list []*Sample
	for i := range t.Samples {
		if t.Samples[i].Fate == Answered {
			list = append(list, &t.Samples[i])
		}
	}
	slices.SortFunc(list, func(a, b *Sample) int {
		x, _, _, _ := of(a)
		y, _, _, _ := of(b)
		return cmp.Compare(x, y)
	})
	d.Arrived = len(list)
	var next uint32 // RFC 4737 section 3.3: NextExp
	var estimate, before float64
	var estimates []float64 // one a packet but the first
	for i, one := range list {
		_, number, sent, received := of(one)
		if number < next {
			d.Reordered++
		} else {
			next = number + 1
		}
		transit := float64(received - sent)
		if i > 0 {
			// RFC 3550 section 6.4.1: J += (|D(i-1,i)| - J) / 16
			estimate += (math.Abs(transit-before) - estimate) / 16
			estimates = append(estimates, estimate)
		}
		before = transit
	}
	d.Jitter = jitter(estimates, t.perWindow(l.Window))
}

// jitter is the highest mean in windows of n packets, and the peak.
func jitter(estimates []float64, n int) Jitter {
	j := Jitter{Samples: len(estimates)}
	if len(estimates) == 0 {
		return j
	}
	// Lost packets have no estimate, so that a window of time holds fewer; one of n
	// that arrived is then longer, which changes no mean that is steady.
	n = min(n, len(estimates))
	sum, worst := 0.0, 0.0
	for i, e := range estimates {
		sum += e
		if i >= n {
			sum -= estimates[i-n]
		}
		if i >= n-1 {
			worst = max(worst, sum/float64(n))
		}
	}
	j.Worst, j.Peak = time.Duration(worst), time.Duration(slices.Max(estimates))
	return j
}
