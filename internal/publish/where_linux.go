package publish

import (
	"golang.org/x/sys/unix"
)

// where returns the file system and the mount of path, and an error if path cannot be
// written. A bind mount has the same file system, but renames cannot cross it. Kernels
// before 5.8 do not number mounts; then the mount is zero.
func where(path string) (location, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_TYPE|unix.STATX_MNT_ID, &st)
	if err != nil {
		return location{}, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			return location{}, err
		}
	}
	return location{device: unix.Mkdev(st.Dev_major, st.Dev_minor), mount: st.Mnt_id}, nil
}
