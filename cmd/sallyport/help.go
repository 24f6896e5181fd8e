package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file formats help for the width of the terminal. Cobra does not wrap long lines, so
// that the terminal breaks them inside words, and wraps descriptions of flags too early.

// printHelp prints the description and the usage of a command.
func (a *app) printHelp(cmd *cobra.Command, _ []string) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	a.paragraphs(a.out, text)
	fmt.Fprintln(a.out)
	a.writeUsage(a.out, cmd)
}

// paragraphs wraps text at the terminal's width. Newlines in it count as blanks, except in
// empty lines and before indented lines, which it does not wrap.
func (a *app) paragraphs(w io.Writer, text string) {
	var open []string
	end := func() {
		if len(open) > 0 {
			fmt.Fprintln(w, hang(strings.Join(open, " "), 0, 0, a.width))
		}
		open = nil
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			open = append(open, line)
			continue
		}
		end()
		fmt.Fprintln(w, line)
	}
	end()
}

// printUsage prints the usage where cobra asks for it without help.
func (a *app) printUsage(cmd *cobra.Command) error {
	a.writeUsage(cmd.OutOrStderr(), cmd)
	return nil
}

func (a *app) writeUsage(w io.Writer, cmd *cobra.Command) {
	section := func(title string) { fmt.Fprintf(w, "\n%s\n", a.bold(title+":")) }
	fmt.Fprintln(w, a.bold("Usage:"))
	usage := cmd.UseLine()
	if cmd.HasSubCommands() {
		usage = cmd.CommandPath() + " COMMAND"
	}
	fmt.Fprintf(w, "  %s\n", hang(usage, 2, 6, a.width))
	if cmd.HasExample() {
		section("Examples")
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			fmt.Fprintln(w, shellLine(line, a.width))
		}
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
		a.writeFlags(w, cmd.LocalFlags())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s\n", hang(cmd.CommandPath()+" COMMAND --help says more about a command.", 0, 0, a.width))
	}
}

// shellLine breaks a command that is wider than the terminal so that it can still be copied
// into a shell. It does not break between a flag and its value.
func shellLine(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " ")))
	var parts []string
	for i, word := range strings.Fields(line) {
		if i > 0 && strings.HasPrefix(parts[len(parts)-1], "-") && word[0] != '-' && word[0] != '|' {
			parts[len(parts)-1] += " " + word
			continue
		}
		parts = append(parts, word)
	}
	var lines []string
	now := indent + parts[0]
	for _, part := range parts[1:] {
		if utf8.RuneCountInString(now+" "+part+" \\") > width {
			lines = append(lines, now+" \\")
			now = indent + "   "
		}
		now += " " + part
	}
	return strings.Join(append(lines, now), "\n")
}

// noDefault are default values that help does not show.
var noDefault = []string{"", "0", "0s", "[]", "false"}

func (a *app) writeFlags(w io.Writer, flags *pflag.FlagSet) {
	var rows [][2]string
	widest := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, text := pflag.UnquoteUsage(f)
		label := "      --" + f.Name
		if f.Shorthand != "" {
			label = "  -" + f.Shorthand + ", --" + f.Name
		}
		if name != "" && f.NoOptDefVal != "" {
			label += "[=" + name + "]"
		} else {
			label = strings.TrimRight(label+" "+name, " ")
		}
		if !slices.Contains(noDefault, f.DefValue) {
			text += " (default " + f.DefValue + ")"
		}
		rows = append(rows, [2]string{label, text})
		widest = max(widest, len(label))
	})
	column := min(widest, max(a.width/2-6, 24)) + 3 // wider flags have a line of their own
	for _, r := range rows {
		label := r[0]
		if len(label)+3 > column {
			fmt.Fprintln(w, label)
			label = ""
		}
		fmt.Fprintf(w, "%-*s%s\n", column, label, hang(r[1], column, column, a.width))
	}
}
