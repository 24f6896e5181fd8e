package media

import (
	"fmt"
	"math"
	"time"

	"sallyport/verifier"
)

// Criterion is what a train is judged by.
type Criterion string

const (
	OneWay     Criterion = "one-way latency (half the round trip)"
	RoundTrip  Criterion = "round trip"
	BurstLoss  Criterion = "burst loss"
	LossRate   Criterion = "loss"
	Jittering  Criterion = "jitter"
	Reordering Criterion = "reordering"
)

// Judgement is what a train came to by one criterion: Pass, Fail or Undecided, with
// its evidence.
type Judgement struct {
	Criterion Criterion
	Outcome   verifier.Outcome
	Direction string  // the worse one, where the two are judged separately
	Measured  float64 // in Unit
	Limit     float64 // in Unit; what is measured has to be under it
	Unit      string  // "ms" or "%"
	Samples   int     // packets that the outcome rests on
	// Low and High bound the true rate, in Unit, for loss and reordering.
	Low, High float64
	// Needed is how many packets a window, or for reordering the train, has to hold to
	// pass without a loss. 0 where that is not the question.
	Needed int
	Reason string // in words, with the numbers
}

// Assessment is a train, summed up and judged.
type Assessment struct {
	Train      *Train
	Limits     Limits
	Stats      Stats
	TimerOK    bool // this machine sent on time: within 1 ms at the median
	Judgements []Judgement
	Notes      []string // what else there is to say
}

// onTime is how late the sender may be at the median before its own lateness counts.
const onTime = time.Millisecond

// directions is how many directions are judged separately; the worse one counts.
const directions = 2

// enough is how many answers a 95th percentile needs to mean something.
const enough = 20

// Judge compares a train with limits.
func Judge(t *Train, l Limits) Assessment {
	s := t.Stats(l)
	a := Assessment{Train: t, Limits: l, Stats: s, TimerOK: s.Late.Median <= onTime}
	j := judge{t, &s, l, a.TimerOK}
	a.Judgements = []Judgement{j.latency(OneWay, l.OneWay, 2), j.latency(RoundTrip, l.RoundTrip, 1), j.burst(), j.loss(), j.jitter(), j.reordering()}
	t.excuse(&a, l)
	a.Notes = j.notes()
	return a
}

type judge struct {
	t       *Train
	s       *Stats
	l       Limits
	timerOK bool
}

const late = "this machine sent %s late at the median, and may be the cause"

func (j *judge) lateness() string { return fmt.Sprintf(late, ms(j.s.Late.Median)) }

// latency judges the round trip, or a part of it.
func (j *judge) latency(c Criterion, limit, parts time.Duration) Judgement {
	rtt := j.s.RTT
	out := Judgement{Criterion: c, Unit: "ms", Limit: millis(limit), Measured: millis(rtt.Median / parts), Samples: rtt.Count}
	text := fmt.Sprintf("median %s, 95 of 100 within %s, of %d answers", ms(rtt.Median/parts), ms(rtt.P95/parts), rtt.Count)
	switch {
	case rtt.Count < enough:
		out.Outcome, out.Reason = verifier.Undecided, fmt.Sprintf("%d answers are too few; %d are needed", rtt.Count, enough)
	case rtt.Median/parts >= limit && j.t.There.Dropped > 0: // packets wait in a full buffer there
		out.Outcome, out.Reason = verifier.Undecided, text+": "+j.t.Disturbed()
	case rtt.P95/parts < limit:
		out.Outcome, out.Reason = verifier.Pass, text
		if o, ok := j.t.OneWay(); ok && c == OneWay && o.over(limit) {
			out.Outcome, out.Reason = verifier.Undecided, text+": and by the clocks of both machines one direction takes longer"
		}
	case rtt.Median/parts < limit:
		out.Outcome, out.Reason = verifier.Undecided, text+": most are under the limit, and too many are not"
	case !j.timerOK && rtt.Min/parts < limit:
		out.Outcome, out.Reason = verifier.Undecided, text+": "+j.lateness()
	default:
		out.Outcome, out.Reason = verifier.Fail, text
	}
	return out
}

// windowOutcome is the outcome of one window, in one direction.
type windowOutcome struct {
	outcome   verifier.Outcome
	window    Window
	direction string
}

// worst combines the windows of all directions: it fails if any window fails, and
// passes if all of them pass.
func (j *judge) worst(windows func(*Stream) []Window, one func(Window) verifier.Outcome) windowOutcome {
	out := windowOutcome{outcome: verifier.Pass}
	for _, d := range []*Stream{&j.s.Forward, &j.s.Backward} {
		for _, w := range windows(d) {
			out.take(windowOutcome{one(w), w, d.Name})
		}
	}
	// Where nobody knows in which direction packets were lost, it was half of them or
	// more in one of the two.
	if j.s.Forward.Unknown > 0 {
		for _, w := range windows(&j.s.Either) {
			half := Window{w.Start, w.Packets, (w.Lost + 1) / 2, w.Lost / 2}
			out.take(windowOutcome{one(half), half, "in one direction or the other"})
		}
	}
	return out
}

