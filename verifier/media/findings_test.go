package media

import (
	"math"
	"testing"

	"sallyport/internal/testkit/impair"
	"sallyport/verifier"
)

func TestFindings(t *testing.T) {
	about := verifier.Finding{Probe: "reflector", Host: "reflect.example", Rule: "calls", Evidence: append(make([]string, 0, 9), "given")}
	train, _, _ := simulate(t, link{forward: impair.Faults{Loss: 0.04}, backward: impair.Faults{Loss: 0.04}}, Options{})
	judged := Judge(train, Edge())
	list := judged.Findings(about)
	if len(list) != len(judged.Judgements) {
		t.Fatalf("%d findings of %d judgements", len(list), len(judged.Judgements))
	}
	keys, seen := map[string]bool{}, map[verifier.Outcome]bool{}
	lost, answered := 0, 0
	for i, f := range list {
		j := judged.Judgements[i]
		keys[f.Key()], seen[f.Outcome] = true, true
		m := f.Metrics[0]
		scale := map[string]float64{"ms": 1000, "%": 100}[j.Unit]
		if f.Outcome != j.Outcome || m.Limit == nil || math.Abs(m.Value*scale-j.Measured) > 1e-6 || math.Abs(*m.Limit*scale-j.Limit) > 1e-6 {
			t.Errorf("%s: %+v", j.Criterion, f)
		}
		if (f.Verdict == verifier.Inconclusive) != (f.Outcome == verifier.Undecided) {
			t.Errorf("%s: verdict %q of outcome %q", f.Case, f.Verdict, f.Outcome)
		}
		if f.Evidence[0] != "given" || f.Evidence[1] != j.Reason {
			t.Errorf("%s: evidence %q", f.Case, f.Evidence)
		}
		if (f.Outcome == verifier.Fail) != (f.Remedy != "") {
			t.Errorf("%s: remedy %q", f.Case, f.Remedy)
		}
		for _, s := range f.Series {
			if s.Name == verifier.MetricRTT {
				answered += len(s.Points)
			} else {
				lost += len(s.Points)
			}
		}
	}
	if len(keys) != len(list) {
		t.Error("two criteria share a key")
	}
	if len(seen) != 3 {
		t.Errorf("the train has the outcomes %v only", seen)
	}
	if answered != judged.Stats.Answered || lost != len(train.Samples)-answered || lost == 0 {
		t.Errorf("%d answered and %d lost of %d", answered, lost, len(train.Samples))
	}
}
