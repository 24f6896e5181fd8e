package quickfuzz

import (
	"flag"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestMinimizeTime(t *testing.T) {
	if got := flag.Lookup("test.fuzzminimizetime").Value.String(); got != "1x" {
		t.Errorf("inputs are made smaller for %s", got)
	}
}
