package fetch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/need"
)

// asNobody runs f without the rights that let root read and write everything,
// but with those to reach dir, a folder in a t.TempDir.
func asNobody(t *testing.T, dir string, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	// testing keeps the folder above t.TempDir for its user alone.
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	onOwnThread(func() {
		// The file system's user is a property of the thread.
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Error(err)
			return
		}
		f()
	})
}

// onOwnThread runs f on a thread that ends with it.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread is thrown away
		f()
	}()
	<-done
}

func TestUnreadableFile(t *testing.T) {
	path := writeTemp(t, doc(398))
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	asNobody(t, filepath.Dir(path), func() {
		mustFetch(t, &Fetcher{}, fileSource(path), 398)
	})
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	asNobody(t, filepath.Dir(path), func() {
		mustFail(t, &Fetcher{}, fileSource(path), fs.ErrPermission)
	})
}

// A cache that can only be read serves as ever; what can't be kept is said.
func TestReadOnlyCache(t *testing.T) {
	o, f, c, src := twoVersions(t)
	err := filepath.WalkDir(f.Cache.Dir(), func(path string, d fs.DirEntry, err error) error {
		mode := fs.FileMode(0o444)
		if d.IsDir() {
			mode = 0o555
		}
		return errors.Join(err, os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(f.Cache.Dir(), src.key()), 0o755) })
	disk := snapshot(t, f.Cache.Dir())
	asNobody(t, f.Cache.Dir(), func() {
		if r := mustFetch(t, f, src, 398); len(r.Notes) != 0 || !r.FromCache {
			t.Errorf("reading: %+v", r)
		}
		c.pass(2 * day)
		if r := mustFetch(t, f, src, 398); !hasWarning(r) || r.Stale {
			t.Errorf("confirmed: %+v", r)
		}
		o.now(versioned(t, 399))
		if r := mustFetch(t, f, src, 399); !hasWarning(r) || r.FromCache {
			t.Errorf("downloaded: %+v", r)
		}
		src.Format = "test/2"
		f.Offline = true
		if r := mustFetch(t, f, src, 398); !hasWarning(r) {
			t.Errorf("compiled anew: %+v", r)
		}
	})
	if now := snapshot(t, f.Cache.Dir()); now != disk {
		t.Error("the cache changed")
	}
}

// A full disk keeps the old copy, whole.
func TestFullDisk(t *testing.T) {
	need.Root(t)
	dir := t.TempDir()
	onOwnThread(func() {
		// The mount is seen by this thread alone, and ends with it.
		err := errors.Join(
			unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"),
		)
		if err != nil {
			t.Errorf("mounting a small disk: %v", err)
			return
		}
		o := newOrigin(t, versioned(t, 397))
		f, c := o.fetcher(t)
		f.Cache, _ = OpenCache(dir)
		src := docSource(o.URL)
		mustFetch(t, f, src, 397)
		disk := snapshot(t, dir)

		o.now(serve(append(doc(398), strings.Repeat(" ", 100<<10)...)))
		c.pass(2 * day)
		r, err := f.Fetch(t.Context(), src)
		if err != nil || r.Change != "change 398" || !hasWarning(r) {
			t.Errorf("got %+v, %v", r, err)
		}
		if now := snapshot(t, dir); now != disk {
			t.Errorf("the cache changed from\n%.2000s\nto\n%.2000s", disk, now)
		}
		f.Offline = true
		mustFetch(t, f, src, 397)
	})
}

// A named pipe, as a shell's <(...) gives, is read as a stream.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		if err := os.WriteFile(path, doc(398), 0); err != nil {
			t.Error(err)
		}
	}()
	mustFetch(t, &Fetcher{}, fileSource(path), 398)
}

// A pipe that nobody writes to is given up.
func TestSilentPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, &Fetcher{Timeout: time.Millisecond}, fileSource(path), ErrTimeout)
}

func TestEndlessFile(t *testing.T) {
	mustFail(t, &Fetcher{MaxBytes: 1 << 20}, fileSource("/dev/zero"), ErrTooLarge)
}

// A mapped file that somebody cuts short is an error, not the program's end.
func TestFaultInMapping(t *testing.T) {
	path := writeTemp(t, make([]byte, 1<<20))
	b, err := openBlob(path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := b.checksum(); err == nil {
		t.Error("a file that lost its end has a checksum")
	}
}
