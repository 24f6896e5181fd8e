package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/fetch"
	"sallyport/internal/pipeline"
)

// exit ends a command with a code of its own; what there is to say has been said.
type exit struct{ code int }

func (e exit) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// run is the whole program, but for the process around it.
func run(ctx context.Context, args []string, a *app) int {
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if ended := a.out.finish(); ended != nil {
		err = ended // whatever the command made of it
	}
	return a.report(err)
}

// report prints err in the program's voice and chooses the exit code.
func (a *app) report(err error) int {
	var code exit
	var wrong wrongUsage
	var usage *pipeline.UsageError
	var fetched *fetch.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return code.code
	case errors.As(err, &wrong):
		a.complain(wrong.text, wrong.hint)
		return exitUsage
	case errors.As(err, &usage):
		a.complain(usage.Error(), "")
		return exitUsage
	case errors.Is(err, context.Canceled):
		a.complain("interrupted: nothing was written", "")
		return exitFailed
	case errors.As(err, &fetched):
		a.complain(fmt.Sprintf("feed %s: %v", fetched.Feed, fetched.Err), fetched.Hint)
		return exitFailed
	}
	a.complain(err.Error(), "")
	return exitFailed
}

func (a *app) complain(text, hint string) {
	// A list of mistakes, as a refused feed has them, keeps its lines.
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i == 0 {
			fmt.Fprintln(a.err, a.style("1;31", "error:"), hang(line, len("error: "), 2, a.width))
			continue
		}
		fmt.Fprintln(a.err, " ", hang(line, 2, 4, a.width))
	}
	if hint != "" {
		fmt.Fprintln(a.err, a.bold("hint:"), hang(hint, len("hint: "), 2, a.width))
	}
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "Cloud address ranges and a short policy become firewall rules and VPN routes",
		Long: `sallyport turns published cloud address ranges and a short policy into firewall
rules and VPN routes, and keeps your own rules as they are.

Start with

  sallyport generate    the built-in policy, into ./out
  sallyport init        a policy of your own`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	showVersion := root.Flags().Bool("version", false, "print the version")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *showVersion {
			return a.printVersion()
		}
		return cmd.Help()
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagMistake)
	root.SetUsageFunc(a.printUsage)
	root.SetHelpFunc(a.printHelp)
	root.AddCommand(
		newInit(a), newCheck(a), newGenerate(a),
		newRanges(a), newAggregate(a), newBudget(a), newTargets(a), newVersion(a),
		newVerify(a), newReflect(a), newSize(a),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}
