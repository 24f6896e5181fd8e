package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestRoundTripsAlone: on a line that takes 8 ms for a request, those of all ports
// together wait far longer for each other. What is said of a port is what one takes.
func TestRoundTripsAlone(t *testing.T) {
	t.Parallel()
	plans := bundles(t)
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		const bytes, rate = 48, 6000 // a Binding with its headers of IPv4; bytes a second
		thin := link("a thin line", impair.Faults{Rate: rate, Queue: time.Second}, impair.Faults{})
		w := newWorld(t, plans, thin)
		w.scale = 0.5 // nothing is sent again before the line has sent it once
		report := w.verify()
		w.noLies(t, report)
		w.onlyNamed(t)
		least := time.Duration(bytes) * time.Second / rate
		w.facts.delay = least
		measured := 0
		for i := range report.Findings {
			f := &report.Findings[i]
			at := slices.IndexFunc(f.Metrics, func(m verifier.Metric) bool { return m.Name == verifier.MetricRTT })
			if f.Check != verifier.CheckReach || f.Protocol != "udp" || at < 0 {
				continue
			}
			measured++
			if took := time.Duration(f.Metrics[at].Value * float64(time.Second)); took < least || took > s.Times(5*least) {
				t.Errorf("%s: a round trip of %s, and the line takes %s", f.Target(), took, least)
			}
		}
		if measured < 8 {
			t.Errorf("%d round trips were measured", measured)
		}
	})
}

// TestQuality: what STUN shows of a relay's line, held to what the line is.
func TestQuality(t *testing.T) {
	t.Parallel()
	plans := bundles(t)
	for _, delay := range []time.Duration{0, 20 * time.Millisecond, 130 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				w := newWorld(t, plans, link("", impair.Faults{Delay: delay / 4}, impair.Faults{Delay: delay * 3 / 4}))
				report := w.verify()
				w.noLies(t, report)
				want := verifier.Pass
				if delay > 100*time.Millisecond {
					want = verifier.Warn
				}
				for _, a := range []fmt.Stringer{relay4, relay6, other4, other6} {
					f := finding(report, func(f *verifier.Finding) bool {
						return f.Check == verifier.CheckQuality && f.Address.String() == a.String()
					})
					if f == nil || f.Outcome != want || !strings.Contains(strings.Join(f.Evidence, " "), "glimpse") {
						t.Errorf("%s: %+v, want %s", a, f, want)
					}
				}
				for _, family := range []string{"ipv4", "ipv6"} {
					f := finding(report, func(f *verifier.Finding) bool { return f.Check == verifier.CheckLink && f.Family == family })
					if f == nil || len(f.Metrics) != 1 || f.Metrics[0].Value <= 0 {
						t.Errorf("the first link of %s: %+v", family, f)
					}
				}
				if code := report.ExitCode(); code != 0 {
					t.Errorf("exit code %d", code)
				}
			})
		})
	}
}
