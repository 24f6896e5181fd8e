package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// Everything that a run keeps in the output folder meanwhile. The names in
// stageDir and pendingDir are escaped paths.
const (
	reserved   = ".sallyport." // no output path begins with it
	lockName   = reserved + "lock"
	stageDir   = reserved + "new"     // being written; worth nothing after a crash
	pendingDir = reserved + "pending" // published; to be put in place
)

// lockWait is how long a run waits for another one; runs take milliseconds.
const lockWait = 10 * time.Second

// A path becomes a single name, so that one flat folder can hold the set.
var (
	escape   = strings.NewReplacer("%", "%25", "/", "%2F").Replace
	unescape = strings.NewReplacer("%25", "%", "%2F", "/").Replace
)

// leftovers reports whether a run is at work in the folder or was cut short.
func (p *publisher) leftovers() bool {
	return slices.ContainsFunc([]string{lockName, stageDir, pendingDir}, func(name string) bool {
		_, err := p.root.Lstat(name)
		return !errors.Is(err, fs.ErrNotExist)
	})
}

// lock waits for other runs to end. The lock file is removed when the lock is
// released, so whoever gets a lock looks whether it is still that of the file.
func (p *publisher) lock() (release func(), err error) {
	name := p.full(lockName)
	// Opened as what it must be: a pipe would make the run wait for ever, and a link
	// would create a file elsewhere.
	if _, err := p.lstat(lockName); err != nil {
		return nil, err
	}
	l := flock.New(name, flock.SetPermissions(0o644), flock.SetFlag(os.O_CREATE|os.O_RDWR|openAsIs))
	for deadline := time.Now().Add(p.wait); ; time.Sleep(2 * time.Millisecond) {
		ok, err := l.TryLock()
		if err != nil {
			return nil, cannot("lock the output folder", p.dir, err)
		}
		if ok {
			held, err1 := l.Stat()
			there, err2 := os.Lstat(name)
			if err1 == nil && err2 == nil && os.SameFile(held, there) {
				break
			}
			_ = l.Unlock()
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s is publishing into %s: wait for it to end, or stop it if it hangs", p.holder(), p.dir)
		}
	}
	// Who holds the lock is a courtesy to those who wait: without it their
	// message is vaguer.
	_ = p.root.WriteFile(lockName, []byte(strconv.Itoa(os.Getpid())), 0o644)
	return func() { p.release(l) }, nil
}

// holder names the run that has the lock.
func (p *publisher) holder() string {
	data, _ := p.root.ReadFile(lockName)
	if pid, err := strconv.Atoi(string(data)); err == nil {
		return fmt.Sprintf("another run, process %d,", pid)
	}
	return "another run"
}

// release leaves the folder clean, but for a journal that is not finished, and
// frees the lock. What cannot be removed is left to the next run.
func (p *publisher) release(l *flock.Flock) {
	_ = p.at("sweep")
	_ = p.root.RemoveAll(stageDir)
	_ = p.root.Remove(pendingDir)
	_ = p.at("unlock")
	// Elsewhere a waiting run may open the file before it goes, and finds out;
	// Windows removes no file that somebody has open, and needs no care.
	if runtime.GOOS != "windows" {
		_ = p.root.Remove(lockName)
	}
	_ = l.Unlock()
	if runtime.GOOS == "windows" {
		_ = p.root.Remove(lockName)
	}
}

// recover finishes what a former run has published, sweeps what it has begun,
// and returns the paths that it put in place.
func (p *publisher) recover() ([]string, error) {
	if err := p.at("sweep old"); err != nil {
		return nil, p.fail("sweep", stageDir, err)
	}
	if err := p.root.RemoveAll(stageDir); err != nil {
		return nil, p.fail("remove", stageDir, err)
	}
	switch fi, err := p.root.Lstat(pendingDir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && !fi.IsDir():
		return nil, fmt.Errorf("%s is %s, not a folder of ours: remove it", p.full(pendingDir), kind(fi.Mode()))
	}
	done, err := p.apply(pendingDir)
	if err == nil {
		err = p.at("remove")
	}
	if err == nil {
		err = p.root.Remove(pendingDir)
	}
	if err != nil {
		return done, p.unfinished(err)
	}
	return done, nil
}

