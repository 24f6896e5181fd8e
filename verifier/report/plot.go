package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"sallyport/verifier"
)

// plot is the round trips of a train over time as the template draws them. Its numbers
// are in the units of the drawing, which scales with the page.
type plot struct {
	Caption       string
	Width, Height float64
	Left, Right   float64 // of the plane
	Top, Bottom   float64
	X, Y          []tick
	Limit         *limitLine
	Curves        []string // points; more than one where nothing was measured for long
	Dots          []point  // answers that stand alone
	Lanes         []lane
}

func (p *plot) PlaneWidth() float64  { return p.Right - p.Left }
func (p *plot) PlaneHeight() float64 { return p.Bottom - p.Top }

type tick struct {
	At   float64
	Text string
	// Anchor is where the text stands: the last one ends at its tick, to stay inside.
	Anchor string
}

// limitLine is a limit and its text, which Shift puts above or below the line.
type limitLine struct {
	At          float64
	Text, Shift string
}

type point struct{ X, Y float64 }

// lane is a row of marks below the plane, one for each lost packet.
type lane struct {
	Text  string
	Top   float64
	Marks []float64
}

func (l lane) Middle() float64 { return l.Top + laneHeight/2 }
func (l lane) Bottom() float64 { return l.Top + laneHeight - 4 }

// Sizes of a drawing. The page shows it at half this size on a phone, with text that is
// larger in proportion: so the margins leave room.
const (
	plotWidth   = 720.0
	planeHeight = 220.0
	plotLeft    = 116.0
	plotRight   = 12.0
	plotTop     = 14.0
	axisHeight  = 38.0
	laneHeight  = 28.0
	// maxBins bounds the points of a drawing: a longer train is drawn by the least and
	// the greatest of each part, so that no peak is lost.
	maxBins = 500
)

// lanes of lost packets, by the names of their series.
var laneTexts = []struct{ series, text string }{
	{verifier.SeriesLostForward, "lost there"}, {verifier.SeriesLostBackward, "lost back"}, {verifier.SeriesLost, "lost"},
}

func series(f *verifier.Finding, name string) [][2]float64 {
	for i := range f.Series {
		if f.Series[i].Name == name {
			return f.Series[i].Points
		}
	}
	return nil
}

// plotOf draws the series of a finding, or returns nil if it has none.
func plotOf(f *verifier.Finding) *plot {
	rtt := finite(series(f, verifier.MetricRTT))
	lost := make([][][2]float64, len(laneTexts))
	end, top := 0.0, 0.0
	for i, l := range laneTexts {
		lost[i] = finite(series(f, l.series))
		for _, p := range lost[i] {
			end = max(end, p[0])
		}
	}
	for _, p := range rtt {
		end, top = max(end, p[0]), max(top, p[1])
	}
	if len(rtt) == 0 && end == 0 {
		return nil
	}
	p := &plot{Width: plotWidth, Left: plotLeft, Right: plotWidth - plotRight, Top: plotTop, Bottom: plotTop + planeHeight}
	limit := 0.0
	if m := metric(f, verifier.MetricRTT); m != nil && m.Limit != nil {
		limit = *m.Limit
	}
	x, y := steps(end), steps(max(top, limit)*1.08)
	for i, v := range x {
		p.X = append(p.X, tick{p.x(v, x), number(v) + " s", "middle"})
		if i == len(x)-1 {
			p.X[i].Anchor = "end"
		}
	}
	for _, v := range y {
		p.Y = append(p.Y, tick{At: p.y(v, y), Text: number(1000*v) + " ms"})
	}
	if limit > 0 {
		p.Limit = &limitLine{p.y(limit, y), "limit " + verifier.FormatSeconds(limit), "-0.4em"}
		if p.Limit.At < p.Top+40 { // no room above
			p.Limit.Shift = "1.2em"
		}
	}
	p.curve(rtt, x, y)
	p.Height = p.Bottom + axisHeight
	for i, l := range laneTexts {
		if len(lost[i]) > 0 {
			p.Lanes = append(p.Lanes, lane{l.text, p.Height, p.marks(lost[i], x)})
			p.Height += laneHeight
		}
	}
	p.Caption = caption(len(rtt), lost)
	return p
}

