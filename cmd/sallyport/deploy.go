package main

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"sallyport"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"sallyport/internal/apply"
	"sallyport/internal/pipeline"
	"sallyport/internal/publish"
	"sallyport/internal/readfile"
)

// deployFlags are the flags of the commands that compare a policy with what is loaded on
// this machine.
type deployFlags struct {
	policyFlags
	stateFlag
	out       string
	templates string
	why       string
	repair    bool
	json      bool
	detailed  bool
}

// stateFlag is the flag of all commands that use the state folder.
type stateFlag struct{ state string }

func (f *stateFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.state, "state", "", "keep the state in `DIR`; without it, $STATE_DIRECTORY, /var/lib/sallyport for root, or the user's folder for states")
	folders(cmd, "state")
}

func (f *stateFlag) open() (*apply.Folder, error) {
	dir := f.state
	if dir == "" {
		var err error
		if dir, err = apply.DefaultFolder(); err != nil {
			return nil, err
		}
	}
	return apply.Open(dir)
}

func (f *deployFlags) add(cmd *cobra.Command, a *app) {
	f.policyFlags.add(cmd, a)
	f.stateFlag.add(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.out, "out", "o", "out", "the folder of outputs, `DIR`")
	fl.StringVar(&f.templates, "templates", "", "use the templates in `DIR` where it has them")
	fl.BoolVar(&f.repair, "repair", false, "load again what somebody changed on the machine")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 4 when something is loaded, or would be")
	folders(cmd, "out", "templates")
	exclusive(cmd, "quiet", "json")
}

// planned is a policy with the plan to load its outputs.
type planned struct {
	res    *sallyport.Result
	folder *apply.Folder
	plan   *apply.Plan
}

// plan renders the policy and compares it with what is loaded. To carry it out, it first
// takes back a run that was cut short.
func (a *app) plan(cmd *cobra.Command, f *deployFlags, carryOut bool) (*planned, error) {
	if f.out == "" {
		return nil, usage("--out names no folder: leave it out for ./out")
	}
	req, err := f.request(a)
	if err != nil {
		return nil, err
	}
	req.Out, req.Templates = f.out, f.templates
	res, err := render(cmd.Context(), req)
	if err := a.settle(res, err); err != nil {
		return nil, err
	}
	folder, err := f.open()
	if err != nil {
		return nil, err
	}
	if carryOut {
		if err := folder.Recover(cmd.Context()); err != nil {
			return nil, err
		}
	}
	p, err := folder.Plan(cmd.Context(), res, apply.Options{Out: f.out, Dir: filepath.Dir(req.Policy), Who: whoRuns(), Why: f.why, Repair: f.repair})
	if err != nil {
		return nil, err
	}
	return &planned{res, folder, p}, nil
}

