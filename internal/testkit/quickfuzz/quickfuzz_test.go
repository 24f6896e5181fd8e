package quickfuzz

import (
	"flag"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

func TestMinimizeTime(t *testing.T) {
	flagged := flag.Lookup(minimizeTime).Value
	if got := flagged.String(); got != "1x" {
		t.Errorf("inputs are made smaller for %s", got)
	}
	defer func() { _ = flagged.Set("1x") }()
	if err := flagged.Set("7x"); err != nil {
		t.Fatal(err)
	}
	if Prepare(); flagged.String() != "7x" {
		t.Errorf("what was asked for becomes %s", flagged)
	}
}
