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

// What a run has in the output folder while it works. The names in stageDir and pendingDir
// are escaped paths.
const (
	reserved   = ".sallyport." // no output path begins with it
	lockName   = reserved + "lock"
	stageDir   = reserved + "new"     // being written; removed after a crash
	pendingDir = reserved + "pending" // published; to be moved to the places of the files
)

// lockWait is how long a run waits for another one. Runs take milliseconds.
const lockWait = 10 * time.Second

// A path becomes a single name, so that one flat folder can have the whole set.
var (
	escape   = strings.NewReplacer("%", "%25", "/", "%2F").Replace
	unescape = strings.NewReplacer("%25", "%", "%2F", "/").Replace
)

// leftovers reports whether a run is at work in the folder, or was interrupted.
func (p *publisher) leftovers() bool {
	return slices.ContainsFunc([]string{lockName, stageDir, pendingDir}, func(name string) bool {
		_, err := p.root.Lstat(name)
		return !errors.Is(err, fs.ErrNotExist)
	})
}

// lock waits for other runs to end. A run removes the lock file when it releases the lock,
// so that a run that gets a lock checks whether the file is still the one at the path.
func (p *publisher) lock() (release func(), err error) {
	name := p.full(lockName)
	// Only a regular file is opened: opening a pipe would wait for ever, and opening a link
	// could create a file elsewhere.
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
	// The holder is for the message of a run that waits. Without it, the message is less
	// exact.
	_ = p.root.WriteFile(lockName, []byte(strconv.Itoa(os.Getpid())), 0o644)
	return func() { p.release(l) }, nil
}

// holder describes the run that has the lock.
func (p *publisher) holder() string {
	data, _ := p.root.ReadFile(lockName)
	if pid, err := strconv.Atoi(string(data)); err == nil {
		return fmt.Sprintf("another run, process %d,", pid)
	}
	return "another run"
}

// release cleans up the folder and releases the lock. It keeps an unfinished journal. The
// next run removes what this one cannot.
func (p *publisher) release(l *flock.Flock) {
	_ = p.at("sweep")
	_ = p.root.RemoveAll(stageDir)
	_ = p.root.Remove(pendingDir)
	_ = p.at("unlock")
	// A waiting run may have opened the file before it is removed; lock checks for that.
	// Windows does not remove a file that is open.
	if runtime.GOOS != "windows" {
		_ = p.root.Remove(lockName)
	}
	_ = l.Unlock()
	if runtime.GOOS == "windows" {
		_ = p.root.Remove(lockName)
	}
}

// recover finishes what an earlier run has published, removes what it has only staged, and
// returns the paths of the files that it put in place.
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
		return nil, fmt.Errorf("%s is %s, not a folder of sallyport: remove it", p.full(pendingDir), kind(fi.Mode()))
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
// What is synced to disk, and why: each new file, so that no name leads to an incomplete
// file; for a set the staging folder, so that the journal is complete before it is
// published; the output folder after the rename that publishes it, so that no file is in
// its place before; at last the folders with new entries, so that programs find the
// published files after a power failure. A single file needs only the first and the last.
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
	if err := w.Chmod(mode(f)); err != nil { // after the owner, because setting that may clear bits
		return err
	}
	if err := p.at("sync " + f.Path); err != nil {
		return err
	}
	return w.Sync()
}

// commit publishes the staged set with one rename.
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

// apply renames every file in the folder from to its place, and returns the paths. It can
// be repeated: files that are in their places are no longer in the folder.
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

// unfinished wraps an error after which a published set is not in its place.
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

// syncFolder syncs and closes an opened folder. Windows cannot sync folders and has a
// journal of its own; some network file systems refuse to.
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

// parents returns the folders from the output folder down to that of name.
func parents(name string) []string {
	folders := []string{"."}
	for i, c := range name {
		if c == '/' {
			folders = append(folders, name[:i])
		}
	}
	return folders
}

// makeDir creates dir, and the folders above it, if they do not exist.
func makeDir(dir string) error {
	if !missing(dir) {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir { // they are equal at a root, such as a Windows drive that does not exist
		if err := makeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(os.Open(above))
}

// missing reports whether nothing is at path.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
