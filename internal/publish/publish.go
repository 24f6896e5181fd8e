// Package publish writes a set of output files into one folder. Each file is replaced
// atomically, and the next run finishes one that was interrupted.
//
// New files are staged in a folder of their own and synced to disk. One rename of that
// folder, to .sallyport.pending, publishes the set: from then on the folder is the journal
// of files that are not in their places yet, and Read returns them as published. Then each
// file is renamed to its place. A run that finds .sallyport.pending finishes it first, and
// removes a staging folder that was never renamed. A lock lets one run work at a time.
//
// Programs that read the files directly, and not with Read, can see files of both sets
// between the first and the last of the renames to their places.
//
// The manifest .sallyport.outputs.json is published with the files and records them. A file
// that is neither recorded nor has the mark of its target belongs to somebody else, and a
// file that differs from the record was edited. Neither is replaced, and neither is a file
// that the run has read.
//
// A new file gets the mode and the owner of the one that it replaces; hard links to that
// keep the old content. Symbolic links, devices and other files that are not regular are
// refused, because a rename would replace what the user has set up. The output folder may
// be a link, and so may folders in it if they lead to a place inside.
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
	// Secret says that an existing file loses the permissions that Mode does not have. Other
	// existing files keep their mode.
	Secret bool
	Data   []byte
	// Ours reports whether the beginning of the existing file has the mark of this output;
	// nil if the format has no comments. A file that is neither recorded nor marked belongs
	// to somebody else and is never replaced.
	Ours func(head []byte) bool
	// With is the path of a marked file of the set. If that file has its mark, this one
	// counts as marked too.
	With   string
	Record Record
}

// Set is what one run publishes.
type Set struct {
	Policy string // whose outputs they are, by name
	Files  []File
	// Inputs are the files that the run has read. None of them is overwritten.
	Inputs []string
	// Force replaces outputs that were edited, and outputs of another target.
	Force bool
	// Complete says that Files are all files of the policy. Others that are recorded for it
	// are orphans.
	Complete bool
	Prune    bool // delete orphans
}

// Status is what Publish did with a file.
type Status uint8

// A file is Created if there was none, and Changed if its bytes differ from the old ones.
// Otherwise it is Unchanged, and not written.
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

// Change is what Publish did with one file of the set.
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
	Recovered []string // files that an earlier run published and this one put in place
	Orphans   []Entry  // recorded for the policy, still there, and no longer part of it
	Pruned    []string // orphans that were deleted

	gone []string // orphans that no longer exist
}

// Changed reports whether a file was created or changed, or would be.
func (r Report) Changed() bool {
	return slices.ContainsFunc(r.Files, func(c Change) bool { return c.Status != Unchanged })
}

// Publish writes the files of set into dir, and creates dir if it does not exist. It does
// not change other files in dir. It writes nothing and returns an error with their names if
// files were not published before, were edited since, or were read by the run.
//
// If it returns nil, the new files are on disk and survive a power failure. If it fails, the
// old files are unchanged, with two exceptions: the set was published and a file could not
// be put in its place, which the error says and the next run finishes; or the disk failed
// to sync. New folders stay. It waits up to ten seconds for another run on dir. It is safe
// for concurrent use by goroutines and processes.
func Publish(dir string, set Set) (Report, error) {
	p := publisher{dir: dir, wait: lockWait}
	return p.publish(set)
}

// Read returns the file that is published at path in dir, and whether there is one. Files of
// a published set count even if they are not in their places yet. Read changes nothing and
// needs no lock. While others publish, it returns the old or the new file as a whole.
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
	// The journal first: a file that leaves it after that is in its place.
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
	root *os.Root      // dir; no path can leave it, not even with links
	// hook, if set, is called before each step that changes the disk. Tests return errors
	// from it, or end the process in it.
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

	// If nothing has changed and no other run is at work, nothing is written: the folder may
	// be read-only, and the disk can sleep.
	if !p.leftovers() {
		now, err := p.look(set)
		writable := p.writable()
		switch { // an error may come from another run at work: look again under the lock
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

// writable reports whether files can be created in the folder. If not, and if no output
// changes, the manifest stays as it is: only newer inputs would be recorded.
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

// lstat returns the regular file at path, nil if nothing is there, and an error for anything
// else.
func (p *publisher) lstat(path string) (fs.FileInfo, error) {
	fi, err := p.root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENAMETOOLONG):
		return nil, p.fail("look at", path, err)
	case err != nil: // a file or a link is in the way; the error is that of os.Root
		return nil, fmt.Errorf("cannot look at %s: %w: make each folder on its way a real folder inside %s",
			p.full(path), bare(err), p.dir)
	case fi.Mode().IsRegular():
		return fi, nil
	}
	what, fix := kind(fi.Mode()), "remove it, or choose another path"
	// /dev/stdout is a link to a terminal or a pipe: the message says to which.
	if to, err := os.Stat(p.full(path)); err == nil && !to.IsDir() && !to.Mode().IsRegular() {
		what, fix = kind(to.Mode()), useStdout
	}
	return nil, fmt.Errorf("%s is %s, not a regular file: %s", p.full(path), what, fix)
}

// full is path with the output folder, for messages.
func (p *publisher) full(path string) string { return filepath.Join(p.dir, filepath.FromSlash(path)) }

// mode is the mode that f asks for.
func mode(f File) fs.FileMode {
	if f.Mode == 0 {
		return 0o644
	}
	return f.Mode
}
