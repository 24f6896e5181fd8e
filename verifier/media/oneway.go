package media

import (
	"slices"
	"time"
)

// OneWayTimes are the medians of how long packets take in each direction, by the clocks
// of both machines.
type OneWayTimes struct {
	There, Back time.Duration
	Error       time.Duration // how wrong both may be, as the clocks' systems say
}

// OneWay compares the clocks of both machines. It is false where one of them is not
// known to be right, or where they contradict each other: nothing arrives before it is
// sent.
func (t *Train) OneWay() (o OneWayTimes, ok bool) {
	if t.ClockError == 0 || t.There.ClockError == 0 {
		return o, false
	}
	var there, back []time.Duration
	for i := range t.Samples {
		one := &t.Samples[i]
		if one.Fate == Answered {
			there = append(there, one.ReceivedThere+t.There.Clock-one.Sent)
			back = append(back, one.Arrived-one.AnsweredThere-t.There.Clock)
		}
	}
	if len(there) < enough {
		return o, false
	}
	slices.Sort(there)
	slices.Sort(back)
	o = OneWayTimes{there[len(there)/2], back[len(back)/2], t.ClockError + t.There.ClockError}
	return o, there[0] >= -o.Error && back[0] >= -o.Error
}

// over reports whether one direction alone is over a limit, however wrong the clocks are.
func (o OneWayTimes) over(limit time.Duration) bool { return max(o.There, o.Back)-o.Error >= limit }
