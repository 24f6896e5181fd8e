package apply

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/internal/pipeline"
	"sallyport/internal/publish"
	"sallyport/renderers"
)

// The kinds of runs.
const (
	kindApply    = "apply"
	kindRollback = "rollback"
)

// Run is one change of the machine, as the journal has it.
type Run struct {
	Kind    string                `json:"kind"` // apply, or rollback
	To      int                   `json:"to,omitzero"`
	Policy  string                `json:"policy,omitempty"`
	Hash    string                `json:"policy_sha256,omitempty"`
	Feeds   []pipeline.OriginFeed `json:"feeds,omitempty"`
	Who     string                `json:"who,omitempty"`
	Why     string                `json:"why,omitempty"`
	Out     string                `json:"out"` // the absolute path of the folder of outputs
	Confirm Duration              `json:"confirm"`
	Deploys []Deploy              `json:"deploys"`
	Process Process               `json:"process"` // that loads
}

// Deploy is what a run loads for one deploy block.
type Deploy struct {
	Name    string   `json:"name"`
	Target  string   `json:"target"`
	Kind    string   `json:"kind"`
	Path    string   `json:"path"` // of the target
	Dir     string   `json:"dir"`  // in which commands run: that of the policy
	Options []byte   `json:"options,omitempty"`
	Check   []string `json:"check,omitempty"` // those of the policy
	Load    []string `json:"load,omitempty"`
	State   []string `json:"state,omitempty"`
	Remove  []string `json:"remove,omitempty"`
	Timeout Duration `json:"timeout"`
	Repair  bool     `json:"repair,omitzero"`

	Files  []File `json:"files"`
	Before []File `json:"before,omitempty"` // what was loaded before; empty: nothing
	Was    string `json:"was,omitempty"`    // the state before, as a blob of lines
}

// File is a file of a deploy. Its bytes are a blob.
type File struct {
	Path   string         `json:"path"`
	Mode   uint32         `json:"mode"`
	SHA256 string         `json:"sha256"`
	Record publish.Record `json:"record"`
}

// Process is a process that cannot be taken for another one with the same number.
type Process struct {
	PID   int    `json:"pid"`
	Start string `json:"start,omitempty"` // when it started, as the kernel says it
}

// Past is a run and what became of it.
type Past struct {
	Number int
	Run
	Began, Ended time.Time // Ended is when it reached its step
	Step         Step
	Text         string            // why it is undone, or who confirmed it
	Loaded       map[string]string // by deploy: its state when it was loaded, as a blob
	loading      []string          // deploys whose load began
	After        map[string]string // by deploy: its state after it was taken back
}

// Open reports whether the run is neither confirmed nor taken back.
func (p *Past) Open() bool { return p.Step != Confirmed && p.Step != Undone && p.Step != Stuck }

