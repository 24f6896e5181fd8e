package report_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/mattn/go-runewidth"

	"sallyport/verifier"
	"sallyport/verifier/report"
)

func text(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func table(t *testing.T, r *verifier.Report, opt report.TextOptions) string {
	t.Helper()
	return text(t, func(w io.Writer) error { return report.WriteTable(w, r, opt) })
}

func TestTable(t *testing.T) {
	golden(t, "table.txt", func(w io.Writer) error { return report.WriteTable(w, sample(), report.TextOptions{}) })
	golden(t, "table_narrow.txt", func(w io.Writer) error {
		return report.WriteTable(w, sample(), report.TextOptions{Width: 50, Verbose: true})
	})
}

// What failed comes first, with the port, the rule, the set and the place in the policy.
func TestTableLeadsWithWhatToDo(t *testing.T) {
	got := table(t, sample(), report.TextOptions{Width: 400})
	order := []string{"Failed\n", "udp/3479", "filtered after hop 3, 192.0.2.1", "let udp/3479", "rule calls (policy.hcl:14), set acs_media (policy.hcl:3)",
		"Inconclusive\n", "udp/3480 and udp/3481: silent, at 2 addresses", "Worth a look\n", "Not probed\n", "rule = rule.files", "CHECK", "rule calls, set acs_media", "Failed  "}
	rest := got
	for _, want := range order {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q does not follow in\n%s", want, got)
		}
		rest = after
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	for _, width := range []int{60, 80, 120} {
		for line := range strings.Lines(table(t, sample(), report.TextOptions{Width: width, Verbose: true})) {
			if n := runewidth.StringWidth(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("width %d: %d columns: %q", width, n, line)
			}
		}
	}
}

// A style only adds to the text: without its marks, the text is the same.
func TestStyle(t *testing.T) {
	styled := table(t, sample(), report.TextOptions{Style: func(_ report.Role, s string) string { return "<" + s + ">" }})
	if !strings.Contains(styled, "<Failed>") {
		t.Error("nothing is styled")
	}
	if got := strings.NewReplacer("<", "", ">", "").Replace(styled); got != table(t, sample(), report.TextOptions{}) {
		t.Error("a style changes the layout")
	}
}

// No text of a report can play with a terminal, in any format for people.
func TestHostileText(t *testing.T) {
	r := hostileReport()
	h := new(report.History)
	h.Add(r, 10)
	for name, write := range map[string]func(io.Writer) error{
		"table":   func(w io.Writer) error { return report.WriteTable(w, r, report.TextOptions{Verbose: true}) },
		"changes": func(w io.Writer) error { return report.WriteChanges(w, empty(), r, report.TextOptions{}) },
		"trend":   func(w io.Writer) error { return report.WriteTrend(w, h, report.TextOptions{}) },
		"html":    func(w io.Writer) error { return report.WriteHTML(w, r) },
		"junit":   func(w io.Writer) error { return report.WriteJUnit(w, r) },
		"prom":    func(w io.Writer) error { return report.WriteProm(w, r) },
	} {
		for _, c := range text(t, write) {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%s: writes %U", name, c)
				break
			}
		}
	}
}

// Odd reports are written, too, and nothing that passed nothing says "Passed".
func TestOddReports(t *testing.T) {
	for name, r := range odd() {
		got := table(t, r, report.TextOptions{})
		if r.ExitCode() != 0 && strings.Contains(got, "Passed") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
