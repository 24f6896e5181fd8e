package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// This file lays help out for the width of the terminal. Cobra's own layout leaves
// long lines to the terminal, which breaks them inside words.

// printHelp prints what a command is for, and how to use it.
func (a *app) printHelp(cmd *cobra.Command, _ []string) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if len(line) > a.width {
			line = hang(line, 0, 0, a.width)
		}
		fmt.Fprintln(a.out, line)
	}
	fmt.Fprintln(a.out)
	a.writeUsage(a.out, cmd)
}

// printUsage is for cobra, which asks for it beside help in a few places.
func (a *app) printUsage(cmd *cobra.Command) error {
	a.writeUsage(cmd.OutOrStderr(), cmd)
	return nil
}

func (a *app) writeUsage(w io.Writer, cmd *cobra.Command) {
	section := func(title string) { fmt.Fprintf(w, "\n%s\n", a.bold(title+":")) }
	fmt.Fprintln(w, a.bold("Usage:"))
	if cmd.HasSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n", cmd.CommandPath())
	} else {
		fmt.Fprintf(w, "  %s\n", cmd.UseLine())
	}
	if cmd.HasExample() {
		section("Examples")
		fmt.Fprintln(w, cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		section("Commands")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				label := fmt.Sprintf("  %-*s  ", sub.NamePadding(), sub.Name())
				fmt.Fprintf(w, "%s%s\n", label, hang(sub.Short, len(label), len(label), a.width))
			}
		}
	}
	if cmd.HasAvailableLocalFlags() {
		section("Flags")
		fmt.Fprint(w, cmd.LocalFlags().FlagUsagesWrapped(a.width))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s COMMAND --help says more about a command.\n", cmd.CommandPath())
	}
}
