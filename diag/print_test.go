package diag

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
)

var update = flag.Bool("update", false, "write the golden files")

const source = `feed "azure" {}

set "acs_media" {
  include = [tag(feed.azure, "AzureComunicationServices")]
}
rule "calls" {
	action   = "allow" # a tab before it
  services = [service.long_name_number_one, service.long_name_number_two, service.long_name_number_three, service.long]
}
set "日本語" {
  include = ["日本", "x"]
}
set "evil" { include = ["` + "\x1b[31m\u202e\u0000" + `"] }
`

// mark is the range of the first occurrence of text in the source.
func mark(text string) Range {
	i := strings.Index(source, text)
	if i < 0 {
		panic(text)
	}
	return Range{File: "edge.hcl", Start: posOf(i), End: posOf(i + len(text))}
}

func posOf(i int) Pos {
	line := source[strings.LastIndexByte(source[:i], '\n')+1 : i]
	return Pos{1 + strings.Count(source[:i], "\n"), 1 + utf8.RuneCountInString(line), i}
}

var examples = List{
	{Summary: "no tag \"AzureComunicationServices\" in feed azure, change 398", Detail: "Azure publishes no tag for Communication Services.",
		Fix: "use the documented ranges, see docs/acs.md", Subject: mark(`"AzureComunicationServices"`)},
	{Severity: Warning, Summary: "a summary that is too long for the line has to be broken where a word ends, so that it reads well",
		Detail:  "The detail is broken too, when it is longer than the terminal is wide. That is the case here.\nA line break in it stays.",
		Fix:     "write something shorter, which is easier said than done when there is so much to explain",
		Subject: mark("action")},
	{Summary: "the marker is far to the right", Subject: mark("service.long_name_number_three"), Fix: "look"},
	{Summary: "and further", Subject: mark("service.long]"), Fix: "look"},
	{Summary: "at the left of a long line", Subject: mark("services"), Fix: "look"},
	{Summary: "more than a line", Subject: Range{"edge.hcl", mark("set \"acs").Start, mark("}\nrule").End}, Fix: "look"},
	{Summary: "wide characters", Subject: mark("\"x\""), Fix: "look", Related: []Related{{mark(`"日本語"`), "the name is here"}}},
	{Summary: "what would \x1b[2J clear the screen", Detail: "\u202eand turn it round\x00", Fix: "\x07", Subject: mark("\x1b[31m")},
	{Summary: "at the end of the file", Subject: Range{"edge.hcl", posOf(len(source)), posOf(len(source))}, Fix: "look"},
	{Summary: "without a place", Fix: "--var nets"},
	{Summary: "in a file that is not here", Subject: Range{"other.hcl", Pos{3, 5, 100}, Pos{3, 9, 104}}, Fix: "look"},
}