// caption says in words what the drawing shows.
func caption(answered int, lost [][][2]float64) string {
	s := fmt.Sprintf("Round trip over time, %s", plural(answered, "answer"))
	var parts []string
	for i, where := range []string{"lost on the way there", "lost on the way back", "lost, nobody knows where"} {
		if n := len(lost[i]); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, where))
		}
	}
	if len(parts) == 0 {
		return s + "; no packet was lost."
	}
	return s + "; of the packets, " + list(parts) + ", each marked below."
}

// finite returns the points that can be drawn, sorted by time.
func finite(list [][2]float64) [][2]float64 {
	out := slices.DeleteFunc(slices.Clone(list), func(p [2]float64) bool {
		return !(p[0] >= 0 && p[0] < 1e9 && p[1] >= 0 && p[1] < 1e9)
	})
	slices.SortStableFunc(out, func(a, b [2]float64) int {
		switch {
		case a[0] < b[0]:
			return -1
		case a[0] > b[0]:
			return 1
		}
		return 0
	})
	return out
}

// steps are the values to mark on an axis from 0 to at least high: four to eight, 1, 2
// or 5 times a power of ten apart.
func steps(high float64) []float64 {
	if !(high > 1e-9) {
		high = 1e-3
	}
	step := math.Pow(10, math.Floor(math.Log10(high/4)))
	for _, m := range []float64{1, 2, 5, 10} {
		if high/(m*step) <= 6 {
			step *= m
			break
		}
	}
	var list []float64
	for i := 0.0; ; i++ {
		list = append(list, i*step)
		if i*step >= high*(1-1e-9) {
			return list
		}
	}
}

func (p *plot) x(v float64, axis []float64) float64 {
	return hundredth(p.Left + (p.Right-p.Left)*v/axis[len(axis)-1])
}

func (p *plot) y(v float64, axis []float64) float64 {
	return hundredth(p.Bottom - (p.Bottom-p.Top)*v/axis[len(axis)-1])
}

func hundredth(v float64) float64 { return math.Round(100*v) / 100 }

func number(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}

// curve joins the answers by lines, but not over a gap that is long against the usual
// distance of answers: nothing is known there.
func (p *plot) curve(rtt [][2]float64, x, y []float64) {
	rtt = thinned(rtt)
	gap := usualGap(rtt) * 3
	var run []point
	flush := func() {
		switch {
		case len(run) == 1:
			p.Dots = append(p.Dots, run[0])
		case len(run) > 1:
			var b strings.Builder
			for i, at := range run {
				if i > 0 {
					b.WriteByte(' ')
				}
				fmt.Fprintf(&b, "%v,%v", at.X, at.Y)
			}
			p.Curves = append(p.Curves, b.String())
		}
		run = nil
	}
	for i, v := range rtt {
		if i > 0 && v[0]-rtt[i-1][0] > gap {
			flush()
		}
		run = append(run, point{p.x(v[0], x), p.y(v[1], y)})
	}
	flush()
}

// usualGap is the median distance of points.
func usualGap(list [][2]float64) float64 {
	var gaps []float64
	for i := 1; i < len(list); i++ {
		gaps = append(gaps, list[i][0]-list[i-1][0])
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	return max(gaps[len(gaps)/2], 1e-9)
}

// thinned keeps the least and the greatest of each part of a list that is too long.
func thinned(list [][2]float64) [][2]float64 {
	if len(list) <= 3*maxBins {
		return list
	}
	var out [][2]float64
	for i := range maxBins {
		part := list[i*len(list)/maxBins : (i+1)*len(list)/maxBins]
		low, high := 0, 0
		for k := range part {
			if part[k][1] < part[low][1] {
				low = k
			}
			if part[k][1] > part[high][1] {
				high = k
			}
		}
		out = append(out, part[min(low, high)])
		if low != high {
			out = append(out, part[max(low, high)])
		}
	}
	return out
}

// marks are the places of lost packets. Those that fall on one spot are drawn once.
func (p *plot) marks(lost [][2]float64, x []float64) []float64 {
	var list []float64
	for _, v := range lost {
		at := math.Round(p.x(v[0], x))
		if len(list) == 0 || list[len(list)-1] != at {
			list = append(list, at)
		}
	}
	return list
}
