package apply

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// Carrier says how a run is carried out.
type Carrier struct {
	// Guard makes the command that calls Folder.Guard for the run, with file 3 as ready.
	Guard func(run int) *exec.Cmd
	// Publish writes all outputs of the policy; nil: only those that are loaded.
	Publish func() error
	// Judge looks whether all is well after the load, and returns why it is not. Nil: the run
	// stays open until somebody confirms it, unless Sure is set.
	Judge func(ctx context.Context) (worse string, err error)
	// Sure confirms the run as soon as everything is loaded.
	Sure bool
}

// UndoneError is the error of a run that was taken back.
type UndoneError struct {
	Run int
	Why string
	Err error // why it could not be taken back; nil if it was
}

func (e *UndoneError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("run %d: %s; taking it back failed too: %v", e.Run, e.Why, e.Err)
	}
	return fmt.Sprintf("run %d is taken back: %s", e.Run, e.Why)
}

// Carry loads what the plan says. If anything fails, or Judge finds something worse, it
// brings back what was loaded before and returns an *UndoneError. It returns the number of
// the run, 0 if none began.
func (f *Folder) Carry(ctx context.Context, p *Plan, c Carrier) (int, error) {
	if !supported {
		return 0, errors.New("loads are not guarded on this system: run sallyport generate, and load the files by hand")
	}
	device, err := f.holdDevice()
	if err != nil {
		return 0, err
	}
	defer device.Unlock()
	n, err := f.begin(ctx, p)
	if err != nil {
		return 0, err
	}
	if err := f.carry(ctx, n, p, c); err != nil {
		return n, f.giveUp(ctx, n, err.Error())
	}
	if c.Judge == nil {
		if c.Sure {
			return n, f.Confirm(n, "at once")
		}
		return n, nil
	}
	if err := device.Unlock(); err != nil { // the guard may need it
		return n, err
	}
	worse, err := c.Judge(ctx)
	switch {
	case err != nil:
		worse = err.Error()
	case worse == "":
		return n, f.Confirm(n, "by verify")
	}
	if device, err = f.holdDevice(); err != nil {
		return n, fmt.Errorf("run %d: %s; its guard takes it back: %w", n, worse, err)
	}
	defer device.Unlock()
	return n, f.giveUp(ctx, n, worse)
}

// begin writes everything of the plan into the state folder.
func (f *Folder) begin(ctx context.Context, p *Plan) (n int, err error) {
	if err := f.recover(ctx); err != nil {
		return 0, err
	}
	f.forget()
	for _, data := range p.blobs {
		if _, err := f.put(data); err != nil {
			return 0, err
		}
	}
	run := p.Run
	run.Process = thisProcess()
	err = f.append(func(j *Journal) ([]Event, error) {
		if j.steps != p.steps {
			return nil, errors.New("another run came between, or was decided meanwhile: plan again")
		}
		n = len(j.Runs) + 1
		return []Event{{Run: n, Step: Begun, Plan: &run}}, nil
	})
	return n, err
}

// carry arms the guard, publishes, and loads one deploy after the other.
func (f *Folder) carry(ctx context.Context, n int, p *Plan, c Carrier) error {
	if err := arm(c.Guard(n)); err != nil {
		return fmt.Errorf("the guard of the run does not start: %w", err)
	}
	if err := c.publish(f, p); err != nil {
		return err
	}
	deploys := p.Run.Deploys
	for i := range deploys {
		if err := deploys[i].check(ctx, p.Run.Out, deploys[i].Files); err != nil {
			return fmt.Errorf("deploy %s cannot be loaded: %w", deploys[i].Name, err)
		}
	}
	for i := range deploys {
		d := &deploys[i]
		if err := f.note(n, Event{Run: n, Step: Loading, Deploy: d.Name}); err != nil {
			return err
		}
		if err := p.bring(ctx, f, n, d); err != nil {
			return fmt.Errorf("deploy %s: %w", d.Name, err)
		}
		sum, err := f.keepState(ctx, d)
		if err == nil {
			err = f.note(n, Event{Run: n, Step: Loaded, Deploy: d.Name, State: sum})
		}
		if err != nil {
			return err
		}
	}
	return f.note(n, Event{Run: n, Step: Loaded})
}

func (c Carrier) publish(f *Folder, p *Plan) error {
	if c.Publish != nil {
		return c.Publish()
	}
	return nil // replace does it
}

