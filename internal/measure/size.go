package measure

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

// videoSize is how long the datagrams of video are, in bytes.
const videoSize = 1200

// sizePackets is how many of each size are sent, so that a lossy line passes one of
// them.
const sizePackets = 20

// sizeStep is how near the largest size that passes is found.
const sizeStep = 16

// fullSize is the longest datagram that an Ethernet frame takes.
func fullSize(a netip.Addr) int { return 1500 - headers(a) }

// sizer tries lengths of datagrams to a reflector and back.
type sizer struct {
	opt  Options
	to   netip.AddrPort
	wait time.Duration // for the last answers
	f    verifier.Finding
	way  string // on which the shortest that did not come back vanished
	err  error
	flap bool // what did not pass once passed later
}

// packetSize finds out whether datagrams as long as those of video pass to the
// reflector and back, and full ones, and which size does. base is of the train audio,
// of shorter ones, which was answered. A system that learns by ICMP that a packet is too
// long cuts it up, so what vanishes here does so without a word.
func (opt Options) packetSize(ctx context.Context, base verifier.Finding, to netip.AddrPort, audio *media.Train) (verifier.Finding, bool) {
	short := audio.Size
	s := &sizer{opt: opt, to: to, f: base, wait: lingerAfter(audio.Stats(media.Client()))}
	f := &s.f
	f.Case = "packet_size"
	full, passes := fullSize(to.Addr()), short
	video := s.passes(ctx, videoSize)
	whole := video && s.passes(ctx, full)
	switch {
	case whole:
		passes, f.Outcome = full, verifier.Pass
		f.Summary = fmt.Sprintf("%s: datagrams of %d bytes pass, as long as those of video, and full ones of %d, too", f.Target(), videoSize, full)
	case video:
		passes, f.Outcome = s.between(ctx, videoSize, full), verifier.Warn
		f.Summary = fmt.Sprintf("%s: datagrams of %d bytes pass, as long as those of video; longer ones than %d vanish %s without a word", f.Target(), videoSize, passes, s.way)
	default:
		passes, f.Outcome = s.between(ctx, short, videoSize), verifier.Fail
		f.Summary = fmt.Sprintf("%s: datagrams of %d bytes vanish %s, those of %d pass: audio works, and video does not", f.Target(), videoSize, s.way, passes)
	}
	if s.err != nil || ctx.Err() != nil {
		return *f, false // the train before was measured, so that this error shows nothing about sizes
	}
	if s.flap {
		f.Outcome, f.Verdict = verifier.Undecided, verifier.Inconclusive
		f.Summary = fmt.Sprintf("%s: which datagrams pass is not known: of a size of which none came back, some did a little later", f.Target())
		f.Remedy = "run it again: the path was away for a moment"
		return *f, true
	}
	f.Metrics = []verifier.Metric{{Name: "packet_size_bytes", Value: float64(passes)}}
	if f.Outcome != verifier.Pass {
		f.Remedy = "look for a tunnel with a small MTU, or a filter of fragments or lengths, on the way; let ICMP \"packet too big\" pass"
	}
	return *f, true
}

// passes tries a size.
func (s *sizer) passes(ctx context.Context, size int) bool {
	if s.err != nil {
		return false
	}
	o := s.opt
	o.Train.Size, o.Train.Progress, o.Train.Linger = size, nil, s.wait
	rate := o.Train.Rate
	if rate == 0 {
		rate = 50
	}
	o.Train.Duration = time.Duration(sizePackets / rate * float64(time.Second))
	t, err := o.measure(ctx, s.to)
	if err != nil {
		s.err = err
		return false
	}
	answered := 0
	for _, one := range t.Samples {
		if one.Fate == media.Answered {
			answered++
		}
	}
	s.f.Note("%d bytes: %d of %d datagrams answered", size, answered, len(t.Samples))
	switch {
	case answered > 0:
	case t.Disturbed() != "":
		s.err = errors.New(t.Disturbed())
	case !t.Counted:
		s.way = "somewhere on the way"
	case t.ArrivedThere > 0:
		s.way = "on the way from the reflector"
	default:
		s.way = "on the way to the reflector"
	}
	return answered > 0
}

// between halves the sizes between one that passes and one that does not, and returns
// the longest that passes. The shortest that does not is tried once more, as the path
// may have been away just then.
func (s *sizer) between(ctx context.Context, passes, not int) int {
	for not-passes > sizeStep && s.err == nil {
		if middle := (passes + not) / 2; s.passes(ctx, middle) {
			passes = middle
		} else {
			not = middle
		}
	}
	s.flap = s.passes(ctx, not)
	return passes
}
