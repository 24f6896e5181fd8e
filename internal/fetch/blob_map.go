//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package fetch

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
)

// openBlob maps a file that must have size bytes. Files in the cache are
// replaced, never rewritten, so that a mapping stays whole for its lifetime.
func openBlob(path string, size int64) (*blob, error) {
	file, err := openOwn(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != size {
		return nil, fmt.Errorf("it has %d bytes, not %d", info.Size(), size)
	}
	if size == 0 {
		return &blob{data: []byte{}}, nil
	}
	data, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &blob{data: data, unmap: syscall.Munmap}, nil
}

// checksum reads every byte. A disk that fails to deliver a mapped page, or a
// file cut short by somebody else, is a fault of memory to the program: it is
// caught here, where all pages are touched for the first time.
func (b *blob) checksum() (sum uint32, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errors.New("it can't be read to its end")
		}
	}()
	return crc32c(b.data), nil
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems can't sync a folder and return these errors, which do no harm.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
