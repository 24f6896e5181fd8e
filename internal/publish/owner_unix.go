//go:build unix

package publish

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openAsIs makes opening a link fail, and opening a pipe return at once.
const openAsIs = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// setOwner gives w the owner and the group of old, the file that it replaces.
func setOwner(w *os.File, old fs.FileInfo) error {
	now, err := w.Stat()
	if err != nil {
		return err
	}
	was, is := old.Sys().(*syscall.Stat_t), now.Sys().(*syscall.Stat_t)
	if was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	if err := w.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return fmt.Errorf("keeping its owner %d and group %d: %w", was.Uid, was.Gid, bare(err))
	}
	return nil
}
