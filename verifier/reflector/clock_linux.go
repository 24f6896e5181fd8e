package reflector

import (
	"time"

	"golang.org/x/sys/unix"
)

// leastClockError is how exact a clock that follows others over a network is at best.
// Some programs that set it tell the kernel that it has no error.
const leastClockError = 2 * time.Millisecond

// ClockError is how far this machine's clock may be off, as its system says. It is false
// where nothing keeps the clock right (adjtimex(2)).
func ClockError() (time.Duration, bool) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil || state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return 0, false
	}
	return max(leastClockError, time.Duration(t.Maxerror)*time.Microsecond), true
}
