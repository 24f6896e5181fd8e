package main

import (
	"context"

	"github.com/spf13/cobra"
)

// run runs a command line and returns the exit code.
func run(ctx context.Context, args []string, a *app) int {
	root := newRoot(a, args)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && wantsJSON(cmd, args) {
		a.failJSON(err)
	}
	if ended := a.out.finish(); ended != nil {
		err = ended // instead of the error that the command made of it
	}
	return a.report(err)
}

// commands are the functions that make commands, by name.
func commands() map[string]func(*app) *cobra.Command {
	return map[string]func(*app) *cobra.Command{
		"init": newInit, "check": newCheck, "generate": newGenerate,
		"ranges": newRanges, "aggregate": newAggregate, "budget": newBudget, "targets": newTargets, "outputs": newOutputs, "version": newVersion,
		"verify": newVerify, "reflect": newReflect, "size": newSize,
		"plan": newPlan, "apply": newApply, "refresh": newRefresh, "confirm": newConfirm, "restore": newRestore, "rollback": newRollback, "status": newStatus, "history": newHistory, "guard": newGuard,
	}
}

// addCommands adds the command that args begin with to root. If they begin with none, as in
// help and completion, it adds all commands.
func addCommands(root *cobra.Command, a *app, args []string) {
	all := commands()
	if len(args) > 0 && all[args[0]] != nil {
		root.AddCommand(all[args[0]](a))
		return
	}
	for _, make := range all {
		root.AddCommand(make(a))
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
}

func newRoot(a *app, args []string) *cobra.Command {
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
	addCommands(root, a, args)
	strict(root)
	return root
}
