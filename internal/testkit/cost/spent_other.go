//go:build !unix

package cost

import "time"

var start = time.Now()

// spent is the time on the clock, where nothing better is asked for.
func spent() time.Duration { return time.Since(start) }
