//go:build !linux

package reflector

import "time"

// ClockError is not known here.
func ClockError() (time.Duration, bool) { return 0, false }