func (a *windowOutcome) take(b windowOutcome) {
	if a.direction == "" || b.outcome.Worse(a.outcome) ||
		b.outcome == a.outcome && b.window.share() > a.window.share() {
		*a = b
	}
}

// share is the part that may be lost.
func (w Window) share() float64 {
	return float64(w.Lost+w.Unknown) / float64(max(1, w.Packets))
}

// short says that the train does not fill a window of the limit.
func (j *judge) short() bool { return len(j.t.Samples) < j.t.perWindow(j.l.Window) }

// loss judges loss in windows of 15 s, as a rate.
func (j *judge) loss() Judgement {
	full := j.t.perWindow(j.l.Window)
	// Two directions, and the many windows of a long train: the worst of them reaches a
	// limit by chance more often than any single one does. Windows overlap, so that they
	// count double.
	apart := directions * max(1, 2*float64(len(j.t.Samples))/float64(full)-1)
	w := j.worst(func(d *Stream) []Window { return d.Loss }, func(w Window) verifier.Outcome {
		switch {
		// The packets that are missing in a window that the train does not fill could have
		// arrived.
		case atLeast(w.Lost, max(w.Packets, j.missing(full, w)), j.l.Loss) < doubt/apart:
			return verifier.Fail
		case !j.short() && w.Packets > 0 && atMost(w.Lost+w.Unknown, w.Packets, j.l.Loss) < doubt:
			return verifier.Pass
		}
		return verifier.Undecided
	})
	out := j.lossIn(LossRate, j.l.Loss, j.l.Window, w)
	low, high := interval(w.window.Lost, w.window.Packets)
	if w.window.Unknown > 0 {
		_, high = interval(w.window.Lost+w.window.Unknown, w.window.Packets)
	}
	out.Low, out.High, out.Needed = 100*low, 100*high, needed(j.l.Loss)
	if out.Outcome != verifier.Undecided {
		return out
	}
	switch {
	case j.short():
		out.Reason += fmt.Sprintf(": the train is shorter than the %s that the limit is about", j.l.Window)
	case w.window.Packets < out.Needed:
		out.Reason += fmt.Sprintf(": so few packets cannot show less than %s; %d in %s can, with none lost", percent(j.l.Loss), out.Needed, j.l.Window)
	default:
		out.Reason += fmt.Sprintf(": the true rate is between %s and %s, and the limit lies between", percent(low), percent(out.High/100))
	}
	return out
}

// missing is how many packets a window would have held, had the train filled it.
func (j *judge) missing(full int, w Window) int {
	if j.short() {
		return full
	}
	return w.Packets
}

// burst judges loss in windows of 200 ms, by what the windows can show.
func (j *judge) burst() Judgement {
	const eps = 1e-9 // the quotient may differ from the limit in its last bits
	w := j.worst(func(d *Stream) []Window { return d.Bursts }, func(w Window) verifier.Outcome {
		n := float64(w.Packets)
		switch {
		case w.Lost > 1 && float64(w.Lost-1)/n >= j.l.Burst-eps:
			return verifier.Fail
		case !j.short() && float64(w.Lost+w.Unknown+1)/n <= j.l.Burst+eps:
			return verifier.Pass
		}
		return verifier.Undecided
	})
	out := j.lossIn(BurstLoss, j.l.Burst, j.l.BurstWindow, w)
	out.Needed = int(math.Ceil(1/j.l.Burst - eps))
	switch {
	case !j.timerOK && out.Outcome == verifier.Pass:
		out.Outcome = verifier.Undecided
		out.Reason += fmt.Sprintf(": but %s, so that windows of %s did not hold what they should", j.lateness(), j.l.BurstWindow)
	case out.Outcome != verifier.Undecided || j.disturbs(w):
	case w.window.Packets < out.Needed:
		out.Reason += fmt.Sprintf(": one packet of %d is %s, coarser than the limit; %d in %s can show it", w.window.Packets, percent(1/float64(max(1, w.window.Packets))), out.Needed, j.l.BurstWindow)
	case w.window.Lost+w.window.Unknown == 0:
		out.Reason += fmt.Sprintf(": the train is shorter than %s", j.l.Window)
	default:
		out.Reason += ": one packet more or less decides, so that this shows nothing"
	}
	return out
}

// disturbs says whether a failing window may not be the path's fault.
func (j *judge) disturbs(w windowOutcome) bool {
	return j.t.Disturbed() != "" && w.window.Lost+w.window.Unknown > 0
}

// lossIn judges the worst window, without reasons for doubt.
func (j *judge) lossIn(c Criterion, limit float64, width time.Duration, w windowOutcome) Judgement {
	out := Judgement{
		Criterion: c, Outcome: w.outcome, Direction: w.direction, Unit: "%", Limit: 100 * limit,
		Measured: 100 * w.window.share(), Samples: w.window.Packets,
		Reason: fmt.Sprintf("%d of %d packets lost %s", w.window.Lost+w.window.Unknown, w.window.Packets, w.direction),
	}
	if w.window.Lost+w.window.Unknown == 0 {
		out.Reason = fmt.Sprintf("no window of %s lost any of its %d packets", width, w.window.Packets)
	} else if len(j.t.Samples) > w.window.Packets {
		out.Reason += fmt.Sprintf(" from %.1f s on", w.window.Start.Seconds())
	}
	if out.Outcome == verifier.Fail && j.disturbs(w) {
		out.Outcome = verifier.Undecided
		out.Reason += ": " + j.t.Disturbed()
	}
	return out
}

