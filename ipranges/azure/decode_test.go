package azure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFixtures(t *testing.T) {
	var catalogs []*catalog.Catalog
	for _, file := range []string{"small.json", "small-next.json"} {
		data := read(t, file)
		c, err := Decode(data, Options{Cloud: "public"})
		if err != nil {
			t.Fatal(err)
		}
		mustEqualNaive(t, c, data)
		catalogs = append(catalogs, c)
	}
	// What other packages' tests count on.
	small := catalogs[0]
	only := map[string]ipranges.Family{"AzureBackup": ipranges.IPv6, "AzureMonitor.Core": ipranges.IPv4} // the family that is missing
	for tag := range small.Tags() {
		set, _ := small.Set(tag.Name)
		for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
			if missing := only[tag.Name] == f; !strings.HasPrefix(tag.Name, "Sql.Germany") && set.Has(f) == missing {
				t.Errorf("%s: has %s: %v", tag.Name, f, !missing)
			}
		}
	}
	if tag, _ := small.Tag("Sql.GermanyWestCentral"); tag.Region != "germanywc" {
		t.Errorf("region of %s is %q", tag.Name, tag.Region)
	}
	if tag, _ := small.Tag("Storage"); tag.Service != "AzureStorage" {
		t.Errorf("service of %s is %q", tag.Name, tag.Service)
	}
	if d := catalog.Diff(small, catalogs[1]); len(d) != 7 {
		t.Errorf("%d tags differ, want 7: %+v", len(d), d)
	}
}

// feed makes a file of one tag named Tag with the given prefixes, each on a
// line of its own; the first is on line 5.
func feed(prefixes ...string) string {
	return "{\"changeNumber\": 7, \"cloud\": \"Public\",\n\"values\": [\n{\"name\": \"Tag\", \"properties\": {\n\"addressPrefixes\": [\n\"" +
		strings.Join(prefixes, "\",\n\"") + "\"\n]}}]}"
}

const goodTag = `{"name":"Good","properties":{"addressPrefixes":["33.0.0.0/24"]}}`

// withTags makes a file with these elements of values.
func withTags(tags ...string) string {
	return `{"changeNumber":7,"cloud":"Public","values":[` + strings.Join(tags, ",") + `]}`
}

// withTag makes a file of two tags, the second with these members.
func withTag(members string) string { return withTags(goodTag, "{"+members+"}") }

func TestAccepted(t *testing.T) {
	small := string(read(t, "small.json"))
	for name, file := range map[string]string{
		"as it is":            small,
		"CRLF":                strings.ReplaceAll(small, "\n", "\r\n"),
		"byte order mark":     "\ufeff" + small,
		"blanks at the end":   small + " \r\n\t",
		"one line":            strings.ReplaceAll(small, "\n", ""),
		"values first":        `{"values":[` + goodTag + `],"cloud":"Public","changeNumber":7}`,
		"properties first":    withTags(`{"properties":{"addressPrefixes":["33.0.0.0/24"],"region":"r","changeNumber":3},"name":"Tag"}`),
		"unknown members":     `{"$schema":{"a":[1,{"b":null}]},"changeNumber":7,"cloud":"Public","values":[{"x":[[]],"name":"Tag","properties":{"addressPrefixes":[],"y":1e99}}],"z":true}`,
		"escapes":             withTag(`"n\u0061me":"T\u0061g","properties":{"addressPrefixes":["33.0.0.0\/24","2d00\u003a:/32"]}`),
		"empty list":          withTag(`"name":"Tag","properties":{"addressPrefixes":[]}`),
		"overlap, not sorted": feed("33.1.0.0/16", "33.0.0.0/8", "33.1.0.0/16", "2d00::/32", "33.0.0.0/9"),
		"single addresses":    feed("33.1.0.1/32", "2d00::1/128"),
		"dotted IPv6":         feed("2d00::33.1.0.0/112"),
		"widest":              feed("33.0.0.0/8", "2d00::/24"),
		"longest name":        withTag(`"name":"` + strings.Repeat("x", maxName) + `","properties":{"addressPrefixes":[]}`),
		"unknown cloud":       strings.Replace(feed("33.0.0.0/8"), "Public", "AzureMoon", 1),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Decode([]byte(file), Options{})
			if err != nil {
				t.Fatal(err)
			}
			mustEqualNaive(t, c, []byte(file))
		})
	}
}

