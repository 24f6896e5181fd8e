package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/apply"
)

// statusJSON is the JSON of status.
type statusJSON struct {
	Deploys []deployedJSON `json:"deploys"`
	Waiting *runJSON       `json:"waiting,omitempty"`
	Until   time.Time      `json:"until,omitzero"`   // when the run that waits is taken back
	Guarded bool           `json:"guarded,omitzero"` // the guard of an open run lives
	Pinned  int            `json:"pinned,omitzero"`
	Last    *runJSON       `json:"last,omitempty"`
}

type deployedJSON struct {
	Name   string     `json:"name"`
	Target string     `json:"target,omitempty"`
	Kind   string     `json:"kind,omitempty"`
	Run    int        `json:"run,omitzero"` // that loaded it; absent if nothing is loaded
	Since  time.Time  `json:"since,omitzero"`
	Known  bool       `json:"state_known"`
	Drift  *driftJSON `json:"drift,omitempty"`
	Stuck  bool       `json:"stuck,omitzero"`
	// Problem is why the machine does not tell what is loaded.
	Problem string `json:"problem,omitempty"`
}

// runJSON is a run of the journal.
type runJSON struct {
	Run     int        `json:"run"`
	Kind    string     `json:"kind"`
	To      int        `json:"to,omitzero"` // of a rollback: the run that it went back to
	Began   time.Time  `json:"began"`
	Ended   time.Time  `json:"ended"`
	State   apply.Step `json:"state"`
	Text    string     `json:"text,omitempty"`
	Policy  string     `json:"policy"`
	SHA256  string     `json:"policy_sha256"`
	Feeds   []string   `json:"feeds,omitempty"`
	Who     string     `json:"who,omitempty"`
	Why     string     `json:"why,omitempty"`
	Deploys []string   `json:"deploys"`
}

func jsonOfRun(p *apply.Past) runJSON {
	r := runJSON{p.Number, p.Kind, p.To, p.Began, p.Ended, p.Step, p.Text, p.Policy, p.Hash, nil, p.Who, p.Why, []string{}}
	for _, f := range p.Feeds {
		r.Feeds = append(r.Feeds, strings.TrimSpace(f.Name+" "+f.Change))
	}
	for _, d := range p.Deploys {
		r.Deploys = append(r.Deploys, d.Name)
	}
	return r
}

func newStatus(a *app) *cobra.Command {
	var f stateFlag
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is loaded here, and what others changed",
		Long: `status shows for each deploy which run loaded it, and what somebody changed on the
machine since. It exits with 1 if something was changed, or is not known.`,
		Example: "  sallyport status --json",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := f.open()
			if err != nil {
				return err
			}
			steps, j, err := folder.Look(cmd.Context())
			if err != nil {
				return err
			}
			return a.status(folder, steps, j, asJSON)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) status(folder *apply.Folder, steps []apply.PlanStep, j *apply.Journal, asJSON bool) error {
	s := statusJSON{Deploys: []deployedJSON{}, Pinned: j.Pinned}
	if w, until := j.Waiting(); w != nil {
		r := jsonOfRun(w)
		s.Waiting, s.Until = &r, until
	}
	if n := len(j.Runs); n > 0 {
		r := jsonOfRun(j.Runs[n-1])
		s.Last = &r
	}
	stuck := s.Last != nil && s.Last.State == apply.Stuck
	bad := stuck
	if open := j.Last(); open != nil {
		s.Guarded = folder.Guarded(open.Number)
		bad = bad || !s.Guarded
	}
	for i := range steps {
		d := &steps[i]
		row := deployedJSON{Name: d.Name, Target: d.Target, Kind: d.Kind, Known: d.Known, Drift: jsonOfDrift(d), Problem: d.Problem, Stuck: stuck && slices.Contains(s.Last.Deploys, d.Name)}
		if past := j.Current(d.Name); past != nil {
			row.Run, row.Since = past.Number, past.Ended
		}
		waits := s.Waiting != nil && slices.Contains(s.Waiting.Deploys, d.Name)
		if waits {
			row.Drift = nil // what the run has loaded
		}
		bad = bad || row.Drift != nil || row.Problem != ""
		s.Deploys = append(s.Deploys, row)
		if !asJSON {
			a.printDeployed(d, row, waits)
		}
	}
	if asJSON {
		if err := a.printJSON(s); err != nil {
			return err
		}
	} else {
		a.printStatusEnd(&s)
	}
	if bad {
		return exit{exitFailed}
	}
	return nil
}

