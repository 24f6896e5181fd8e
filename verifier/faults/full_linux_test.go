package faults

import (
	"os"
	"testing"
	"time"

	"sallyport/internal/testkit/need"
	"sallyport/verifier"
)

// TestFullTime runs one case with every timer and every time-out of the network at one
// scale: 1/25, and with SALLYPORT_LONG=1 full time, which takes four minutes.
func TestFullTime(t *testing.T) {
	t.Parallel()
	need.Time(t, "its silences take seconds")
	scale := 1.0 / 25
	if os.Getenv("SALLYPORT_LONG") == "1" {
		scale = 1
	}
	const remembered = 100 * time.Second // by the NAT
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * scale) }
	mapping := remembers(int(scaled(remembered).Seconds()))
	r := faultCase{name: "full time", exit: 1, wants: []want{is(port(3480), filtered)}, persist: map[time.Duration]verifier.Outcome{}}
	apply := mapping.apply
	mapping.apply = func(w *world) {
		w.scale = scale
		apply(w)
	}
	r.faults = []fault{masquerade, mapping, drops("port 3480 dropped", firewall, port(3480))}
	for _, idle := range verifier.DefaultTimers().Idle {
		r.persist[scaled(idle)] = verifier.Pass
		if idle > remembered {
			r.persist[scaled(idle)] = verifier.Warn
		}
	}
	began := time.Now()
	r.run(t, bundles(t))
	if took := time.Since(began); took < scaled(175*time.Second) {
		t.Errorf("it took %s, which is less than its longest silence", took)
	}
}