// TestRefused lists what is refused, and what the error must say.
func TestRefused(t *testing.T) {
	tagAt := `/values/1`
	for name, tt := range map[string]struct {
		file    string
		line    int
		pointer string
		tag     string
		text    string // a part of it
	}{
		"empty":              {"", 1, "", "", "empty"},
		"blank":              {" \r\n", 1, "", "", "empty"},
		"a web page":         {"<!DOCTYPE html><html>", 1, "", "", "web page"},
		"null":               {"null", 1, "", "", "null"},
		"an array":           {"[]", 1, "", "", "an array"},
		"cut":                {strings.TrimSuffix(feed("33.0.0.0/8"), "]}}]}"), 6, "/values/0/properties/addressPrefixes", "Tag", "ends too early"},
		"cut in a string":    {`{"changeNumber":7,"cloud":"Pub`, 1, "/cloud", "", "ends too early"},
		"trailing comma":     {withTags(goodTag, ""), 1, "/values", "", "malformed JSON"},
		"single quotes":      {"{'changeNumber':7}", 1, "", "", "malformed JSON"},
		"trailing data":      {feed("33.0.0.0/8") + "\n{}", 7, "", "", "more JSON"},
		"trailing rubbish":   {feed("33.0.0.0/8") + "\nx", 7, "", "", "malformed JSON"},
		"duplicate member":   {withTag(`"name":"A","name":"B","properties":{"addressPrefixes":[]}`), 1, "/values/1/name", "A", "duplicate"},
		"bad UTF-8":          {withTag(`"name":"A` + "\xff" + `","properties":{"addressPrefixes":[]}`), 1, "/values/1/name", "", "UTF-8"},
		"unpaired surrogate": {withTag(`"name":"A\ud800","properties":{"addressPrefixes":[]}`), 1, "/values/1/name", "", "malformed JSON"},
		"deep":               {`{"changeNumber":7,"x":` + strings.Repeat("[", 20_000), 1, "/x" + strings.Repeat("/0", 99) + "...", "", "max depth"},

		"no changeNumber":   {`{"cloud":"Public","values":[` + goodTag + `]}`, 1, "", "", "changeNumber"},
		"no cloud":          {`{"changeNumber":7,"values":[` + goodTag + `]}`, 1, "", "", "cloud"},
		"no values":         {`{"changeNumber":7,"cloud":"Public"}`, 1, "", "", "values"},
		"wrong case":        {`{"changeNumber":7,"cloud":"Public","Values":[` + goodTag + `]}`, 1, "", "", "values"},
		"no tags":           {withTags(), 1, "/values", "", "no tags"},
		"values an object":  {`{"changeNumber":7,"cloud":"Public","values":{}}`, 1, "/values", "", "an object"},
		"tag a string":      {withTags(goodTag, `"x"`), 1, tagAt, "", "a string"},
		"change a string":   {`{"changeNumber":"7","cloud":"Public","values":[` + goodTag + `]}`, 1, "/changeNumber", "", "whole number"},
		"change a fraction": {`{"changeNumber":7.5,"cloud":"Public","values":[` + goodTag + `]}`, 1, "/changeNumber", "", "7.5"},
		"change negative":   {`{"changeNumber":-7,"cloud":"Public","values":[` + goodTag + `]}`, 1, "/changeNumber", "", "-7"},
		"change huge":       {`{"changeNumber":` + strings.Repeat("9", 300) + `,"cloud":"Public","values":[` + goodTag + `]}`, 1, "/changeNumber", "", "whole number"},
		"cloud a number":    {`{"changeNumber":7,"cloud":5,"values":[` + goodTag + `]}`, 1, "/cloud", "", "a number"},
		"cloud empty":       {`{"changeNumber":7,"cloud":"","values":[` + goodTag + `]}`, 1, "/cloud", "", "empty"},

		"no name":            {withTag(`"properties":{"addressPrefixes":[]}`), 1, tagAt, "", "no name"},
		"empty name":         {withTag(`"name":"","properties":{"addressPrefixes":[]}`), 1, tagAt, "", "no name"},
		"name null":          {withTag(`"name":null,"properties":{"addressPrefixes":[]}`), 1, tagAt + "/name", "", "null"},
		"escape in name":     {withTag(`"name":"A\u001b[31m","properties":{"addressPrefixes":[]}`), 1, tagAt + "/name", "", `\x1b[31m`},
		"newline in name":    {withTag(`"name":"A\nB","properties":{"addressPrefixes":[]}`), 1, tagAt + "/name", "", `A\nB`},
		"bidi in name":       {withTag(`"name":"A` + "\u202e" + `B","properties":{"addressPrefixes":[]}`), 1, tagAt + "/name", "", `\u202e`},
		"long name":          {withTag(`"name":"` + strings.Repeat("x", maxName+1) + `","properties":{"addressPrefixes":[]}`), 1, tagAt + "/name", "", "129 bytes"},
		"same name":          {withTags(goodTag, goodTag), 1, tagAt, "Good", "came before"},
		"same name but case": {withTag(`"name":"gOOD","properties":{"addressPrefixes":[]}`), 1, tagAt, "gOOD", "came before"},
		"no properties":      {withTag(`"name":"A"`), 1, tagAt, "A", "addressPrefixes"},
		"no prefixes":        {withTag(`"name":"A","properties":{}`), 1, tagAt, "A", "addressPrefixes"},
		"properties null":    {withTag(`"name":"A","properties":null`), 1, tagAt + "/properties", "A", "null"},
		"prefixes null":      {withTag(`"name":"A","properties":{"addressPrefixes":null}`), 1, tagAt + "/properties/addressPrefixes", "A", "null"},
		"prefixes a string":  {withTag(`"name":"A","properties":{"addressPrefixes":"33.0.0.0/8"}`), 1, tagAt + "/properties/addressPrefixes", "A", "a string"},
		"prefix a number":    {withTag(`"name":"A","properties":{"addressPrefixes":[5]}`), 1, tagAt + "/properties/addressPrefixes/0", "A", "a number"},
		"prefix a list":      {withTag(`"name":"A","properties":{"addressPrefixes":["33.0.0.0/8",["33.0.0.0/8"]]}`), 1, tagAt + "/properties/addressPrefixes/1", "A", "an array"},
		"region a number":    {withTag(`"properties":{"region":5,"addressPrefixes":[]},"name":"A"`), 1, tagAt + "/properties/region", "A", "a number"},
		"region hostile":     {withTag(`"name":"A","properties":{"region":"\u0007","addressPrefixes":[]}`), 1, tagAt + "/properties/region", "A", `\a`},
		"service null":       {withTag(`"name":"A","properties":{"systemService":null,"addressPrefixes":[]}`), 1, tagAt + "/properties/systemService", "A", "null"},
		"tag's change":       {withTag(`"name":"A","properties":{"changeNumber":true,"addressPrefixes":[]}`), 1, tagAt + "/properties/changeNumber", "A", "whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			e := refused(t, tt.file, Options{})
			p := e.Problems[len(e.Problems)-1]
			if p.Line != tt.line || p.Pointer != tt.pointer || p.Part != tt.tag || !strings.Contains(p.Text, tt.text) {
				t.Errorf("%+v, want line %d, pointer %q, tag %q, text with %q", p, tt.line, tt.pointer, tt.tag, tt.text)
			}
		})
	}
}

