package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Guard takes the run back unless it is confirmed in time. It writes a line to ready when it
// stands, and returns when the run is decided. It is meant to be a process of its own.
func (f *Folder) Guard(ctx context.Context, run int, ready io.WriteCloser) error {
	own, err := f.lock(guardLock(run), lockWait) // somebody may just look whether there is one
	if err != nil || own == nil {
		return errors.Join(err, ready.Close(), errors.New("the run has a guard"))
	}
	defer os.Remove(own.Path())
	defer own.Unlock()
	if _, err := io.WriteString(ready, "armed\n"); err != nil {
		return err
	}
	if err := ready.Close(); err != nil {
		return err
	}
	g := guard{Folder: f, run: run, armed: time.Now()}
	for {
		done, err := g.look(ctx)
		if done || ctx.Err() != nil {
			return err
		}
		if err != nil { // such as a full disk: the journal has to say what is loaded
			time.Sleep(guardRetry)
		}
		time.Sleep(guardPause)
	}
}

// guardPause is how long a guard waits between two looks at the journal, and guardRetry how
// long after a failure, besides.
const (
	guardPause = 200 * time.Millisecond
	guardRetry = 3 * time.Second
)

type guard struct {
	*Folder
	run           int
	seen          fs.FileInfo // of the journal, when it was read
	armed, loaded time.Time
	last          *Past // as the journal had it when it could be read
}

// look looks at the run once, and reports whether the guard is done.
func (g *guard) look(ctx context.Context) (done bool, err error) {
	g.read()
	p := g.last
	if _, err := os.Stat(g.dir); errors.Is(err, fs.ErrNotExist) {
		return true, err // somebody removed all that it could bring back
	}
	switch {
	case p == nil:
		return time.Since(g.armed) > time.Minute, errors.New("the journal does not have the run")
	case !p.Open():
		return true, nil
	case p.Step == Undoing: // by another process, which may have died
		device, err := g.lock(deviceLock, 0)
		if err != nil || device == nil {
			return false, nil
		}
		defer device.Unlock()
		if j, err := g.Read(); err == nil && !j.Runs[g.run-1].Open() {
			return true, nil
		}
		return g.bring(ctx, p, p.Text)
	case p.Step == Loaded:
		if g.loaded.IsZero() {
			g.loaded = time.Now()
		}
		if time.Since(g.loaded) > p.Confirm.Duration {
			return g.takeBack(ctx, fmt.Sprintf("nobody confirmed it within %s", p.Confirm))
		}
	case !p.Process.alive():
		return g.takeBack(ctx, "the process that loaded it died")
	case time.Since(g.armed) > p.longest():
		return g.takeBack(ctx, fmt.Sprintf("loading it did not end within %s", p.longest()))
	}
	return false, nil
}

// read reads the journal if it changed.
func (g *guard) read() {
	info, err := os.Stat(filepath.Join(g.dir, journalName))
	if err == nil && g.seen != nil && info.Size() == g.seen.Size() && info.ModTime().Equal(g.seen.ModTime()) {
		return
	}
	if j, err := g.Read(); err == nil && g.run <= len(j.Runs) {
		g.last, g.seen = j.Runs[g.run-1], info
	}
}

// longest is how long the commands of a run can take.
func (p *Past) longest() time.Duration {
	sum := time.Minute
	for i := range p.Deploys {
		sum += 4 * p.Deploys[i].Timeout.Duration
	}
	return sum
}

// takeBack takes the run back, and stops who is loading it.
func (g *guard) takeBack(ctx context.Context, why string) (done bool, err error) {
	if err := g.claim(g.run, why); err != nil {
		return false, nil // the next look sees what was decided
	}
	device, err := g.lock(deviceLock, 2*time.Second)
	if device == nil && err == nil {
		g.last.Process.end()
		if device, err = g.lock(deviceLock, lockWait); err != nil {
			return false, err
		}
	}
	if device != nil {
		defer device.Unlock()
	}
	if j, err := g.Read(); err == nil {
		g.last = j.Runs[g.run-1]
	}
	if !g.last.Open() { // another process took it back meanwhile, and another run may have followed
		return true, err
	}
	return g.bring(ctx, g.last, why)
}

// bring is undo, told to the system's log. It is not done where the journal cannot tell.
func (g *guard) bring(ctx context.Context, p *Past, why string) (done bool, err error) {
	if err = g.undo(ctx, p, why); err != nil {
		tell(fmt.Sprintf("run %d: %s, and taking it back failed: %v", p.Number, why, err))
		j, unread := g.Read()
		return unread == nil && !j.Runs[g.run-1].Open(), err
	}
	tell(fmt.Sprintf("run %d is taken back: %s", p.Number, why))
	return true, nil
}

// arm starts the guard of a run and waits until it stands.
func arm(cmd *exec.Cmd) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	cmd.Dir = "/" // it keeps no folder in use
	detached(cmd)
	err = cmd.Start()
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	go cmd.Wait() // it is not left as a zombie while this process lives
	word, err := io.ReadAll(r)
	if err != nil || string(word) != "armed\n" {
		return errors.Join(err, errors.New("it ended at once"))
	}
	return nil
}
