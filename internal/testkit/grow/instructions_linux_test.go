package grow

import (
	"os/exec"
	"testing"
)

// TestInstructions counts a loop of the shell that is run ten times as often.
func TestInstructions(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	loop := func(n string) int {
		return Instructions(t, sh, "-c", "i=0; while [ $i -lt "+n+" ]; do i=$((i+1)); done")
	}
	none, few, many := loop("0"), loop("1000"), loop("10000")
	if ratio := float64(many-none) / float64(few-none); ratio < 8 || ratio > 12 {
		t.Errorf("%d instructions for no turn, %d for 1,000, %d for 10,000: the ratio is %f", none, few, many, ratio)
	}
}
