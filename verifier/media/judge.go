package media

import (
	"fmt"
	"math"
	"time"
)

// Verdict is what a metric came to.
type Verdict string

const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Metric is what is judged.
type Metric string

const (
	OneWay     Metric = "one-way latency (half the round trip)"
	RoundTrip  Metric = "round trip"
	BurstLoss  Metric = "burst loss"
	LossRate   Metric = "loss"
	Jittering  Metric = "jitter"
	Reordering Metric = "reordering"
)

// Finding is the verdict on one metric, with its evidence.
type Finding struct {
	Metric    Metric
	Verdict   Verdict
	Direction string  // the worse one, where the two are judged apart
	Measured  float64 // in Unit
	Limit     float64 // in Unit; what is measured has to be under it
	Unit      string  // "ms" or "%"
	Samples   int     // packets that the verdict rests on
	// Low and High bound the true rate, in Unit, for loss and reordering.
	Low, High float64
	// Needed is how many packets a window, or for reordering the train, has to hold to
	// pass without a loss. 0 where that is not the question.
	Needed int
	Reason string // in words, with the numbers
}

// Report is a train, summed up and judged.
type Report struct {
	Limits   Limits
	Stats    Stats
	TimerOK  bool // this machine sent on time: within 1 ms at the median
	Findings []Finding
	Notes    []string // what else there is to say
}

// onTime is how late the sender may be at the median before its own lateness counts.
const onTime = time.Millisecond

// directions that are judged apart, of which the worse one counts.
const directions = 2

// enough answers for a 95th percentile to be one.
const enough = 20

