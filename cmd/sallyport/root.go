package main

import (
	"context"

	"github.com/spf13/cobra"
)

// run is the whole program, but for the process around it.
func run(ctx context.Context, args []string, a *app) int {
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && wantsJSON(cmd, args) {
		a.failJSON(err)
	}
	if ended := a.out.finish(); ended != nil {
		err = ended // whatever the command made of it
	}
	return a.report(err)
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
		newRanges(a), newAggregate(a), newBudget(a), newTargets(a), newOutputs(a), newVersion(a),
		newVerify(a), newReflect(a), newSize(a),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}
