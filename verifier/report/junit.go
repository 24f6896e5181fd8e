package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"sallyport/verifier"
)

const junitPackage = "sallyport.verify"

// JUnitMark stands near the beginning of what WriteJUnit writes.
const JUnitMark = `package="` + junitPackage + `"`

// WriteJUnit writes a report for continuous integration: a suite for each rule, a case
// for each check of a host, port and family.
//
//	fail           failure
//	inconclusive   error: the check could not decide, and a green build would say it did
//	not probed     skipped
//	warning        passes; the text is in the suite's system-out
//
// So there is a failure exactly when the exit code is 1, and an error without a failure
// exactly when it is 3: where nothing at all was tried, a case of its own says so.
//
// The elements and attributes are those that the two schemas in use have in common: the
// one of Ant's task (github.com/windyroad/JUnit-Schema), which wants a fixed order and
// all attributes, and the one of Jenkins (xunit-plugin, junit-10.xsd); both read
// 2026-11-23. Ant's has no place for output in a case.
func WriteJUnit(w io.Writer, r *verifier.Report) error {
	var all junitSuites
	for _, s := range sectionsOf(r) {
		all.Suites = append(all.Suites, suiteOf(r, s.title, entriesOf(s.findings)))
	}
	if n := r.Counts(); n[verifier.Pass]+n[verifier.Warn]+n[verifier.Undecided]+n[verifier.Fail] == 0 {
		s := suiteOf(r, "run", nil)
		s.add(junitCase{Name: "something was verified", Error: &junitTrouble{Type: string(verifier.NotProbed), Message: "nothing was verified: no check was tried"}})
		all.Suites = append(all.Suites, s)
	}
	for i := range all.Suites {
		all.Suites[i].ID = i
	}
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	_, err = w.Write([]byte(xml.Header + string(b) + "\n"))
	return err
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	ID         int             `xml:"id,attr"`
	Package    string          `xml:"package,attr"`
	Name       string          `xml:"name,attr"`
	Timestamp  string          `xml:"timestamp,attr"` // UTC; the schema allows no zone
	Hostname   string          `xml:"hostname,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties junitProperties `xml:"properties"`
	Cases      []junitCase     `xml:"testcase"`
	Out        junitText       `xml:"system-out"`
	Err        junitText       `xml:"system-err"`
}

type junitText struct {
	Text string `xml:",cdata"`
}

type junitProperties struct {
	List []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitTrouble `xml:"failure"`
	Error   *junitTrouble `xml:"error"`
	Skipped *junitSkipped `xml:"skipped"`
}

type junitTrouble struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"` // keeps its lines as they are
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

func suiteOf(r *verifier.Report, title string, checks []entry) junitSuite {
	s := junitSuite{
		Name: title, Package: junitPackage,
		Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Hostname: "localhost",
		// Rules are verified side by side, so that each took as long as the run.
		Time: fmt.Sprintf("%.3f", took(r)),
	}
	if r.Machine != "" {
		s.Hostname = clean(r.Machine)
	}
	for _, p := range []junitProperty{
		{"policy", subject(r)}, {"policy_sha256", clean(r.Plan.PolicyHash)}, {"sallyport", clean(r.Version)},
		{"system", clean(r.System)}, {"vantage", clean(string(r.Vantage))},
	} {
		if p.Value != "" {
			s.Properties.List = append(s.Properties.List, p)
		}
	}
	var out []string
	known := map[string]int{}
	for _, e := range checks {
		c := caseOf(e)
		if known[c.Name]++; known[c.Name] > 1 { // another probe of the same host, say
			c.Name = fmt.Sprintf("%s (%d)", c.Name, known[c.Name])
		}
		s.add(c)
		for _, f := range e.all {
			if f.Outcome == verifier.Warn {
				out = append(out, about(f)+": "+details(f))
			}
		}
	}
	s.Out.Text = strings.Join(out, "\n\n")
	return s
}

// add counts and names a case.
func (s *junitSuite) add(c junitCase) {
	// No finding says how long it took; the schema wants a number.
	c.Class, c.Time = s.Name, "0"
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func caseOf(e entry) junitCase {
	c := junitCase{Name: about(e.worst)}
	if c.Name == "" {
		c.Name = "check"
	}
	var texts []string
	for _, f := range e.all {
		if f.Outcome == e.worst.Outcome {
			texts = append(texts, details(f))
		}
	}
	trouble := junitTrouble{Message: clean(e.worst.Summary), Type: junitType(e.worst), Text: strings.Join(texts, "\n\n")}
	switch e.worst.Outcome {
	case verifier.Pass, verifier.Warn:
	case verifier.Fail:
		c.Failure = &trouble
	case verifier.Unprobed:
		c.Skipped = &junitSkipped{trouble.Message}
	default:
		c.Error = &trouble
	}
	return c
}

// junitType is the verdict, or what was checked.
func junitType(f *verifier.Finding) string {
	if f.Verdict != "" {
		return clean(string(f.Verdict))
	}
	return clean(string(f.Check))
}

// details are all that a finding says, a line each.
func details(f *verifier.Finding) string {
	lines := []string{clean(f.Summary)}
	for _, e := range f.Evidence {
		lines = append(lines, "seen: "+clean(e))
	}
	if f.Remedy != "" {
		lines = append(lines, "do: "+clean(f.Remedy))
	}
	return strings.Join(lines, "\n")
}
