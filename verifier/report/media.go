package report

import (
	"fmt"
	"slices"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

// Names of the metrics and series of media trains. Each metric carries the limit that
// it is judged by, where there is one.
const (
	oneWaySeconds   = "one_way_seconds" // half the median round trip
	rttSeconds      = "rtt_seconds"     // the median; as a series, one a packet
	rttP95Seconds   = "rtt_p95_seconds"
	burstLossRatio  = "burst_loss_ratio" // in the worst window
	lossRatio       = "loss_ratio"       // in the worst window
	jitterSeconds   = "jitter_seconds"   // in the worst window
	reorderingRatio = "reordering_ratio"
	lateSeconds     = "late_seconds" // of this machine's timer, the median

	// Series of lost packets: seconds since the train began, and 1.
	lostThere = "lost_to_reflector"
	lostBack  = "lost_from_reflector"
	lostSome  = "lost" // nobody knows in which direction
)

// Train turns a train and its judgement into findings, one a metric, so that each has an
// outcome of its own. about says whose they are: probe, host, address, port, rule. Call
// [verifier.Plan.Finish] for each of them. The one on the round trip carries the series.
func Train(about verifier.Finding, t *media.Train, judged media.Report) []verifier.Finding {
	var list []verifier.Finding
	for _, j := range judged.Findings {
		m := mediaMetrics[j.Metric]
		f := about
		f.Evidence = slices.Clone(about.Evidence)
		f.Kind, f.Check, f.Case = verifier.Media, verifier.CheckTrain, m.slug
		f.Outcome, f.Verdict = outcomeOf(j.Verdict)
		unit := map[string]float64{"ms": 1e3, "%": 100}[j.Unit]
		limit := j.Limit / unit
		f.Metrics = []verifier.Metric{{Name: m.name, Value: j.Measured / unit, Limit: &limit}}
		f.Summary = fmt.Sprintf("%s: %s %s, %s %s", f.Target(), j.Metric, value(m.name, j.Measured/unit), limitWords[j.Verdict], value(m.name, limit))
		f.Note("%s", j.Reason)
		if j.Metric == media.RoundTrip {
			f.Metrics = append(f.Metrics, verifier.Metric{Name: rttP95Seconds, Value: judged.Stats.RTT.P95.Seconds(), Limit: &limit},
				verifier.Metric{Name: lateSeconds, Value: judged.Stats.Late.Median.Seconds()})
			f.Series = seriesOf(t)
		}
		f.Note("%d packets sent, %d answered, in %s", judged.Stats.Packets, judged.Stats.Answered, judged.Stats.Duration)
		f.Evidence = append(f.Evidence, judged.Notes...)
		if f.Outcome == verifier.Fail {
			f.Remedy = m.remedy
		}
		list = append(list, f)
	}
	return list
}

var limitWords = map[media.Verdict]string{
	media.Pass: "under the limit of", media.Fail: "not under the limit of", media.Inconclusive: "which does not decide about the limit of",
}

func outcomeOf(v media.Verdict) (verifier.Outcome, verifier.Verdict) {
	switch v {
	case media.Pass:
		return verifier.Pass, ""
	case media.Fail:
		return verifier.Fail, ""
	}
	return verifier.Undecided, verifier.Inconclusive
}

// mediaMetrics are the metrics by the names of package media.
var mediaMetrics = map[media.Metric]struct{ slug, name, remedy string }{
	media.OneWay:     {"one_way", oneWaySeconds, "look for a detour on the way, such as a VPN or a proxy far away; let media leave near the client"},
	media.RoundTrip:  {"round_trip", rttSeconds, "look for a detour on the way, such as a VPN or a proxy far away; let media leave near the client"},
	media.BurstLoss:  {"burst_loss", burstLossRatio, "look for a queue that overflows or a link that pauses on the way, wireless ones first; put media ahead by its DSCP marks"},
	media.LossRate:   {"loss", lossRatio, "look for a saturated link, a policer or a faulty port on the way; put media ahead by its DSCP marks"},
	media.Jittering:  {"jitter", jitterSeconds, "look for long queues on the way, wireless links first; put media ahead by its DSCP marks"},
	media.Reordering: {"reordering", reorderingRatio, "look for links that share a flow packet by packet; let them share by flow"},
}

// seriesOf are the points to plot: a round trip for each answer, a mark for each loss.
func seriesOf(t *media.Train) []verifier.Series {
	rtt := verifier.Series{Name: rttSeconds, Points: [][2]float64{}}
	lost := []verifier.Series{{Name: lostThere}, {Name: lostBack}, {Name: lostSome}}
	lane := map[media.Fate]int{media.LostForward: 0, media.LostBackward: 1, media.Lost: 2}
	for i := range t.Samples {
		one := &t.Samples[i]
		if one.Fate == media.Answered {
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
