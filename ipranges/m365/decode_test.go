package m365

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/refusal"
)

func read(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/small.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFixture is what other packages' tests count on.
func TestFixture(t *testing.T) {
	data := read(t)
	c, err := Decode(data, Options{Instance: "worldwide"})
	if err != nil {
		t.Fatal(err)
	}
	mustEqualNaive(t, c, bytes.Clone(data))
	if c.Info() != (catalog.Info{Kind: "m365", Cloud: "worldwide"}) {
		t.Errorf("%+v", c.Info())
	}
	var names []string
	for tag := range c.Tags() {
		names = append(names, tag.Name)
	}
	want := strings.Fields(`1 10 11 12 16 22 31 56 Allow Allow.required Common Common.Allow Common.Allow.required Common.required Default Default.required
		Exchange Exchange.Allow Exchange.Allow.required Exchange.Optimize Exchange.Optimize.required Exchange.required Optimize Optimize.required
		SharePoint SharePoint.Optimize SharePoint.Optimize.required SharePoint.required
		Teams Teams.Allow Teams.Allow.required Teams.Default Teams.Default.required Teams.Optimize Teams.Optimize.required Teams.required required`)
	if !slices.Equal(names, want) {
		t.Errorf("tags\n%q, want\n%q", names, want)
	}
	for name, service := range map[string]string{"11": "Teams.Optimize.required", "22": "Teams.Allow", "Teams": ""} {
		if tag, _ := c.Tag(name); tag.Service != service {
			t.Errorf("%s belongs to %q, want %q", name, tag.Service, service)
		}
	}
	if set, ok := c.Set("16"); !ok || !set.IsEmpty() || len(c.Names("16")) != 3 {
		t.Errorf("set 16 has %v and %q, want names only", set, c.Names("16"))
	}
	clear(data)
	if set, _ := c.Set("11"); !set.Equal(ipranges.MustParse("33.112.0.0/14", "33.122.0.0/15", "2d00:1063::/38")) || c.Names("10")[0] != "*.mail.example.com" {
		t.Error("the catalog refers to the bytes it was made of")
	}
}

const goodSet = `{"id":1,"serviceArea":"Common","category":"Allow","required":true,"ips":["33.0.0.0/24"],"tcpPorts":"443"}`

// withSet makes a file of two sets, the second on line 2 with these members
// after those that every set must have.
func withSet(members string) string {
	return "[" + goodSet + ",\n" + `{"id":2,"serviceArea":"Skype","category":"Optimize","required":false,` + members + "}]"
}

func TestAccepted(t *testing.T) {
	small := string(read(t))
	for name, file := range map[string]string{
		"CRLF":                       strings.ReplaceAll(small, "\n", "\r\n"),
		"byte order mark":            "\ufeff" + small + " \r\n",
		"one line":                   strings.ReplaceAll(small, "\n", ""),
		"unknown members":            withSet(`"x":{"y":[1,{}]},"notes":"\u001b[31m","expressRoute":5,"serviceAreaDisplayName":null`),
		"members in another order":   `[{"urls":["a.example"],"required":false,"ips":[],"category":"Default","serviceArea":"Common","id":7}]`,
		"escapes":                    withSet(`"\u0069ps":["33.0.0.0\/24"],"urls":["\u002a.example.com"]`),
		"neither addresses nor urls": withSet(`"tcpPorts":"443"`),
		"addresses without ports":    withSet(`"ips":["33.0.0.0/24"]`),
		"overlaps, not sorted":       withSet(`"ips":["33.1.0.0/16","33.0.0.0/8","33.1.0.0/16","2d00::/32"],"tcpPorts":"443,80,443,1-1024"`),
		"odd ports":                  withSet(`"udpPorts":"1,65535, 5-5 ,1-65535"`),
		"odd names":                  withSet(`"urls":["*.example.com","*cdn.example.com","a.*.example.com","*-x.Example.com","_sip._tls.example.com","*.*.example.com"]`),
		"widest":                     withSet(`"ips":["33.0.0.0/8","2d00::/24"]`),
		"Teams by its new name":      "[" + goodSet + `,{"id":2,"serviceArea":"Teams","category":"Allow","required":true}]`,
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
	for name, tt := range map[string]struct {
		file    string
		line    int
		pointer string
		set     string
		text    string // a part of it
	}{
		"empty":              {"", 1, "", "", "empty"},
		"blank":              {" \r\n", 1, "", "", "empty"},
		"a web page":         {"<!DOCTYPE html><html>", 1, "", "", "web page"},
		"an object":          {`{"instance":"Worldwide","latest":"2026112300"}`, 1, "", "", "an object"},
		"no sets":            {"[]", 1, "", "", "no sets"},
		"cut":                {strings.TrimSuffix(withSet(`"ips":[]`), "}]"), 2, "/1", "2", "ends too early"},
		"cut in a string":    {strings.TrimSuffix(withSet(`"urls":["a`), "}]"), 2, "/1/urls/0", "2", "ends too early"},
		"trailing comma":     {"[" + goodSet + ",]", 1, "", "", "malformed JSON"},
		"trailing data":      {"[" + goodSet + "]\n[]", 2, "", "", "more JSON"},
		"duplicate member":   {withSet(`"ips":[],"ips":[]`), 2, "/1/ips", "2", "duplicate"},
		"bad UTF-8":          {withSet(`"urls":["` + "\xff" + `"]`), 2, "/1/urls/0", "2", "UTF-8"},
		"a set a string":     {"[" + goodSet + `,"x"]`, 1, "/1", "", "an object"},
		"no id":              {`[{"serviceArea":"A","category":"Allow","required":true}]`, 1, "/0", "", `"id"`},
		"no area":            {`[{"id":3,"category":"Allow","required":true}]`, 1, "/0", "3", `"serviceArea"`},
		"no category":        {`[{"id":3,"serviceArea":"A","required":true}]`, 1, "/0", "3", `"category"`},
		"no required":        {`[{"id":3,"serviceArea":"A","category":"Allow"}]`, 1, "/0", "3", `"required"`},
		"wrong case":         {`[{"ID":3,"serviceArea":"A","category":"Allow","required":true}]`, 1, "/0", "", `"id"`},
		"id a string":        {`[{"id":"3"}]`, 1, "/0/id", "", "a string"},
		"id 0":               {`[{"id":0}]`, 1, "/0/id", "", "whole number"},
		"id negative":        {`[{"id":-1}]`, 1, "/0/id", "", "-1"},
		"id a fraction":      {`[{"id":1.5}]`, 1, "/0/id", "", "1.5"},
		"id with exponent":   {`[{"id":1e1}]`, 1, "/0/id", "", "1e1"},
		"same id":            {"[" + goodSet + ",\n" + goodSet + "]", 2, "/1/id", "1", "came before"},
		"area hostile":       {`[{"id":3,"serviceArea":"A\u001b[31m"}]`, 1, "/0/serviceArea", "3", `\x1b`},
		"area empty":         {`[{"id":3,"serviceArea":""}]`, 1, "/0/serviceArea", "3", "not a word"},
		"area with a dot":    {`[{"id":3,"serviceArea":"A.b"}]`, 1, "/0/serviceArea", "3", "not a word"},
		"area a number":      {`[{"id":3,"serviceArea":"11"}]`, 1, "/0/serviceArea", "3", "not a word"},
		"area a category":    {`[{"id":3,"serviceArea":"optimize"}]`, 1, "/0/serviceArea", "3", "something else"},
		"area in two cases":  {"[" + goodSet + `,{"id":3,"serviceArea":"common"}]`, 1, "/1/serviceArea", "3", `"Common" before`},
		"unknown category":   {`[{"id":3,"serviceArea":"A","category":"optimize"}]`, 1, "/0/category", "3", `"optimize"`},
		"required a string":  {`[{"id":3,"required":"true"}]`, 1, "/0/required", "3", "a string"},
		"ips a string":       {withSet(`"ips":"33.0.0.0/24"`), 2, "/1/ips", "2", "a list"},
		"ips null":           {withSet(`"ips":null`), 2, "/1/ips", "2", "null"},
		"a prefix a number":  {withSet(`"ips":["33.0.0.0/24",5]`), 2, "/1/ips/1", "2", "a number"},
		"urls an object":     {withSet(`"urls":{}`), 2, "/1/urls", "2", "an object"},
		"ports a number":     {withSet(`"tcpPorts":443`), 2, "/1/tcpPorts", "2", "a number"},
		"id after a mistake": {`[{"ips":["x"],"id":9}]`, 1, "/0/ips/0", "9", "not a prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			e := refused(t, tt.file, Options{})
			i := slices.IndexFunc(e.Problems, func(p Problem) bool { return strings.Contains(p.Text, tt.text) })
			if i < 0 {
				t.Fatalf("%+v, want text with %q", e.Problems, tt.text)
			}
			if p := e.Problems[i]; p.Line != tt.line || p.Pointer != tt.pointer || p.Part != tt.set {
				t.Errorf("%+v, want line %d, pointer %q, set %q", p, tt.line, tt.pointer, tt.set)
			}
		})
	}
}

// TestRefusedValues has one wrong value after good ones.
func TestRefusedValues(t *testing.T) {
	for member, wrong := range map[string]map[string]string{
		`"ips":["2d00::/32",%q]`: {
			"33.0.0.1/24": "33.0.0.0/24", "33.0.0.0": "not a prefix", "33.0.0.0-33.0.0.9": "not a prefix", "": "not a prefix", "a.example": "not a prefix",
			" 33.0.0.0/24": "not a prefix", "033.0.0.0/24": "not a prefix", "::ffff:33.0.0.0/120": "IPv4-mapped", "0.0.0.0/0": "wider than /8",
			"32.0.0.0/7": "wider than /8", "::/0": "wider than /24", "2d00::/23": "wider than /24", "10.0.0.0/8": "RFC 1918", "192.168.7.0/24": "private",
			"169.254.169.254/32": "link-local", "224.0.0.0/8": "multicast", "fe80::/64": "link-local", "2001:db8::/32": "documentation",
		},
		`"urls":["a.example",%q]`: {
			"": "host name", "localhost": "host name", "*": "host name", "*.*": "host name", "*.com": "host name", "a.*": "host name", "a.*.com": "host name",
			"a..example": "host name", ".example.com": "host name", "a.example.": "host name", "https://a.example": "host name", "a.example/x": "host name",
			"a.example:443": "host name", "a b.example": "host name", "33.0.0.1": "host name", "ä.example": "host name", "a;b.example": "host name",
			"a\nb.example": "host name", strings.Repeat("a", 64) + ".example": "host name", strings.Repeat("a.", 130) + "example": "host name",
		},
		`"tcpPorts":"443","udpPorts":%q`: {
			"": "not a port", "0": "not a port", "65536": "not a port", "080": "not a port", "+80": "not a port", "-1": "not a port", "1-": "not a port",
			"443,": "not a port", ",443": "not a port", "443 80": "not a port", "443;80": "not a port", "81-80": "not a port", "0-65535": "not a port",
			"1-2-3": "not a port", "any": "not a port", "443,\t80": "not a port", "80 - 90": "not a port", "0x50": "not a port", "８０": "not a port",
		},
	} {
		for value, text := range wrong {
			e := refused(t, withSet(fmt.Sprintf(member, value)), Options{})
			if p := e.Problems[0]; len(e.Problems) != 1 || p.Line != 2 || p.Part != "2" || !strings.HasPrefix(p.Pointer, "/1/") || !strings.Contains(p.Text, text) {
				t.Errorf("%q: %+v, want %q", value, e.Problems, text)
			}
		}
	}
}

// refused decodes a file that must be refused, and checks what every error promises.
func refused(t *testing.T, file string, opt Options) *Error {
	t.Helper()
	c, err := Decode([]byte(file), opt)
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) == 0 {
		t.Fatalf("%.80q: error %v, want an *Error with problems", file, err)
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
	if len(err.Error()) > 20_000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	return e
}

func TestManyProblems(t *testing.T) {
	many := withSet(`"ips":[` + strings.Repeat(`"10.0.0.0/8",`, 999) + `"x"]`)
	if e := refused(t, many, Options{}); len(e.Problems) != refusal.Max || e.More != 1000-refusal.Max {
		t.Errorf("%d problems and %d more, want 1000 together", len(e.Problems), e.More)
	}
	e := refused(t, many[:len(many)-1], Options{})
	if last := e.Problems[len(e.Problems)-1]; len(e.Problems) != refusal.Max || !strings.Contains(last.Text, "ends too early") {
		t.Errorf("the last of %d problems is %+v, want the end of the file", len(e.Problems), last)
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		file   string
		limits Limits
		text   string // "": accepted
	}{
		{withSet(`"ips":["32.0.0.0/7"]`), Limits{MinBits4: 7}, ""},
		{withSet(`"ips":["2d00::/20"]`), Limits{MinBits6: 20}, ""},
		{withSet(`"ips":["33.0.0.0/15"]`), Limits{MinBits4: 16}, "wider than /16"},
		{withSet(`"ips":["0.0.0.0/0"]`), Limits{MinBits4: -1}, "not public"}, // never
		{withSet(`"ips":[]`), Limits{MaxSets: 2}, ""},
		{withSet(`"ips":[]`), Limits{MaxSets: 1}, "more than 1 sets"},
		{withSet(`"ips":["33.0.0.0/8"],"urls":["a.example"],"tcpPorts":"80,443"`), Limits{MaxElements: 6}, ""},
		{withSet(`"ips":["33.0.0.0/8"],"urls":["a.example"],"tcpPorts":"80,443"`), Limits{MaxElements: 5}, "more than 5"},
		{withSet(`"urls":["a.example","b.example","c.example"]`), Limits{MaxElements: 4}, "more than 4"},
	} {
		if tt.text != "" {
			if e := refused(t, tt.file, Options{Limits: tt.limits}); !strings.Contains(e.Error(), tt.text) {
				t.Errorf("%+v: %v, want %q", tt.limits, e, tt.text)
			}
		} else if _, err := Decode([]byte(tt.file), Options{Limits: tt.limits}); err != nil {
			t.Errorf("%+v: %v", tt.limits, err)
		}
	}
	if _, err := Decode(read(t), Options{Instance: "moon"}); err == nil || !strings.Contains(err.Error(), "usgovdod") {
		t.Errorf("an unknown instance: %v", err)
	}
}

// FuzzDecode compares every file that Decode accepts with the oracle, and checks what
// every error promises.
func FuzzDecode(f *testing.F) {
	for _, file := range []string{
		withSet(`"ips":["33.0.0.0/8","2d00::/32"],"tcpPorts":"80,443-445","urls":["*.example.com"]`), withSet(`"ips":["10.0.0.0/8"]`), "[]", "", "{}", "\ufeff[",
		withSet(`"\u0069ps":["33.0.0.0\/24"],"udpPorts":"0"`), "[" + goodSet + "," + goodSet + "]",
	} {
		f.Add([]byte(file))
	}
	f.Add(read(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(bytes.Clone(data), Options{})
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

// TestCut cuts an answer at every byte: what is left is refused, or says the same.
func TestCut(t *testing.T) {
	file, err := os.ReadFile("testdata/small.json")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Decode(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range file {
		c, err := Decode(file[:n], Options{})
		if err != nil {
			continue
		}
		for tag := range whole.Tags() {
			a, _ := whole.Details(tag.Name)
			b, ok := c.Details(tag.Name)
			if !ok || !reflect.DeepEqual(a, b) {
				t.Errorf("cut at byte %d it says other things of %s", n, tag.Name)
			}
		}
		if len(catalog.Diff(whole, c)) > 0 {
			t.Errorf("cut at byte %d it is taken as another", n)
		}
	}
}
