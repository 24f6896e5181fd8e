package apply

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
)

// Step is a step of a run.
type Step string

// The steps of a run. The last of them is its state.
const (
	Begun     Step = "begun"
	Loading   Step = "loading" // a deploy
	Loaded    Step = "loaded"  // all deploys
	Confirmed Step = "confirmed"
	Undoing   Step = "undoing"
	Undone    Step = "undone"
	Stuck     Step = "stuck" // undoing failed: what is loaded is not known
	Noted     Step = "noted" // something to remember, which changes no run
)

// Event is a line of the journal.
type Event struct {
	Time   time.Time `json:"time"`
	Run    int       `json:"run"`
	Step   Step      `json:"step"`
	Deploy string    `json:"deploy,omitempty"`
	State  string    `json:"state,omitempty"` // what the deploy has loaded then, as a blob of lines
	Text   string    `json:"text,omitempty"`  // why
	Plan   *Run      `json:"plan,omitempty"`  // of Begun
	// Unpin says that runs may follow the policy again, after a rollback.
	Unpin bool `json:"unpin,omitzero"`
}

const (
	journalName    = "journal"
	journalVersion = 1
	maxJournal     = 256 << 20
)

type journalHead struct {
	Version int `json:"sallyport_journal"`
}

// append adds the events that fn returns for the journal so far, and syncs them to disk. fn
// runs under the journal's lock; its error is returned as it is.
func (f *Folder) append(fn func(*Journal) ([]Event, error)) error {
	l, err := f.lock(journalLock, lockWait)
	if err != nil {
		return err
	}
	if l == nil {
		return errors.New("another process holds the journal of the state folder: end it, or wait for it")
	}
	defer l.Unlock()
	j, err := f.Read()
	if err != nil {
		return err
	}
	events, err := fn(j)
	if err != nil || len(events) == 0 {
		return err
	}
	var text bytes.Buffer
	if j.size == 0 {
		text.WriteString(`{"sallyport_journal":1}` + "\n")
	}
	for i := range events {
		events[i].Time = time.Now().UTC().Truncate(time.Millisecond)
		if err := json.MarshalWrite(&text, events[i], json.Deterministic(true)); err != nil {
			return err
		}
		text.WriteByte('\n')
	}
	if err := f.extend(j.size, text.Bytes()); err != nil {
		return fmt.Errorf("the journal of the state folder: %w: make room there", err)
	}
	return nil
}

// extend writes text at the end of the journal, which is size. What follows there is a line
// that was cut short.
func (f *Folder) extend(size int64, text []byte) error {
	name := filepath.Join(f.dir, journalName)
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err = file.Truncate(size); err == nil {
		_, err = file.WriteAt(text, size)
	}
	if err != nil {
		return errors.Join(err, file.Truncate(size), file.Close())
	}
	err = errors.Join(file.Sync(), file.Close())
	if size == 0 {
		err = errors.Join(err, syncFolder(f.dir))
	}
	return err
}

// Read returns the journal. A last line that was cut short counts as not written.
func (f *Folder) Read() (*Journal, error) {
	j := &Journal{folder: f}
	name := filepath.Join(f.dir, journalName)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err == nil && info.Size() > maxJournal {
		err = fmt.Errorf("%s has more than %d MB", name, maxJournal>>20)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("the journal of the state folder: %w: name another folder with --state", err)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	j.size = int64(len(data))
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if err := j.line(n, line); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// line adds a line of the file.
func (j *Journal) line(n int, line []byte) error {
	damaged := func(err error) error {
		return fmt.Errorf("line %d of the journal in %s is damaged: %w: restore the folder from a copy, or name another one with --state", n, j.folder.dir, err)
	}
	if n == 1 {
		var head journalHead
		switch err := json.Unmarshal(line, &head); {
		case err != nil:
			return damaged(err)
		case head.Version > journalVersion:
			return fmt.Errorf("the journal in %s is of a newer sallyport: use that one, or another folder with --state", j.folder.dir)
		case head.Version != journalVersion:
			return damaged(errors.New("it has no version"))
		}
		return nil
	}
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return damaged(err)
	}
	if err := j.add(e); err != nil {
		return damaged(err)
	}
	return nil
}
