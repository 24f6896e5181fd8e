package pfsense

import (
	"os"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/quickfuzz"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// FuzzMerge merges into a configuration that was edited: what comes out reads back, and
// begins nothing anew when it is merged into again.
func FuzzMerge(f *testing.F) {
	quickfuzz.Prepare()
	small, err := os.ReadFile("testdata/small.xml")
	if err != nil {
		f.Fatal(err)
	}
	o := options(formMerge)
	o.Config, o.Before, o.Like, o.Accept = "x", "all", "all", []string{"1", "2", "first"}
	merge := func(config string, p *rules.Plan) ([]renderers.File, *renderers.Target, error) {
		r, err := Kind().Build(&o, renderers.Env{Name: "edge", Path: "edge.xml", Read: func(string) ([]byte, error) { return []byte(config), nil }})
		if err != nil {
			return nil, nil, err
		}
		files, err := r.Render(p)
		return files, r, err
	}
	more := planOf(pass("more", rules.Any(), cloud4, media), block("spam", rules.Any(), rules.In("spam", ipranges.MustParse("192.0.2.0/24")), media))
	merged, _, err := merge(string(small), calls())
	if err != nil {
		f.Fatal(err)
	}
	for _, begin := range []uint8{0, 1} {
		f.Add(begin, uint16(700), uint16(1), "\n", uint16(900), uint16(0), "<!-- -->")
		f.Add(begin, uint16(1200), uint16(40), "<rule>", uint16(300), uint16(2), "&amp;")
	}
	f.Fuzz(func(t *testing.T, begin uint8, from1, n1 uint16, text1 string, from2, n2 uint16, text2 string) {
		if len(text1) > conformance.LongestEdit || len(text2) > conformance.LongestEdit {
			return
		}
		data := small
		if begin%2 == 1 {
			data = merged[0].Data
		}
		config := string(conformance.Edited(conformance.Edited(data, from1, n1, text1), from2, n2, text2))
		first, r, err := merge(config, calls())
		if err != nil {
			return
		}
		if p, err := r.ReadBack(first); err != nil || rules.Compare(calls(), p) != nil {
			t.Fatalf("reading back: %v\n%s", err, first[0].Data)
		}
		again, _, err := merge(string(first[0].Data), calls())
		if err != nil || string(again[0].Data) != string(first[0].Data) {
			t.Fatalf("merging again: %v\n%s", err, first[0].Data)
		}
		fresh, _, err := merge(config, more)
		if err != nil {
			return
		}
		over, _, err := merge(string(first[0].Data), more)
		if err != nil {
			return // something of the user's uses what is no longer needed
		}
		if string(over[0].Data) != string(fresh[0].Data) {
			t.Fatalf("merging something else over it:\n%s\n%s", fresh[0].Data, first[0].Data)
		}
	})
}

// TestLargeConfigurations reads texts in which a reader could lose itself: within a time
// that is linear in their size, or not at all.
func TestLargeConfigurations(t *testing.T) {
	const n = 300_000
	divided := strings.Replace(plainConfig("", ""), "<descr>here</descr>", "<descr>"+strings.Repeat("x<!---->", n)+"</descr>", 1)
	root, err := renderers.ParseXML([]byte(divided), limits)
	if err != nil {
		t.Fatal(err)
	}
	if got := root.Child("filter").Child("rule").Value("descr"); got != strings.Repeat("x", n) {
		t.Errorf("a text that comments divide has %d characters", len(got))
	}
	for name, more := range map[string]string{
		"elements": strings.Repeat("<a/>", limits.Elements),
		"depth":    strings.Repeat("<a>", limits.Depth) + strings.Repeat("</a>", limits.Depth),
	} {
		if _, err := renderers.ParseXML([]byte("<pfsense>"+more+"</pfsense>"), limits); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}
