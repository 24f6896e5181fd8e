package fetch

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

func TestOlder(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"88", "102", true}, {"102", "88", false}, {"88", "88", false}, {"97", "105", true}, {"0102", "88", false}, {"088", "0102", true},
		{"2026112300", "2026112301", true}, {"99999999999999999999998", "99999999999999999999999", true},
		{"", "1", false}, {"1", "", false}, {"v1", "v2", false}, {"1.5", "2", false},
	} {
		if Older(tt.a, tt.b) != tt.want {
			t.Errorf("Older(%q, %q) is not %v", tt.a, tt.b, tt.want)
		}
	}
}

// TestWarnOlder: an origin that goes back is believed, with a warning that names both, at
// the step and not again.
func TestWarnOlder(t *testing.T) {
	o := newOrigin(t, serve(doc(102)))
	f, c := o.fetcher(t)
	src := docSource(o.URL)
	src.Check = func(raw []byte) (Checked, error) {
		checked, err := checkDoc(raw)
		var d struct{ Change json.Number }
		if err == nil {
			err = json.Unmarshal(raw, &d)
		}
		checked.Change = d.Change.String()
		return checked, err
	}
	for i, step := range []struct {
		change int
		warns  bool
	}{{102, false}, {88, true}, {88, false}, {105, false}, {97, true}, {98, false}} {
		o.now(serve(doc(step.change)))
		r, err := f.Fetch(context.Background(), src)
		if err != nil {
			t.Fatal(err)
		}
		warned := ""
		for _, n := range r.Notes {
			if n.Warning {
				warned += n.Text
			}
		}
		if (warned != "") != step.warns || step.warns && (!strings.Contains(warned, "change "+r.Change+",") || !strings.Contains(warned, "change "+r.Newer+" ")) {
			t.Errorf("step %d, to %d: %q", i, step.change, warned)
		}
		if r.WarnOlder("1000"); len(r.Notes) != 1 || r.Newer == "" {
			t.Errorf("step %d: a second word, or none: %v", i, r.Notes)
		}
		c.pass(2 * day)
	}
}
