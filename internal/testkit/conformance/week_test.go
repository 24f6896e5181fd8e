package conformance

import (
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
)

func TestChangedPrefixes(t *testing.T) {
	for _, tt := range []struct {
		a, b []string
		want int
	}{
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.0/8"}, 0},
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.0/8", "2603::/32"}, 1},
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.0/9"}, 2},                  // as written
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.0/9", "10.192.0.0/10"}, 3}, // a hole
	} {
		if got := changedPrefixes(ipranges.MustParse(tt.a...), ipranges.MustParse(tt.b...)); got != tt.want {
			t.Errorf("%v to %v: %d, not %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestChangedUnits(t *testing.T) {
	many := strings.Repeat("10.0.0.0/8 ", 60)
	for name, tt := range map[string]struct {
		before, after map[string]string
		want          int
	}{
		"nothing":                  {map[string]string{"a": "x\ny\n"}, map[string]string{"a": "x\ny\n"}, 0},
		"a line":                   {map[string]string{"a": "x\ny\n"}, map[string]string{"a": "x\nz\n"}, 2},
		"a line elsewhere":         {map[string]string{"a": "x\ny\n"}, map[string]string{"a": "y\nx\n"}, 0},
		"a line twice":             {map[string]string{"a": "x\ny\n"}, map[string]string{"a": "x\nx\ny\n"}, 1},
		"a file more":              {map[string]string{"a": "x\n"}, map[string]string{"a": "x\n", "b": "1\n2\n"}, 2},
		"a file less":              {map[string]string{"a": "x\n", "b": "1\n2\n"}, map[string]string{"a": "x\n"}, 2},
		"a file of another name":   {map[string]string{"a": "x\n"}, map[string]string{"b": "x\n"}, 2},
		"a word of a short line":   {map[string]string{"a": "x y z\n"}, map[string]string{"a": "x y w\n"}, 2},
		"a word of a long line":    {map[string]string{"a": many + "x\n"}, map[string]string{"a": many + "y\n"}, 2},
		"a word more of a long":    {map[string]string{"a": many + "\nz\n"}, map[string]string{"a": many + "y\nz\n"}, 1},
		"all words of a long line": {map[string]string{"a": many}, map[string]string{"a": strings.ReplaceAll(many, "10.", "11.")}, 120},
	} {
		if got := changedUnits(filesOf(tt.before), filesOf(tt.after)); got != tt.want {
			t.Errorf("%s: %d, not %d", name, got, tt.want)
		}
	}
}

func filesOf(texts map[string]string) []renderers.File {
	var list []renderers.File
	for path, text := range texts {
		list = append(list, renderers.File{Path: path, Data: []byte(text)})
	}
	return list
}
