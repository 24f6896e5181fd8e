package grow

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"sallyport/internal/testkit/need"
)

var total = regexp.MustCompile(`(?m)^summary: (\d+)$`)

// Instructions runs a command, which must succeed, and counts the instructions of its
// process, without those of the kernel. It needs valgrind, and the command takes some
// twenty times its usual time. A Go program runs on one processor: with several, threads
// that wait for each other count billions of instructions now and then. Two counts of one
// command differ by 1 % or so, because Go's scheduler and collector do not run twice in the
// same way.
func Instructions(tb testing.TB, command ...string) int {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "count")
	args := append([]string{"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=" + file}, command...)
	cmd := exec.Command(need.Program(tb, "valgrind"), args...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	m := total.FindSubmatch(data)
	if m == nil {
		tb.Fatalf("cachegrind gives no sum: %.200s", data)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		tb.Fatal(err)
	}
	return n
}
