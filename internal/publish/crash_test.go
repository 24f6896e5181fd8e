package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/quickfuzz"
)

// TestMain makes the test program a child that publishes, where the environment
// asks for one; see startChild.
func TestMain(m *testing.M) {
	if job := os.Getenv("PUBLISH_TEST_CHILD"); job != "" {
		if err := child(job, os.Getenv("PUBLISH_TEST_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	quickfuzz.Main(m)
}

// child does a job in dir: "loop FROM" publishes the generations FROM, FROM+2,
// FROM+4 ... for ever, "crash N SIZE GEN" dies at the N-th step of publishing a
// generation, "publish SIZE GEN" publishes one, "limit BYTES" does it under a
// limit on the size of files.
func child(job, dir string) error {
	var verb string
	var a, b, c int
	_, _ = fmt.Sscan(job, &verb, &a, &b, &c)
	switch verb {
	case "loop":
		for gen := a; ; gen += 2 {
			if _, err := Publish(dir, Set{Files: generation(gen, 5)}); err != nil {
				return err
			}
			if gen == a {
				fmt.Println("ready")
			}
		}
	case "crash":
		p := publisher{dir: dir, wait: time.Second, hook: func(string) error {
			if a--; a == 0 {
				die()
			}
			return nil
		}}
		_, err := p.publish(Set{Files: generation(c, b)})
		return err
	case "publish":
		_, err := Publish(dir, Set{Files: generation(b, a)})
		return err
	default:
		return limited(a, dir)
	}
}

// die ends the process as kill -9 does: without cleaning up.
func die() {
	self, _ := os.FindProcess(os.Getpid())
	_ = self.Kill()
	select {}
}

func startChild(t *testing.T, dir, job string) (*exec.Cmd, io.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	// No time for the race detector's good-bye.
	cmd.Env = append(os.Environ(), "PUBLISH_TEST_CHILD="+job, "PUBLISH_TEST_DIR="+dir, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// generation is a set of n files, each of which tells its path and generation
// from its first to its last byte. Lengths differ from one to the next.
func generation(gen, n int) []File {
	paths := []string{"edge.nft", "vpn/laptops.conf", "vpn/branch.set", "deep/er/list.txt", "zz"}[:n]
	var files []File
	for i, p := range paths {
		line := fmt.Sprintf("%d %s\n", gen, p)
		files = append(files, File{Path: p, Data: bytes.Repeat([]byte(line), 1+(gen*7+i*13)%(400*(i+1)))})
	}
	return files
}

// generationOf says which generation data is, and fails if it is not whole.
func generationOf(t *testing.T, data []byte, path string, n int) int {
	t.Helper()
	first, _, _ := strings.Cut(string(data), " ")
	gen, err := strconv.Atoi(first)
	if err != nil {
		t.Fatalf("%s holds no generation: %.40q", path, data)
	}
	for _, f := range generation(gen, n) {
		if f.Path == path && !bytes.Equal(f.Data, data) {
			t.Fatalf("%s is torn: %d bytes of generation %d, which has %d", path, len(data), gen, len(f.Data))
		}
	}
	return gen
}

// onDisk returns the generation of each file in its place.
func onDisk(t *testing.T, dir string, n int) (gens []int) {
	t.Helper()
	for _, f := range generation(0, n) {
		data, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		gens = append(gens, generationOf(t, data, f.Path, n))
	}
	return gens
}

// published returns the generation that Read shows, the same for all files.
func published(t *testing.T, dir string, n int) int {
	t.Helper()
	gen := -1
	for i, f := range generation(0, n) {
		data, ok, err := Read(dir, f.Path)
		if err != nil || !ok {
			t.Fatalf("Read(%s) gives %v, %v", f.Path, ok, err)
		}
		g := generationOf(t, data, f.Path, n)
		if i > 0 && g != gen {
			t.Fatalf("Read shows a mixed set: %s is of %d, the ones before of %d", f.Path, g, gen)
		}
		gen = g
	}
	return gen
}

func TestCrashAtEveryStep(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(n, " files"), func(t *testing.T) {
			t.Parallel()
			seen := map[int]int{}
			for step := 1; ; step++ {
				dir := t.TempDir()
				mustPublish(t, dir, generation(1, n)...)
				cmd, _ := startChild(t, dir, fmt.Sprint("crash ", step, n, 2))
				if cmd.Wait() == nil {
					break // it had fewer steps
				}
				got := published(t, dir, n)
				seen[got]++
				for _, gen := range onDisk(t, dir, n) {
					if gen != 1 && gen != got {
						t.Errorf("step %d: a file is of generation %d, Read shows %d", step, gen, got)
					}
				}
				if step%2 == 0 {
					if _, err := Recover(dir); err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
					mustBeClean(t, dir)
					if gen := published(t, dir, n); gen != got {
						t.Errorf("step %d: recovering turned %d into %d", step, got, gen)
					}
				}
				mustPublish(t, dir, generation(3, n)...)
			}
			// Every kind of step has had its turn, before and after the publishing rename.
			if seen[1] < 4 || seen[2] < 3 || len(seen) != 2 {
				t.Errorf("crashes left generations %v", seen)
			}
		})
	}
}

func TestFailAtEveryStep(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		for _, cause := range []error{syscall.ENOSPC, syscall.EIO, os.ErrPermission} {
			t.Run(fmt.Sprint(n, " files, ", cause), func(t *testing.T) {
				t.Parallel()
				base := scratch(t)
				for step := 1; ; step++ {
					dir := filepath.Join(base, strconv.Itoa(step))
					mustPublish(t, dir, generation(1, n)...)
					before := tree(t, dir)
					count := 0
					p := publisher{dir: dir, wait: time.Second, hook: func(string) error {
						if count++; count == step {
							return cause
						}
						return nil
					}}
					_, err := p.publish(Set{Files: generation(2, n)})
					if count < step {
						break
					}
					if err == nil { // cleaning up may fail: the next run sees to it
						if gen := published(t, dir, n); gen != 2 {
							t.Errorf("step %d: generation %d after success", step, gen)
						}
						continue
					}
					mustAdvise(t, err)
					if !errors.Is(err, cause) {
						t.Errorf("step %d: %v does not wrap %v", step, err, cause)
					}
					if published(t, dir, n) == 1 {
						if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
							t.Errorf("step %d: the folder changed: %s", step, diff)
						}
					}
					mustPublish(t, dir, generation(3, n)...)
				}
			})
		}
	}
}

// Recovering can be cut short at every step too.
func TestCrashWhileRecovering(t *testing.T) {
	t.Parallel()
	base := scratch(t)
	for step := 1; ; step++ {
		dir := filepath.Join(base, strconv.Itoa(step))
		mustPublish(t, dir, generation(1, 5)...)
		p := publisher{dir: dir, wait: time.Second, hook: func(s string) error {
			if strings.HasPrefix(s, "put vpn") {
				return syscall.EIO
			}
			return nil
		}}
		if _, err := p.publish(Set{Files: generation(2, 5)}); err == nil {
			t.Fatal("the run should have been cut short")
		}
		cmd, _ := startChild(t, dir, fmt.Sprint("crash ", step, 5, 3))
		if cmd.Wait() == nil {
			break
		}
		if gen := published(t, dir, 5); gen != 2 && gen != 3 {
			t.Errorf("step %d: generation %d", step, gen)
		}
		mustPublish(t, dir, generation(4, 5)...)
	}
}

func TestKillAtRandom(t *testing.T) {
	runs := 300
	if testing.Short() {
		runs = 30
	}
	const workers = 3
	var total, midway, journals int
	var mu sync.Mutex
	mixed := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return midway >= total/4 && journals > 0 && journals < midway
	}
	t.Run("runs", func(t *testing.T) {
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				rnd := rand.New(rand.NewPCG(uint64(w), 1))
				dir := scratch(t)
				// Where the machine is slow, more kills may be needed to hit all parts of a run.
				for i := 0; i < runs/workers || !mixed() && i < 10*runs/workers; i++ {
					cmd, out := startChild(t, dir, fmt.Sprint("loop ", i*100_000))
					if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
						t.Fatal("the child has not published:", err)
					}
					time.Sleep(time.Duration(rnd.IntN(5_000)) * time.Microsecond)
					if err := cmd.Process.Kill(); err != nil {
						t.Fatal(err)
					}
					_ = cmd.Wait()
					want := published(t, dir, 5)
					for _, gen := range onDisk(t, dir, 5) {
						if gen != want && gen != want-2 {
							t.Fatalf("generation %d is on disk, while %d is published", gen, want)
						}
					}
					left := !missing(filepath.Join(dir, lockName))
					mu.Lock()
					if total++; left {
						midway++
					}
					if !missing(filepath.Join(dir, pendingDir)) {
						journals++
					}
					mu.Unlock()
					mustPublish(t, dir, generation(i*100_000+99_999, 5)...)
				}
			})
		}
	})
	t.Logf("%d of %d kills hit a run midway, %d after it had published", midway, total, journals)
	if !mixed() {
		t.Error("the kills miss a part of the run: the test does not test")
	}
}

