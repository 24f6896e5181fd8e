//go:build unix && !linux

package publish

import "golang.org/x/sys/unix"

// where returns the file system of path, and an error if path is a folder that cannot be
// written.
func where(path string) (location, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return location{}, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
			return location{}, err
		}
	}
	return location{device: uint64(st.Dev)}, nil
}
