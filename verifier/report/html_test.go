package report_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"

	"sallyport/verifier"
	"sallyport/verifier/report"
)

func page(t *testing.T, r *verifier.Report) string {
	t.Helper()
	return text(t, func(w io.Writer) error { return report.WriteHTML(w, r) })
}

func TestHTML(t *testing.T) {
	golden(t, "report.html", func(w io.Writer) error { return report.WriteHTML(w, sample()) })
}

// The page loads nothing, and lets nothing in but its own style.
func TestHTMLIsSelfContained(t *testing.T) {
	for name, r := range odd() {
		got := page(t, r)
		style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(got)
		if style == nil {
			t.Fatalf("%s: no style", name)
		}
		sum := sha256.Sum256([]byte(style[1]))
		hash := "style-src &#39;sha256-" + base64.StdEncoding.EncodeToString(sum[:])
		if !strings.Contains(strings.ReplaceAll(got, "&#43;", "+"), hash) {
			t.Errorf("%s: the content policy does not name the style", name)
		}
		if strings.Contains(style[1], "url(") || strings.Contains(style[1], "@import") {
			t.Errorf("%s: the style loads something", name)
		}
	}
}

// elements reads a page as XML, which it is but for its first lines, and returns the
// names of elements and of their attributes.
func elements(t *testing.T, page string) map[string]bool {
	t.Helper()
	_, body, found := strings.Cut(page, "<body>")
	if !found {
		t.Fatal("no body")
	}
	d := xml.NewDecoder(strings.NewReader("<body>" + strings.TrimSuffix(strings.TrimSpace(body), "</html>")))
	d.Strict = true
	names := map[string]bool{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatalf("%v at %d", err, d.InputOffset())
		}
		if e, ok := token.(xml.StartElement); ok {
			names[e.Name.Local] = true
			for _, a := range e.Attr {
				names[e.Name.Local+" "+a.Name.Local] = true
			}
		}
	}
}

// Hostile texts make no element and no attribute that a harmless report does not have.
func TestHTMLHostile(t *testing.T) {
	plain := elements(t, strings.Replace(page(t, sample()), " open>", ">", -1))
	got := page(t, hostileReport())
	for name := range elements(t, strings.Replace(got, " open>", ">", -1)) {
		if !plain[name] && name != "circle" && !strings.HasPrefix(name, "circle ") {
			t.Errorf("%q comes from a text", name)
		}
	}
	for _, bad := range []string{"<script", "<img", "onload=\"", "NaN", "Inf\"", "ZgotmplZ"} {
		if strings.Contains(strings.ReplaceAll(got, "&lt;", ""), bad) && !strings.Contains(page(t, sample()), bad) {
			i := strings.Index(got, bad)
			t.Errorf("%q: ...%.200s", bad, got[max(0, i-80):])
		}
	}
}

// A manager reads the result on top, in words.
func TestHTMLSaysTheResultFirst(t *testing.T) {
	for name, c := range map[string]struct {
		outcome verifier.Outcome
		word    string
	}{"pass": {verifier.Pass, "Passed"}, "fail": {verifier.Fail, "Failed"}, "undecided": {verifier.Undecided, "Inconclusive"}, "skipped": {verifier.Unprobed, "Inconclusive"}} {
		r := empty()
		r.Findings = []verifier.Finding{{Kind: verifier.STUN, Check: verifier.CheckReach, Outcome: c.outcome, Host: "relay.example", Summary: "x"}}
		got := page(t, r)
		at, before := strings.Index(got, "<strong>"+c.word+"</strong>"), strings.Index(got, "<table")
		if at < 0 || before < at {
			t.Errorf("%s: %q is not said before all else", name, c.word)
		}
		for _, other := range []string{"Passed", "Failed", "Inconclusive"} {
			if other != c.word && strings.Contains(got, "<strong>"+other) {
				t.Errorf("%s: says %q", name, other)
			}
		}
	}
}
