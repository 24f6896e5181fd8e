package apply

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"sallyport/internal/changes"
	"sallyport/internal/pipeline"
	"sallyport/internal/publish"
	"sallyport/renderers"
	"sallyport/rules/policy"
)

// Plan is what a run would do.
type Plan struct {
	Run    Run // with the deploys that are loaded
	Steps  []PlanStep
	Pinned int    // the rollback that holds off the policy; 0 if none does
	Digest string // of all that it was made from: another plan of the same digest does the same
	blobs  map[string][]byte
	steps  int // of the journal when it was made
}

// PlanStep is what a plan means for one deploy.
type PlanStep struct {
	Deploy
	// Reason says why it is loaded; empty if it is not.
	Reason string
	// Change is what passes that did not, and what no longer does; nil if nothing was loaded
	// before, or what was cannot be read back.
	Change *changes.Summary
	// Known says that the machine tells what is loaded. Missing and More are then the lines of
	// its state that are gone and new since the last run: what somebody else changed.
	Known         bool
	Missing, More []string
	Problem       string // why the machine does not tell, though a command should
	// Sudden says what grew or shrank far more than feeds do while the policy stayed the same;
	// empty if nothing did.
	Sudden string
	loads  bool
}

// Drifted reports whether somebody changed on the machine what the last run loaded.
func (s *PlanStep) Drifted() bool { return len(s.Missing)+len(s.More) > 0 }

// Changed reports whether the plan loads something.
func (p *Plan) Changed() bool { return len(p.Run.Deploys) > 0 }

// Options are what a caller decides about a plan.
type Options struct {
	Out      string // the folder of outputs
	Dir      string // of the policy, in which commands run
	Who, Why string
	Repair   bool // load again where somebody changed the machine, whatever the policy says
}

// Plan compares the outputs of a run with what is loaded. It looks at the machine and changes
// nothing.
func (f *Folder) Plan(ctx context.Context, res *pipeline.Result, o Options) (*Plan, error) {
	if len(res.Program.Deploys) == 0 {
		return nil, errors.New(`the policy deploys nothing: add a block such as deploy "edge" { target = target.edge }, or run sallyport generate and load the files by hand`)
	}
	j, err := f.Read()
	if err != nil {
		return nil, err
	}
	for _, dir := range []*string{&o.Out, &o.Dir} {
		if *dir, err = filepath.Abs(*dir); err != nil {
			return nil, err
		}
	}
	p := &Plan{blobs: map[string][]byte{}, steps: j.steps, Pinned: j.Pinned}
	p.Run = Run{Kind: kindApply, Policy: res.Program.Name, Hash: res.Program.Hash, Who: o.Who, Why: o.Why, Out: o.Out}
	for _, feed := range res.Program.Feeds {
		p.Run.Feeds = append(p.Run.Feeds, pipeline.OriginFeed(feed))
	}
	files := pipeline.SetOf(res).Files
	for i := range res.Program.Deploys {
		d := &res.Program.Deploys[i]
		k := slices.IndexFunc(res.Outputs, func(out pipeline.Output) bool { return out.Target.Name == d.Target })
		if k < 0 {
			return nil, fmt.Errorf("deploy %s: target %s is not rendered: leave --target out", d.Name, d.Target)
		}
		s, err := p.step(ctx, f, j, d, &res.Outputs[k], files, o)
		if err != nil {
			return nil, err
		}
		p.add(s, d.Confirm)
	}
	p.Digest = p.digest()
	return p, nil
}

func (p *Plan) add(s *PlanStep, confirm time.Duration) {
	p.Steps = append(p.Steps, *s)
	if s.loads {
		p.Run.Deploys = append(p.Run.Deploys, s.Deploy)
		p.Run.Confirm.Duration = max(p.Run.Confirm.Duration, confirm)
	}
}

