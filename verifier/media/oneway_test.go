package media

import (
	"testing"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/verifier"
)

// TestOneWay: where both clocks are known to be right, a way that is slow in one
// direction shows; where they are not, half of the round trip is all there is.
func TestOneWay(t *testing.T) {
	const ms = time.Millisecond
	there, back := 70*ms, 6*ms
	for _, c := range []struct {
		name      string
		here, far time.Duration // errors of the clocks
		off       time.Duration // what the reflector's clock is truly off
		known     bool
		want      verifier.Outcome
	}{
		{"both right", 3 * ms, 4 * ms, 2 * ms, true, verifier.Undecided},
		{"right, but not exactly", 20 * ms, 20 * ms, 0, true, verifier.Pass},
		{"this one not synchronized", 0, 3 * ms, 0, false, verifier.Pass},
		{"the reflector's not synchronized", 3 * ms, 0, 0, false, verifier.Pass},
		{"they contradict each other", 3 * ms, 3 * ms, time.Hour, false, verifier.Pass},
	} {
		train, _, _ := simulate(t, link{forward: impair.Faults{Delay: there}, backward: impair.Faults{Delay: back}}, Options{})
		train.ClockError, train.There.ClockError = c.here, c.far
		for i := range train.Samples {
			train.Samples[i].ReceivedThere += c.off
			train.Samples[i].AnsweredThere += c.off
		}
		o, known := train.OneWay()
		if known != c.known || known && (o.There < there-o.Error || o.There > there+o.Error || o.Back < back-o.Error || o.Back > back+o.Error) {
			t.Errorf("%s: %+v, known %v", c.name, o, known)
		}
		r := Judge(train, Client())
		if got := outcomesOf(r)[OneWay]; got != c.want {
			t.Errorf("%s: one way is %s, want %s%s", c.name, got, c.want, explain(r))
		}
		for _, f := range r.Findings(verifier.Finding{}) {
			if figures := len(f.Metrics); f.Case == "one_way" && (figures == 4) != c.known {
				t.Errorf("%s: %d figures", c.name, figures)
			}
		}
	}
}
