package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func chart(name string, points ...Point) Chart {
	return Chart{Title: name, X: "routes", Y: "percent", Panels: []Panel{
		{Title: name, Series: []Series{{Name: name, Points: points, Mark: 100}}}, {Title: "empty"}}}
}

// elements reads the drawing as a browser does, strictly, and counts its elements.
func elements(t *testing.T, svg []byte) map[string]int {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	count := map[string]int{}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
		if e, ok := tok.(xml.StartElement); ok {
			count[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

func TestHostileNames(t *testing.T) {
	plain := elements(t, chart("AzureCloud", Point{10, 50}, Point{100, 2}).SVG())
	hostile := elements(t, chart(`</text><script>alert(1)</script>"'&<!--`+"\x00\x1b", Point{10, 50}, Point{100, 2}).SVG())
	for name, n := range hostile {
		if plain[name] != n {
			t.Errorf("a name makes %d elements %s, not %d", n, name, plain[name])
		}
	}
}

func TestCurveAndMark(t *testing.T) {
	got := elements(t, chart("x", Point{10, 50}, Point{100, 2}, Point{2000, 0.001}).SVG())
	if got["polyline"] != 1 || got["circle"] != 1 {
		t.Errorf("%v", got)
	}
	for _, points := range [][]Point{nil, {{1, 1}}, {{5, 1e-300}, {6, 1e300}}} {
		elements(t, chart("odd", points...).SVG())
	}
}

func TestAxis(t *testing.T) {
	a := axis{low: 1, high: 1000, from: 0, to: 300}
	for v, want := range map[float64]float64{1: 0, 10: 100, 1000: 300, 5000: 300, 0.1: 0} {
		if got := a.at(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v is at %v, not %v", v, got, want)
		}
	}
}
