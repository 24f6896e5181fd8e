package readfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	if err := os.WriteFile(name, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(name, link); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{name, link} {
		if data, err := File(n, 5); err != nil || string(data) != "12345" {
			t.Errorf("%s: %q, %v", n, data, err)
		}
	}
	data, err := File(name, 4)
	var large *TooLarge
	if !errors.As(err, &large) || string(data) != "12345" || !strings.Contains(err.Error(), "larger than 4 bytes") {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := File(filepath.Join(dir, "none"), 5); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// What could be waited for, or read for ever, is refused before it is read.
func TestNotRegular(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "s")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, want := range map[string]string{dir: "a folder", fifo: "a named pipe", socket: "a socket", "/dev/zero": "a device", "/dev/null": "a device"} {
		if _, err := File(name, 5); err == nil || !strings.Contains(err.Error(), name+": it is "+want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A pipe of the shell's is read to its end, or to the limit.
func TestShellPipe(t *testing.T) {
	for _, limit := range []int64{1 << 20, 1000} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.WriteString(w, strings.Repeat("x", 200_000)) // it fails when nobody reads on
			w.Close()
		}()
		data, err := File(fmt.Sprintf("/dev/fd/%d", r.Fd()), limit)
		var large *TooLarge
		if errors.As(err, &large) != (limit == 1000) || int64(len(data)) != min(limit+1, 200_000) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(data), err)
		}
		r.Close()
	}
}
