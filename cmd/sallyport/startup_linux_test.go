package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"sallyport/internal/testkit/need"
)

// maxStart is how many instructions `sallyport version` may take: what every command pays
// before its work. It took 3.1 million when this was written, and a Go program that does
// nothing takes 0.3. A table or a regular expression that is made at every start shows
// here: make it when it is needed.
const maxStart = 3_400_000

// TestStartIsCheap counts instructions, which do not depend on how busy the machine is.
func TestStartIsCheap(t *testing.T) {
	valgrind := need.Program(t, "valgrind")
	dir := t.TempDir()
	if n := instructions(t, valgrind, program(t, dir, "sallyport", "."), "version"); n > maxStart {
		t.Errorf("version takes %d instructions, more than %d", n, maxStart)
	}
	if n := instructions(t, valgrind, idle(t, dir)); n < 100_000 || n > 1_000_000 {
		t.Errorf("a program that does nothing takes %d instructions: the count is wrong", n)
	}
}

// TestRunsAreCheap counts what runs on the whole Azure cloud take, with the feed in the
// cache. A run that changes nothing must not cost more than one that writes.
func TestRunsAreCheap(t *testing.T) {
	valgrind := need.Program(t, "valgrind")
	dir := t.TempDir()
	generate := cachedFeed(t, newMeter(t, dir), dir, program(t, dir, "sallyport", "."))
	if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	fresh := instructions(t, valgrind, generate...)
	again := instructions(t, valgrind, generate...)
	check := instructions(t, valgrind, append([]string{generate[0], "check"}, without(generate[2:], "--out")...)...)
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

var total = regexp.MustCompile(`(?m)^summary: (\d+)$`)

// instructions counts those of a process, without those of the kernel.
func instructions(t *testing.T, valgrind string, command ...string) int {
	t.Helper()
	file := filepath.Join(t.TempDir(), "count")
	args := append([]string{"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=" + file}, command...)
	if out, err := exec.Command(valgrind, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := total.FindSubmatch(data)
	if m == nil {
		t.Fatalf("cachegrind gives no sum: %.200s", data)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
