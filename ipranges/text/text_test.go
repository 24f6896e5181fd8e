package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

func TestAccepted(t *testing.T) {
	own, err := os.ReadFile("testdata/own.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ list, want string }{
		"the fixture":     {string(own), "33.16.0.0/16 33.17.4.0/22 33.18.9.9 2d00:1000::/32 2d00:2000::1-2d00:2000::ff"},
		"CRLF":            {"33.0.0.0/24\r\n33.2.0.0/24\r\n", "33.0.0.0/24 33.2.0.0/24"},
		"no last newline": {"33.0.0.0/24", "33.0.0.0/24"},
		"byte order mark": {"\ufeff33.0.0.0/24\n", "33.0.0.0/24"},
		"blanks":          {"\n \t\n  33.0.0.0/24\t \n\n", "33.0.0.0/24"},
		"comments":        {"#\n# 10.0.0.0/8\n33.0.0.0/24# x\n  # <html>\n", "33.0.0.0/24"},
		"twice, unsorted": {"33.9.0.0/16\n33.0.0.0/24\n33.9.0.0/16\n33.9.8.0/24", "33.0.0.0/24 33.9.0.0/16"},
		"widest":          {"33.0.0.0/8\n2d00::/24", "33.0.0.0/8 2d00::/24"},
		"widest range":    {"33.0.0.0-33.255.255.255", "33.0.0.0/8"},
		"wide together":   {"33.0.0.0/8\n32.0.0.0/8\n", "32.0.0.0/7"},
		"semicolons":      {"; Spamhaus DROP List\n33.10.16.0/20 ; SBL256894\n", "33.10.16.0/20"},
		"slashes":         {"// a list\n33.10.16.0/20 // x\n", "33.10.16.0/20"},
		"blanks in range": {"33.0.0.0 - 33.0.0.9", "33.0.0.0-33.0.0.9"},
		"a netmask":       {"33.0.0.0 255.255.0.0", "33.0.0.0/16"},
		"a wildcard mask": {"33.0.0.0 0.0.255.255", "33.0.0.0/16"},
		"a length":        {"33.0.0.0 /16", "33.0.0.0/16"},
		"no-break space":  {"33.0.0.0/24\u00a0\n", "33.0.0.0/24"},
		"DShield":         {"# (1) start\nStart\tEnd\tNetblock\tAttacks\tName\tCountry\temail\n33.0.0.0\t33.0.0.255\t24\t62\tA NET No.31\tNL\tx@example.com\n", "33.0.0.0/24"},
		"geofeed":         {"33.0.0.0/24,NL,NL-ZH,Delft,\n2d00:1000::/32,GB,,,\n", "33.0.0.0/24 2d00:1000::/32"},
		"ipset save":      {"create calls hash:net family inet hashsize 1024 maxelem 65536\nadd calls 33.0.0.0/24\nadd calls 33.0.2.1 timeout 300\n", "33.0.0.0/24 33.0.2.1"},
		"FireHOL":         {"#\n# Entries              : 2 subnets, 257 unique IPs\n#\n33.0.0.0/24\n33.0.2.1\n", "33.0.0.0/24 33.0.2.1"},
		"JSON array":      {"\n [\"33.0.0.0/24\",\n\"33.0.2.1\", \"2d00:1000::-2d00:1000::9\"]\n", "33.0.0.0/24 33.0.2.1 2d00:1000::-2d00:1000::9"},
		"JSON lines":      {"{\"cidr\":\"33.10.16.0/20\",\"sblid\":\"SBL1\",\"rir\":\"apnic\"}\n{\"cidr\":\"2d00:1000::\\/32\"}\n{\"type\":\"metadata\",\"timestamp\":1730000000,\"records\":2}\n", "33.10.16.0/20 2d00:1000::/32"},
		"no line end":     {"{\"cidr\":\"33.10.16.0/20\"}", "33.10.16.0/20"},
		"JSON objects":    {"[{\"ip\":\"33.0.2.1\",\"port\":443,\"since\":\"2026-11-30\"},{\"prefix\":\"33.0.0.0/24\",\"score\":7}]", "33.0.2.1 33.0.0.0/24"},
	} {
		c, err := Decode([]byte(tt.list), Limits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		set, ok := c.Set(All)
		if want := ipranges.MustParse(strings.Fields(tt.want)...); !ok || c.Len() != 1 || !set.Equal(want) || c.Info() != (catalog.Info{Kind: "text"}) {
			t.Errorf("%s: %v of %+v, want %v", name, set, c.Info(), want)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		list string
		line int
		text string
	}{
		"empty":                {"", 0, "no address"},
		"comments only":        {"# 33.0.0.0/24\n\n", 0, "no address"},
		"a web page":           {"\n<!DOCTYPE html>", 1, "web page"},
		"host bits":            {"33.0.0.0/24\n33.0.0.1/24", 2, "33.0.0.0/24"},
		"a name":               {"33.0.0.0/24\n\n# x\nteams.example", 4, "teams.example"},
		"JSON":                 {"{\n\"a\": 1}", 2, "holds no prefix"},
		"JSON, cut":            {"[\"33.0.0.0/24\",\n\"33.0.2", 2, "ends too early"},
		"JSON, malformed":      {"[\"33.0.0.0/24\",\n,]", 2, "malformed JSON"},
		"JSON, more":           {"[\"33.0.0.0/24\"]\n[]", 2, "more JSON follows"},
		"JSON, a number":       {"[\n33]", 2, "neither text nor"},
		"JSON, a name":         {"[\"33.0.0.0/24\",\n\"teams.example\"]", 2, "teams.example"},
		"JSON, empty":          {"[]", 0, "no address"},
		"JSON, no address":     {"{\"asn\":1,\"domain\":\"x.example\"}", 1, "holds no prefix"},
		"JSON, first, last":    {"{\"start\":\"33.0.0.0\",\"end\":\"33.0.0.255\"}", 1, "33.0.0.0 and 33.0.0.255"},
		"JSON, mask apart":     {"{\"ip\":\"33.0.0.0\",\"mask\":\"255.255.255.0\"}", 1, "and 255.255.255.0"},
		"JSON, length apart":   {"{\"ip\":\"33.0.0.0\",\n\"prefixlen\":24}", 2, "\"prefixlen\" may be it"},
		"JSON, length as text": {"{\"ip\":\"33.0.0.0\",\"len\":\"/24\"}", 1, "\"len\" may be it"},
		"JSON, nested":         {"{\"prefixes\":[\"33.0.0.0/24\"]}", 1, "\"prefixes\""},
		"JSON, twice":          {"{\"cidr\":\"33.0.0.0/24\",\"cidr\":\"33.0.2.0/24\"}", 1, "duplicate"},
		"JSON, private":        {"{\"cidr\":\"33.0.0.0/24\"}\n{\"cidr\":\"10.0.0.0/24\"}", 2, "RFC 1918"},
		"JSON, wide":           {"[\n\"32.0.0.0/7\"]", 2, "wider than /8"},
		"JSON, then a line":    {"{\"cidr\":\"33.0.0.0/24\"}\n33.0.2.0/24", 2, "an object on each"},
		"mapped":               {"::ffff:33.0.0.0/120", 1, "IPv4-mapped"},
		"a zone":               {"fe80::1%eth0", 1, "zone"},
		"backwards":            {"33.0.0.9-33.0.0.1", 1, "ends before"},
		"two families":         {"33.0.0.0-2d00::1", 1, "mixes"},
		"two addresses":        {"33.0.0.0 33.0.0.9", 1, "two addresses"},
		"a wide netmask":       {"32.0.0.0 254.0.0.0", 1, "wider than /8"},
		"a word":               {"33.0.0.0/24\n33.0.2.0/24 office", 2, "\"office\" follows"},
		"a comma":              {"33.0.0.0/24, 33.0.1.0/24", 1, "33.0.1.0/24"},
		"two on a line":        {"33.0.0.0/24\n33.0.2.0/24 33.0.4.0/24", 2, "33.0.4.0/24"},
		"two and a comment":    {"33.0.2.0/24 33.0.4.0/24 # x", 1, "33.0.4.0/24"},
		"old Mac lines":        {"33.0.2.0/24\r33.0.4.0/24\r", 1, "33.0.4.0/24"},
		"everything":           {"33.0.0.0/24\n0.0.0.0/0", 2, "wider than /8"},
		"everything IPv6":      {"::/0", 1, "wider than /24"},
		"wide":                 {"32.0.0.0/7", 1, "wider than /8"},
		"wide IPv6":            {"2d00::/23", 1, "wider than /24"},
		"a wide range":         {"33.0.0.0-34.0.0.0", 1, "wider than /8"},
		"a wide IPv6 range":    {"2d00::-2d00:200::", 1, "wider than /24"},
		"private":              {"33.0.0.0/24\n10.1.0.0/16\n33.0.2.0/24", 2, "RFC 1918"},
		"private at the end":   {"33.0.0.0/24\n9.255.255.0-10.0.0.0", 2, "10.0.0.0/8"},
		"one private address":  {"192.168.1.1", 1, "RFC 1918"},
		"loopback":             {"::1", 1, "loopback"},
		"multicast":            {"ff02::/64", 1, "multicast"},
		"an escape":            {"33.0.0.0/24 \x1b[31m", 1, "\\x1b"},
		"an escape at first":   {"\x1b[31m", 1, "\\x1b"},
		"right to left":        {"33.0.0.0/24 \u202e", 1, "\\u202e"},
		"a long line":          {strings.Repeat("3", 100_000), 1, "3333"},
	} {
		e := refused(t, tt.list, Limits{})
		if e.Line != tt.line || !strings.Contains(e.Text, tt.text) {
			t.Errorf("%s: %+v, want line %d and %q", name, e, tt.line, tt.text)
		}
	}
}

// refused decodes a list that must be refused, and checks what every error promises.
func refused(t *testing.T, list string, limits Limits) *Error {
	t.Helper()
	c, err := Decode([]byte(list), limits)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%.60q: the error is %v", list, err)
	}
	if c != nil || e.Text == "" || e.Fix == "" || e.Line < 0 || e.Line > 1+strings.Count(list, "\n") || len(err.Error()) > 1500 {
		t.Errorf("%.60q: %+v", list, e)
	}
	for _, r := range err.Error() {
		if r < ' ' || r > '~' {
			t.Errorf("the error holds %q", r)
		}
	}
	return e
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		list   string
		limits Limits
		text   string // "": accepted
	}{
		{"32.0.0.0/7", Limits{MinBits4: 7}, ""},
		{"2d00::/20", Limits{MinBits6: 20}, ""},
		{"33.0.0.0/15", Limits{MinBits4: 16}, "wider than /16"},
		{"2d00::/31", Limits{MinBits6: 32}, "wider than /32"},
		{"2d00::/47", Limits{MinBits6: 48}, "wider than /48"},
		{"33.0.0.0-33.0.1.0", Limits{MinBits4: 24}, "wider than /24"},
		{"33.0.0.1-33.0.0.255", Limits{MinBits4: 24}, ""},
		{"0.0.0.0/0", Limits{MinBits4: -1}, "not public"}, // never
		{"33.0.0.0/24\n", Limits{MaxLines: 2}, ""},
		{"33.0.0.0/24\n\n\n", Limits{MaxLines: 3}, "more than 3 lines"},
	} {
		if tt.text != "" {
			if e := refused(t, tt.list, tt.limits); !strings.Contains(e.Text, tt.text) {
				t.Errorf("%q with %+v: %v", tt.list, tt.limits, e)
			}
		} else if _, err := Decode([]byte(tt.list), tt.limits); err != nil {
			t.Errorf("%q with %+v: %v", tt.list, tt.limits, err)
		}
	}
}

