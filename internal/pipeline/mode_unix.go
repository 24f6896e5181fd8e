//go:build unix

package pipeline

import (
	"io/fs"
	"os"
	"syscall"
)

// isOurGroup reports whether the file belongs to the group that new files get.
func isOurGroup(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Gid) == os.Getegid()
}
