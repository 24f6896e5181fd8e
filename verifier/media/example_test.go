package media_test

import (
	"fmt"
	"time"

	"sallyport/verifier/media"
)

// Samples that were kept can be judged again: here 1,000 packets of 40 ms each, of
// which every 20th was lost on the way back.
func ExampleJudge() {
	train := &media.Train{Interval: 20 * time.Millisecond, Counted: true}
	for i := range 1000 {
		due := time.Duration(i) * train.Interval
		one := media.Sample{
			Due: due, Sent: due, Fate: media.Answered, RTT: 40 * time.Millisecond, Arrived: due + 40*time.Millisecond,
			ReceivedThere: due, AnsweredThere: due, OrderThere: uint32(i + 1), OrderHere: uint32(i + 1),
		}
		if i%20 == 19 {
			one = media.Sample{Due: due, Sent: due, Fate: media.LostBackward}
		}
		train.Samples = append(train.Samples, one)
	}
	for _, f := range media.Judge(train, media.Client()).Judgements {
		fmt.Printf("%s: %s\n", f.Criterion, f.Outcome)
	}
	// Output:
	// one-way latency (half the round trip): pass
	// round trip: pass
	// burst loss: inconclusive
	// loss: fail
	// jitter: pass
	// reordering: inconclusive
}