func TestBitsOf(t *testing.T) {
	for r, want := range map[string]int{
		"33.0.0.0-33.0.0.0": 32, "33.0.0.0-33.0.0.1": 31, "33.0.0.1-33.0.0.3": 30, "33.0.0.0-33.0.1.0": 23, "33.0.0.255-33.0.1.0": 31,
		"0.0.0.0-255.255.255.255": 0, "2d00::-2d00::": 128, "2d00::-2d00::1:0:0:0": 79, "2d00::ffff-2d00::1:0": 127, "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": 0,
	} {
		if got := bitsOf(netipx.MustParseIPRange(r)); got != want {
			t.Errorf("%s is as wide as /%d, not /%d", r, got, want)
		}
	}
}

// naive reads a list the plain way, line by line or with the standard library's JSON: it
// is the oracle of Decode.
func naive(list string) (*netipx.IPSet, error) {
	var b netipx.IPSetBuilder
	if isJSON([]byte(list)) {
		for dec := json.NewDecoder(strings.NewReader(list)); dec.More(); {
			var v any
			if err := dec.Decode(&v); err != nil {
				return nil, err
			}
			addNaive(&b, v)
		}
		return b.IPSet()
	}
	for line := range strings.SplitSeq(strings.TrimPrefix(list, "\ufeff"), "\n") {
		r, ok, err := ipranges.ParseLine(line, ipranges.ReadOptions{})
		if err != nil {
			return nil, err
		}
		if ok {
			b.AddRange(r)
		}
	}
	return b.IPSet()
}

