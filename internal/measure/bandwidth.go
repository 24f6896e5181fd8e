package measure

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/sizing"
)

// bandwidthSteps are the rates that are tried, in bits a second with all headers, until
// one does not come through. All of them together are 400 kB each way, at most twice
// that: what does not come through is tried once more.
var bandwidthSteps = []float64{350e3, 700e3, 1.4e6, 2.8e6}

const (
	stepTime = 600 * time.Millisecond
	stepSize = 1200 // bytes of a datagram, as those of video
	// through is the part of what is offered that has to come through at its pace.
	through = 0.9
	// tooLossy is the loss of the train of audio at which bandwidth does not show: what
	// loses at any rate is no narrow line.
	tooLossy = 0.05
)

// headers are the bytes of IP and UDP before a datagram.
func headers(a netip.Addr) int {
	if a.Is4() {
		return 28
	}
	return 48
}

// A width is what came through of one step, in bits a second.
type width struct{ there, back media.Throughput }

// delivered is the least of both directions.
func (w width) delivered() float64 { return min(w.there.Delivered, w.back.Delivered) }

// narrow reports whether a direction did not take what was offered.
func (w width) narrow() bool {
	return w.there.Delivered < through*w.there.Offered || w.back.Delivered < through*w.back.Offered
}

// bandwidth finds out how much passes to a reflector and back, when nothing else of the
// run is under way. audio is the train that was measured before.
func (opt Options) bandwidth(ctx context.Context, plan *verifier.Plan, to netip.AddrPort, audio *media.Train) []verifier.Finding {
	f := opt.about(to)
	f.Case = "bandwidth"
	untried := func(format string, args ...any) []verifier.Finding {
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary = fmt.Sprintf("%s: how much passes was not found out: %s", f.Target(), fmt.Sprintf(format, args...))
		plan.Finish(&f)
		return []verifier.Finding{f}
	}
	stats := audio.Stats(limitsOf(plan))
	if lost := 1 - float64(stats.Answered)/float64(max(1, stats.Packets)); lost >= tooLossy {
		return untried("%s", cmp.Or(audio.Disturbed(), fmt.Sprintf("of the train of audio %.0f %% got no answer already", 100*lost)))
	}
	w := &widener{opt: opt, to: to, audio: stats, f: &f}
	var best width
	for _, rate := range bandwidthSteps {
		one, err := w.try(ctx, rate)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return untried("%v", err)
		}
		if one.delivered() > best.delivered() {
			best = one
		}
		if w.disturbed != "" || one.narrow() || one.delivered() == 0 {
			break
		}
	}
	if best.delivered() == 0 {
		return untried("%s", cmp.Or(w.disturbed, fmt.Sprintf("of datagrams of %d bytes none comes back", stepSize)))
	}
	f.Evidence = slices.Insert(f.Evidence, 0, fmt.Sprintf("%s arrive at the reflector, and %s here; %d kB were sent in all, and no more than %s are tried",
		bits(best.there.Delivered), bits(best.back.Delivered), w.sent/1000, bits(bandwidthSteps[len(bandwidthSteps)-1])))
	judgeBandwidth(&f, best, w.disturbed)
	plan.Finish(&f)
	return []verifier.Finding{f}
}

// widener tries steps.
type widener struct {
	opt       Options
	to        netip.AddrPort
	audio     media.Stats
	f         *verifier.Finding
	sent      int    // bytes, with all headers
	disturbed string // why the last step shows nothing about the line
}

// try sends at a rate, and once more if not all came through. The better one counts.
func (w *widener) try(ctx context.Context, rate float64) (best width, err error) {
	for range 2 {
		t, err := w.step(ctx, rate)
		if err != nil {
			return best, err
		}
		over := headers(w.to.Addr())
		w.sent += len(t.Samples) * (stepSize + over)
		one := width{}
		one.there, one.back = t.Throughput(over)
		w.f.Note("%s offered for %s: %s arrive at the reflector, and %s here", bits(one.there.Offered), stepTime, bits(one.there.Delivered), bits(one.back.Delivered))
		if w.disturbed = t.Disturbed(); w.disturbed != "" {
			return best, nil
		}
		if one.delivered() > best.delivered() {
			best = one
		}
		if !best.narrow() && best.delivered() > 0 {
			break
		}
	}
	return best, nil
}

// step sends datagrams at a rate.
func (w *widener) step(ctx context.Context, rate float64) (*media.Train, error) {
	opt := w.opt
	opt.Train.Size, opt.Train.Progress, opt.Train.Duration = stepSize, nil, stepTime
	opt.Train.Rate = rate / float64(8*(stepSize+headers(w.to.Addr())))
	opt.Train.Linger = lingerAfter(w.audio)
	return opt.measure(ctx, w.to)
}

// lingerAfter is how long to wait for answers where a train showed how long they take.
func lingerAfter(s media.Stats) time.Duration { return 300*time.Millisecond + 2*s.RTT.P99 }

// figure is what a kind of call takes each way, in bits a second.
func figure(k sizing.Kind) float64 {
	all := sizing.Figures()
	return 1000 * float64(all[slices.IndexFunc(all, func(f sizing.Figure) bool { return f.Kind == k })].Rates[sizing.JavaScript].Up)
}

// judgeBandwidth judges what passes at best. why is what disturbed the last step.
func judgeBandwidth(f *verifier.Finding, best width, why string) {
	video, audio := figure(sizing.Peer720), figure(sizing.PeerAudio)
	pass := best.delivered()
	f.Metrics = []verifier.Metric{{Name: "bandwidth_bits_per_second", Value: pass, Limit: &video},
		{Name: "bandwidth_to_reflector_bits_per_second", Value: best.there.Delivered},
		{Name: "bandwidth_from_reflector_bits_per_second", Value: best.back.Delivered}}
	least := ""
	if !best.narrow() {
		least = "at least "
	}
	passes := fmt.Sprintf("%s: %s%s pass", f.Target(), least, bits(pass))
	switch {
	case pass >= video:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%s, and a call with video of 720p takes %s", passes, bits(video))
	case why != "":
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary, f.Remedy = fmt.Sprintf("%s, and more could not be tried: %s", passes, why), "see to the reflector (its --rate and --total-rate, its machine), or try again"
	case !best.narrow(): // this machine did not send more
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary, f.Remedy = passes+", and this machine did not send more", "run it again when the machine is idle"
	case pass >= audio:
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("%s: a call with audio fits, and one with video of 720p, which takes %s, does not", passes, bits(video))
	default:
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("%s: not even a call with audio fits, which takes %s", passes, bits(audio))
	}
	if f.Outcome == verifier.Fail {
		f.Remedy = "see what else uses the line just now, and what limits it: a shaper, a policer, a slow link, bad radio; then ask for more, or let calls do without video"
	}
}

func bits(rate float64) string {
	return verifier.Metric{Name: "bits_per_second", Value: rate}.Words()
}