func printed(t *testing.T, list List, opt PrintOptions) string {
	t.Helper()
	opt.Sources = map[string][]byte{"edge.hcl": []byte(source)}
	var b bytes.Buffer
	if err := Print(&b, list, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPrintGolden(t *testing.T) {
	got := printed(t, examples, PrintOptions{Width: 80})
	const file = "testdata/print80.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
	if printed(t, examples, PrintOptions{}) != got {
		t.Error("80 columns are not the default")
	}
}

// A line can have megabytes, and many mistakes.
func TestPrintLongLine(t *testing.T) {
	word := "äöü, "
	src := []byte(strings.Repeat(word, 200_000))
	var list List
	for i := range 200 {
		at := 5000 * i / 8 * len(word)
		list = append(list, Diagnostic{Summary: "x", Subject: Range{"edge.hcl", Pos{1, 1, at}, Pos{1, 2, at + len("äöü")}}})
	}
	var b bytes.Buffer
	if err := Print(&b, list, PrintOptions{Sources: map[string][]byte{"edge.hcl": src}}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "äöü"); n < 10*len(list) || n > 30*len(list) || strings.Count(b.String(), "^^^\n") != len(list) || !utf8.Valid(b.Bytes()) {
		t.Errorf("%d words for %d places", n, len(list))
	}
	if n := testing.AllocsPerRun(1, func() { _ = Print(io.Discard, list, PrintOptions{Sources: map[string][]byte{"edge.hcl": src}}) }); n > 1e6 {
		t.Errorf("%.0f allocations", n)
	}
}

// At every width nothing is wider than the terminal, but for words that are,
// and what is written stays text.
func TestPrintWidths(t *testing.T) {
	for width := 1; width < 200; width++ {
		for line := range strings.Lines(printed(t, examples, PrintOptions{Width: width})) {
			line = strings.TrimSuffix(line, "\n")
			if n := runewidth.StringWidth(line); n > max(width, minWidth) {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("width %d: control characters: %q", width, line)
			}
		}
	}
}

// The marker stands under what it marks, wherever the line is cut.
func TestMarkerPosition(t *testing.T) {
	for _, text := range []string{"services", "service.long_name_number_one", "service.long_name_number_two", "service.long_name_number_three"} {
		for width := minWidth; width < 160; width++ {
			lines := strings.Split(printed(t, List{{Summary: "x", Subject: mark(text)}}, PrintOptions{Width: width}), "\n")
			src, marker := lines[2], lines[3]
			from := strings.IndexByte(marker, '^')
			got := src[from:min(from+strings.Count(marker, "^"), len(src))]
			if got != text && !strings.HasPrefix(text, strings.TrimSuffix(got, "...")) {
				t.Errorf("width %d: the marker is under %q, not %q", width, got, text)
			}
		}
	}
}

func TestPrintColor(t *testing.T) {
	plain := printed(t, examples, PrintOptions{})
	coloured := printed(t, examples, PrintOptions{Color: true})
	if !strings.Contains(coloured, "\x1b[1;31merror:\x1b[0m") || !strings.Contains(coloured, "\x1b[1;33mwarning:\x1b[0m") {
		t.Error("no colours")
	}
	for _, code := range []string{red, yellow, faint, bold, "0"} {
		coloured = strings.ReplaceAll(coloured, "\x1b["+code+"m", "")
	}
	if diff := cmp.Diff(plain, coloured); diff != "" {
		t.Error("colour changes more than colour:", diff)
	}
}

// A source that was edited after it was parsed does no harm.
func TestPrintOtherSource(t *testing.T) {
	for _, src := range []string{"", "x", "\n\n", "\r\n", "\xff\xfe", strings.Repeat("界", 300)} {
		var b bytes.Buffer
		if err := Print(&b, examples, PrintOptions{Sources: map[string][]byte{"edge.hcl": []byte(src)}}); err != nil {
			t.Fatal(err)
		}
		if strings.Count(b.String(), "error: ")+strings.Count(b.String(), "warning: ") != len(examples) {
			t.Errorf("%q: %s", src, b.String())
		}
	}
	odd := List{{Summary: "x", Subject: Range{"edge.hcl", Pos{1, 1, 9}, Pos{1, 1, 2}}}, {Summary: "y", Subject: Range{"edge.hcl", Pos{1, 1, -1}, Pos{}}}}
	if got := printed(t, odd, PrintOptions{}); strings.Contains(got, "|") {
		t.Errorf("an impossible place has a source line: %s", got)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestPrintError(t *testing.T) {
	want := errors.New("disk full")
	if err := Print(failing{want}, examples, PrintOptions{}); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

func TestJSON(t *testing.T) {
	list := List{
		{Severity: Warning, ID: "i", Summary: "s", Detail: "d", Fix: "f", Subject: mark("action"), Accepted: &Accepted{Reason: "r"}},
		{Summary: "nowhere"},
	}
	got, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"warning","id":"i","accepted":true,"reason":"r","summary":"s","detail":"d","fix":"f",` +
		`"file":"edge.hcl","line":7,"column":2},{"severity":"error","summary":"nowhere"}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if got, err := json.Marshal(List(nil)); err != nil || string(got) != "[]" {
		t.Errorf("an empty list is %s (%v)", got, err)
	}
}

func TestCount(t *testing.T) {
	if n := examples.Count(Error); n != 10 || !examples.HasErrors() || (List{{Severity: Warning}}).HasErrors() {
		t.Errorf("%d errors", n)
	}
}

func FuzzPrint(f *testing.F) {
	f.Add([]byte(source), 10, 20, "summary", 80)
	f.Add([]byte("\t界\r\n"), 0, 5, "a\nb", 0)
	f.Fuzz(func(t *testing.T, src []byte, from, to int, text string, width int) {
		list := List{{Summary: text, Detail: text, Fix: text, Subject: Range{text, Pos{1, 1, from}, Pos{1, 1, to}},
			Related: []Related{{Range{text, Pos{2, 2, to}, Pos{2, 2, from}}, text}}}}
		var b bytes.Buffer
		if err := Print(&b, list, PrintOptions{Sources: map[string][]byte{text: src}, Width: width % 300}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("control characters: %q", line)
			}
		}
	})
}