// Two processes and two goroutines publish whole sets into one folder, while
// others look at the files.
func TestConcurrentPublishers(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	mustPublish(t, dir, generation(0, 5)...)
	var children []*exec.Cmd
	for i := range 2 {
		cmd, out := startChild(t, dir, fmt.Sprint("loop ", 1_000_000+i))
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			t.Fatal("the child has not published:", err)
		}
		children = append(children, cmd)
	}
	var writers, readers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			for gen := range 15 {
				p := publisher{dir: dir, wait: await.Patience} // each waits for three others
				if _, err := p.publish(Set{Files: generation(2*gen+i, 5)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, f := range generation(0, 5) {
				direct, err1 := os.ReadFile(filepath.Join(dir, f.Path))
				data, ok, err2 := Read(dir, f.Path)
				if err1 != nil || err2 != nil || !ok {
					t.Error(f.Path, ok, err1, err2)
					return
				}
				for _, d := range [][]byte{direct, data} {
					if !whole(d, f.Path) {
						t.Errorf("%s is torn: %d bytes, %.40q", f.Path, len(d), d)
						return
					}
				}
			}
		}
	})
	writers.Wait()
	for _, c := range children {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	close(stop)
	readers.Wait()
	if _, err := Recover(dir); err != nil {
		t.Fatal(err)
	}
	gens := onDisk(t, dir, 5)
	for _, g := range gens {
		if g != gens[0] {
			t.Fatalf("a mixed set: %v", gens)
		}
	}
	mustBeClean(t, dir)
}

// whole reports whether data is one whole generation of path.
func whole(data []byte, path string) bool {
	first, _, _ := strings.Cut(string(data), " ")
	gen, err := strconv.Atoi(first)
	if err != nil {
		return false
	}
	for _, f := range generation(gen, 5) {
		if f.Path == path {
			return bytes.Equal(f.Data, data)
		}
	}
	return false
}
