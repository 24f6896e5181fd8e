package media

import (
	"time"

	"sallyport/verifier"
)

// Limits are what a path has to stay under for calls to sound good.
type Limits struct {
	Vantage     verifier.Vantage // where the measurement stands
	OneWay      time.Duration
	RoundTrip   time.Duration
	Jitter      time.Duration // in any window of Window
	Loss        float64       // part of 1, in any window of Window
	Burst       float64       // part of 1, in any window of BurstWindow
	Reordering  float64       // part of 1, of all
	Window      time.Duration
	BurstWindow time.Duration
	Source      string
}

// source: the table "Network requirements", as docs/acs.md quotes it (read 2026-11-23).
// It assumes that the site and Microsoft's edge are on one continent.
const source = "Microsoft Learn, Prepare your organization's network for Microsoft Teams, https://learn.microsoft.com/microsoftteams/prepare-network"

// Client are the limits from a client's machine to Microsoft's edge.
func Client() Limits {
	return Limits{
		Vantage: verifier.Client, OneWay: 50 * time.Millisecond, RoundTrip: 100 * time.Millisecond,
		Jitter: 30 * time.Millisecond, Loss: 0.01, Burst: 0.10, Reordering: 0.0005,
		Window: 15 * time.Second, BurstWindow: 200 * time.Millisecond, Source: source,
	}
}

// Edge are the limits from the customer's network edge to Microsoft's edge.
func Edge() Limits {
	return Limits{
		Vantage: verifier.Edge, OneWay: 30 * time.Millisecond, RoundTrip: 60 * time.Millisecond,
		Jitter: 15 * time.Millisecond, Loss: 0.001, Burst: 0.01, Reordering: 0.0001,
		Window: 15 * time.Second, BurstWindow: 200 * time.Millisecond, Source: source,
	}
}

// At are the limits of a vantage.
func At(vantage verifier.Vantage) (Limits, bool) {
	for _, l := range []Limits{Client(), Edge()} {
		if l.Vantage == vantage {
			return l, true
		}
	}
	return Limits{}, false
}
