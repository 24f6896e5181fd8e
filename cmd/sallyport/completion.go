package main

import (
	"github.com/spf13/cobra"

	"sallyport/renderers/all"
)

// This file completes what is typed on a command line. Completion never waits for the
// network, and never complains.

// complete registers how the values of a flag are completed.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag is defined where it is completed
	}
}

// kindCompletions offers the kinds of targets.
func kindCompletions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, k := range all.Kinds() {
		names = append(names, k.Name+"\t"+k.Summary)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
