// Package publish writes a set of output files into one folder, so that every
// file is always whole, old or new, and a run that is cut short is finished by
// the next one.
//
// New files are staged in a folder of their own and synced to disk. One rename
// of that folder, to .sallyport.pending, publishes the set: from then on it is
// the journal of what is still to be put in place, and Read shows its files as
// published. Then each file is renamed to its place. A run that finds
// .sallyport.pending behind finishes it before anything else; a staging folder
// that was never renamed is swept. Publishers take turns under a lock.
//
// For somebody who reads the files directly, and not through Read, a set is
// mixed between the first and the last of the renames to their places.
//
// After success the files are left in the folder, and the record of them, the
// manifest .sallyport.outputs.json, which is published with them. It tells whose
// a file is: one that is neither on record nor carries the mark of its target is
// somebody's, and one that differs from the record was edited since. Neither is
// replaced, nor is a file that the run has read.
//
// A file is replaced by a new one with the mode and the owner of the old; its hard
// links keep the old content. Symbolic links, devices and whatever else is not
// a regular file are refused, because renaming over them would break in silence
// what the user has set up; the output folder itself, and folders in it, may be
// links, the latter as long as they stay inside.
package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// File is one file to publish.
type File struct {
	// Path is relative to the output folder and uses slashes. It has no "." or
	// ".." elements and no control characters, and does not begin with
	// ".sallyport.".
	Path string
	// Mode is the permissions that the file gets, whatever the umask. Zero means
	// 0644. Windows has no such permissions and ignores it.
	Mode fs.FileMode
	// Secret says that a file which is there already is not to be more open than Mode
	// either: else it keeps its mode.
	Secret bool
	Data   []byte
	// Ours reports whether the beginning of a file that is in the place already carries
	// the mark of this output; nil where the format has no comments. A file that is
	// neither on record nor marked is somebody's, and is never replaced.
	Ours func(head []byte) bool
	// With is the path of a marked file of the set that this one goes with: where that
	// is ours, this is.
	With   string
	Record Record
}

// Set is what one run publishes.
type Set struct {
	Policy string // whose outputs they are, by name
	Files  []File
	// Inputs are the files that the run has read: none of them is written over.
	Inputs []string
	// Force replaces files of ours that were edited, and those of another target.
	Force bool
	// Complete says that Files is all that the policy has: whatever else is on record
	// for it is an orphan.
	Complete bool
	Prune    bool // delete orphans
}

// Status is what Publish did with a file.
type Status uint8

// A file is Created where there was none, Changed when its bytes differ from the old
// ones, else Unchanged and not touched at all.
const (
	Created Status = iota
	Changed
	Unchanged
)

func (s Status) String() string {
	switch s {
	case Created:
		return "created"
	case Changed:
		return "changed"
	default:
		return "unchanged"
	}
}

// Change is what happened to one file of the set.
type Change struct {
	Path    string
	Status  Status
	OldSize int64  // bytes before; 0 for a created file
	OldSum  string // SHA-256 of the bytes before, in hexadecimal; empty for a created file

	newSum string
	mode   fs.FileMode
}

// Report says what Publish did.
type Report struct {
	Files     []Change // one for each file, in the order in which they were given
	Recovered []string // what a former run had published and this one put in place
	Orphans   []Entry  // on record for the policy, there, and no longer part of it
	Pruned    []string // orphans that were deleted

	gone []string // orphans that are not there any more
}

// Changed reports whether a file was created or changed, or would be.
func (r Report) Changed() bool {
	return slices.ContainsFunc(r.Files, func(c Change) bool { return c.Status != Unchanged })
}

// Publish makes the files of set the content of their paths in dir, which is created
// when it is missing. Other files in dir stay as they are: a file that was not published
// before, that was edited since, or that the run has read, is refused by name and
// nothing is written.
//
// When it returns nil, the new files are on disk and survive a power cut. When
// it fails, the old files are untouched, with two exceptions: the set was
// already published and a file could not be put in its place, which the error
// says and the next run finishes; or the disk failed to sync what was done.
// Folders that it has made stay. It waits up to ten seconds for another run on
// dir. It is safe for concurrent use, by goroutines and by processes.
func Publish(dir string, set Set) (Report, error) {
	p := publisher{dir: dir, wait: lockWait}
	return p.publish(set)
}

// Read returns what is published at path in dir now, and whether there is
// anything: a set whose run was cut short counts as soon as it is published,
// even where its files are not in their places yet. It changes nothing, needs
// no lock and returns a whole file, old or new, while others publish.
func Read(dir, path string) ([]byte, bool, error) {
	if err := checkPath(path); err != nil {
		return nil, false, err
	}
	return read(dir, path)
}