// Deploy returns the deploy of the name, or nil.
func (p *Past) Deploy(name string) *Deploy {
	i := slices.IndexFunc(p.Deploys, func(d Deploy) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Deploys[i]
}

// Journal is what happened on the machine.
type Journal struct {
	Runs   []*Past // in their order
	Pinned int     // the run of a rollback that holds off the policy; 0 if none does
	notes  map[string]bool
	steps  int // of all runs: another number is another machine

	folder *Folder
	size   int64 // of the file, up to its last whole line
}

// add adds an event.
func (j *Journal) add(e Event) error {
	if e.Step == Noted {
		if e.Unpin {
			j.Pinned = 0
		}
		if j.notes == nil {
			j.notes = map[string]bool{}
		}
		j.notes[e.Text] = true
		return nil
	}
	j.steps++
	if e.Step == Begun {
		if e.Plan == nil || e.Run != len(j.Runs)+1 {
			return errors.New("a run is missing")
		}
		j.Runs = append(j.Runs, &Past{Number: e.Run, Run: *e.Plan, Began: e.Time, Ended: e.Time, Step: Begun, Loaded: map[string]string{}, After: map[string]string{}})
		return nil
	}
	if e.Run < 1 || e.Run > len(j.Runs) {
		return fmt.Errorf("there is no run %d", e.Run)
	}
	p := j.Runs[e.Run-1]
	switch e.Step {
	case Loading:
		p.loading = append(p.loading, e.Deploy)
	case Loaded:
		if e.Deploy != "" {
			p.Loaded[e.Deploy] = e.State
			return nil
		}
	case Undone, Stuck:
		if e.Deploy != "" {
			p.After[e.Deploy] = e.State
			return nil
		}
	case Confirmed:
		if p.Kind == kindRollback {
			j.Pinned = p.Number
		}
		j.notes = nil
	case Undoing:
	default:
		return fmt.Errorf("there is no step %q", e.Step)
	}
	p.Step, p.Ended = e.Step, e.Time
	if e.Text != "" {
		p.Text = e.Text
	}
	return nil
}

// Last returns the run that is neither confirmed nor taken back, or nil. There is at most
// one, the last.
func (j *Journal) Last() *Past {
	if n := len(j.Runs); n > 0 && j.Runs[n-1].Open() {
		return j.Runs[n-1]
	}
	return nil
}

// Current returns the run that loaded what the deploy has, or nil.
func (j *Journal) Current(deploy string) *Past {
	for _, p := range slices.Backward(j.Runs) {
		if p.Step == Confirmed && p.Deploy(deploy) != nil {
			return p
		}
	}
	return nil
}

// Deploys returns the names of all deploys, in the order in which they first were loaded.
func (j *Journal) Deploys() []string {
	var list []string
	for _, p := range j.Runs {
		for _, d := range p.Deploys {
			if !slices.Contains(list, d.Name) {
				list = append(list, d.Name)
			}
		}
	}
	return list
}

// needed are the blobs of the last runs, and of what every deploy has loaded, however long
// ago.
func (j *Journal) needed(last int) map[string]bool {
	keep, current := map[string]bool{}, map[*Past]bool{}
	for _, name := range j.Deploys() {
		current[j.Current(name)] = true
		sum, _ := j.stateNow(name)
		keep[sum] = true
	}
	for i, p := range j.Runs {
		if i < len(j.Runs)-last && !current[p] {
			continue
		}
		for _, d := range p.Deploys {
			keep[d.Was], keep[p.Loaded[d.Name]], keep[p.After[d.Name]] = true, true, true
			for _, x := range slices.Concat(d.Files, d.Before) {
				keep[x.SHA256] = true
			}
		}
	}
	return keep
}

// stuck reports whether what the deploy has loaded is not known, because its last run could
// not be taken back.
func (j *Journal) stuck(deploy string) bool {
	for _, p := range slices.Backward(j.Runs) {
		if p.Deploy(deploy) != nil {
			return p.Step == Stuck
		}
	}
	return false
}

// stateNow is the recorded state of a deploy: of its last load, or since that was taken back.
func (j *Journal) stateNow(deploy string) (sum string, known bool) {
	for _, p := range slices.Backward(j.Runs) {
		if p.Deploy(deploy) == nil {
			continue
		}
		switch p.Step {
		case Confirmed:
			sum, known = p.Loaded[deploy]
			return sum, known
		case Undone, Stuck:
			if sum, known = p.After[deploy]; known {
				return sum, known
			}
		}
	}
	return "", false
}

// rendered are files with their bytes, from fresh or the state folder.
func (f *Folder) rendered(files []File, fresh map[string][]byte) (list []renderers.File, err error) {
	for _, x := range files {
		data, ok := fresh[x.SHA256]
		if !ok {
			if data, err = f.get(x.SHA256); err != nil {
				return nil, fmt.Errorf("the state folder: %s: %w: restore the folder from a copy", x.Path, err)
			}
		}
		list = append(list, renderers.File{Path: x.Path, Mode: modeOf(x), Data: data, Use: x.Record.Load, Undo: x.Record.Undo})
	}
	return list, nil
}

// Duration is a time in the form of the journal: "5m0s".
type Duration struct{ time.Duration }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}
