//go:build !unix

package reflector

import "io/fs"

// private has nothing to look at: the mode that Go makes up on other systems says
// nothing about who may read a file. docs/reflect.md tells what to set there.
func private(string, fs.FileInfo) error { return nil }
