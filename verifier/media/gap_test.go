package media

import (
	"strings"
	"testing"
	"time"
)

// TestInterruption: one break of seconds is excused; several are not, nor one that
// lasts to the end.
func TestInterruption(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lost    func(i int) bool
		excused bool
	}{
		"once for four seconds": {func(i int) bool { return i >= 200 && i < 400 }, true},
		"once, and loss beside": {func(i int) bool { return i >= 200 && i < 400 || i%20 == 0 }, false},
		"twice":                 {func(i int) bool { return i >= 100 && i < 200 || i >= 400 && i < 500 }, false},
		"to the end":            {func(i int) bool { return i >= 300 }, false},
		"from the beginning":    {func(i int) bool { return i < 300 }, false},
		"half a second":         {func(i int) bool { return i >= 200 && i < 225 }, false},
	} {
		train := &Train{Interval: 20 * time.Millisecond, Size: 160, Counted: true}
		for i := range 750 {
			at := time.Duration(i) * train.Interval
			s := Sample{Due: at, Sent: at, Fate: Answered, Arrived: at + 10*time.Millisecond, RTT: 10 * time.Millisecond, ReceivedThere: at, AnsweredThere: at}
			if c.lost(i) {
				s = Sample{Due: at, Sent: at, Fate: LostForward}
			}
			train.Samples = append(train.Samples, s)
		}
		for _, f := range Judge(train, Client()).Judgements {
			if f.Criterion != LossRate && f.Criterion != BurstLoss || name == "once, and loss beside" && f.Criterion == BurstLoss {
				continue // what is left of bursts then is one packet of ten, which shows nothing
			}
			excused := f.Outcome == undecided && strings.Contains(f.Reason, "was away")
			if excused != c.excused || !c.excused && f.Outcome != fail {
				t.Errorf("%s: %s %s: %s", name, f.Criterion, f.Outcome, f.Reason)
			}
		}
	}
}