// refused decodes a file that must be refused, and checks what every error promises.
func refused(t *testing.T, file string, opt Options) *Error {
	t.Helper()
	c, err := Decode([]byte(file), opt)
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) == 0 {
		t.Fatalf("error %v, want an *Error with problems", err)
	}
	if c != nil {
		t.Error("a catalog came with the error")
	}
	for _, p := range e.Problems {
		if p.Offset < 0 || p.Offset > int64(len(file)) || p.Line != 1+strings.Count(file[:p.Offset], "\n") || p.Text == "" || p.Fix == "" {
			t.Errorf("%+v: no place in the file, no text or nothing to do", p)
		}
		if !strings.Contains(err.Error(), p.Text) || !strings.Contains(err.Error(), p.Fix) {
			t.Errorf("the error does not show %+v:\n%v", p, err)
		}
	}
	for _, r := range err.Error() {
		if r != '\n' && (r < ' ' || r > '~') {
			t.Errorf("the error holds %q:\n%q", r, err.Error())
		}
	}
	if len(err.Error()) > 12_000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	return e
}

// TestRefusedPrefixes has one wrong prefix between two good ones.
func TestRefusedPrefixes(t *testing.T) {
	for wrong, text := range map[string]string{
		"33.0.0.1/8":          "33.0.0.0/8", // host bits: names the right one
		"2d00::1/32":          "2d00::/32",
		"33.0.0.0":            "not a prefix",
		"33.0.0.0/33":         "not a prefix",
		"33.0.0.0/-1":         "not a prefix",
		"33.0.0.0/08":         "not a prefix",
		"33.0.0/16":           "not a prefix",
		"033.0.0.0/8":         "not a prefix",
		"33.0.0.256/32":       "not a prefix",
		" 33.0.0.0/8":         "not a prefix",
		"33.0.0.0/8 ":         "not a prefix",
		"33.0.0.0-33.0.0.255": "not a prefix",
		"2d00::/129":          "not a prefix",
		"2d00:::/32":          "not a prefix",
		"2d00::%eth0/64":      "not a prefix",
		"":                    "not a prefix",
		"example.com":         "not a prefix",
		"\\u001b[2J/8":        "not a prefix",
		"::ffff:33.0.0.0/104": "IPv4-mapped",
		"0.0.0.0/0":           "wider than /8",
		"32.0.0.0/7":          "wider than /8",
		"::/0":                "wider than /24",
		"2d00::/23":           "wider than /24",
		"10.0.0.0/8":          "private",
		"10.1.2.3/32":         "RFC 1918",
		"172.16.0.0/12":       "private",
		"192.168.7.0/24":      "private",
		"192.0.0.0/8":         "not public", // holds several
		"100.64.0.0/10":       "RFC 6598",
		"127.0.0.1/32":        "loopback",
		"169.254.169.254/32":  "link-local",
		"203.0.113.0/24":      "documentation",
		"224.0.0.0/8":         "multicast",
		"255.255.255.255/32":  "broadcast",
		"0.0.0.0/8":           "not public",
		"::1/128":             "loopback",
		"fe80::/64":           "link-local",
		"fd00::/48":           "unique local",
		"ff02::1/128":         "multicast",
		"2001:db8::/32":       "documentation",
	} {
		e := refused(t, feed("33.0.0.0/24", wrong, "33.0.2.0/24"), Options{})
		p := e.Problems[0]
		if len(e.Problems) != 1 || p.Line != 6 || p.Pointer != "/values/0/properties/addressPrefixes/1" || p.Part != "Tag" || !strings.Contains(p.Text, text) {
			t.Errorf("%q: %+v, want line 6, the second prefix, and %q", wrong, e.Problems, text)
		}
		if file := feed("33.0.0.0/24", wrong, "33.0.2.0/24"); !strings.HasPrefix(file[p.Offset:], `"`+wrong) {
			t.Errorf("%q: the offset points at %.20q", wrong, file[p.Offset:])
		}
	}
}

func TestLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		file   string
		limits Limits
		text   string // "": accepted
	}{
		"wider IPv4 allowed":  {feed("32.0.0.0/7"), Limits{MinBits4: 7}, ""},
		"wider IPv6 allowed":  {feed("2d00::/20"), Limits{MinBits6: 20}, ""},
		"narrower IPv4 asked": {feed("33.0.0.0/15"), Limits{MinBits4: 16}, "wider than /16"},
		"narrower IPv6 asked": {feed("2d00::/31"), Limits{MinBits6: 32}, "wider than /32"},
		"everything allowed":  {feed("0.0.0.0/0"), Limits{MinBits4: -1}, "not public"}, // never
		"tags fit":            {withTags(goodTag), Limits{MaxTags: 1}, ""},
		"too many tags":       {withTags(goodTag, goodTag), Limits{MaxTags: 1}, "more than 1 tags"},
		"prefixes fit":        {feed("33.0.0.0/8", "33.0.0.0/9"), Limits{MaxPrefixes: 2}, ""},
		"too many prefixes":   {feed("33.0.0.0/8", "33.0.0.0/9"), Limits{MaxPrefixes: 1}, "more than 1 prefixes"},
	} {
		if tt.text == "" {
			if _, err := Decode([]byte(tt.file), Options{Limits: tt.limits}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if e := refused(t, tt.file, Options{Limits: tt.limits}); !strings.Contains(e.Error(), tt.text) {
			t.Errorf("%s: %v, want %q", name, e, tt.text)
		}
	}
}

func TestCloud(t *testing.T) {
	for _, c := range Clouds {
		file := strings.Replace(feed("33.0.0.0/8"), "Public", c.FileCloud, 1)
		for _, other := range Clouds {
			_, err := Decode([]byte(file), Options{Cloud: other.Name})
			if (err == nil) != (c == other) {
				t.Errorf("a file of %s, asked for as %s: %v", c.Name, other.Name, err)
			}
			if err != nil && (!strings.Contains(err.Error(), `"`+c.Name+`"`) || !strings.Contains(err.Error(), other.Title)) {
				t.Errorf("the error names not both clouds: %v", err)
			}
		}
	}
	if _, err := Decode([]byte(feed("33.0.0.0/8")), Options{Cloud: "moon"}); err == nil || !strings.Contains(err.Error(), "usgov") {
		t.Errorf("an unknown cloud gives %v, want the names there are", err)
	}
	hostile := strings.Replace(feed("33.0.0.0/8"), "Public", `\u001b[31mPublic`, 1)
	refused(t, hostile, Options{Cloud: "public"})
}

// TestNothingRefersToData changes the bytes after decoding.
func TestNothingRefersToData(t *testing.T) {
	data := read(t, "small.json")
	c, err := Decode(data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(data)
	clear(data)
	mustEqualNaive(t, c, want)
}

// TestNoGarbage makes sure that a prefix costs no allocation.
func TestNoGarbage(t *testing.T) {
	var list []string
	for i := range 10_000 {
		list = append(list, fmt.Sprintf("33.%d.%d.0/25", i/256, i%256), fmt.Sprintf("2d00:%x::/64", i))
	}
	file := []byte(feed(list...))
	if got := testing.AllocsPerRun(3, func() { _, _ = Decode(file, Options{}) }); got > 200 {
		t.Errorf("%v allocations for 20,000 prefixes", got)
	}
}

// FuzzDecode compares every file that Decode accepts with the oracle, and checks what
// every error promises.
func FuzzDecode(f *testing.F) {
	for _, file := range []string{
		feed("33.0.0.0/8", "2d00::/32"), feed("10.0.0.0/8"), feed("33.0.0.1/8", "::ffff:33.0.0.0/104"),
		withTag(`"n\u0061me":"T\u0061g","properties":{"addressPrefixes":["33.0.0.0\/24","2d00\u003a:/32"],"region":"x"}`),
		withTags(goodTag, goodTag), withTags(), "", "{}", "[", "\ufeff{}", `{"values":[` + goodTag + `],"cloud":"China","changeNumber":0}`,
	} {
		f.Add([]byte(file))
	}
	f.Add(read(f, "small.json"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data, Options{})
		if err != nil {
			refused(t, string(data), Options{})
			return
		}
		mustEqualNaive(t, c, data)
		for tag := range c.Tags() {
			if set, ok := c.Set(tag.Name); !ok || set.Overlaps(ipranges.SpecialUse()) {
				t.Fatalf("tag %q has special-use addresses: %v", tag.Name, set)
			}
		}
		opened, err := catalog.OpenIndex(c.AppendIndex(nil))
		if err != nil {
			t.Fatal(err)
		}
		mustEqualNaive(t, opened, data)
	})
}

// TestCut cuts a file at every byte: what is left is refused, or says the same.
func TestCut(t *testing.T) {
	file := read(t, "small.json")
	whole, err := Decode(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range file {
		c, err := Decode(file[:n], Options{})
		if err == nil && (len(catalog.Diff(whole, c)) > 0 || c.Info() != whole.Info()) {
			t.Errorf("cut at byte %d it is taken as another", n)
		}
	}
}