// install publishes files, all of which differ from what is there, and puts
// them in place.
//
// What is synced to disk, and why: each new file, so that no name ever leads
// to half a file; for a set the staging folder, so that the journal is complete
// before it counts; the output folder after the rename that makes it count, so
// that no file is in its place before; at last the folders with new entries, so
// that what was published is what programs find after a power cut. A single
// file is content with the first and the last.
func (p *publisher) install(files []File) error {
	if len(files) == 0 {
		return nil
	}
	if err := p.preparePlaces(files); err != nil {
		return err
	}
	if err := p.stage(files); err != nil {
		return err
	}
	if len(files) == 1 {
		_, err := p.apply(stageDir)
		return err
	}
	if err := p.commit(); err != nil {
		return err
	}
	if _, err := p.apply(pendingDir); err != nil {
		return p.unfinished(err)
	}
	return nil
}

// stage writes files into the staging folder and waits until they are on disk.
func (p *publisher) stage(files []File) error {
	err := p.at("stage")
	if err == nil {
		err = p.root.Mkdir(stageDir, 0o755)
	}
	if err != nil {
		return p.fail("create", stageDir, err)
	}
	for _, f := range files {
		if err := p.stageFile(f); err != nil {
			return p.fail("write", f.Path, err)
		}
	}
	return nil
}

func (p *publisher) stageFile(f File) (err error) {
	if err := p.at("write " + f.Path); err != nil {
		return err
	}
	w, err := p.root.OpenFile(stageDir+"/"+escape(f.Path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if _, err := w.Write(f.Data); err != nil {
		return err
	}
	if old, err := p.root.Lstat(f.Path); err == nil {
		if err := setOwner(w, old); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.Chmod(mode(f)); err != nil { // after the owner, which may clear bits
		return err
	}
	if err := p.at("sync " + f.Path); err != nil {
		return err
	}
	return w.Sync()
}

// commit publishes the staged set.
func (p *publisher) commit() error {
	if err := p.sync(stageDir); err != nil {
		return err
	}
	err := p.at("commit")
	if err == nil {
		err = p.root.Rename(stageDir, pendingDir)
	}
	if err != nil {
		return p.fail("publish", pendingDir, err)
	}
	if err := p.sync("."); err != nil {
		return p.unfinished(err)
	}
	return nil
}

// apply renames every file in the folder from to its place, and returns the
// paths. It can be repeated: what is in its place has left the folder.
func (p *publisher) apply(from string) (done []string, err error) {
	entries, err := fs.ReadDir(p.root.FS(), from)
	if err != nil {
		return nil, p.fail("read", from, err)
	}
	var folders []string
	for _, e := range entries {
		name := unescape(e.Name())
		if err := p.put(from+"/"+e.Name(), name); err != nil {
			return done, err
		}
		if name != ManifestName {
			done = append(done, name)
		}
		folders = append(folders, parents(name)...)
	}
	slices.Sort(folders)
	for _, f := range slices.Compact(folders) {
		if err := p.sync(f); err != nil {
			return done, err
		}
	}
	return done, nil
}

// put renames one staged file to its place.
func (p *publisher) put(staged, name string) error {
	if _, err := p.lstat(name); err != nil {
		return err
	}
	err := p.at("put " + name)
	if err == nil {
		err = p.root.MkdirAll(path.Dir(name), 0o755)
	}
	if err == nil {
		err = p.root.Rename(staged, name)
	}
	if err != nil {
		return p.fail("replace", name, err)
	}
	return nil
}

// unfinished wraps an error that keeps a published set from its place.
func (p *publisher) unfinished(err error) error {
	return fmt.Errorf("the new files are published, but not all are in their places: %w; the next run puts the rest there, "+
		"or remove %s to give it up", err, p.full(pendingDir))
}

// sync waits until the entries of a folder are on disk.
func (p *publisher) sync(folder string) error {
	err := p.at("sync folder " + folder)
	if err == nil {
		err = syncFolder(p.root.Open(folder))
	}
	if err != nil {
		return p.fail("sync", folder, err)
	}
	return nil
}

// syncFolder syncs and closes an opened folder. Windows has no such call and
// keeps a journal of its own; some network file systems refuse it.
func syncFolder(f *os.File, err error) error {
	if err != nil {
		return err
	}
	defer f.Close()
	if runtime.GOOS == "windows" {
		return nil
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}

// parents is the folders from the output folder down to that of name.
func parents(name string) []string {
	folders := []string{"."}
	for i, c := range name {
		if c == '/' {
			folders = append(folders, name[:i])
		}
	}
	return folders
}

// makeDir creates dir, and the folders above it, where they are missing.
func makeDir(dir string) error {
	if !missing(dir) {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir { // at a root, such as a Windows drive that is not there
		if err := makeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(os.Open(above))
}

// missing reports whether there is nothing at path.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
