package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Folder is a state folder. Processes and goroutines can use one at the same time.
type Folder struct{ dir string }

// DefaultFolder is where the state is kept if nobody says where: the folder that systemd
// gives a service (systemd.exec(5), StateDirectory=), or the usual one of the system or of
// the user.
func DefaultFolder() (string, error) {
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" { // the first of several
		return dir, nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/sallyport", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "sallyport"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the state: %w: name one with --state", err)
	}
	return filepath.Join(home, ".local", "state", "sallyport"), nil
}

// Open returns the state folder dir, which is made if it does not exist. Only its owner can
// read it.
func Open(dir string) (*Folder, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "blobs"), 0o700)
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir) // it marks commands: one folder has one mark
	}
	if err != nil {
		return nil, fmt.Errorf("the state folder: %w: name one that you can write with --state", err)
	}
	return &Folder{dir}, nil
}

// Dir is the absolute path of the folder.
func (f *Folder) Dir() string { return f.dir }

func (f *Folder) blob(sum string) string { return filepath.Join(f.dir, "blobs", sum) }

// sumOf is the name of a blob.
func sumOf(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// put keeps data and returns its name. It is on disk when put returns.
func (f *Folder) put(data []byte) (string, error) {
	sum := sumOf(data)
	if _, err := f.get(sum); err == nil {
		return sum, nil
	}
	if err := f.write(f.blob(sum), data); err != nil {
		return "", fmt.Errorf("the state folder: %w: make room there", err)
	}
	return sum, nil
}

// write writes a file as a whole.
func (f *Folder) write(name string, data []byte) error {
	tmp, err := os.CreateTemp(f.dir, "new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncFolder(filepath.Dir(name))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// get returns what put kept.
func (f *Folder) get(sum string) ([]byte, error) {
	data, err := os.ReadFile(f.blob(sum))
	if err != nil {
		return nil, err
	}
	if sumOf(data) != sum {
		return nil, fmt.Errorf("%s is damaged: its checksum is another one", f.blob(sum))
	}
	return data, nil
}

// clean removes blobs that no run of the journal's last ones names.
func (f *Folder) clean(keep map[string]bool) error {
	list, err := os.ReadDir(filepath.Join(f.dir, "blobs"))
	for _, e := range list {
		if !keep[e.Name()] {
			err = errors.Join(err, os.Remove(f.blob(e.Name())))
		}
	}
	return err
}

// lockWait is how long a run waits for another one.
const lockWait = 10 * time.Second

// The locks of a folder. The device is held while commands change the machine; the journal
// while a line is added to it.
const (
	deviceLock  = "device.lock"
	journalLock = "journal.lock"
)

// lock takes the lock, which is free again if the process dies. It does not wait longer than
// wait, and returns nil then.
func (f *Folder) lock(name string, wait time.Duration) (*flock.Flock, error) {
	l := flock.New(filepath.Join(f.dir, name), flock.SetPermissions(fs.FileMode(0o600)))
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		ok, err := l.TryLock()
		if err != nil {
			return nil, fmt.Errorf("the state folder: %w: check its permissions", err)
		}
		if ok {
			return l, nil
		}
		if time.Now().After(deadline) {
			return nil, nil
		}
	}
}

// mark is the mark of commands that change the machine for a run.
func (f *Folder) mark(run int) string { return fmt.Sprintf("%s run %d", f.dir, run) }

// holdDevice takes the device's lock.
func (f *Folder) holdDevice() (*flock.Flock, error) {
	l, err := f.lock(deviceLock, lockWait)
	if err == nil && l == nil {
		err = errors.New("another run is at work: wait for it")
	}
	return l, err
}

// Guarded reports whether the guard of the run lives.
func (f *Folder) Guarded(run int) bool {
	if _, err := os.Stat(filepath.Join(f.dir, guardLock(run))); err != nil {
		return false // a guard that ends removes it
	}
	l, err := f.lock(guardLock(run), 0)
	if l != nil {
		_ = l.Unlock()
	}
	return err == nil && l == nil
}

// guardLock is the lock that the guard of a run holds while it lives.
func guardLock(run int) string { return fmt.Sprintf("guard-%d.lock", run) }
