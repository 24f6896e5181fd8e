package publish

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/need"
)

// limited publishes under a limit on the size of files, as ulimit -f sets it.
func limited(bytes int, dir string) error {
	err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)})
	if err != nil {
		return err
	}
	_, err = Publish(dir, Set{Files: generation(399, 5)})
	if errors.Is(err, unix.EFBIG) {
		fmt.Println("too big")
		return nil
	}
	return fmt.Errorf("limited to %d bytes: %w", bytes, err)
}

func TestLimitOnFileSize(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, generation(1, 5)...)
	before := tree(t, dir)
	cmd, _ := startChild(t, dir, "limit 1000")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Error("the folder changed:", diff)
	}
	mustPublish(t, dir, generation(399, 5)...)
}

// What the order of steps promises, the system calls keep: each file and each
// folder is synced, and no more.
func TestSyncsAsTheKernelSeesThem(t *testing.T) {
	strace := need.Program(t, "strace")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "out")
	for _, tc := range []struct {
		name, job string
		want      []string
	}{
		{"a first set", "publish 2 1", []string{"..", "new/edge.nft", "new/vpn%2Flaptops.conf", "new/" + ManifestName, "new", ".", ".", "vpn"}},
		{"a set", "publish 2 2", []string{"new/edge.nft", "new/vpn%2Flaptops.conf", "new/" + ManifestName, "new", ".", ".", "vpn"}},
		{"nothing", "publish 2 2", nil},
		{"one file", "publish 1 3", []string{"new/edge.nft", "new/" + ManifestName, "new", ".", "."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := filepath.Join(base, "strace.log")
			cmd := exec.Command(strace, "-f", "--seccomp-bpf", "-y", "-qq", "-e", "trace=fsync,fdatasync,sync,syncfs", "-o", log, exe)
			cmd.Env = append(os.Environ(), "PUBLISH_TEST_CHILD="+tc.job, "PUBLISH_TEST_DIR="+dir, "GORACE=atexit_sleep_ms=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range regexp.MustCompile(`sync\(\d+<([^>]*)>`).FindAllStringSubmatch(string(data), -1) {
				rel, err := filepath.Rel(dir, m[1])
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, strings.TrimPrefix(rel, reserved))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%s", diff, data)
			}
		})
	}
}

func mount(t *testing.T, source, target, fstype string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		t.Fatalf("mount on %s: %v", target, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// scratch is a temporary folder, in memory where that is allowed: a process
// that is killed leaves the same on any file system, and hundreds of runs
// needn't wait for the disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		mount(t, "tmpfs", dir, "tmpfs", 0, "size=16m")
	}
	return dir
}

func TestFullDisk(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=256k")
	big := func(b byte, kib int) []byte { return bytes.Repeat([]byte{b}, kib<<10) }
	old := []File{{Path: "a", Data: big('1', 64)}, {Path: "sub/b", Data: big('2', 64)}}
	mustPublish(t, dir, old...)
	before := tree(t, dir)
	for _, set := range [][]File{
		{{Path: "a", Data: big('3', 200)}},
		{{Path: "a", Data: big('3', 64)}, {Path: "sub/b", Data: big('4', 100)}},
	} {
		_, err := Publish(dir, Set{Files: set})
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("a full disk gives %v", err)
		}
		mustAdvise(t, err)
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Error("the folder changed:", diff)
		}
	}
	mustPublish(t, dir, File{Path: "a", Data: big('5', 32)}, File{Path: "sub/b", Data: big('6', 64)})
}

func TestReadOnlyFileSystem(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	mount(t, "tmpfs", dir, "tmpfs", 0, "size=256k")
	old := []File{file("a", "1"), file("b", "2")}
	mustPublish(t, dir, old...)
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, dir, old...)
	before := tree(t, dir)
	_, err := Publish(dir, Set{Files: []File{file("a", "new"), file("b", "new")}})
	if !errors.Is(err, unix.EROFS) {
		t.Fatalf("a read-only file system gives %v", err)
	}
	mustAdvise(t, err)
	if _, err := Recover(dir); err != nil {
		t.Error(err)
	}
	if data, ok, err := Read(dir, "a"); string(data) != "1" || !ok || err != nil {
		t.Errorf("Read gives %q, %v, %v", data, ok, err)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Error("the folder changed:", diff)
	}
}

// What is mounted inside the output folder is refused before anything changes.
func TestMountsInside(t *testing.T) {
	need.Root(t)
	for _, tc := range []struct {
		name, place string
		mount       func(t *testing.T, place string)
	}{
		{"a folder of another file system", "sub", func(t *testing.T, place string) {
			mount(t, "tmpfs", place, "tmpfs", 0, "size=256k")
		}},
		{"a folder of the same file system", "sub", func(t *testing.T, place string) {
			mount(t, t.TempDir(), place, "", unix.MS_BIND, "")
		}},
		{"a file", "sub/b", func(t *testing.T, place string) {
			other := filepath.Join(t.TempDir(), "b")
			if err := os.WriteFile(other, []byte("other"), 0o644); err != nil {
				t.Fatal(err)
			}
			mount(t, other, place, "", unix.MS_BIND, "")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			mustPublish(t, dir, file("a", "old"), file("sub/b", "old"))
			tc.mount(t, filepath.Join(dir, tc.place))
			before := tree(t, dir)
			for _, set := range [][]File{
				{file("sub/b", "new")},
				{file("a", "new"), file("sub/b", "new")},
			} {
				_, err := Publish(dir, Set{Files: set})
				if err == nil {
					t.Fatal("published across mounts")
				}
				mustAdvise(t, err)
				if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
					t.Error("the folder changed:", diff)
				}
			}
		})
	}
	t.Run("the output folder itself is fine", func(t *testing.T) {
		dir := t.TempDir()
		mount(t, t.TempDir(), dir, "", unix.MS_BIND, "")
		mustPublish(t, dir, file("a", "1"), file("sub/b", "2"))
	})
}

