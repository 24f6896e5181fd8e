// Package readfile reads files that a user or a policy names: never more than a stated
// limit, and never anything that can make the program wait or read for ever.
//
// It takes regular files, and the pipes that a shell hands over as /dev/fd/63, which is
// how bash passes <(command). Folders, devices, sockets and named pipes are refused
// before anything is read of them.
package readfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// TooLarge says that a file is larger than its limit.
type TooLarge struct {
	Name  string
	Limit int64 // in bytes
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("%s is larger than %s, which is the limit", e.Name, size(e.Limit))
}

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// File returns the content of the file. Of a file that is larger than limit it returns
// the first limit+1 bytes, and a *TooLarge.
func File(name string, limit int64) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &TooLarge{name, limit}
	}
	return data, err
}

// Open opens the file for reading, and does not wait: what is not a regular file, or a
// pipe of the shell's, is an error.
func Open(name string) (*os.File, error) {
	// Opening a device can do something to it, so it is looked at first; and again when
	// it is open, since it may be another one by then.
	info, err := os.Stat(name)
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		path.Op = "open" // which is what the user wants of it
	}
	if err == nil {
		err = check(name, info)
	}
	if err != nil {
		return nil, err
	}
	flag := os.O_RDONLY
	if info.Mode().IsRegular() {
		flag |= dontWait
	}
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = check(name, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func check(name string, info fs.FileInfo) error {
	kind := ""
	switch mode := info.Mode(); {
	case mode.IsRegular() || mode&fs.ModeNamedPipe != 0 && inherited(name):
		return nil
	case mode.IsDir():
		kind = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	default:
		kind = "something else"
	}
	return &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("it is %s, and not a regular file", kind)}
}

// inherited reports a name of a descriptor that the program was started with. A pipe
// that has another name may have nobody at its other end.
func inherited(name string) bool {
	name = filepath.Clean(name)
	for _, dir := range []string{"/dev/fd/", "/proc/self/fd/"} {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return name == "/dev/stdin"
}
