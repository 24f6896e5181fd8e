//go:build unix

package cost

import (
	"syscall"
	"time"
)

// spent is the time of this process on processors so far.
func spent() time.Duration { return usage(syscall.RUSAGE_SELF) }

// children is that of the programs that it has started and that have ended.
func children() time.Duration { return usage(syscall.RUSAGE_CHILDREN) }

func usage(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err) // of arguments that are right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