// asUser calls f with the file access of an ordinary user. Tests of permissions
// mean nothing to root.
func asUser(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Error(err)
		}
	}()
	f()
}

// openDir is a temporary folder that others can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPermissions(t *testing.T) {
	set := []File{file("a", "new"), file("sub/b", "new")}
	for _, tc := range []struct {
		name             string
		dir, sub, folder os.FileMode
	}{
		{"nothing may be written", 0o555, 0o555, 0o644},
		{"the output folder may not be written", 0o555, 0o777, 0o644},
		{"a folder in it may not be written", 0o777, 0o555, 0o644},
		{"a folder in it may not be entered", 0o777, 0o666, 0o644},
		{"an old file may not be read", 0o777, 0o777, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := openDir(t)
			mustPublish(t, dir, file("a", "old"), file("sub/b", "old"))
			chmod := func(name string, mode os.FileMode) {
				if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"a", "sub/b", ManifestName} { // the user's own
				if os.Geteuid() == 0 {
					if err := os.Chown(filepath.Join(dir, name), 65534, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			chmod("a", tc.folder)
			chmod("sub", tc.sub)
			chmod(".", tc.dir)
			asUser(t, func() {
				for _, files := range [][]File{set, set[1:]} {
					if len(files) == 1 && tc.folder == 0 {
						continue
					}
					_, err := Publish(dir, Set{Files: files})
					if !errors.Is(err, os.ErrPermission) {
						t.Errorf("publishing gives %v", err)
					} else {
						mustAdvise(t, err)
					}
				}
			})
			chmod(".", 0o777)
			chmod("sub", 0o777)
			chmod("a", 0o644)
			for name, content := range tree(t, dir) {
				if strings.HasPrefix(name, reserved) && name != ManifestName || strings.HasSuffix(content, "new") {
					t.Errorf("%s is %s", name, content)
				}
			}
			asUser(t, func() { mustPublish(t, dir, set...) })
		})
	}
}

// A replaced file keeps its owner and group. Who may not give them is refused before
// anything changes, also in a folder where they may replace files.
func TestOwner(t *testing.T) {
	need.Root(t)
	dir := openDir(t)
	mustPublish(t, dir, file("a", "old"), file("b", "old"))
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	asUser(t, func() {
		_, err := Publish(dir, Set{Files: []File{file("a", "new"), file("b", "new")}})
		if !errors.Is(err, os.ErrPermission) {
			t.Fatalf("publishing gives %v", err)
		}
		mustAdvise(t, err)
	})
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Error("the folder changed:", diff)
	}
	for _, name := range []string{"a", ManifestName} {
		if err := os.Chown(filepath.Join(dir, name), 1234, 4321); err != nil {
			t.Fatal(err)
		}
	}
	mustPublish(t, dir, file("a", "new"), file("b", "new"))
	for name, want := range map[string]uint32{"a": 1234, "b": 0, ManifestName: 1234} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st := fi.Sys().(*syscall.Stat_t); st.Uid != want {
			t.Errorf("%s belongs to %d, want %d", name, st.Uid, want)
		}
	}
}

func TestDevicesAndPipes(t *testing.T) {
	// A device and a link of the test's own: a mistake must not cost the machine
	// its /dev/null.
	t.Run("a device", func(t *testing.T) {
		need.Root(t)
		dir := t.TempDir()
		null := filepath.Join(dir, "null")
		if err := unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
			t.Fatal(err)
		}
		for _, out := range []string{dir, null} {
			_, err := Publish(out, Set{Files: []File{file("null", "x")}})
			if err == nil {
				t.Fatalf("published into %s", out)
			}
			mustAdvise(t, err)
			if !strings.Contains(err.Error(), "--stdout") {
				t.Errorf("the way out is not named: %v", err)
			}
		}
		if fi, err := os.Lstat(null); err != nil || fi.Mode()&os.ModeCharDevice == 0 {
			t.Errorf("the device is gone: %v, %v", fi, err)
		}
	})
	t.Run("a pipe, and a link to it, as /dev/stdout is", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("pipe", filepath.Join(dir, "stdout")); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { // opening a pipe would hang
			for _, name := range []string{"pipe", "stdout"} {
				_, err := Publish(dir, Set{Files: []File{file(name, "x")}})
				ended <- err
				_, _, err = Read(dir, name)
				ended <- err
			}
		}()
		for range 4 {
			err := await.Receive(t, "what becomes of the pipe", ended)
			if err == nil {
				t.Fatal("a pipe was taken for a file")
			}
			mustAdvise(t, err)
			if !strings.Contains(err.Error(), "--stdout") {
				t.Errorf("the way out is not named: %v", err)
			}
		}
	})
	t.Run("a socket", func(t *testing.T) {
		dir := t.TempDir()
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(dir, "n")}); err != nil {
			t.Fatal(err)
		}
		if _, err := Publish(dir, Set{Files: []File{file("n", "x")}}); err == nil {
			t.Error("a socket was replaced")
		}
	})
}

// A pipe in a place of ours is refused at once: opening it would wait for ever.
func TestPipesInOurPlaces(t *testing.T) {
	for _, name := range []string{lockName, stageDir, pendingDir, ManifestName} {
		dir := t.TempDir()
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Publish(dir, Set{Files: []File{file("a", "1"), file("b", "2")}})
		if name == stageDir { // worth nothing, whatever it is: swept
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil {
			t.Errorf("published with a pipe at %s", name)
			continue
		}
		mustAdvise(t, err)
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}
