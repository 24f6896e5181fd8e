//go:build unix

package reflector

import (
	"fmt"
	"io/fs"
)

// private refuses a key that others than its owner can read or write.
func private(name string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s can be read or written by others than its owner (mode %04o): chmod 600 it, and make a new key if it was read", name, mode)
	}
	return nil
}
