//go:build unix

package fetch

import "syscall"

// openAsIs makes opening a link fail, and opening a pipe return at once.
const openAsIs = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