// addNaive adds every text of v that is an entry.
func addNaive(b *netipx.IPSetBuilder, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			addNaive(b, e)
		}
	case map[string]any:
		for _, e := range v {
			addNaive(b, e)
		}
	case string:
		if r, ok, err := ipranges.ParseLine(v, ipranges.ReadOptions{}); err == nil && ok {
			b.AddRange(r)
		}
	}
}

// TestRead: a list that is read as a set need not keep the rules of feeds.
func TestRead(t *testing.T) {
	for list, want := range map[string]string{
		"10.0.0.0/8 office\n":                 "10.0.0.0/8",
		"\ufeff[\"10.0.0.0/8\",\"10.1.0.0\"]": "10.0.0.0/8",
		"{\"cidr\":\"10.0.0.0/8\"}\n":         "10.0.0.0/8",
		strings.Repeat(" ", 400) + "[]":       "",
		"":                                    "",
	} {
		set, _, err := Read(iotest.OneByteReader(strings.NewReader(list)), ipranges.ReadOptions{})
		if want := ipranges.MustParse(strings.Fields(want)...); err != nil || !set.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", list, set, err, want)
		}
	}
	for _, list := range []string{"10.1.0.0/8\n", `["10.1.0.0/8"]`, `{"cidr":"10.1.0.0/8"}`} {
		if _, _, err := Read(strings.NewReader(list), ipranges.ReadOptions{}); err == nil || !strings.Contains(err.Error(), "10.0.0.0/8") {
			t.Errorf("%s: %v", list, err)
		}
		set, stats, err := Read(strings.NewReader(list), ipranges.ReadOptions{Lenient: true})
		if err != nil || !set.Equal(ipranges.MustParse("10.0.0.0/8")) || stats.Masked != 1 || stats.Entries != 1 {
			t.Errorf("%s, leniently: %v, %+v, %v", list, set, stats, err)
		}
	}
	broken := errors.New("broken")
	for _, list := range []string{"", "[", "10.0.0.0/8\n"} {
		if _, _, err := Read(io.MultiReader(strings.NewReader(list), iotest.ErrReader(broken)), ipranges.ReadOptions{}); !errors.Is(err, broken) {
			t.Errorf("after %q: %v", list, err)
		}
	}
}

