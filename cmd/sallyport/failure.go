package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport"

	"github.com/spf13/cobra"

	"sallyport/diag"
	"sallyport/internal/fetch"
	"sallyport/internal/pipeline"
)

// This file has the failures of commands: a message on standard error and an exit code, and
// with --json a document on standard output.

// exit ends a command with an exit code. The command has printed its messages.
type exit struct{ code int }

func (e exit) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// mistakes ends a command because of mistakes in the policy. The command has printed the
// diagnostics.
type mistakes struct{ text string }

func (m mistakes) Error() string { return m.text }

// failure is the message and the exit code for an error.
type failure struct {
	text, hint string
	code       int
}

func failureOf(err error) failure {
	var wrong wrongUsage
	var usage *sallyport.UsageError
	var fetched *fetch.Error
	switch {
	case errors.As(err, &wrong):
		return failure{wrong.text, wrong.hint, exitUsage}
	case errors.As(err, &usage):
		return failure{usage.Error(), "", exitUsage}
	case errors.Is(err, context.Canceled):
		return failure{"interrupted: nothing was written", "", exitFailed}
	case errors.As(err, &fetched):
		text, hint := fmt.Sprintf("feed %s: %v", fetched.Feed, fetched.Err), fetched.Hint
		if byHand := fmt.Sprintf("pass it with --feed %s=FILE", fetched.Feed); strings.Contains(text, byHand) && strings.HasSuffix(hint, byHand) {
			hint = "" // the message says it already
		}
		return failure{text, hint, exitFailed}
	}
	return failure{err.Error(), "", exitFailed}
}

// report prints the message for err and returns the exit code.
func (a *app) report(err error) int {
	var code exit
	var said mistakes
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return code.code
	case errors.As(err, &said):
		fmt.Fprintln(a.err, said.text)
		return exitFailed
	}
	f := failureOf(err)
	a.complain(f.text, f.hint)
	return f.code
}

func (a *app) complain(text, hint string) {
	// A list of mistakes, such as that of a refused feed, keeps its lines.
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i == 0 {
			fmt.Fprintln(a.err, a.style("1;31", "error:"), hang(line, len("error: "), 2, a.width))
			continue
		}
		fmt.Fprintln(a.err, " ", hang(line, 2, 4, a.width))
	}
	if hint == "" {
		return
	}
	hint, block, _ := strings.Cut(hint, "\n") // lines to copy are not wrapped
	fmt.Fprintln(a.err, a.bold("hint:"), hang(hint, len("hint: "), 2, a.width))
	if block != "" {
		fmt.Fprintln(a.err, "  "+strings.ReplaceAll(block, "\n", "\n  "))
	}
}

// failureJSON is what every command prints with --json if it fails. Later versions may add
// fields, and remove none.
type failureJSON struct {
	Error       string    `json:"error"`
	Hint        string    `json:"hint,omitempty"`
	Changed     *bool     `json:"changed,omitempty"` // false if the policy has mistakes: nothing was written
	Diagnostics diag.List `json:"diagnostics"`
}

// wantsJSON reports whether the command line asks for JSON, even if a mistake in it comes
// before the flag.
func wantsJSON(cmd *cobra.Command, args []string) bool {
	flag := cmd.Flags().Lookup("json")
	if flag == nil {
		return false
	}
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return flag.Value.String() == "true" || !flag.Changed && slices.Contains(args, "--json")
}

// failJSON prints the document of a failed command, unless the command has printed one.
func (a *app) failJSON(err error) {
	var code exit
	if errors.As(err, &code) || !a.out.empty() {
		return
	}
	f := failureOf(err)
	doc := failureJSON{Error: f.text, Hint: f.hint, Diagnostics: a.found}
	if errors.As(err, new(mistakes)) {
		doc.Changed = new(bool)
	}
	_ = a.printJSON(doc) // finish reports errors of standard output
}

// settle prints the notes about feeds and the diagnostics of a run. It returns the error that
// ends the command, if there is one. With --strict, warnings end it too.
func (a *app) settle(res *sallyport.Result, err error) error {
	if res == nil {
		return err
	}
	warnings := a.noteFeeds(res.Feeds, res) + res.Diagnostics.Count(diag.Warning)
	a.found = res.Diagnostics
	shown := res.Diagnostics
	if a.quiet && !a.strict {
		shown = slices.DeleteFunc(slices.Clone(shown), func(d diag.Diagnostic) bool { return d.Severity != diag.Error })
	}
	a.diagnose(shown, res.Sources)
	if err != nil {
		return err
	}
	name := policyName(res)
	if name == pipeline.Builtin {
		name = "the built-in policy"
	}
	switch n := res.Diagnostics.Count(diag.Error); {
	case n > 0:
		return mistakes{fmt.Sprintf("%s in %s: nothing was written", plural(n, "mistake"), name)}
	case a.strict && warnings > 0:
		return mistakes{fmt.Sprintf("%s in %s, and --strict: nothing was written", plural(warnings, "warning"), name)}
	}
	return nil
}