// bring loads the files of the deploy: those that were rendered for what is published, or in
// a rollback those of an earlier run.
func (p *Plan) bring(ctx context.Context, f *Folder, run int, d *Deploy) error {
	if p.Run.Kind == kindRollback {
		return f.replace(ctx, f.mark(run), d, p.Run.Out, d.Before, d.Files)
	}
	return d.load(ctx, f.mark(run), p.Run.Out, d.Files)
}

// note writes a step of an open run.
func (f *Folder) note(n int, e Event) error {
	return f.append(func(j *Journal) ([]Event, error) {
		if p := j.Runs[n-1]; !p.Open() || p.Step == Undoing {
			return nil, fmt.Errorf("its guard takes it back: %s", p.Text)
		}
		return []Event{e}, nil
	})
}

// giveUp takes the run back, for a caller with the device's lock.
func (f *Folder) giveUp(ctx context.Context, n int, why string) error {
	decided := f.claim(n, why)
	j, err := f.Read()
	switch {
	case err != nil:
		return &UndoneError{n, why, err}
	case decided != nil && j.Runs[n-1].Step == Confirmed:
		return fmt.Errorf("run %d stays loaded, since it was confirmed %s meanwhile: %s", n, j.Runs[n-1].Text, why)
	case decided != nil:
		return &UndoneError{Run: n, Why: why} // the guard was quicker
	}
	return &UndoneError{n, why, f.undo(context.WithoutCancel(ctx), j.Runs[n-1], why)}
}

// Confirm keeps the run. It fails if the run is not loaded, or is taken back already.
func (f *Folder) Confirm(n int, how string) error {
	err := f.append(func(j *Journal) ([]Event, error) {
		if n < 1 || n > len(j.Runs) {
			return nil, fmt.Errorf("there is no run %d: sallyport history lists them", n)
		}
		switch p := j.Runs[n-1]; p.Step {
		case Loaded:
			return []Event{{Run: n, Step: Confirmed, Text: how}}, nil
		case Confirmed:
			return nil, nil
		case Undoing, Undone, Stuck:
			return nil, &UndoneError{Run: n, Why: p.Text}
		default:
			return nil, fmt.Errorf("run %d is not loaded yet: wait for it", n)
		}
	})
	return err
}

// Undo takes an open run back on behalf of a person.
func (f *Folder) Undo(ctx context.Context, n int, who string) error {
	j, err := f.Read()
	switch {
	case err != nil:
		return err
	case n < 1 || n > len(j.Runs):
		return fmt.Errorf("there is no run %d: sallyport history lists them", n)
	case !j.Runs[n-1].Open():
		return fmt.Errorf("run %d is %s: sallyport rollback brings back what an earlier run loaded", n, j.Runs[n-1].Step)
	}
	device, err := f.holdDevice()
	if err != nil {
		return err
	}
	defer device.Unlock()
	undone := f.giveUp(ctx, n, who+" took it back")
	if e := (*UndoneError)(nil); errors.As(undone, &e) {
		return e.Err
	}
	return undone
}

// keptRuns is how many runs keep their files, and can be rolled back to.
const keptRuns = 200

// forget removes the blobs of old runs, for a caller with the device's lock. Blobs that stay
// do no harm, so that a failure is no reason to fail.
func (f *Folder) forget() {
	if j, err := f.Read(); err == nil && len(j.Runs) > keptRuns {
		_ = f.clean(j.needed(keptRuns))
	}
}

// Unpin lets runs follow the policy again after a rollback.
func (f *Folder) Unpin() error {
	return f.append(func(j *Journal) ([]Event, error) {
		if j.Pinned == 0 {
			return nil, errors.New("nothing is pinned")
		}
		return []Event{{Step: Noted, Unpin: true, Text: fmt.Sprintf("unpinned from run %d", j.Pinned)}}, nil
	})
}

// Tell reports whether the text is new, and remembers it: an event is told once, and not in
// each run.
func (f *Folder) Tell(text string) (isNew bool, err error) {
	err = f.append(func(j *Journal) ([]Event, error) {
		if j.notes[text] {
			return nil, nil
		}
		isNew = true
		return []Event{{Step: Noted, Text: text}}, nil
	})
	return isNew, err
}

// Waiting returns the run that waits to be confirmed, and until when its guard waits; nil if
// there is none.
func (j *Journal) Waiting() (*Past, time.Time) {
	p := j.Last()
	if p == nil || p.Step != Loaded {
		return nil, time.Time{}
	}
	return p, p.Ended.Add(p.Confirm.Duration)
}