// TestCut cuts lists at every byte. What is left is refused, or holds the same, or ends
// with a whole line of the list: that more lines followed is not to be seen.
func TestCut(t *testing.T) {
	for name, list := range map[string]string{
		"lines":      "# a list\n33.0.0.0/24\n33.0.2.0 - 33.0.2.99\n33.0.4.0 255.255.254.0\n33.0.6.0 0.0.0.255\n33.0.8.0 /24 ; x\n33.0.10.1,NL\n2d00:1000::/32 # x\n2d00:2000::1\n",
		"CRLF":       "33.0.0.0/24\r\n33.0.2.16\r\n33.0.2.32\t33.0.2.63\t27\tx\r\n",
		"ipset":      "create x hash:net family inet\nadd x 33.0.0.0/24\nadd x 33.0.2.16 timeout 300\n",
		"JSON":       "[\n\"33.0.0.0/24\",\n\"33.0.2.16\"\n]\n",
		"JSON lines": "{\"cidr\":\"33.10.16.0/20\",\"sblid\":\"SBL1\"}\n{\"cidr\":\"2d00:1000::/32\"}\n{\"type\":\"metadata\",\"records\":2}\n",
	} {
		whole, err := Decode([]byte(list), Limits{})
		if err != nil || CheckEnd([]byte(list)) != nil {
			t.Fatalf("%s: %v, %v", name, err, CheckEnd([]byte(list)))
		}
		want, _ := whole.Set(All)
		for n := range len(list) {
			part := list[:n]
			c, err := Decode([]byte(part), Limits{})
			if err == nil {
				err = CheckEnd([]byte(part))
			}
			if err != nil {
				continue
			}
			set, _ := c.Set(All)
			atLine := list[n-1] == '\n' || list[n] == '\n' && name == "JSON lines" || strings.ContainsAny(part[strings.LastIndex(part, "\n")+1:], "#;") || !strings.ContainsAny(part[strings.LastIndex(part, "\n")+1:], "0123456789")
			if !atLine && !set.Equal(want) {
				t.Errorf("%s: %q passes as %v", name, part, set)
			}
			if !set.Minus(want).IsEmpty() {
				t.Errorf("%s: %q holds %v", name, part, set.Minus(want))
			}
		}
	}
	e := new(Error)
	if err := CheckEnd([]byte("33.0.0.0/24\n33.0.2.0/24")); !errors.As(err, &e) || e.Line != 2 || !strings.Contains(e.Text, "line end") {
		t.Errorf("%v", err)
	}
}

