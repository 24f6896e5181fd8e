package report_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

// findings are those of a train by the limits of clients.
func findings(t *media.Train) []verifier.Finding {
	return media.Judge(t, media.Client()).Findings(verifier.Finding{Host: "reflect.example"})
}

// coordinates are all numbers of a page's drawings.
func coordinates(t *testing.T, page string) (points int, worst float64) {
	t.Helper()
	for _, list := range regexp.MustCompile(`points="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		for pair := range strings.FieldsSeq(list[1]) {
			var x, y float64
			if _, err := fmt.Sscanf(pair, "%g,%g", &x, &y); err != nil {
				t.Fatalf("%q: %v", pair, err)
			}
			points++
			if x < 0 || x > 720 || y < 0 || y > 300 {
				worst = max(worst, x, y, -x, -y)
			}
		}
	}
	return points, worst
}

// Drawings keep inside their planes and stay small, however long the train is.
func TestPlot(t *testing.T) {
	for name, n := range map[string]int{"short": 2, "usual": 750, "long": 90_000} {
		tr := train(n)
		r := empty()
		r.Findings = findings(tr)
		got := page(t, r)
		points, worst := coordinates(t, got)
		if points > 1500 || worst != 0 || n > 2 && points < n/2 && points < 500 {
			t.Errorf("%s: %d points, as far out as %v", name, points, worst)
		}
		if len(got) > 200_000 {
			t.Errorf("%s: the page has %d bytes", name, len(got))
		}
		if !strings.Contains(got, "limit 100 ms") || !strings.Contains(got, "<svg") {
			t.Errorf("%s: no plot, or no limit", name)
		}
	}
}

// A train without an answer is drawn by its losses.
func TestPlotOfSilence(t *testing.T) {
	tr := &media.Train{Interval: 20 * time.Millisecond}
	for i := range 100 {
		due := time.Duration(i) * tr.Interval
		tr.Samples = append(tr.Samples, media.Sample{Due: due, Sent: due, Fate: media.Lost})
	}
	r := empty()
	r.Findings = findings(tr)
	got := page(t, r)
	if n := strings.Count(got, `<line class="lost"`); n < 90 {
		t.Errorf("%d of 100 lost packets are marked", n)
	}
	if strings.Contains(got, "<polyline") || !strings.Contains(got, "100 lost, nobody knows where") {
		t.Error("what is drawn are no losses")
	}
}