// whoRuns is the user who runs the command, for the journal.
func whoRuns() string {
	name := "user " + fmt.Sprint(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if s := os.Getenv("SUDO_USER"); s != "" {
		name = s + " as " + name
	}
	return name
}

// planJSON is the JSON of plan, apply and rollback.
type planJSON struct {
	Policy      *policyJSON  `json:"policy,omitempty"`
	Feeds       []feedJSON   `json:"feeds,omitempty"`
	Digest      string       `json:"digest"`
	Changed     bool         `json:"changed"`
	Pinned      int          `json:"pinned,omitzero"`
	Run         int          `json:"run,omitzero"`
	State       apply.Step   `json:"state,omitempty"` // of the run
	Deploys     []deployJSON `json:"deploys"`
	Diagnostics any          `json:"diagnostics,omitempty"`
}

type deployJSON struct {
	Name   string      `json:"name"`
	Target string      `json:"target"`
	Kind   string      `json:"kind"`
	Reason string      `json:"reason,omitempty"` // why it is loaded; absent if it is not
	Change *changeJSON `json:"change,omitempty"`
	Known  bool        `json:"state_known"`
	Drift  *driftJSON  `json:"drift,omitempty"`
	Sudden string      `json:"sudden,omitempty"`
}

type driftJSON struct {
	Missing []string `json:"missing"`
	More    []string `json:"more"`
}

func jsonOfPlan(a *app, res *sallyport.Result, p *apply.Plan) planJSON {
	j := planJSON{Digest: p.Digest, Changed: p.Changed(), Pinned: p.Pinned, Deploys: []deployJSON{}}
	if res != nil {
		whole := a.jsonOf(res)
		j.Policy, j.Feeds, j.Diagnostics = whole.Policy, whole.Feeds, whole.Diagnostics
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		j.Deploys = append(j.Deploys, deployJSON{s.Name, s.Target, s.Kind, s.Reason, jsonOfChange(s.Change), s.Known, jsonOfDrift(s), s.Sudden})
	}
	return j
}

func jsonOfDrift(s *apply.PlanStep) *driftJSON {
	if !s.Drifted() {
		return nil
	}
	return &driftJSON{append([]string{}, s.Missing...), append([]string{}, s.More...)}
}

// printPlan prints what a plan does for each deploy.
func (a *app) printPlan(p *apply.Plan) {
	for i := range p.Steps {
		s := &p.Steps[i]
		what := "nothing to load"
		if s.Reason != "" {
			what = "to load: " + s.Reason
		}
		fmt.Fprintf(a.out, "%s  %s %s, %s\n", a.bold(s.Name), s.Kind, s.Target, what)
		if s.Change != nil {
			for _, line := range changeLines(s.Change) {
				fmt.Fprintf(a.out, "  %s\n", hang(line, 2, 4, a.width))
			}
		}
		if s.Sudden != "" {
			fmt.Fprintf(a.out, "  %s\n", hang("sudden: "+s.Sudden, 2, 4, a.width))
		}
		if !s.Known {
			fmt.Fprintf(a.out, "  %s\n", hang("no command tells what is loaded: changes by others are not seen", 2, 4, a.width))
		}
		a.printDrift(s)
	}
	if p.Pinned > 0 {
		fmt.Fprintf(a.out, "%s\n", hang(fmt.Sprintf("A rollback to run %d holds the policy off: sallyport rollback --unpin ends that.", p.Pinned), 0, 2, a.width))
	}
}

// mostDrift is the most lines of drift that are printed; --json has all.
const mostDrift = 10

// printDrift prints what somebody changed on the machine.
func (a *app) printDrift(s *apply.PlanStep) {
	if !s.Drifted() {
		return
	}
	fmt.Fprintf(a.out, "  changed on the machine since the last run: %d lines gone, %d new\n", len(s.Missing), len(s.More))
	for _, side := range []struct {
		mark  string
		lines []string
	}{{"-", s.Missing}, {"+", s.More}} {
		for i, line := range side.lines {
			if i == mostDrift {
				fmt.Fprintf(a.out, "    and %d more\n", len(side.lines)-i)
				break
			}
			fmt.Fprintf(a.out, "    %s %s\n", side.mark, line)
		}
	}
}

// savedPlan is a plan as plan --save writes it. A plan is made again and compared before it
// is carried out, so that its digest is enough.
type savedPlan struct {
	Version int       `json:"sallyport_plan"`
	Digest  string    `json:"digest"`
	Policy  string    `json:"policy"`
	Made    time.Time `json:"made"`
}

const savedPlanMark = `"sallyport_plan"`

func writePlan(name string, p *planned, now time.Time) error {
	data, err := json.Marshal(savedPlan{1, p.plan.Digest, p.res.Program.Name, now.UTC().Truncate(time.Second)})
	if err != nil {
		return err
	}
	return publish.Document{Name: name, Mark: savedPlanMark, Data: append(data, '\n'), Inputs: p.res.Inputs}.Write()
}

// checkPlan refuses a plan that is not the saved one.
func checkPlan(name string, p *apply.Plan) error {
	data, err := readfile.File(name, 1<<16)
	if err != nil {
		return fmt.Errorf("reading the plan: %w: name a file of sallyport plan --save", err)
	}
	var s savedPlan
	if err := json.Unmarshal(data, &s); err != nil || s.Version != 1 {
		return fmt.Errorf("%s is no plan: name a file of sallyport plan --save", name)
	}
	if s.Digest != p.Digest {
		return fmt.Errorf("%s is not what would be loaded now: the policy, a feed, the outputs or the machine changed since it was made: plan again, and look at it", name)
	}
	return nil
}

func newPlan(a *app) *cobra.Command {
	var f deployFlags
	var save string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would load, and change nothing",
		Long: `plan renders the policy, looks at what is loaded on this machine, and shows for each
deploy block what would be loaded and why, what passes then that did not pass
before, and what somebody else changed on the machine. It changes nothing.`,
		Example: `  sallyport plan --policy edge.hcl --out /etc/sallyport
  sallyport plan --policy edge.hcl --save edge.plan`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.plan(cmd, &f, false)
			if err != nil {
				return err
			}
			if save != "" {
				if err := writePlan(save, p, a.now()); err != nil {
					return err
				}
			}
			if err := a.showPlan(&f, p); err != nil {
				return err
			}
			if f.detailed && p.plan.Changed() {
				return exit{exitChanged}
			}
			return nil
		},
	}
	f.add(cmd, a)
	cmd.Flags().StringVar(&save, "save", "", "write the plan into `FILE`, for apply")
	files(cmd, "", "save")
	return cmd
}

func (a *app) showPlan(f *deployFlags, p *planned) error {
	switch {
	case f.json:
		return a.printJSON(jsonOfPlan(a, p.res, p.plan))
	case a.quiet && !p.plan.Changed():
		return nil
	}
	a.printPlan(p.plan)
	if w, until := p.waiting(); w != nil {
		fmt.Fprintf(a.out, "%s\n", hang(fmt.Sprintf("Run %d waits to be confirmed until %s.", w.Number, until.Local().Format(time.DateTime)), 0, 2, a.width))
	}
	return nil
}

func (p *planned) waiting() (*apply.Past, time.Time) {
	j, err := p.folder.Read()
	if err != nil {
		return nil, time.Time{}
	}
	return j.Waiting()
}

// held returns an error if a person has to look first: at a rollback that holds the policy
// off, or at a change that is far more than feeds do, unless accept begins the plan's digest.
func held(p *apply.Plan, accept string) error {
	if p.Pinned > 0 && p.Changed() {
		return fmt.Errorf("nothing was loaded: a rollback to run %d holds the policy off: sallyport rollback --unpin ends that", p.Pinned)
	}
	for _, s := range p.Steps {
		if s.Sudden != "" && (accept == "" || !strings.HasPrefix(p.Digest, accept)) {
			return fmt.Errorf("deploy %s: %s: nothing was loaded. Look at sallyport plan, and where that is right, let this change through with --accept-change %.16s", s.Name, s.Sudden, p.Digest)
		}
	}
	return nil
}

// publish publishes all outputs of the policy.
func (p *planned) publish(out string) (publish.Report, error) {
	return publish.Publish(out, pipeline.SetOf(p.res))
}
