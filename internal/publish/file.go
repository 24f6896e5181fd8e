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

// Document is a file that is no output of a policy, such as a page or a picture.
type Document struct {
	Name string // as the user said it
	Data []byte
	Mode fs.FileMode // of a new file; zero means 0644. One that is there keeps its own
	// Mark stands near the beginning of every document of this kind. A file that is there
	// and lacks it is somebody's, and is not replaced. Empty: whatever is there is.
	Mark string
	// Inputs are the files that the run has read: none of them is written over.
	Inputs []string
}

// Check says why Write would refuse, as far as it can be seen before there is anything
// to write: work of minutes should not end in a file that cannot be written. It leaves
// nothing behind.
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

// Write writes the document: whole, old or new, for whoever reads it meanwhile and after
// a loss of power. A device or a pipe is written to as it is; a link stays.
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

// place is where the document goes, behind links, and what is there now: nil for nothing.
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
		return name, nil, fmt.Errorf("writing %s: it is there, and no file of this kind that sallyport wrote: choose another name, or move it away", d.Name)
	}
	return name, old, nil
}

func (d Document) replace(name string, old fs.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
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
