package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"sallyport/internal/apply"
)

func newConfirm(a *app) *cobra.Command {
	var f stateFlag
	var undo bool
	cmd := &cobra.Command{
		Use:   "confirm [RUN]",
		Short: "Keep what apply has loaded, or take it back with --undo",
		Long: `confirm keeps what apply has loaded, so that the guard does not take it back. Without
RUN it is the run that waits to be confirmed.`,
		Example: `  sallyport confirm
  sallyport confirm --undo`,
		Args: takes(0, 1, "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := f.open()
			if err != nil {
				return err
			}
			run, err := openRun(folder, args)
			if err != nil {
				return err
			}
			if undo {
				if err := folder.Undo(cmd.Context(), run, whoRuns()); err != nil {
					return err
				}
				fmt.Fprintf(a.out, "run %d is taken back\n", run)
				return nil
			}
			if err := folder.Confirm(run, "by "+whoRuns()); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "run %d is confirmed\n", run)
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&undo, "undo", false, "take it back now")
	return cmd
}

// openRun is the run that args name, or the one that waits.
func openRun(folder *apply.Folder, args []string) (int, error) {
	if len(args) > 0 {
		return runNumber(args[0])
	}
	j, err := folder.Read()
	if err != nil {
		return 0, err
	}
	if p := j.Last(); p != nil {
		return p.Number, nil
	}
	if n := len(j.Runs); n > 0 && j.Runs[n-1].Step != apply.Confirmed {
		return 0, fmt.Errorf("no run waits to be confirmed: run %d is %s: %s", n, j.Runs[n-1].Step, j.Runs[n-1].Text)
	}
	return 0, errors.New("no run waits to be confirmed: sallyport history lists them")
}

func runNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, usage("RUN is the number of a run, and this is %s: sallyport history lists them", s)
	}
	return n, nil
}

func newRestore(a *app) *cobra.Command {
	var f stateFlag
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Load again what was confirmed last, for a machine that starts",
		Long: `restore loads again what was confirmed last, from the state folder: it needs neither
policy nor feeds nor network. A run that was open when the machine stopped is taken
back first.`,
		Example: "  sallyport restore",
		Args:    takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			folder, err := f.open()
			if err != nil {
				return err
			}
			loaded, err := folder.Restore(cmd.Context())
			if len(loaded) > 0 {
				fmt.Fprintf(a.out, "loaded again: %s\n", list(loaded, mostNames))
			}
			return err
		},
	}
	f.add(cmd)
	return cmd
}

// newGuard makes the command that apply starts. It is not for people.
func newGuard(*app) *cobra.Command {
	var f stateFlag
	cmd := &cobra.Command{
		Use:    "guard RUN",
		Short:  "Take a run back unless it is confirmed; apply starts it",
		Hidden: true,
		Args:   takes(1, 1, "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := f.open()
			if err != nil {
				return err
			}
			run, err := runNumber(args[0])
			if err != nil {
				return err
			}
			return folder.Guard(cmd.Context(), run, os.NewFile(3, "ready"))
		},
	}
	f.add(cmd)
	return cmd
}

func newRollback(a *app) *cobra.Command {
	var f deployFlags
	var confirm string
	var unpin bool
	cmd := &cobra.Command{
		Use:   "rollback RUN",
		Short: "Load again what an earlier run loaded, and hold the policy off",
		Long: `rollback loads again what an earlier run loaded, guarded as in apply. Until
rollback --unpin, apply and refresh load nothing else: the next scheduled run would
bring back what was wrong.`,
		Example: `  sallyport history
  sallyport rollback 12
  sallyport rollback --unpin`,
		Args: takes(0, 1, "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := f.open()
			switch {
			case err != nil:
				return err
			case unpin && len(args) == 0:
				return folder.Unpin()
			case unpin || len(args) == 0:
				return usage("name a run, or use --unpin")
			}
			run, err := runNumber(args[0])
			if err != nil {
				return err
			}
			return a.rollback(cmd, &f, folder, run, confirm)
		},
	}
	f.stateFlag.add(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.StringVar(&f.why, "why", "", "a `TEXT` for the journal")
	fl.StringVar(&confirm, "confirm", "", "keep what is loaded `HOW`: now, or a time in which sallyport confirm has to be said. Without it: the time of the deploy blocks.")
	complete(cmd, "confirm", words(func() []string { return []string{"now", "10m"} }))
	fl.BoolVar(&unpin, "unpin", false, "let apply and refresh follow the policy again")
	return cmd
}

func (a *app) rollback(cmd *cobra.Command, f *deployFlags, folder *apply.Folder, run int, confirm string) error {
	if err := folder.Recover(cmd.Context()); err != nil {
		return err
	}
	p, err := folder.PlanRollback(cmd.Context(), run, apply.Options{Who: whoRuns(), Why: f.why})
	if err != nil {
		return err
	}
	switch {
	case p.Changed():
	case f.json:
		return a.printJSON(jsonOfPlan(a, nil, p))
	default:
		fmt.Fprintf(a.out, "what run %d loaded is loaded\n", run)
		return nil
	}
	c := a.carrier(folder)
	by := applyFlags{confirm: confirm}
	if confirm == "verify" {
		return usage("--confirm verify: a rollback has no policy to verify: now, or a time")
	}
	if err := by.confirmBy(a, cmd.Context(), &planned{plan: p}, &c); err != nil {
		return err
	}
	if !f.json {
		a.printPlan(p)
	}
	n, err := folder.Carry(cmd.Context(), p, c)
	if err != nil {
		return err
	}
	return a.carried(f, jsonOfPlan(a, nil, p), folder, n)
}
