package media

import (
	"fmt"
	"slices"
	"time"

	"sallyport/verifier"
)

// longGap is how long a gap has to be to count as an interruption and not as loss, such
// as when a path is switched over or a reflector is restarted.
const longGap = time.Second

// gap is a part of a train without any answer.
type gap struct{ from, to int } // samples, to excluded

// interruption is the one gap of a train after which answers came again for as long as
// a gap lasts at least. Several gaps count as the quality of the path, and one that
// lasts to the end is no interruption.
func (t *Train) interruption() (gap, bool) {
	if t.Interval <= 0 {
		return gap{}, false
	}
	many := int((longGap + t.Interval - 1) / t.Interval)
	var found []gap
	begin := -1
	for i := range len(t.Samples) + 1 {
		answered := i == len(t.Samples) || t.Samples[i].Fate == Answered
		switch {
		case !answered && begin < 0:
			begin = i
		case answered && begin >= 0:
			if i-begin >= many {
				found = append(found, gap{begin, i})
			}
			begin = -1
		}
	}
	if len(found) != 1 || found[0].from < many || len(t.Samples)-found[0].to < many {
		return gap{}, false
	}
	return found[0], true
}

// without is the train as if the packets of a gap had not been sent.
func (t *Train) without(g gap) *Train {
	out := *t
	out.Samples = slices.Clone(t.Samples)
	for i := g.from; i < g.to; i++ {
		out.Samples[i].Fate = Unsent
	}
	return &out
}

// excuse makes a failing loss inconclusive if it comes from one interruption, which
// says nothing about the quality of the path.
func (t *Train) excuse(a *Assessment, l Limits) {
	g, ok := t.interruption()
	if !ok {
		return
	}
	rest := t.without(g)
	s := rest.Stats(l)
	j := judge{rest, &s, l, a.TimerOK}
	better := map[Criterion]Judgement{LossRate: j.loss(), BurstLoss: j.burst()}
	for i := range a.Judgements {
		out := &a.Judgements[i]
		without, ok := better[out.Criterion]
		if !ok || out.Outcome != verifier.Fail || without.Outcome == verifier.Fail {
			continue
		}
		out.Outcome = verifier.Undecided
		out.Reason += fmt.Sprintf(": nothing came for %.1f s from %.1f s on, once: the path, or the reflector, was away. Else %s",
			float64(g.to-g.from)*t.Interval.Seconds(), t.Samples[g.from].Due.Seconds(), without.Reason)
	}
}
