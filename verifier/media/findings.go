package media

import (
	"fmt"
	"slices"
	"time"

	"sallyport/verifier"
)

// Findings are the judgements as findings, one a criterion, so that each has an outcome
// of its own. about says whose they are: probe, host, address, port, rule. Call
// [verifier.Plan.Finish] for each of them. The one on the round trip carries the series.
func (a Assessment) Findings(about verifier.Finding) []verifier.Finding {
	var list []verifier.Finding
	for _, j := range a.Judgements {
		c := criteria[j.Criterion]
		f := about
		f.Evidence = slices.Clone(about.Evidence)
		f.Kind, f.Check, f.Case = verifier.Media, verifier.CheckTrain, c.slug
		f.Outcome = j.Outcome
		if f.Outcome == verifier.Undecided {
			f.Verdict = verifier.Inconclusive
		}
		unit := map[string]float64{"ms": 1e3, "%": 100}[j.Unit]
		limit := j.Limit / unit
		m := verifier.Metric{Name: c.metric, Value: j.Measured / unit, Limit: &limit}
		f.Metrics = []verifier.Metric{m}
		f.Summary = fmt.Sprintf("%s: %s %s, %s %s", f.Target(), j.Criterion, m.Words(), limitWords[j.Outcome], m.LimitWords())
		f.Note("%s", j.Reason)
		if o, ok := a.Train.OneWay(); ok && j.Criterion == OneWay {
			f.Note("by the clocks of both machines %s to the reflector and %s from it; as their systems say, that is right to %s", ms(o.There), ms(o.Back), ms(o.Error))
			f.Metrics = append(f.Metrics, verifier.Metric{Name: "one_way_to_reflector_seconds", Value: o.There.Seconds()},
				verifier.Metric{Name: "one_way_from_reflector_seconds", Value: o.Back.Seconds()}, verifier.Metric{Name: "clock_error_seconds", Value: o.Error.Seconds()})
		}
		if j.Criterion == RoundTrip {
			f.Metrics = append(f.Metrics, verifier.Metric{Name: "rtt_p95_seconds", Value: a.Stats.RTT.P95.Seconds(), Limit: &limit},
				verifier.Metric{Name: "late_seconds", Value: a.Stats.Late.Median.Seconds()})
			f.Series = a.Train.series()
		}
		f.Note("%d packets sent, %d answered, in %s", a.Stats.Packets, a.Stats.Answered, a.Stats.Duration)
		f.Evidence = append(f.Evidence, a.Notes...)
		if f.Outcome == verifier.Fail {
			f.Remedy = c.remedy
		}
		list = append(list, f)
	}
	return list
}

var limitWords = map[verifier.Outcome]string{
	verifier.Pass: "under the limit of", verifier.Fail: "not under the limit of", verifier.Undecided: "which does not decide about the limit of",
}

// criteria are each criterion's case and metric in reports, and the remedy where a train
// fails by it. The latencies are medians; burst loss, loss and jitter are those of the
// worst window.
var criteria = map[Criterion]struct{ slug, metric, remedy string }{
	OneWay:     {"one_way", "one_way_seconds", "look for a detour on the way, such as a VPN or a proxy far away; let media leave near the client"},
	RoundTrip:  {"round_trip", verifier.MetricRTT, "look for a detour on the way, such as a VPN or a proxy far away; let media leave near the client"},
	BurstLoss:  {"burst_loss", "burst_loss_ratio", "look for a queue that overflows or a link that pauses on the way, wireless ones first; put media ahead by its DSCP marks"},
	LossRate:   {"loss", "loss_ratio", "look for a saturated link, a policer or a faulty port on the way; put media ahead by its DSCP marks"},
	Jittering:  {"jitter", "jitter_seconds", "look for long queues on the way, wireless links first; put media ahead by its DSCP marks"},
	Reordering: {"reordering", "reordering_ratio", "look for links that share a flow packet by packet; let them share by flow"},
}

// series are the points to plot: a round trip for each answer, a mark for each loss.
func (t *Train) series() []verifier.Series {
	rtt := verifier.Series{Name: verifier.MetricRTT, Points: [][2]float64{}}
	lost := []verifier.Series{{Name: verifier.SeriesLostForward}, {Name: verifier.SeriesLostBackward}, {Name: verifier.SeriesLost}}
	lane := map[Fate]int{LostForward: 0, LostBackward: 1, Lost: 2}
	for i := range t.Samples {
		one := &t.Samples[i]
		if one.Fate == Answered {
			rtt.Points = append(rtt.Points, [2]float64{rounded(one.Sent), rounded(one.RTT)})
		} else if at, ok := lane[one.Fate]; ok {
			lost[at].Points = append(lost[at].Points, [2]float64{rounded(one.Sent), 1})
		}
	}
	list := []verifier.Series{rtt}
	for _, s := range lost {
		if len(s.Points) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// rounded is a time in seconds, to the microsecond: more digits only make reports
// longer.
func rounded(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }
