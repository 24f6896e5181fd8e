package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/need"
)

// subprocess is a command line of this program, run in dir, with a home of its own.
func subprocess(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("sallyport") // TestMain has put it there
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "SALLYPORT_CACHE=" + filepath.Join(dir, "cache"),
		"GORACE=atexit_sleep_ms=0", "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"}
	return cmd
}

// exitsWith runs cmd, which must exit with code, and returns its standard error.
func exitsWith(t *testing.T, code int, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	var exited *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v: exit code %d, want %d: %s", cmd.Args, got, code, stderr.String())
	}
	return stderr.String()
}

// threeFiles is a policy whose output is three files: two change with the addresses
// of the set "office", and the one that removes does not.
const threeFiles = `
set "office" { include = [%s] }
rule "all" {
  action   = "allow"
  to       = set.office
  services = any
}
target "nftables" "edge" { hook = "output" }
target "generic" "plan" {
  path   = "lists/plan.csv"
  format = "csv"
}
`

func writePolicy(t *testing.T, dir, name string, prefixes ...string) {
	t.Helper()
	var list []string
	for _, p := range prefixes {
		list = append(list, fmt.Sprintf("%q", p))
	}
	if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, threeFiles, strings.Join(list, ",\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// outputs is what is in a folder of outputs, by path.
func outputs(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestKilled kills generate at random instants. Each file is whole at every time, old
// or new, and the next run finishes what was begun.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	writePolicy(t, dir, "a.hcl", "198.51.100.0/24", "2001:db8::/48")
	writePolicy(t, dir, "b.hcl", "203.0.113.0/24", "2001:db8::/32")
	names := []string{"a.hcl", "b.hcl"}
	var want []map[string]string
	var takes time.Duration
	for _, name := range names {
		start := time.Now()
		exitsWith(t, exitOK, subprocess(t, dir, "generate", "--policy", name, "--out", "want-"+name))
		takes = time.Since(start)
		want = append(want, outputs(t, filepath.Join(dir, "want-"+name)))
	}
	exitsWith(t, exitOK, subprocess(t, dir, "generate", "--policy", "a.hcl"))
	out := filepath.Join(dir, "out")
	killed := 0
	for round := range 20 {
		cmd := subprocess(t, dir, "generate", "--policy", names[(round+1)%2])
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(takes))
		cmd.Process.Kill()
		if cmd.Wait() != nil {
			killed++
		}
		for path := range want[0] {
			data, err := os.ReadFile(filepath.Join(out, path))
			if err != nil {
				t.Fatal(err)
			}
			if s := string(data); s != want[0][path] && s != want[1][path] {
				t.Fatalf("round %d: %s is neither old nor new:\n%s", round, path, s)
			}
		}
		// The next run is of either policy, and leaves that one's files and nothing else.
		next := rand.N(2)
		start := time.Now()
		exitsWith(t, exitOK, subprocess(t, dir, "generate", "--policy", names[next]))
		takes = time.Since(start) // the machine may have become faster
		got := outputs(t, out)
		if len(got) != len(want[next]) {
			t.Fatalf("round %d: %d files are there, want %d", round, len(got), len(want[next]))
		}
		for path, text := range want[next] {
			if got[path] != text {
				t.Fatalf("round %d: %s is not what %s says:\n%s", round, path, names[next], got[path])
			}
		}
	}
	if killed == 0 {
		t.Error("no run was killed in time")
	}
}

// TestInterruptedRead sends signals to a run that waits for standard input. The pipe
// takes more than it holds only when somebody reads it, so the run has begun.
func TestInterruptedRead(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, args := range [][]string{{"aggregate"}, {"ranges", "list", "--feed", "-"}} {
			cmd := subprocess(t, t.TempDir(), args...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(stdin, strings.Repeat("# nothing yet\n", 20_000)); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			slow := time.AfterFunc(await.Patience, func() { cmd.Process.Kill() })
			cmd.Wait()
			slow.Stop()
			if code := cmd.ProcessState.ExitCode(); code != exitFailed || stderr.String() != "error: interrupted: nothing was written\n" {
				t.Errorf("%v after %v: exit code %d, %q", args, sig, code, stderr.String())
			}
		}
	}
}

// onTmpfs runs a shell script in a mount namespace of its own, with a tmpfs of 40 kB
// at out in dir.
func onTmpfs(t *testing.T, dir, script string) string {
	t.Helper()
	need.Root(t)
	need.Program(t, "mount")
	if err := os.Mkdir(filepath.Join(dir, "out"), 0o755); err != nil {
		t.Fatal(err)
	}
	sh := subprocess(t, dir)
	sh.Path, sh.Args = need.Program(t, "sh"), []string{"sh", "-ec", "mount -t tmpfs -o size=40k sallyport-test out\n" + script}
	sh.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return string(out)
}

// fails is a shell function: the command fails with exit code 1, and what is in out
// is as it was in before.
const fails = `
fails() {
	code=0
	"$@" >stdout || code=$?
	[ "$code" = 1 ] || { echo "exit code $code"; exit 1; }
	[ ! -s stdout ] || { echo "something on standard output"; exit 1; }
	diff -r before out
}
`

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	writePolicy(t, dir, "small.hcl", "198.51.100.0/24")
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("198.%d.%d.%d/32", 51+i/20000, i/100, i%100*2))
	}
	writePolicy(t, dir, "big.hcl", many...)
	out := onTmpfs(t, dir, fails+`
sallyport generate --policy small.hcl >report
cp -r out before
fails sallyport generate --policy big.hcl
# What is left over does not stand in the way of what fits.
sallyport generate --policy small.hcl --detailed-exitcode >report
diff -r before out
[ "$(ls -A out | sort | tr '\n' ' ')" = ".sallyport.outputs.json edge.nft edge.remove.nft lists " ] || { ls -A out; exit 1; }
`)
	if !strings.Contains(strings.Join(strings.Fields(out), " "), "no space left on device: free some space there and run again") ||
		strings.Count(out, "error: ") != 1 || strings.Contains(out, "goroutine") {
		t.Errorf("said:\n%s", out)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	writePolicy(t, dir, "a.hcl", "198.51.100.0/24")
	writePolicy(t, dir, "b.hcl", "203.0.113.0/24")
	out := onTmpfs(t, dir, fails+`
sallyport generate --policy a.hcl >report
cp -r out before
mount -o remount,ro out
fails sallyport generate --policy b.hcl
# Where nothing has to be written, a folder that can only be read will do.
sallyport generate --policy a.hcl --detailed-exitcode >report
`)
	if !strings.Contains(strings.Join(strings.Fields(out), " "), "read-only file system: choose an output folder that is not read-only") ||
		strings.Count(out, "error: ") != 1 || strings.Contains(out, "goroutine") {
		t.Errorf("said:\n%s", out)
	}
}
