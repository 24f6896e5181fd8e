package measure

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

// sizes are the lengths of datagrams, in bytes, that are tried after a train of audio:
// that of video, and if it does not pass shorter ones.
var sizes = []int{1200, 1000, 700, 400}

// sizePackets is how many of each size are sent.
const sizePackets = 20

// packetSize finds out whether datagrams as long as those of video pass to the
// reflector and back. base is of a train of shorter ones that was answered.
func (opt Options) packetSize(ctx context.Context, base verifier.Finding, to netip.AddrPort, short int) (verifier.Finding, bool) {
	f := base
	f.Case = "packet_size"
	passes := short
	for i, size := range sizes {
		if size <= short {
			break
		}
		o := opt
		o.Train.Size, o.Train.Progress = size, nil
		rate := o.Train.Rate
		if rate == 0 {
			rate = 50
		}
		o.Train.Duration = time.Duration(sizePackets / rate * float64(time.Second))
		t, err := o.measure(ctx, to)
		if err != nil || ctx.Err() != nil {
			return f, false // the train before was measured, so that this error shows nothing about sizes
		}
		answered := 0
		for _, s := range t.Samples {
			if s.Fate == media.Answered {
				answered++
			}
		}
		f.Note("%d bytes: %d of %d datagrams answered", size, answered, len(t.Samples))
		if answered > 0 {
			passes = size
			if i == 0 {
				f.Outcome = verifier.Pass
				f.Summary = fmt.Sprintf("%s: datagrams of %d bytes pass, as long as those of video", f.Target(), size)
				return f, true
			}
			break
		}
	}
	f.Outcome = verifier.Fail
	f.Summary = fmt.Sprintf("%s: datagrams of %d bytes vanish, those of %d pass: audio works, and video does not", f.Target(), sizes[0], passes)
	f.Remedy = "look for a tunnel with a small MTU, or a filter of fragments or lengths, on the way; let ICMP \"packet too big\" pass"
	return f, true
}
