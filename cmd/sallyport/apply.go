package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/apply"
	"sallyport/internal/measure"
	"sallyport/internal/publish"
	"sallyport/verifier"
	"sallyport/verifier/probe"
)

// applyFlags are the flags of apply and refresh.
type applyFlags struct {
	deployFlags
	confirm string
	accept  string
	scale   float64
}

func (f *applyFlags) add(cmd *cobra.Command, a *app, confirm string) {
	f.deployFlags.add(cmd, a)
	fl := cmd.Flags()
	fl.StringVar(&f.confirm, "confirm", "", "keep what is loaded `HOW`: verify, where the policy's probes are as good as they were; now; or a time in which sallyport confirm has to be said. "+confirm)
	fl.StringVar(&f.accept, "accept-change", "", "let a sudden change of a set through, by the `DIGEST` of its plan")
	fl.StringVar(&f.why, "why", "", "a `TEXT` for the journal")
	fl.Float64Var(&f.scale, "time-scale", 1, "multiply the waits of probes by `N`")
	_ = fl.MarkHidden("time-scale")
	complete(cmd, "confirm", words(func() []string { return []string{"verify", "now", "10m"} }))
}

func newApply(a *app) *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply [PLAN]",
		Short: "Load outputs on this machine, and undo that unless confirmed",
		Long: `apply publishes the outputs of the policy and loads those that its deploy blocks
name. Before that it starts a guard, a process of its own, which brings back what was
loaded before, unless the run is confirmed in time: by sallyport confirm, or with
--confirm verify by the policy's probes.

PLAN is a file of plan --save: nothing is loaded if that is not what would be done now.`,
		Example: `  sallyport apply --policy edge.hcl --out /etc/sallyport
  sallyport confirm
  sallyport apply --policy edge.hcl --out /etc/sallyport --confirm verify`,
		Args: takes(0, 1, "PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := confirmTime(f.confirm); err != nil {
				return err
			}
			p, err := a.plan(cmd, &f.deployFlags, true)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				if err := checkPlan(args[0], p.plan); err != nil {
					return err
				}
			}
			return a.apply(cmd, &f, p)
		},
	}
	f.add(cmd, a, "Without it: a time, that of the deploy blocks.")
	return cmd
}

func newRefresh(a *app) *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "refresh",
		Short: "Plan and apply in one, for scheduled runs",
		Long: `refresh is plan and apply in one for scheduled runs. Where nothing changes, nothing
is touched and nothing is printed. What it loads it confirms by the policy's probes:
they have to be as good as they were before the load. What needs a person is said
once, and not in each run.`,
		Example: `  sallyport refresh --policy /etc/sallyport/edge.hcl --out /etc/sallyport/out`,
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := confirmTime(f.confirm); err != nil {
				return err
			}
			f.quiet = f.quiet || !f.json
			p, err := a.plan(cmd, &f.deployFlags, true)
			if err != nil {
				return err
			}
			if f.confirm == "" {
				f.confirm = usualConfirm(p)
			}
			return a.refresh(cmd, &f, p)
		},
	}
	f.add(cmd, a, "Without it: verify.")
	return cmd
}

// usualConfirm is how refresh confirms a run if nobody says how: by the policy's probes, if it
// has any.
func usualConfirm(p *planned) string {
	if verifiesNothing(p.res.VerifyPlan()) {
		return "now"
	}
	return "verify"
}

func verifiesNothing(p *verifier.Plan) bool { return len(p.Probes)+len(p.Routes) == 0 }

// refresh is apply that says what needs a person only once.
func (a *app) refresh(cmd *cobra.Command, f *applyFlags, p *planned) error {
	if hold := held(p.plan, f.accept); hold != nil {
		if isNew, err := p.folder.Tell(hold.Error()); err != nil || !isNew {
			return err
		}
		return hold
	}
	for i := range p.plan.Steps {
		s := &p.plan.Steps[i]
		if !s.Drifted() || s.Reason != "" {
			continue
		}
		text := fmt.Sprintf("deploy %s: %d lines of what was loaded are gone, and %d are new: %s", s.Name, len(s.Missing), len(s.More), strings.Join(append(s.Missing, s.More...), "\n"))
		if isNew, err := p.folder.Tell(text); err != nil {
			return err
		} else if isNew {
			fmt.Fprintf(a.out, "%s  %s %s\n", a.bold(s.Name), s.Kind, s.Target)
			a.printDrift(s)
		}
	}
	return a.apply(cmd, f, p)
}

