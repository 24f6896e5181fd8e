// Package plot draws curves over a logarithmic plane as one SVG file that needs nothing
// else: no script, no font, no style from outside. It is pure: equal charts give equal
// bytes. Names are escaped; they may come from a feed.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

// Chart is panels side by side that share their axes' names.
type Chart struct {
	Title, X, Y string
	Panels      []Panel
}

// Panel is one plane with its curves.
type Panel struct {
	Title  string
	Series []Series
}

// Series is one curve. Points are in order of X; both coordinates are above 0.
type Series struct {
	Name   string
	Points []Point
	Mark   int // the X of the point that is marked; 0: none
}

// Point is a point of a curve.
type Point struct{ X, Y float64 }

// Sizes in pixels.
const (
	panelWidth, panelHeight = 420, 320
	left, right             = 84, 20
	top, bottom             = 70, 56
)

// colours and dashes of the series, in their order. They differ without colour, too.
var strokes = []string{`stroke="#1f5fa8"`, `stroke="#b3541e" stroke-dasharray="7 4"`, `stroke="#3a7d44" stroke-dasharray="2 3"`}

// Mark stands near the beginning of each chart.
const Mark = "<!-- drawn by sallyport -->"

// SVG draws the chart.
func (c Chart) SVG() []byte {
	var b bytes.Buffer
	width := max(len(c.Panels), 1) * (left + panelWidth + right)
	height := top + panelHeight + bottom
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12" fill="#222">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, Mark+"\n"+`<title>%s</title>`+"\n"+`<rect width="100%%" height="100%%" fill="#fff"/>`+"\n", escape(c.Title))
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="16">%s</text>`+"\n", left, escape(c.Title))
	for i, p := range c.Panels {
		c.panel(&b, p, i*(left+panelWidth+right)+left)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// axis maps values to pixels, by their logarithm.
type axis struct{ low, high, from, to float64 }

func (a axis) at(v float64) float64 {
	if a.high <= a.low {
		return a.from
	}
	v = min(max(v, a.low), a.high)
	return a.from + (a.to-a.from)*(math.Log(v)-math.Log(a.low))/(math.Log(a.high)-math.Log(a.low))
}

// ticks are the powers of ten on the axis, and twice and five times them where few.
func (a axis) ticks() []float64 {
	var list []float64
	steps := []float64{1}
	if math.Log10(a.high/a.low) < 3 {
		steps = []float64{1, 2, 5}
	}
	for e := math.Floor(math.Log10(a.low)); e <= math.Ceil(math.Log10(a.high)); e++ {
		for _, s := range steps {
			if v := s * math.Pow(10, e); v >= a.low*0.999 && v <= a.high*1.001 {
				list = append(list, v)
			}
		}
	}
	return list
}

func (c Chart) panel(b *bytes.Buffer, p Panel, x0 int) {
	x, y := p.axes()
	x.from, x.to = float64(x0), float64(x0+panelWidth)
	y.from, y.to = top+panelHeight, top
	fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", x0, top-24, escape(p.Title))
	for _, v := range x.ticks() {
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x.at(v), x.at(v), top, top+panelHeight, x.at(v), top+panelHeight+18, number(v))
	}
	for _, v := range y.ticks() {
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			x0, x0+panelWidth, y.at(v), y.at(v), x0-6, y.at(v)+4, number(v))
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#888"/>`+"\n", x0, top, panelWidth, panelHeight)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", x0+panelWidth/2, top+panelHeight+40, escape(c.X))
	fmt.Fprintf(b, `<text transform="translate(%d %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", x0-62, top+panelHeight/2, escape(c.Y))
	for i, s := range p.Series {
		s.draw(b, x, y, strokes[i%len(strokes)])
		row := top - 8
		fmt.Fprintf(b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke-width="2" %s/><text x="%d" y="%d">%s</text>`+"\n",
			x0+i*130, x0+i*130+28, row-4, row-4, strokes[i%len(strokes)], x0+i*130+34, row, escape(s.Name))
	}
}

// axes are as wide as the points of all series.
func (p Panel) axes() (x, y axis) {
	x, y = axis{low: math.Inf(1)}, axis{low: math.Inf(1)}
	for _, s := range p.Series {
		for _, pt := range s.Points {
			x.low, x.high = min(x.low, pt.X), max(x.high, pt.X)
			y.low, y.high = min(y.low, pt.Y), max(y.high, pt.Y)
		}
	}
	for _, a := range []*axis{&x, &y} {
		if a.high == 0 || math.IsInf(a.low, 1) {
			a.low, a.high = 1, 10
		}
		a.low = math.Pow(10, math.Floor(math.Log10(a.low)))
		a.high = max(a.high, a.low*10)
	}
	return x, y
}

// draw draws the curve as the steps that it is: a price holds until more routes better
// it.
func (s Series) draw(b *bytes.Buffer, x, y axis, stroke string) {
	if len(s.Points) == 0 {
		return
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke-width="2" %s points="`, stroke)
	for i, pt := range s.Points {
		if i > 0 {
			fmt.Fprintf(b, "%.1f,%.1f ", x.at(pt.X), y.at(s.Points[i-1].Y))
		}
		fmt.Fprintf(b, "%.1f,%.1f ", x.at(pt.X), y.at(pt.Y))
	}
	b.WriteString("\"/>\n")
	for _, pt := range s.Points {
		if pt.X != float64(s.Mark) {
			continue
		}
		dx, anchor := 9.0, "start"
		if x.at(pt.X) > (x.from+x.to)/2 { // the text would leave the panel
			dx, anchor = -9, "end"
		}
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="5" fill="#fff" stroke-width="2" %s/><text x="%.1f" y="%.1f" text-anchor="%s">%d routes, %s %%</text>`+"\n",
			x.at(pt.X), y.at(pt.Y), stroke, x.at(pt.X)+dx, y.at(pt.Y)+14, anchor, s.Mark, strconv.FormatFloat(pt.Y, 'g', 2, 64))
	}
}

// number writes a tick.
func number(v float64) string {
	if v >= 0.001 && v < 1e6 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'e', 0, 64)
}

func escape(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return ""
	}
	return b.String()
}
