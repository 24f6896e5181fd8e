package verifier

import (
	"fmt"
	"strings"
)

// Names of metrics and series that more than one package reads or writes.
const (
	// MetricRTT is a round trip: of a train the median. As a series, it has a point for
	// each answered packet: seconds since the train began, and seconds of round trip.
	MetricRTT = "rtt_seconds"
	// Series of a train's lost packets: seconds since the train began, and 1.
	SeriesLostForward  = "lost_to_reflector"
	SeriesLostBackward = "lost_from_reflector"
	SeriesLost         = "lost" // nobody knows in which direction
)

// A Metric is a number that was measured. Limit, where there is one, is the value
// that the outcome was judged by.
type Metric struct {
	Name  string   `json:"name"` // snake_case with the unit, such as rtt_seconds
	Value float64  `json:"value"`
	Limit *float64 `json:"limit,omitempty"`
}

// A Series is points to plot, such as the round trips of a media train.
type Series struct {
	Name   string       `json:"name"` // like a Metric's
	Points [][2]float64 `json:"points"`
}

// Words is the value for people, in the unit that the name ends in.
func (m Metric) Words() string {
	switch {
	case strings.HasSuffix(m.Name, "_seconds"):
		return FormatSeconds(m.Value)
	case strings.HasSuffix(m.Name, "bits_per_second") && m.Value >= 1e6:
		return fmt.Sprintf("%.3g Mbit/s", m.Value/1e6)
	case strings.HasSuffix(m.Name, "bits_per_second"):
		return fmt.Sprintf("%.0f kbit/s", m.Value/1e3)
	case strings.HasSuffix(m.Name, "_bytes"):
		return fmt.Sprintf("%.0f bytes", m.Value)
	case strings.HasSuffix(m.Name, "_ratio"):
		return fmt.Sprintf("%.3g %%", 100*m.Value)
	}
	return fmt.Sprintf("%.4g", m.Value)
}

// LimitWords is the limit for people, like the value, or "" where there is none.
func (m Metric) LimitWords() string {
	if m.Limit == nil {
		return ""
	}
	return Metric{Name: m.Name, Value: *m.Limit}.Words()
}

// FormatSeconds writes seconds for people: "0.21 ms", "23.4 ms", "120 ms", "3.5 s",
// "130 s".
func FormatSeconds(s float64) string {
	switch {
	case s >= 100 || s <= -100:
		return fmt.Sprintf("%.0f s", s)
	case s >= 1 || s <= -1:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", s), ".0") + " s"
	case s >= 0.1:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s >= 0.001:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", 1000*s), ".0") + " ms"
	}
	return fmt.Sprintf("%.2f ms", 1000*s)
}