// FuzzDecode compares every list that Decode accepts with the oracle, and checks what
// every error promises.
func FuzzDecode(f *testing.F) {
	own, err := os.ReadFile("testdata/own.txt")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	for _, s := range []string{"", "\ufeff33.0.0.0/24", "33.0.0.0/24 # x\r\n", "10.0.0.0/8", "33.0.0.1-33.0.0.9\n2d00::/32", "::ffff:33.0.0.0/120", "33.0.0.0/24\r33.0.1.0/24",
		"[\"33.0.0.0/24\"]", "{\"cidr\":\"33.0.0.0/24\"}\n{\"type\":\"metadata\"}", "33.0.0.0 255.255.0.0\n33.2.0.0/24,NL"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(bytes.Clone(data), Limits{})
		if err != nil {
			refused(t, string(data), Limits{})
			return
		}
		want, err := naive(string(data))
		if err != nil {
			t.Fatalf("the oracle refuses it: %v", err)
		}
		set, _ := c.Set(All)
		got := 0
		for r := range set.All() {
			if !want.ContainsRange(r) {
				t.Fatalf("%v is not in the list", r)
			}
			got++
		}
		if got != len(want.Ranges()) || got == 0 || set.Overlaps(ipranges.SpecialUse()) {
			t.Fatalf("%v, want %v", set, want.Ranges())
		}
	})
}
