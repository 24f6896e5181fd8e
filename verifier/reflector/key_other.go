//go:build !unix

package reflector

import "io/fs"

// private checks nothing: on other systems, the file mode that Go reports does not say
// who may read a file. docs/reflect.md says what to set there.
func private(string, fs.FileInfo) error { return nil }
