package renderers

import (
	"slices"
	"strings"
)

// Local is how a program loads the output of a target on the machine that it runs on, and
// how it sees what is loaded there. The load itself is File.Use, and taking it away is
// File.Undo: commands of plain words.
type Local struct {
	// Check exits with 0 if the file {} can be loaded, and changes nothing. Empty if there is
	// no such command.
	Check []string
	// State are commands that print what is loaded. Empty if nothing tells.
	State []Reader
	// Revert returns files that make what restored once loaded out of what loaded has loaded,
	// where loading restored as it is would leave something behind. Restored may be empty:
	// nothing was loaded before, and File.Undo failed. Then it may return no files. Nil:
	// restored are the files.
	Revert func(loaded, restored []File) ([]File, error)
}

// Reader is a command that prints what is loaded.
type Reader struct {
	Args []string
	// Keep picks from the output what this target has loaded, one thing a line. Equal states
	// have equal lines. Lines that begin with Leads are of the admin's own things that lead to
	// it, such as a jump. Nil: every line.
	Keep func(output string) []string
}

// Leads begins a line about something of the admin's that leads to what is loaded. That it
// goes cuts the target off; that another one comes is the admin's choice.
const Leads = "leads here: "

// Words splits a command of plain words: the form that File.Use and File.Undo need where
// Target.Local is set.
func Words(command string) []string { return strings.Fields(command) }

// KeepSorted returns the lines that keep holds, without the space around them, sorted: for
// output whose order means nothing.
func KeepSorted(output string, keep func(line string) bool) []string {
	var list []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && keep(line) {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return list
}
