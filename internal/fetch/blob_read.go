//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package fetch

// openBlob reads a file that must have size bytes. Where a mapped file can't
// be replaced, as on Windows, mapping it would block the next writer.
func openBlob(path string, size int64) (*blob, error) {
	data, err := readSized(path, size)
	if err != nil {
		return nil, err
	}
	return &blob{data: data}, nil
}

func (b *blob) checksum() (uint32, error) { return crc32c(b.data), nil }

// syncDir does nothing: a folder can't be synced here.
func syncDir(string) error { return nil }