func read(dir, path string) ([]byte, bool, error) {
	if missing(dir) {
		return nil, false, nil
	}
	p := publisher{dir: dir}
	if err := p.open(); err != nil {
		return nil, false, err
	}
	defer p.root.Close()
	// The journal first: a file that leaves it meanwhile is in its place by then.
	data, err := p.root.ReadFile(pendingDir + "/" + escape(path))
	if errors.Is(err, fs.ErrNotExist) {
		var fi fs.FileInfo
		if fi, err = p.lstat(path); err != nil || fi == nil {
			return nil, false, err
		}
		data, err = p.root.ReadFile(path)
	}
	if err != nil {
		return nil, false, p.fail("read", path, err)
	}
	return data, true, nil
}

// publisher is one run on one folder.
type publisher struct {
	dir  string
	wait time.Duration // for the lock
	root *os.Root      // dir; keeps every path inside, whatever links it meets
	// hook, if set, is called before each step that changes something on disk;
	// tests fail or die in it.
	hook func(step string) error
}

func (p *publisher) at(step string) error {
	if p.hook == nil {
		return nil
	}
	return p.hook(step)
}

func (p *publisher) publish(set Set) (Report, error) {
	if err := checkFiles(set.Files); err != nil {
		return Report{}, err
	}
	if err := makeDir(p.dir); err != nil {
		return Report{}, cannot("create the output folder", p.dir, err)
	}
	if err := p.open(); err != nil {
		return Report{}, err
	}
	defer p.root.Close()

	// Where nothing has changed and nobody is at work, nothing is written: a
	// read-only folder will do, and the disk can sleep.
	if !p.leftovers() {
		now, err := p.look(set)
		writable := p.writable()
		switch { // what seems wrong may be another run's set on its way: look again under the lock
		case err != nil && !writable, err == nil && (now.done(set) || !now.rep.Changed() && !writable):
			return now.rep, err
		}
	}

	release, err := p.lock()
	if err != nil {
		return Report{}, err
	}
	defer release()
	recovered, err := p.recover()
	if err != nil {
		return Report{}, err
	}
	now, err := p.look(set)
	if err != nil {
		return Report{}, err
	}
	now.rep.Recovered = recovered
	if set.Prune {
		if err := p.prune(&now.rep); err != nil {
			return now.rep, err
		}
	}
	todo, err := now.todo(set)
	if err != nil {
		return now.rep, err
	}
	return now.rep, p.install(todo)
}

// writable reports whether the folder takes new files. Where it does not, and no output
// changes, the record stays as it is: it would only learn of newer inputs.
func (p *publisher) writable() bool {
	_, err := where(p.dir)
	return err == nil
}

// open opens the output folder.
func (p *publisher) open() error {
	fi, err := os.Stat(p.dir)
	switch {
	case err != nil || fi.IsDir():
	case fi.Mode().IsRegular():
		return fmt.Errorf("the output folder %s is a file: remove it, or choose another folder", p.dir)
	default:
		return fmt.Errorf("the output folder %s is %s: %s", p.dir, kind(fi.Mode()), useStdout)
	}
	if err == nil {
		p.root, err = os.OpenRoot(p.dir)
	}
	if err != nil {
		return cannot("open the output folder", p.dir, err)
	}
	return nil
}

// sum returns the size and the SHA-256 of the file at path.
func (p *publisher) sum(path string) (int64, string, error) {
	f, err := p.root.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}

// lstat returns what is at path, nil for nothing, and an error for anything
// but a regular file.
func (p *publisher) lstat(path string) (fs.FileInfo, error) {
	fi, err := p.root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENAMETOOLONG):
		return nil, p.fail("look at", path, err)
	case err != nil: // a file or a link in the way, in the words of os.Root
		return nil, fmt.Errorf("cannot look at %s: %w: make each folder on its way a real folder inside %s",
			p.full(path), bare(err), p.dir)
	case fi.Mode().IsRegular():
		return fi, nil
	}
	what, fix := kind(fi.Mode()), "remove it, or choose another path"
	// /dev/stdout is a link to a terminal or a pipe: name what it leads to.
	if to, err := os.Stat(p.full(path)); err == nil && !to.IsDir() && !to.Mode().IsRegular() {
		what, fix = kind(to.Mode()), useStdout
	}
	return nil, fmt.Errorf("%s is %s, not a regular file: %s", p.full(path), what, fix)
}

// full is path as the user knows it.
func (p *publisher) full(path string) string { return filepath.Join(p.dir, filepath.FromSlash(path)) }

// mode is the permissions that f asks for.
func mode(f File) fs.FileMode {
	if f.Mode == 0 {
		return 0o644
	}
	return f.Mode
}
