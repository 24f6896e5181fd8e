//go:build !unix

package main

import (
	"errors"
	"syscall"
)

// ignoreBrokenPipe has nothing to do: other systems report a closed pipe as an
// error of the write.
func ignoreBrokenPipe() {}

// Windows' ERROR_BROKEN_PIPE and ERROR_NO_DATA.
const brokenPipe, noData = syscall.Errno(109), syscall.Errno(232)

func isClosedPipe(err error) bool {
	return errors.Is(err, brokenPipe) || errors.Is(err, noData) || errors.Is(err, syscall.EPIPE)
}
