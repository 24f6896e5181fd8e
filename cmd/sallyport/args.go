package main

import (
	"errors"
	"fmt"
	"strings"

	"sallyport"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file checks the command line. The message about a mistake has two lines: what is
// wrong, and what to do. It does not print the whole help. The exit code is 2.

// usage is a mistake on the command line. The text says what to write instead.
func usage(format string, args ...any) error {
	return &sallyport.UsageError{Err: fmt.Errorf(format, args...)}
}

// wrongUsage is a mistake on the command line, with a hint about what to do.
type wrongUsage struct{ text, hint string }

func (w wrongUsage) Error() string { return w.text }

// wrong is a mistake on the command line. The hint names the command's help.
func wrong(cmd *cobra.Command, format string, args ...any) error {
	return wrongUsage{fmt.Sprintf(format, args...), "see " + cmd.CommandPath() + " --help"}
}

// takes accepts between least and most arguments, or any number from least if most is
// negative. Messages call an argument what.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return wrong(cmd, "%s needs %s", cmd.CommandPath(), what)
		case most == 0 && len(args) > 0 && strings.HasSuffix(args[0], ".hcl") && cmd.Flags().Lookup("policy") != nil:
			return wrongUsage{fmt.Sprintf("%s takes no arguments, and got %q", cmd.CommandPath(), args[0]), "write --policy " + args[0]}
		case most == 0 && len(args) > 0:
			return wrong(cmd, "%s takes no arguments, and got %q", cmd.CommandPath(), args[0])
		case most > 0 && len(args) > most:
			return wrong(cmd, "%s takes at most %s, and got %q too", cmd.CommandPath(), plural(most, what), args[most])
		}
		return nil
	}
}

// exclusive makes it a mistake to give both flags.
func exclusive(cmd *cobra.Command, a, b string) {
	cmd.MarkFlagsMutuallyExclusive(a, b) // for completion, which then leaves one out
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed(a) && cmd.Flags().Changed(b) {
			return wrong(cmd, "--%s and --%s exclude each other", a, b)
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// flagMistake rewrites an error of the flag parser in the style of this program.
func flagMistake(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return wrong(cmd, "%v", err)
	}
	name := unknown.GetSpecifiedName()
	near, best := "", 3 // the distance up to which cobra suggests commands
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := levenshtein.Distance(name, f.Name, nil); d < best && !f.Hidden {
			near, best = f.Name, d
		}
	})
	if near != "" {
		return wrongUsage{"unknown flag --" + name, "did you mean --" + near + "?"}
	}
	return wrong(cmd, "unknown flag --%s", name)
}

// strict makes mistakes in arguments usage errors, for cmd and the commands below it.
func strict(cmd *cobra.Command) {
	check := cmd.Args
	switch {
	case cmd.Name() == "help":
		check = helpTopic
	case cmd.HasSubCommands():
		check = unknownCommand
		if !cmd.Runnable() { // otherwise cobra does not check the arguments
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	case check == nil || strings.HasPrefix(cmd.CommandPath(), "sallyport completion"):
		check = takes(0, 0, "")
	}
	cmd.Args = check
	if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil && !cmd.HasSubCommands() && check(cmd, []string{"file"}) != nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

// unknownCommand refuses arguments of a command that only groups others.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if list := cmd.SuggestionsFor(args[0]); len(list) > 0 {
		return wrongUsage{fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0]), "did you mean " + strings.Join(list, " or ") + "?"}
	}
	return wrong(cmd, "%s has no command %q", cmd.CommandPath(), args[0])
}

// helpTopic refuses to show help about an unknown command.
func helpTopic(cmd *cobra.Command, args []string) error {
	found, rest, err := cmd.Root().Find(args)
	switch {
	case err != nil:
		return wrong(cmd, "%v", err)
	case len(rest) > 0 && found.HasSubCommands():
		return unknownCommand(found, rest)
	case len(rest) > 0:
		return wrong(found, "%s has no command %q", found.CommandPath(), rest[0])
	}
	return nil
}
