package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"sallyport/internal/measure"
	"sallyport/internal/publish"
	"sallyport/verifier"
	"sallyport/verifier/report"
)

// verifyOnce runs the plan once, writes the reports that the flags name, and returns the exit
// code of the result.
func (a *app) verifyOnce(ctx context.Context, f *verifyFlags, plan *verifier.Plan, opt measure.Options, old *verifier.Report) error {
	r := a.runPlan(ctx, plan, opt)
	failed := f.writeFiles(r) // the report is printed even if a file fails
	if err := errors.Join(a.printVerified(f, r, old), failed); err != nil {
		return err
	}
	if ctx.Err() != nil { // an interrupted run is not part of the history
		return exit{exitInterrupted}
	}
	if f.history != "" {
		if err := a.remember(f, r); err != nil {
			return err
		}
	}
	if code := r.ExitCode(); code != exitOK {
		return exit{code}
	}
	return nil
}

// watchVerify repeats until it is interrupted. It returns the exit code of the last run.
func (a *app) watchVerify(ctx context.Context, f *verifyFlags, plan *verifier.Plan, opt measure.Options, old *verifier.Report) error {
	tick := time.NewTicker(f.watch)
	defer tick.Stop()
	var last error
	for {
		r := a.runPlan(ctx, plan, opt)
		if ctx.Err() != nil {
			return last // an interrupted run cannot be compared with complete ones
		}
		failed := f.writeFiles(r)
		if err := errors.Join(a.printRun(f, r, old), failed); err != nil {
			return err
		}
		if f.history != "" {
			if err := a.remember(f, r); err != nil {
				return err
			}
		}
		if old, last = r, nil; r.ExitCode() != exitOK {
			last = exit{r.ExitCode()}
		}
		select {
		case <-ctx.Done():
			return last
		case <-tick.C:
		}
		if a.out.tracked.closed && f.writesNothing() {
			return last
		}
	}
}

// runPlan runs the plan, and shows the progress on standard error. If it is interrupted, the
// report has the results so far and says so.
func (a *app) runPlan(ctx context.Context, plan *verifier.Plan, opt measure.Options) *verifier.Report {
	show := report.NewProgress(a.progressTo(), a.progress, a.width)
	opt.Probe.Progress, opt.Train.Progress = show.Finding, show.Train
	defer show.Done()
	r := measure.Run(ctx, plan, opt)
	if ctx.Err() != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("interrupted after %s: what had not been asked by then is inconclusive, or missing", r.Finished.Sub(r.Started).Round(time.Second)))
	}
	return r
}

// writesNothing reports whether the run writes no file. Then it can end when standard output
// is closed.
func (f *verifyFlags) writesNothing() bool {
	return f.save+f.html+f.junit+f.prom+f.history == ""
}

// file is a report in one format, and where it is written.
type file struct {
	flag, name, mark string
	write            func(r *verifier.Report, b *bytes.Buffer) error
}

// files returns the reports that the flags name.
func (f *verifyFlags) files() []file {
	all := []file{
		{"save", f.save, verifier.ReportFormat, func(r *verifier.Report, b *bytes.Buffer) error { return r.WriteJSON(b) }},
		{"html", f.html, report.HTMLMark, func(r *verifier.Report, b *bytes.Buffer) error { return report.WriteHTML(b, r) }},
		{"junit", f.junit, report.JUnitMark, func(r *verifier.Report, b *bytes.Buffer) error { return report.WriteJUnit(b, r) }},
		{"prom", f.prom, report.PromMark, func(r *verifier.Report, b *bytes.Buffer) error { return report.WriteProm(b, r) }},
	}
	return slices.DeleteFunc(all, func(one file) bool { return one.name == "" })
}

// checkFiles returns an error for a report that cannot be written, before the run.
func (f *verifyFlags) checkFiles() error {
	files := f.files()
	if f.history != "" {
		if _, err := report.LoadHistory(f.history); err != nil {
			return err
		}
		files = append(files, file{flag: "history", name: f.history, mark: verifier.ReportFormat})
	}
	owner := map[string]string{} // flag by path
	for _, one := range files {
		name := filepath.Clean(one.name)
		if other, twice := owner[name]; twice {
			return usage("--%s and --%s both name %s: give each a file of its own", other, one.flag, one.name)
		}
		owner[name] = one.flag
		if err := (publish.Document{Name: one.name, Mark: one.mark}).Check(); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles writes the report in each format that the flags name.
func (f *verifyFlags) writeFiles(r *verifier.Report) error {
	for _, one := range f.files() {
		var b bytes.Buffer
		err := one.write(r, &b)
		if err := errors.Join(err, publish.Document{Name: one.name, Mark: one.mark, Data: b.Bytes()}.Write()); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) textOptions(f *verifyFlags) report.TextOptions {
	opt := report.TextOptions{Width: a.width, Verbose: f.verbose}
	if a.colour {
		codes := map[report.Role]string{report.Heading: "1", report.Good: "32", report.Bad: "1;31", report.Doubt: "1;33", report.Faint: "2"}
		opt.Style = func(role report.Role, text string) string { return a.style(codes[role], text) }
	}
	return opt
}

// silent reports whether --quiet prints nothing about a run: all verdicts are good, and
// nothing changed since old.
func (f *verifyFlags) silent(r, old *verifier.Report) bool {
	return f.quiet && r.ExitCode() == exitOK && (old == nil || len(verifier.Compare(old, r)) == 0)
}

// printVerified prints a run on standard output, with the changes since old.
func (a *app) printVerified(f *verifyFlags, r, old *verifier.Report) error {
	switch {
	case f.silent(r, old):
		return nil
	case f.json && old != nil:
		return report.WriteChangesJSON(a.out, old, r)
	case f.json:
		return r.WriteJSON(a.out)
	}
	if err := report.WriteTable(a.out, r, a.textOptions(f)); err != nil || old == nil {
		return err
	}
	fmt.Fprintln(a.out)
	return report.WriteChanges(a.out, old, r, a.textOptions(f))
}

// printRun is printVerified for repeated runs: it prints the first one completely, and then
// only changes.
func (a *app) printRun(f *verifyFlags, r, old *verifier.Report) error {
	var err error
	switch {
	case f.silent(r, old):
	case f.json:
		err = r.WriteJSON(a.out)
	case old == nil:
		err = report.WriteTable(a.out, r, a.textOptions(f))
	default:
		n := r.Counts()
		fmt.Fprintf(a.out, "%s  %d passed, %d failed, %d inconclusive\n", r.Finished.Format(time.DateTime), n[verifier.Pass]+n[verifier.Warn], n[verifier.Fail], n[verifier.Undecided])
		if len(verifier.Compare(old, r)) > 0 {
			err = report.WriteChanges(a.out, old, r, a.textOptions(f))
		}
	}
	return errors.Join(err, a.out.Flush())
}

// keptRuns is how many runs a history keeps: those of a week, with one every ten minutes.
const keptRuns = 1008

// remember adds the run to the history, and prints the trend.
func (a *app) remember(f *verifyFlags, r *verifier.Report) error {
	h, err := report.LoadHistory(f.history)
	if err != nil {
		return err
	}
	h.Add(r, keptRuns)
	var b bytes.Buffer
	if err := h.Write(&b); err != nil {
		return err
	}
	if err := (publish.Document{Name: f.history, Data: b.Bytes(), Mark: verifier.ReportFormat}).Write(); err != nil {
		return err
	}
	if f.json || f.quiet {
		return nil
	}
	fmt.Fprintln(a.out)
	return report.WriteTrend(a.out, h, a.textOptions(f))
}
