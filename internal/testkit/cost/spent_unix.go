//go:build unix

package cost

import (
	"syscall"
	"time"
)

// spent is the time of this process on processors so far.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // of arguments that are right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