// jitter judges the worse direction.
func (j *judge) jitter() Judgement {
	d := &j.s.Forward
	if j.s.Backward.Jitter.Worst > d.Jitter.Worst {
		d = &j.s.Backward
	}
	peak := max(j.s.Forward.Jitter.Peak, j.s.Backward.Jitter.Peak)
	out := Judgement{
		Criterion: Jittering, Unit: "ms", Direction: d.Name, Measured: millis(d.Jitter.Worst),
		Limit: millis(j.l.Jitter), Samples: d.Jitter.Samples,
		Reason: fmt.Sprintf("mean %s in the worst %s, peak %s", ms(d.Jitter.Worst), j.l.Window, ms(peak)),
	}
	switch {
	case d.Jitter.Samples < enough || d.Jitter.Samples < j.t.perWindow(j.l.Window)/2:
		out.Outcome = verifier.Undecided
		out.Reason += fmt.Sprintf(": %d packets are too few to speak for %s", d.Jitter.Samples, j.l.Window)
	case j.short():
		out.Outcome = verifier.Undecided
		out.Reason += fmt.Sprintf(": the train is shorter than the %s that the limit is about", j.l.Window)
	case peak < j.l.Jitter:
		out.Outcome = verifier.Pass
	case d.Jitter.Worst < j.l.Jitter:
		out.Outcome = verifier.Undecided
		out.Reason += ": the mean is under the limit and the peak is not"
	case j.t.There.Dropped > 0:
		out.Outcome = verifier.Undecided
		out.Reason += ": " + j.t.Disturbed()
	case !j.timerOK:
		out.Outcome = verifier.Undecided
		out.Reason += ": " + j.lateness()
	default:
		out.Outcome = verifier.Fail
	}
	return out
}

// reordering judges the worse direction, as a rate.
func (j *judge) reordering() Judgement {
	d := &j.s.Forward
	if j.s.Backward.Reordered > d.Reordered {
		d = &j.s.Backward
	}
	low, high := interval(d.Reordered, d.Arrived)
	out := Judgement{
		Criterion: Reordering, Unit: "%", Direction: d.Name, Limit: 100 * j.l.Reordering,
		Measured: 100 * float64(d.Reordered) / float64(max(1, d.Arrived)), Samples: d.Arrived,
		Low: 100 * low, High: 100 * high, Needed: needed(j.l.Reordering),
		Reason: fmt.Sprintf("%d of %d packets out of order", d.Reordered, d.Arrived),
	}
	switch {
	case d.Arrived > 0 && atLeast(d.Reordered, d.Arrived, j.l.Reordering) < doubt/directions:
		out.Outcome = verifier.Fail
		out.Reason += " " + d.Name
	case d.Arrived > 0 && atMost(d.Reordered, d.Arrived, j.l.Reordering) < doubt:
		out.Outcome = verifier.Pass
	case d.Arrived < out.Needed:
		out.Outcome = verifier.Undecided
		out.Reason += fmt.Sprintf(": so few packets cannot show less than %s; %d can, if none is out of order", percent(j.l.Reordering), out.Needed)
	default:
		out.Outcome = verifier.Undecided
		out.Reason += fmt.Sprintf(": the true rate is between %s and %s, and the limit lies between", percent(low), percent(high))
	}
	return out
}

func (j *judge) notes() (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	t := j.t
	if !j.timerOK {
		add("this machine is busy: it sent %s late at the median, %s for 1 of 100 packets; run it again when it is idle", ms(j.s.Late.Median), ms(j.s.Late.P99))
	}
	if why := t.Disturbed(); why != "" {
		add("%s", why)
	}
	if t.SendErrors > 0 {
		add("%d packets were not sent: %v", t.SendErrors, t.LastSendError)
	}
	if t.Skipped > 0 {
		add("%d packets were left out, because this machine stood still", t.Skipped)
	}
	if d := j.s.Forward.Duplicates + j.s.Backward.Duplicates; d > 0 {
		add("%d packets arrived more than once", d)
	}
	if !t.Counted {
		add("the reflector's last counts did not come, so that the direction of losses is not known for all")
	}
	return list
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ms writes a time in milliseconds, with more digits where it is short.
func ms(d time.Duration) string {
	switch v := millis(d); {
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	case v >= 1:
		return fmt.Sprintf("%.1f ms", v)
	default:
		return fmt.Sprintf("%.2f ms", v)
	}
}

// percent writes a part of 1 with two significant digits.
func percent(p float64) string { return fmt.Sprintf("%.2g %%", 100*p) }
