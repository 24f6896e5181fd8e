package report_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/report"
)

// later is the sample a day on: one port repaired, one that stays dropped by somebody
// else, one broken, one that is no longer verified, one that is new.
func later() *verifier.Report {
	r := sample()
	r.Started, r.Finished = r.Started.Add(24*time.Hour), r.Finished.Add(24*time.Hour)
	var list []verifier.Finding
	for _, f := range r.Findings {
		switch {
		case f.Port == 3479:
			f.Outcome, f.Verdict, f.Summary, f.Remedy = verifier.Pass, verifier.Reachable, "relay.example udp/3479 reachable", ""
		case f.Port == 3478 && f.Family == "ipv4":
			f.Outcome, f.Verdict, f.Remedy = verifier.Fail, verifier.Rejected, "let udp/3478 pass at 10.0.0.1: rule calls (policy.hcl:14)"
			f.Offender = f.Address.Next()
		case f.Port == 3480:
			f.Verdict, f.Summary = verifier.Inconclusive, "relay.example udp/3480: errors that do not agree"
		case f.Kind == verifier.NAT:
			continue
		}
		list = append(list, f)
	}
	fresh := list[0]
	fresh.Host, fresh.Summary = "new.example", "new.example is 20.202.7.7"
	r.Findings = append(list, fresh)
	return r
}

func TestChanges(t *testing.T) {
	golden(t, "changes.txt", func(w io.Writer) error { return report.WriteChanges(w, sample(), later(), report.TextOptions{}) })
	golden(t, "changes.json", func(w io.Writer) error { return report.WriteChangesJSON(w, sample(), later()) })
}

func TestChangesJSON(t *testing.T) {
	var got struct {
		Format  string
		Before  struct{ Exit_Code int }
		Changes []struct {
			Change, Key   string
			Before, After *struct{ Outcome string }
		}
	}
	out := text(t, func(w io.Writer) error { return report.WriteChangesJSON(w, sample(), later()) })
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	var ways []string
	for _, c := range got.Changes {
		ways = append(ways, c.Change)
		if (c.Before == nil) != (c.Change == "new") || (c.After == nil) != (c.Change == "gone") {
			t.Errorf("%s: before %v, after %v", c.Change, c.Before, c.After)
		}
	}
	if got.Format != report.ChangesFormat || got.Before.Exit_Code != 1 || strings.Join(ways, " ") != "worse changed better new gone" {
		t.Errorf("%+v: %v", got, ways)
	}
}

func TestNoChange(t *testing.T) {
	if got := text(t, func(w io.Writer) error { return report.WriteChanges(w, sample(), sample(), report.TextOptions{}) }); !strings.Contains(got, "Nothing changed") {
		t.Error(got)
	}
	got := text(t, func(w io.Writer) error { return report.WriteChangesJSON(w, sample(), sample()) })
	if !strings.Contains(got, `"changes": []`) {
		t.Error(got)
	}
}