func (a *app) printDeployed(d *apply.PlanStep, row deployedJSON, waits bool) {
	text := "nothing of it is confirmed"
	switch {
	case row.Stuck:
		text = "not known: a run could not be taken back"
	case row.Run > 0:
		text = fmt.Sprintf("%s %s, loaded by run %d, %s", row.Kind, row.Target, row.Run, row.Since.Local().Format(time.DateTime))
	}
	fmt.Fprintf(a.out, "%s  %s\n", a.bold(d.Name), hang(text, len(d.Name)+2, 2, a.width))
	switch {
	case row.Problem != "":
		fmt.Fprintf(a.out, "  %s\n", hang(row.Problem, 2, 4, a.width))
	case waits:
	case row.Run > 0 && !d.Known:
		fmt.Fprintln(a.out, "  no command tells what is loaded now")
	case row.Drift != nil:
		a.printDrift(d)
	}
}

func (a *app) printStatusEnd(s *statusJSON) {
	if len(s.Deploys) == 0 {
		fmt.Fprintln(a.out, "nothing was loaded by sallyport apply here")
	}
	switch {
	case s.Last == nil || s.Last.State == apply.Confirmed || s.Last.State == apply.Undone || s.Last.State == apply.Stuck:
	case !s.Guarded:
		fmt.Fprintf(a.out, "%s\n", hang(fmt.Sprintf("run %d is %s, and its guard is gone: sallyport confirm --undo takes it back, and so does the next apply", s.Last.Run, s.Last.State), 0, 2, a.width))
	case s.Waiting != nil:
		fmt.Fprintf(a.out, "run %d waits to be confirmed until %s\n", s.Waiting.Run, s.Until.Local().Format(time.DateTime))
	default:
		fmt.Fprintf(a.out, "run %d is %s\n", s.Last.Run, s.Last.State)
	}
	if s.Last != nil && (s.Last.State == apply.Undone || s.Last.State == apply.Stuck) {
		fmt.Fprintf(a.out, "%s\n", hang(fmt.Sprintf("run %d is %s: %s", s.Last.Run, s.Last.State, s.Last.Text), 0, 2, a.width))
	}
	if s.Pinned > 0 {
		fmt.Fprintf(a.out, "a rollback, run %d, holds the policy off\n", s.Pinned)
	}
}

func newHistory(a *app) *cobra.Command {
	var f stateFlag
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "List what was loaded here, and what became of it",
		Long:    "history lists the runs of apply, refresh and rollback on this machine, the last one first.",
		Example: "  sallyport history",
		Args:    takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			folder, err := f.open()
			if err != nil {
				return err
			}
			j, err := folder.Read()
			if err != nil {
				return err
			}
			rows := []runJSON{}
			for _, p := range slices.Backward(j.Runs) {
				rows = append(rows, jsonOfRun(p))
			}
			if asJSON {
				return a.printJSON(map[string]any{"runs": rows})
			}
			if len(rows) == 0 {
				fmt.Fprintln(a.out, "nothing was loaded by sallyport apply here")
			}
			for _, r := range rows {
				a.printRunOf(r)
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printRunOf(r runJSON) {
	what := strings.Join(r.Deploys, ", ")
	if r.To > 0 {
		what += fmt.Sprintf(", back to run %d", r.To)
	}
	head := fmt.Sprintf("run %d", r.Run)
	state := string(r.State)
	if r.State == apply.Confirmed {
		state += " " + r.Text
		r.Text = ""
	}
	fmt.Fprintf(a.out, "%s  %s  %s  %s\n", a.bold(head), r.Began.Local().Format(time.DateTime), what, state)
	from := append([]string{"policy " + r.Policy}, r.Feeds...)
	fmt.Fprintf(a.out, "  %s\n", hang("from "+strings.Join(from, ", ")+", by "+r.Who, 2, 4, a.width))
	for _, text := range []string{r.Why, r.Text} {
		if text != "" {
			fmt.Fprintf(a.out, "  %s\n", hang(text, 2, 4, a.width))
		}
	}
}
