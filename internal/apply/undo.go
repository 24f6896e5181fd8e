package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// errDecided says that another process has confirmed the run, or takes it back.
var errDecided = errors.New("the run is decided")

// claim writes that the run is taken back, unless somebody else has decided. If the journal
// cannot be written, it is taken back all the same.
func (f *Folder) claim(run int, why string) error {
	err := f.append(func(j *Journal) ([]Event, error) {
		if p := j.Runs[run-1]; !p.Open() {
			return nil, errDecided
		}
		return []Event{{Run: run, Step: Undoing, Text: why}}, nil
	})
	if errors.Is(err, errDecided) {
		return err
	}
	return nil
}

// undo brings back what was loaded before the run. The caller holds the device's lock and
// has claimed the run.
func (f *Folder) undo(ctx context.Context, p *Past, why string) error {
	endMarked(f.mark(p.Number))
	j, _ := f.Read()
	var events []Event
	var failed []error
	for i := range slices.Backward(p.Deploys) {
		d := &p.Deploys[i]
		if !slices.Contains(p.loading, d.Name) { // at most its files were published
			if len(d.Before) > 0 {
				failed = append(failed, errors.Join(f.publish(d, p.Out, d.Before)))
			}
			continue
		}
		with := d // the commands may be what is wrong: those that loaded what was there are known to work
		if j != nil && j.Current(d.Name) != nil {
			with = j.Current(d.Name).Deploy(d.Name)
		}
		if err := f.bringBack(ctx, p, d, with); err != nil {
			failed = append(failed, err)
			continue
		}
		sum, err := f.keepState(ctx, with)
		if err != nil {
			why += "; " + err.Error()
			continue
		}
		events = append(events, Event{Run: p.Number, Step: Undone, Deploy: d.Name, State: sum})
		if n := f.differ(sum, d.Was); n > 0 {
			why += fmt.Sprintf("; deploy %s has what was loaded before, and %d lines of its state differ from those before", d.Name, n)
		}
	}
	last := Event{Run: p.Number, Step: Undone, Text: why}
	if errors.Join(failed...) != nil {
		last = Event{Run: p.Number, Step: Stuck, Text: why + "; and what was loaded before could not be brought back: " + errors.Join(failed...).Error()}
	}
	err := f.append(func(*Journal) ([]Event, error) { return append(events, last), nil })
	return errors.Join(errors.Join(failed...), err)
}

// bringBack brings back what was loaded before d, with the commands of with. A deploy that went
// over to another target has loaded that beside the first one: it is taken away on its own.
func (f *Folder) bringBack(ctx context.Context, p *Past, d, with *Deploy) error {
	mark, loaded := f.mark(p.Number), d.Files
	var away error
	if len(d.Before) > 0 && (with.Target != d.Target || with.Kind != d.Kind) {
		away = f.replace(ctx, mark, d, p.Out, loaded, nil)
		loaded = nil
	}
	return errors.Join(away, f.replace(ctx, mark, with, p.Out, loaded, d.Before))
}

// differ counts the lines that only one of two kept states has; 0 if one is not known.
func (f *Folder) differ(a, b string) int {
	if a == b || a == "" || b == "" {
		return 0
	}
	was, err := f.get(b)
	if err != nil {
		return 0
	}
	is, err := f.get(a)
	if err != nil {
		return 0
	}
	missing, more := Differ(splitLines(was), splitLines(is))
	return len(missing) + len(more)
}

// joined are lines as a blob, and splitLines takes them out of it.
func joined(lines []string) []byte { return []byte(strings.Join(lines, "\n")) }

func splitLines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(string(data), "\n")
}

// Differ returns the lines that only was has, and those that only is has, in their order.
func Differ(was, is []string) (missing, more []string) {
	count := map[string]int{}
	for _, l := range is {
		count[l]++
	}
	for _, l := range was {
		if count[l]--; count[l] < 0 {
			missing = append(missing, l)
		}
	}
	clear(count)
	for _, l := range was {
		count[l]++
	}
	for _, l := range is {
		if count[l]--; count[l] < 0 {
			more = append(more, l)
		}
	}
	return missing, more
}

// Restore loads again what was confirmed last, for a machine that starts anew. A run that was
// open when it stopped is taken back first. It returns the deploys that were loaded.
func (f *Folder) Restore(ctx context.Context) (loaded []string, err error) {
	device, err := f.holdDevice()
	if err != nil {
		return nil, err
	}
	defer device.Unlock()
	if err := f.recover(ctx); err != nil {
		return nil, err
	}
	j, err := f.Read()
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, name := range j.Deploys() {
		past := j.Current(name)
		if past == nil {
			continue
		}
		d := past.Deploy(name)
		if err := f.replace(ctx, f.mark(past.Number), d, past.Out, nil, d.Files); err != nil {
			failed = append(failed, fmt.Errorf("deploy %s: %w", name, err))
			continue
		}
		loaded = append(loaded, name)
	}
	return loaded, errors.Join(failed...)
}

// Recover takes back a run that nobody confirmed and whose guard is gone, so that a plan
// after it is of what is loaded then. If the guard is alive, it returns a *Pending.
func (f *Folder) Recover(ctx context.Context) error {
	device, err := f.holdDevice()
	if err != nil {
		return err
	}
	defer device.Unlock()
	return f.recover(ctx)
}

// recover takes back a run that nobody confirmed and whose guard is gone, for a caller with
// the device's lock. If the guard is alive, it decides, and recover returns an error.
func (f *Folder) recover(ctx context.Context) error {
	j, err := f.Read()
	if err != nil {
		return err
	}
	p := j.Last()
	if p == nil {
		return nil
	}
	guard, err := f.lock(guardLock(p.Number), 0)
	if err != nil {
		return err
	}
	if guard == nil {
		return &Pending{p}
	}
	defer guard.Unlock()
	why := fmt.Sprintf("it was cut short while %s, and so was its guard", p.Step)
	if p.Step == Undoing {
		why = p.Text
	} else if err := f.claim(p.Number, why); err != nil {
		return err
	}
	return f.undo(context.WithoutCancel(ctx), p, why)
}

// Pending is the error of a run that is refused because another one waits to be confirmed.
type Pending struct{ Past *Past }

func (e *Pending) Error() string {
	return fmt.Sprintf("run %d waits to be confirmed: sallyport confirm %d keeps it, sallyport confirm --undo %d takes it back, and without either it is taken back %s after its load",
		e.Past.Number, e.Past.Number, e.Past.Number, e.Past.Confirm.Round(time.Second))
}
