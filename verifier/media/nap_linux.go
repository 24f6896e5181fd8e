package media

import (
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps for a short time. The timers of Go wait in epoll, whose time is in whole
// milliseconds: they are late by half of one on average. This is late by some 60 µs.
func nap(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&t, nil) // a signal ends it early; the caller looks at the clock
	}
}