// step compares the output of a deploy with what is loaded.
func (p *Plan) step(ctx context.Context, f *Folder, j *Journal, d *policy.Deploy, out *pipeline.Output, files []publish.File, o Options) (*PlanStep, error) {
	options, err := json.Marshal(out.Target.Options, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	s := &PlanStep{Deploy: Deploy{Name: d.Name, Target: d.Target, Kind: out.Kind.Name, Path: out.Target.Path, Dir: o.Dir, Options: options,
		Check: d.Check, Load: d.Load, State: d.State, Remove: d.Remove, Timeout: Duration{d.Timeout}, Repair: d.Repair}}
	for _, x := range files {
		if x.Record.Target == d.Target {
			s.Files = append(s.Files, p.keep(x.Path, cmp.Or(x.Mode, 0o644), x.Data, x.Record))
		}
	}
	if _, _, err := s.loadWith(s.Files); err != nil {
		return nil, err
	}
	lines, known, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	if s.Known = known; known {
		s.Was = p.blob(joined(lines))
	}
	if err := p.before(f, j, s, o.Out, len(lines) > 0 || !known); err != nil {
		return nil, err
	}
	if err := s.drift(f, j, lines); err != nil {
		return nil, err
	}
	s.decide(j, o.Repair || d.Repair)
	if s.loads && len(s.Before) > 0 {
		if old, err := f.rendered(s.Before, p.blobs); err == nil {
			s.Change = out.ChangeFrom(old)
		}
	}
	if past := j.Current(d.Name); past != nil && past.Hash == p.Run.Hash {
		s.Sudden = sudden(s.Change)
	}
	return s, nil
}

// A set of a policy may change by so much with the feeds alone. A real step of Azure's public
// cloud, from change 396 to 398, is 0.4 percent.
const (
	mostGrowth = 25 // percent of the addresses
	mostShrink = 33
)

// sudden says which list changed more than that.
func sudden(c *changes.Summary) string {
	if c == nil {
		return ""
	}
	for _, l := range c.Lists {
		percent, ok := l.Percent()
		if !ok || l.Names || percent <= mostGrowth && percent >= -mostShrink {
			continue
		}
		what := "the list of routes"
		if !l.Routes {
			what = "set " + l.Name
		}
		return fmt.Sprintf("%s has %+.0f %% %s addresses, and the policy is the same", what, percent, l.Family)
	}
	return ""
}

// keep keeps data for the state folder.
func (p *Plan) keep(path string, mode fs.FileMode, data []byte, r publish.Record) File {
	return File{Path: path, Mode: uint32(mode), SHA256: p.blob(data), Record: r}
}

func (p *Plan) blob(data []byte) string {
	sum := sumOf(data)
	p.blobs[sum] = data
	return sum
}

// before finds what is loaded: what the last run loaded, or, if none did, what is published,
// if anything is loaded at all.
func (p *Plan) before(f *Folder, j *Journal, s *PlanStep, out string, something bool) error {
	if past := j.Current(s.Name); past != nil {
		s.Before = past.Deploy(s.Name).Files
		return nil
	}
	if !something {
		return nil
	}
	m, err := publish.ReadManifest(out)
	if err != nil {
		return err
	}
	for _, e := range m {
		if e.Target != s.Target {
			continue
		}
		data, there, err := publish.Read(out, e.Path)
		if err != nil {
			return err
		}
		if there {
			s.Before = append(s.Before, p.keep(e.Path, 0o644, data, e.Record))
		}
	}
	return nil
}

// drift compares the state with that after the last run.
func (s *PlanStep) drift(f *Folder, j *Journal, lines []string) error {
	sum, recorded := j.stateNow(s.Name)
	if !recorded || sum == "" || !s.Known || sum == s.Was {
		return nil
	}
	was, err := f.get(sum)
	if err != nil {
		return fmt.Errorf("the state folder: %w: restore it from a copy", err)
	}
	s.Missing, s.More = Differ(splitLines(was), lines)
	s.More = slices.DeleteFunc(s.More, func(l string) bool { return strings.HasPrefix(l, renderers.Leads) })
	return nil
}

// decide says whether the deploy is loaded, and why.
func (s *PlanStep) decide(j *Journal, repair bool) {
	switch same := sameFiles(s.Before, s.Files); {
	case len(s.Before) == 0:
		s.Reason = "nothing is loaded yet"
	case j.Current(s.Name) == nil:
		s.Reason = "no run has loaded it yet"
	case !same:
		s.Reason = "its files changed"
	case j.stuck(s.Name):
		s.Reason = "a run could not be taken back"
	case s.Drifted() && repair:
		s.Reason = "what is loaded was changed"
	}
	s.loads = s.Reason != ""
}

// sameFiles reports whether two lists have the same paths and bytes.
func sameFiles(a, b []File) bool {
	sums := func(list []File) map[string]string {
		m := map[string]string{}
		for _, x := range list {
			m[x.Path] = x.SHA256
		}
		return m
	}
	return maps.Equal(sums(a), sums(b))
}

// digest is over all that decides what the plan does.
func (p *Plan) digest() string {
	h := sha256.New()
	write := func(v any) { _ = json.MarshalWrite(h, v, json.Deterministic(true)) }
	write([]string{p.Run.Kind, p.Run.Hash, p.Run.Out, fmt.Sprint(p.Run.To)})
	for _, s := range p.Steps {
		write(s.Deploy)
		write(s.loads)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// PlanRollback is a plan to load again what a run loaded, which must have been confirmed.
func (f *Folder) PlanRollback(ctx context.Context, run int, o Options) (*Plan, error) {
	j, err := f.Read()
	if err != nil {
		return nil, err
	}
	if run < 1 || run > len(j.Runs) || j.Runs[run-1].Step != Confirmed {
		return nil, fmt.Errorf("run %d was not confirmed, or there is none: sallyport history lists them", run)
	}
	past := j.Runs[run-1]
	p := &Plan{blobs: map[string][]byte{}, steps: j.steps, Run: past.Run}
	p.Run.Kind, p.Run.To, p.Run.Who, p.Run.Why, p.Run.Deploys = kindRollback, run, o.Who, o.Why, nil
	for _, d := range past.Deploys {
		s := &PlanStep{Deploy: d}
		lines, known, err := d.state(ctx)
		if err != nil {
			return nil, err
		}
		if s.Was = ""; known {
			s.Known, s.Was = true, p.blob(joined(lines))
		}
		for _, x := range d.Files {
			if _, err := f.get(x.SHA256); err != nil {
				return nil, fmt.Errorf("run %d: %s is not kept any more: %w", run, x.Path, err)
			}
		}
		s.Before = j.Current(d.Name).Deploy(d.Name).Files
		if err := s.drift(f, j, lines); err != nil {
			return nil, err
		}
		if s.loads = !sameFiles(s.Before, s.Files) || s.Drifted() || j.stuck(d.Name); s.loads {
			s.Reason = fmt.Sprintf("back to run %d", run)
		}
		p.add(s, past.Confirm.Duration)
	}
	p.Digest = p.digest()
	return p, nil
}

// Look compares what is loaded now with the journal, for a status: it needs no policy. The
// steps are in the order of Journal.Deploys.
func (f *Folder) Look(ctx context.Context) ([]PlanStep, *Journal, error) {
	j, err := f.Read()
	if err != nil {
		return nil, nil, err
	}
	var list []PlanStep
	for _, name := range j.Deploys() {
		var d *Deploy
		if past := j.Current(name); past != nil {
			d = past.Deploy(name)
		}
		if d == nil {
			list = append(list, PlanStep{Deploy: Deploy{Name: name}})
			continue
		}
		s := PlanStep{Deploy: *d}
		lines, known, err := d.state(ctx)
		if err != nil {
			s.Problem = err.Error()
			list = append(list, s)
			continue
		}
		if s.Known = known; known {
			s.Was = sumOf(joined(lines))
		}
		if err := s.drift(f, j, lines); err != nil {
			return nil, nil, err
		}
		list = append(list, s)
	}
	return list, j, nil
}