// apply carries a plan out.
func (a *app) apply(cmd *cobra.Command, f *applyFlags, p *planned) error {
	if !p.plan.Changed() {
		report, err := p.publish(f.out) // outputs that are not deployed
		if err != nil {
			return err
		}
		for _, c := range report.Files {
			if !f.json && c.Status != publish.Unchanged {
				fmt.Fprintf(a.out, "%-10s %s\n", c.Status, filepath.Join(f.out, filepath.FromSlash(c.Path)))
			}
		}
		return a.showPlan(&f.deployFlags, p)
	}
	if err := held(p.plan, f.accept); err != nil {
		return err
	}
	c := a.carrier(p.folder)
	c.Publish = func() error { _, err := p.publish(f.out); return err }
	if err := f.confirmBy(a, cmd.Context(), p, &c); err != nil {
		return err
	}
	if !f.json {
		a.printPlan(p.plan)
		if err := a.out.Flush(); err != nil {
			return err
		}
	}
	n, err := p.folder.Carry(cmd.Context(), p.plan, c)
	if err != nil {
		return err
	}
	return a.carried(&f.deployFlags, jsonOfPlan(a, p.res, p.plan), p.folder, n)
}

// carrier starts guards as this program, and leaves the run to be confirmed.
func (a *app) carrier(folder *apply.Folder) apply.Carrier {
	return apply.Carrier{Guard: func(run int) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		return exec.Command(self, "guard", "--state", folder.Dir(), fmt.Sprint(run))
	}}
}

// confirmBy sets how the run is confirmed.
func (f *applyFlags) confirmBy(a *app, ctx context.Context, p *planned, c *apply.Carrier) error {
	switch f.confirm {
	case "":
	case "now":
		c.Sure = true
	case "verify":
		return a.confirmByVerify(ctx, f, p, c)
	default:
		d, err := confirmTime(f.confirm)
		if err != nil {
			return err
		}
		p.plan.Run.Confirm = apply.Duration{Duration: d}
	}
	return nil
}

// confirmTime parses the time of --confirm; 0 for its words.
func confirmTime(how string) (time.Duration, error) {
	if how == "" || how == "now" || how == "verify" {
		return 0, nil
	}
	d, err := time.ParseDuration(how)
	if err != nil || d < time.Second || d > 24*time.Hour {
		return 0, usage("--confirm %s: verify, now, or a time from 1s to 24h", how)
	}
	return d, nil
}

// confirmByVerify runs the policy's probes before the load, and again after it. A probe that
// failed before does not hold a load back.
func (a *app) confirmByVerify(ctx context.Context, f *applyFlags, p *planned, c *apply.Carrier) error {
	plan := p.res.VerifyPlan()
	if err := plan.Validate(); err != nil {
		return err
	}
	if verifiesNothing(plan) {
		return usage("--confirm verify: the policy has no probe: add one, or use --confirm now")
	}
	opt := measure.Options{Probe: probe.Options{Timers: verifier.DefaultTimers().Scale(f.scale), Version: a.version, Proxy: proxySet()}, Sizes: true}
	before := a.runPlan(ctx, plan, opt)
	c.Judge = func(ctx context.Context) (string, error) {
		after := a.runPlan(ctx, plan, opt)
		if ctx.Err() != nil {
			return "it was interrupted before the probes were asked again", nil
		}
		var worse []string
		for _, change := range verifier.Compare(before, after) {
			if change.Worse() {
				worse = append(worse, fmt.Sprintf("%s was %s and is %s", change.Key, change.Before.Verdict, change.After.Verdict))
			}
		}
		if len(worse) == 0 {
			return "", nil
		}
		return "verify finds worse than before: " + list(worse, mostNames), nil
	}
	return nil
}

// carried says what became of a run.
func (a *app) carried(f *deployFlags, j planJSON, folder *apply.Folder, n int) error {
	journal, err := folder.Read()
	if err != nil {
		return err
	}
	past := journal.Runs[n-1]
	j.Run, j.State = n, past.Step
	if f.json {
		if err := a.printJSON(j); err != nil {
			return err
		}
	} else {
		text := fmt.Sprintf("run %d is loaded and confirmed %s.", n, past.Text)
		if past.Open() {
			text = fmt.Sprintf("run %d is loaded. Look whether all is well, and say sallyport confirm within %s, or it is taken back.", n, past.Confirm)
		}
		fmt.Fprintf(a.out, "%s\n", hang(text, 0, 2, a.width))
	}
	if f.detailed {
		return exit{exitChanged}
	}
	return nil
}
