package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Document is a file that is not an output of a policy, such as a report or a chart.
type Document struct {
	Name string // as the user wrote it
	Data []byte
	Mode fs.FileMode // of a new file; zero means 0644. An existing file keeps its mode
	// Mark is a text near the beginning of every document of this kind. An existing file
	// without it is not replaced. If Mark is empty, every file is replaced.
	Mark string
	// Inputs are the files that the run has read. None of them is overwritten.
	Inputs []string
}

// Check returns an error if Write would refuse, as far as this can be known before there is
// data: minutes of work should not end with a file that cannot be written. It changes
// nothing.
func (d Document) Check() error {
	name, old, err := d.place()
	if err != nil || old != nil && !old.Mode().IsRegular() {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return d.cannot(err)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return d.cannot(err)
	}
	return nil
}

// Write writes the document atomically: readers see the old or the new file, also after a
// power failure. It writes to a device or a pipe directly, and keeps a symbolic link.
func (d Document) Write() error {
	name, old, err := d.place()
	if err != nil {
		return err
	}
	if old != nil && !old.Mode().IsRegular() {
		if err := os.WriteFile(d.Name, d.Data, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w: choose another file", d.Name, bare(err))
		}
		return nil
	}
	if err := d.replace(name, old); err != nil {
		return d.cannot(err)
	}
	return nil
}

// place is where the document goes, with links resolved, and what is there now: nil if
// nothing is.
func (d Document) place() (name string, old fs.FileInfo, err error) {
	name = d.Name
	if to, err := filepath.EvalSymlinks(name); err == nil {
		name = to
	}
	old, err = os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, nil, nil
	case err != nil:
		return name, nil, d.cannot(err)
	case old.IsDir():
		return name, nil, fmt.Errorf("%s is a folder: name a file in it", d.Name)
	}
	for _, in := range d.Inputs {
		if fi, err := os.Stat(in); err == nil && os.SameFile(fi, old) {
			return name, nil, fmt.Errorf("writing %s: this run reads it, as %s: choose another name", d.Name, in)
		}
	}
	if !old.Mode().IsRegular() {
		return name, old, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return name, nil, d.cannot(err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, maxMark))
	if err != nil {
		return name, nil, d.cannot(err)
	}
	if len(head) > 0 && !bytes.Contains(head, []byte(d.Mark)) {
		return name, nil, fmt.Errorf("writing %s: the file exists, and sallyport did not write it as a file of this kind: choose another name, or move it away", d.Name)
	}
	return name, old, nil
}

func (d Document) replace(name string, old fs.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after a success it does not exist
	mode := mode(File{Mode: d.Mode})
	if old != nil {
		mode = old.Mode().Perm()
		err = setOwner(f, old)
	}
	if err == nil {
		_, err = f.Write(d.Data)
	}
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(name))
	return syncFolder(folder, err)
}

func (d Document) cannot(err error) error {
	return fmt.Errorf("writing %s: %w: %s", d.Name, bare(err), remedy(err))
}
