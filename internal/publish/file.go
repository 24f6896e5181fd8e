package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes one file that is no output of a policy, such as a report: whole, old
// or new, for whoever reads it meanwhile and after a loss of power. A device or a pipe is
// written to as it is.
func WriteFile(name string, data []byte, mode fs.FileMode) (err error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if err := os.WriteFile(name, data, mode); err != nil {
			return fmt.Errorf("writing %s: %w: choose another file", name, bare(err))
		}
		return nil
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // the link stays
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w: %s", name, bare(err), remedy(err))
		}
	}()
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(name))
	return syncFolder(folder, err)
}