// Judge compares a train with limits.
func Judge(t *Train, l Limits) Report {
	s := t.Stats(l)
	r := Report{Limits: l, Stats: s, TimerOK: s.Late.Median <= onTime}
	j := judge{t, &s, l, r.TimerOK}
	r.Findings = []Finding{j.latency(OneWay, l.OneWay, 2), j.latency(RoundTrip, l.RoundTrip, 1), j.burst(), j.loss(), j.jitter(), j.reordering()}
	t.excuse(&r, l)
	r.Notes = j.notes()
	return r
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
func (j *judge) latency(m Metric, limit time.Duration, parts time.Duration) Finding {
	rtt := j.s.RTT
	f := Finding{Metric: m, Unit: "ms", Limit: millis(limit), Measured: millis(rtt.Median / parts), Samples: rtt.Count}
	text := fmt.Sprintf("median %s, 95 of 100 within %s, of %d answers", ms(rtt.Median/parts), ms(rtt.P95/parts), rtt.Count)
	switch {
	case rtt.Count < enough:
		f.Verdict, f.Reason = Inconclusive, fmt.Sprintf("%d answers are too few; %d are needed", rtt.Count, enough)
	case rtt.P95/parts < limit:
		f.Verdict, f.Reason = Pass, text
	case rtt.Median/parts < limit:
		f.Verdict, f.Reason = Inconclusive, text+": most are under the limit, and too many are not"
	case !j.timerOK && rtt.Min/parts < limit:
		f.Verdict, f.Reason = Inconclusive, text+": "+j.lateness()
	default:
		f.Verdict, f.Reason = Fail, text
	}
	return f
}

// judged is a verdict on one window, and how bad it is.
type judged struct {
	verdict Verdict
	window  Window
	name    string
}

// worst puts together what windows of all directions came to: any that fails fails
// them all, and only if all pass they pass.
func (j *judge) worst(windows func(*Direction) []Window, one func(Window) Verdict) judged {
	out := judged{verdict: Pass}
	for _, d := range []*Direction{&j.s.Forward, &j.s.Backward} {
		for _, w := range windows(d) {
			out.take(judged{one(w), w, d.Name})
		}
	}
	// Where nobody knows in which direction packets were lost, it was half of them or
	// more in one of the two.
	if j.s.Forward.Unknown > 0 {
		for _, w := range windows(&j.s.Either) {
			half := Window{w.Start, w.Packets, (w.Lost + 1) / 2, w.Lost / 2}
			out.take(judged{one(half), half, "in one direction or the other"})
		}
	}
	return out
}

func (a *judged) take(b judged) {
	rank := map[Verdict]int{Pass: 0, Inconclusive: 1, Fail: 2}
	if rank[b.verdict] > rank[a.verdict] || a.name == "" ||
		rank[b.verdict] == rank[a.verdict] && b.window.share() > a.window.share() {
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
func (j *judge) loss() Finding {
	full := j.t.perWindow(j.l.Window)
	// Two directions, and the many windows of a long train: the worst of them is bad
	// luck more often than any one is. Windows overlap, which counts for double.
	apart := directions * max(1, 2*float64(len(j.t.Samples))/float64(full)-1)
	w := j.worst(func(d *Direction) []Window { return d.Loss }, func(w Window) Verdict {
		switch {
		// What is left of a window that the train does not fill could have arrived.
		case atLeast(w.Lost, max(w.Packets, j.missing(full, w)), j.l.Loss) < doubt/apart:
			return Fail
		case !j.short() && w.Packets > 0 && atMost(w.Lost+w.Unknown, w.Packets, j.l.Loss) < doubt:
			return Pass
		}
		return Inconclusive
	})
	f := j.lossFinding(LossRate, j.l.Loss, j.l.Window, w)
	low, high := interval(w.window.Lost, w.window.Packets)
	if w.window.Unknown > 0 {
		_, high = interval(w.window.Lost+w.window.Unknown, w.window.Packets)
	}
	f.Low, f.High, f.Needed = 100*low, 100*high, needed(j.l.Loss)
	if f.Verdict != Inconclusive {
		return f
	}
	switch {
	case j.short():
		f.Reason += fmt.Sprintf(": the train is shorter than the %s that the limit is about", j.l.Window)
	case w.window.Packets < f.Needed:
		f.Reason += fmt.Sprintf(": so few packets cannot show less than %s; %d in %s can, with none lost", percent(j.l.Loss), f.Needed, j.l.Window)
	default:
		f.Reason += fmt.Sprintf(": the true rate is between %s and %s, and the limit lies between", percent(low), percent(f.High/100))
	}
	return f
}

// missing is how many packets a window would have held, had the train filled it.
func (j *judge) missing(full int, w Window) int {
	if j.short() {
		return full
	}
	return w.Packets
}

// burst judges loss in windows of 200 ms, by what the windows can show.
func (j *judge) burst() Finding {
	const eps = 1e-9 // 1/10 and 0.1 are not the same number everywhere
	w := j.worst(func(d *Direction) []Window { return d.Bursts }, func(w Window) Verdict {
		n := float64(w.Packets)
		switch {
		case w.Lost > 1 && float64(w.Lost-1)/n >= j.l.Burst-eps:
			return Fail
		case !j.short() && float64(w.Lost+w.Unknown+1)/n <= j.l.Burst+eps:
			return Pass
		}
		return Inconclusive
	})
	f := j.lossFinding(BurstLoss, j.l.Burst, j.l.BurstWindow, w)
	f.Needed = int(math.Ceil(1/j.l.Burst - eps))
	switch {
	case !j.timerOK && f.Verdict == Pass:
		f.Verdict = Inconclusive
		f.Reason += fmt.Sprintf(": but %s, so that windows of %s did not hold what they should", j.lateness(), j.l.BurstWindow)
	case f.Verdict != Inconclusive || j.disturbs(w):
	case w.window.Packets < f.Needed:
		f.Reason += fmt.Sprintf(": one packet of %d is %s, coarser than the limit; %d in %s can show it", w.window.Packets, percent(1/float64(max(1, w.window.Packets))), f.Needed, j.l.BurstWindow)
	case w.window.Lost+w.window.Unknown == 0:
		f.Reason += fmt.Sprintf(": the train is shorter than %s", j.l.Window)
	default:
		f.Reason += ": one packet more or less decides, so that this shows nothing"
	}
	return f
}

// disturbs says whether a failing window may not be the path's fault.
func (j *judge) disturbs(w judged) bool {
	return j.t.disturbed() != "" && w.window.Lost+w.window.Unknown > 0
}

// lossFinding is the finding on the worst window, without reasons for doubt.
func (j *judge) lossFinding(m Metric, limit float64, width time.Duration, w judged) Finding {
	f := Finding{
		Metric: m, Verdict: w.verdict, Direction: w.name, Unit: "%", Limit: 100 * limit,
		Measured: 100 * w.window.share(), Samples: w.window.Packets,
		Reason: fmt.Sprintf("%d of %d packets lost %s", w.window.Lost+w.window.Unknown, w.window.Packets, w.name),
	}
	if w.window.Lost+w.window.Unknown == 0 {
		f.Reason = fmt.Sprintf("no window of %s lost any of its %d packets", width, w.window.Packets)
	} else if len(j.t.Samples) > w.window.Packets {
		f.Reason += fmt.Sprintf(" from %.1f s on", w.window.Start.Seconds())
	}
	if f.Verdict == Fail && j.disturbs(w) {
		f.Verdict = Inconclusive
		f.Reason += ": " + j.t.disturbed()
	}
	return f
}

// jitter judges the worse direction.
func (j *judge) jitter() Finding {
	d := &j.s.Forward
	if j.s.Backward.Jitter.Worst > d.Jitter.Worst {
		d = &j.s.Backward
	}
	peak := max(j.s.Forward.Jitter.Peak, j.s.Backward.Jitter.Peak)
	f := Finding{
		Metric: Jittering, Unit: "ms", Direction: d.Name, Measured: millis(d.Jitter.Worst),
		Limit: millis(j.l.Jitter), Samples: d.Jitter.Samples,
		Reason: fmt.Sprintf("mean %s in the worst %s, peak %s", ms(d.Jitter.Worst), j.l.Window, ms(peak)),
	}
	switch {
	case d.Jitter.Samples < enough || d.Jitter.Samples < j.t.perWindow(j.l.Window)/2:
		f.Verdict = Inconclusive
		f.Reason += fmt.Sprintf(": %d packets are too few to speak for %s", d.Jitter.Samples, j.l.Window)
	case j.short():
		f.Verdict = Inconclusive
		f.Reason += fmt.Sprintf(": the train is shorter than the %s that the limit is about", j.l.Window)
	case peak < j.l.Jitter:
		f.Verdict = Pass
	case d.Jitter.Worst < j.l.Jitter:
		f.Verdict = Inconclusive
		f.Reason += ": the mean is under the limit and the peak is not"
	case !j.timerOK:
		f.Verdict = Inconclusive
		f.Reason += ": " + j.lateness()
	default:
		f.Verdict = Fail
	}
	return f
}

// reordering judges the worse direction, as a rate.
func (j *judge) reordering() Finding {
	d := &j.s.Forward
	if j.s.Backward.Reordered > d.Reordered {
		d = &j.s.Backward
	}
	low, high := interval(d.Reordered, d.Arrived)
	f := Finding{
		Metric: Reordering, Unit: "%", Direction: d.Name, Limit: 100 * j.l.Reordering,
		Measured: 100 * float64(d.Reordered) / float64(max(1, d.Arrived)), Samples: d.Arrived,
		Low: 100 * low, High: 100 * high, Needed: needed(j.l.Reordering),
		Reason: fmt.Sprintf("%d of %d packets out of order", d.Reordered, d.Arrived),
	}
	switch {
	case d.Arrived > 0 && atLeast(d.Reordered, d.Arrived, j.l.Reordering) < doubt/directions:
		f.Verdict = Fail
		f.Reason += " " + d.Name
	case d.Arrived > 0 && atMost(d.Reordered, d.Arrived, j.l.Reordering) < doubt:
		f.Verdict = Pass
	case d.Arrived < f.Needed:
		f.Verdict = Inconclusive
		f.Reason += fmt.Sprintf(": so few packets cannot show less than %s; %d can, if none is out of order", percent(j.l.Reordering), f.Needed)
	default:
		f.Verdict = Inconclusive
		f.Reason += fmt.Sprintf(": the true rate is between %s and %s, and the limit lies between", percent(low), percent(high))
	}
	return f
}

func (j *judge) notes() (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	t := j.t
	if !j.timerOK {
		add("this machine is busy: it sent %s late at the median, %s for 1 of 100 packets; run it again when it is idle", ms(j.s.Late.Median), ms(j.s.Late.P99))
	}
	if why := t.disturbed(); why != "" {
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

// ms writes a time with as many digits as it deserves.
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

// percent writes a part of 1 with two digits that count.
func percent(p float64) string { return fmt.Sprintf("%.2g %%", 100*p) }
