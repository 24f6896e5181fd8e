//go:build !unix

package main

import (
	"errors"
	"syscall"
)

// ignoreBrokenPipe does nothing: on other systems, writing to a closed pipe is an error and
// no signal.
func ignoreBrokenPipe() {}

// Windows' ERROR_BROKEN_PIPE and ERROR_NO_DATA.
const brokenPipe, noData = syscall.Errno(109), syscall.Errno(232)

func isClosedPipe(err error) bool {
	return errors.Is(err, brokenPipe) || errors.Is(err, noData) || errors.Is(err, syscall.EPIPE)
}
