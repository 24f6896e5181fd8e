package azure

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/ipranges/refusal"
)

// TestManyProblems makes sure that all mistakes of content are listed in the
// order of the file, up to a limit, and that a mistake of syntax after them is
// told in any case.
func TestManyProblems(t *testing.T) {
	e := refused(t, withTags(
		`{"name":"A","properties":{"addressPrefixes":["10.0.0.0/8","33.0.0.1/24","x"],"region":1}}`,
		`{"properties":{"addressPrefixes":["fe80::/64"]},"name":"B"}`, goodTag, goodTag,
	), Options{})
	var got []string
	for i, p := range e.Problems {
		got = append(got, p.Pointer+" "+p.Part)
		if i > 0 && p.Offset < e.Problems[i-1].Offset {
			t.Errorf("%+v stands before the problem that is listed before it", p)
		}
	}
	want := []string{
		"/values/0/properties/addressPrefixes/0 A", "/values/0/properties/addressPrefixes/1 A", "/values/0/properties/addressPrefixes/2 A",
		"/values/0/properties/region A", "/values/1/properties/addressPrefixes/0 B", "/values/3 Good",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || e.More != 0 {
		t.Errorf("%q and %d more, want %q", got, e.More, want)
	}

	many := feed(strings.Split(strings.Repeat("10.0.0.0/8 33.0.0.1/24 ", 500)+"x", " ")...)
	if e = refused(t, many, Options{}); len(e.Problems) != refusal.Max || e.More != 1001-refusal.Max {
		t.Errorf("%d problems and %d more, want 1001 together", len(e.Problems), e.More)
	}
	e = refused(t, many[:len(many)-3], Options{})
	if last := e.Problems[len(e.Problems)-1]; len(e.Problems) != refusal.Max || !strings.Contains(last.Text, "ends too early") {
		t.Errorf("the last of %d problems is %+v, want the end of the file", len(e.Problems), last)
	}
}

// TestHostileText puts text that must not reach a terminal in every place of
// a file that could show up in an error; refused looks at the error.
func TestHostileText(t *testing.T) {
	for _, evil := range []string{"\\u001b]0;owned\\u0007", "\u202etxt", "\\u0000", "\u009b31m", "a\\nb\\r", strings.Repeat("x", 100_000)} {
		for _, file := range []string{
			feed(evil),
			feed(evil + "/8"),
			feed("33.0.0.0/8%" + evil),
			withTag(`"name":"` + evil + `","properties":{"addressPrefixes":["x"]}`),
			withTag(`"name":"A","properties":{"region":"` + evil + `","addressPrefixes":["x"]}`),
			withTag(`"name":"A","` + evil + `":[1,2,}`),
			withTag(`"name":"A","` + evil + `":1,"` + evil + `":2`),
			strings.Replace(feed("x"), "Public", evil, 1),
			`{"changeNumber":"` + evil + `"}`,
			`{"` + evil + `":` + evil,
		} {
			refused(t, file, Options{})
			refused(t, file, Options{Cloud: "china"})
		}
	}
	for b := range 256 { // a raw byte where JSON wants something else
		refused(t, "{"+string([]byte{byte(b)}), Options{})
		refused(t, `{"changeNumber":`+string([]byte{byte(b)}), Options{})
	}
}
