//go:build unix

package readfile

import "syscall"

// dontWait keeps a file that became a named pipe meanwhile from being waited for.
const dontWait = syscall.O_NONBLOCK
