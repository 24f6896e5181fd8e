//go:build !linux

package publish

import (
	"errors"
	"testing"
)

func limited(int, string) error { return errors.New("limits on file sizes are tested on Linux only") }

// scratch is a temporary folder.
func scratch(t *testing.T) string { return t.TempDir() }
