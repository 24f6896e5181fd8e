package report_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/need"
	"sallyport/verifier"
	"sallyport/verifier/report"
)

func TestJUnit(t *testing.T) {
	golden(t, "junit.xml", func(w io.Writer) error { return report.WriteJUnit(w, sample()) })
}

func TestJUnitIsValid(t *testing.T) {
	xmllint := need.Program(t, "xmllint")
	reports := odd()
	reports["the sample"] = sample()
	for name, r := range reports {
		cmd := exec.Command(xmllint, "--noout", "--nonet", "--schema", filepath.Join("testdata", "junit.xsd"), "-")
		cmd.Stdin = strings.NewReader(text(t, func(w io.Writer) error { return report.WriteJUnit(w, r) }))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%.2000s", name, err, out)
		}
	}
}

// suites is what a build server reads.
type suites struct {
	Suites []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Cases    []struct {
			Name    string    `xml:"name,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func readJUnit(t *testing.T, r *verifier.Report) (s suites, failures, errors int) {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteJUnit(&b, r); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	d.Strict = true
	if err := d.Decode(&s); err != nil {
		t.Fatal(err)
	}
	for _, one := range s.Suites {
		names := map[string]bool{}
		f, e, k := 0, 0, 0
		for _, c := range one.Cases {
			if names[c.Name] {
				t.Errorf("two cases of suite %q are called %q", one.Name, c.Name)
			}
			names[c.Name] = true
			switch {
			case c.Failure != nil:
				f++
			case c.Error != nil:
				e++
			case c.Skipped != nil:
				k++
			}
		}
		if len(one.Cases) != one.Tests || f != one.Failures || e != one.Errors || k != one.Skipped {
			t.Errorf("suite %q counts wrongly", one.Name)
		}
		failures, errors = failures+f, errors+e
	}
	return s, failures, errors
}

// A build is red exactly when the exit code is not 0: by a failure for 1, by an error
// alone for 3.
func TestJUnitAgreesWithTheExitCode(t *testing.T) {
	reports := odd()
	delete(reports, "hostile") // two hosts that differ in what cannot be shown look alike
	reports["the sample"] = sample()
	outcomes := verifier.Outcomes()
	for mask := range 1 << len(outcomes) {
		r, name := empty(), ""
		for i, o := range outcomes {
			if mask&(1<<i) != 0 {
				r.Findings = append(r.Findings, verifier.Finding{Kind: verifier.STUN, Check: verifier.CheckReach, Outcome: o, Host: string(o), Summary: "x"})
				name += " " + string(o)
			}
		}
		reports[name] = r
	}
	for name, r := range reports {
		_, failures, errors := readJUnit(t, r)
		code := 0
		switch {
		case failures > 0:
			code = 1
		case errors > 0:
			code = 3
		}
		if code != r.ExitCode() {
			t.Errorf("%s: %d failures and %d errors, but exit code %d", name, failures, errors, r.ExitCode())
		}
	}
}

// One address of a name that fails makes its case fail; a suite stands for a rule.
func TestJUnitCases(t *testing.T) {
	s, _, _ := readJUnit(t, sample())
	if got := s.Suites[0].Name; got != "rule calls" {
		t.Errorf("the first suite is %q", got)
	}
	found := false
	for _, c := range s.Suites[0].Cases {
		if c.Name == "relay.example stun udp/3479 ipv4" {
			found = c.Failure != nil
		}
	}
	if !found {
		t.Error("the dropped port is no failure")
	}
}
