package verifier

import (
	"bytes"
	"strings"
	"testing"
)

// A bundle that is cut short is an error, wherever it is cut.
func TestPlanCutShort(t *testing.T) {
	var b bytes.Buffer
	if err := samplePlan().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimRight(b.String(), "\n")
	for n := range text {
		if p, err := ReadPlan(strings.NewReader(text[:n])); err == nil {
			t.Fatalf("cut at byte %d it is read as %+v", n, p)
		}
	}
	if _, err := ReadPlan(strings.NewReader(text)); err != nil {
		t.Error(err)
	}
}
