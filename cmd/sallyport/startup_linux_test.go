package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sallyport/internal/testkit/grow"
)

// maxStart is how many instructions `sallyport version` may take: what every command pays
// before its work. It took 3.1 million when this was written, and a Go program that does
// nothing takes 0.3. A table or a regular expression that is made at every start shows
// here: make it when it is needed.
const maxStart = 3_400_000

// TestStartIsCheap counts instructions, which do not depend on how busy the machine is.
func TestStartIsCheap(t *testing.T) {
	dir := t.TempDir()
	if n := grow.Instructions(t, program(t, dir, "sallyport", "."), "version"); n > maxStart {
		t.Errorf("version takes %d instructions, more than %d", n, maxStart)
	}
	if n := grow.Instructions(t, idle(t, dir)); n < 100_000 || n > 1_000_000 {
		t.Errorf("a program that does nothing takes %d instructions: the count is wrong", n)
	}
}

// TestRunsAreCheap counts what runs on the whole Azure cloud take, with the feed in the
// cache. A run that changes nothing must not cost more than one that writes.
func TestRunsAreCheap(t *testing.T) {
	dir := t.TempDir()
	generate := cachedFeed(t, newMeter(t, dir), dir, program(t, dir, "sallyport", "."))
	if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	fresh := grow.Instructions(t, generate...)
	again := grow.Instructions(t, generate...)
	check := grow.Instructions(t, append([]string{generate[0], "check"}, without(generate[2:], "--out")...)...)
	t.Logf("fresh %d, again %d, check %d", fresh, again, check)
	if fresh > 45_000_000 || again > fresh || check > 40_000_000 {
		t.Errorf("%d instructions for a new output, %d for one that is up to date, %d to check: limits are 45M, that of the first, and 40M", fresh, again, check)
	}
}

// without is args without a flag and its value.
func without(args []string, flag string) []string {
	i := slices.Index(args, flag)
	return slices.Delete(slices.Clone(args), i, i+2)
}
