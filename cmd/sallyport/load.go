package main

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sallyport"

	"sallyport/renderers"
)

// This file says how outputs are loaded, and on which machine. What it prints for a
// machine can be pasted into a shell there: all that is not a command is a comment.

// loadOf is how one target's files are loaded.
type loadOf struct {
	target, on string
	lines      []string // commands, and comments that begin with #
}

func loadsOf(out string, list []sallyport.Output) []loadOf {
	var loads []loadOf
	for _, o := range list {
		l := loadOf{target: o.Target.Name}
		for _, f := range o.Files {
			if f.On == "" {
				continue
			}
			if l.on != "" && l.on != f.On {
				loads = append(loads, l)
				l = loadOf{target: o.Target.Name}
			}
			l.on = f.On
			l.lines = append(l.lines, loadLines(out, f)...)
		}
		if l.on != "" {
			loads = append(loads, l)
		}
	}
	return loads
}

func loadLines(out string, f renderers.File) []string {
	var lines []string
	if f.Hand != "" {
		lines = append(lines, "# "+command(f.Hand, out, f.Path))
	}
	if f.Use != "" {
		lines = append(lines, command(f.Use, out, f.Path))
	}
	for _, c := range f.Once {
		lines = append(lines, c+"  # once")
	}
	return lines
}

// printLoads says what is for which machine, and what loads it there.
func (a *app) printLoads(out string, loads []loadOf) {
	if len(loads) == 0 {
		return
	}
	title := "To load, each on its machine:"
	if !slices.ContainsFunc(loads, func(l loadOf) bool { return l.target != loads[0].target }) {
		title = "To load:"
	}
	fmt.Fprintf(a.out, "\n%s\n", a.bold(title))
	for i, l := range loads {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "  %s on %s:\n", a.bold(l.target), l.on)
		for _, line := range l.lines {
			if strings.HasPrefix(line, "#") {
				line = hang(line, 4, 6, a.width) // comments are for reading
				line = strings.ReplaceAll(line, "\n      ", "\n    #   ")
			}
			fmt.Fprintf(a.out, "    %s\n", line)
		}
	}
	fmt.Fprintf(a.out, "\n%s\n", hang("Where that is another machine, copy the folder to the same place there first"+
		copyCommand(out), 0, 2, a.width))
	fmt.Fprintf(a.out, "%s\n", hang("The beginning of each file says what else there is to know, and how to remove it.", 0, 0, a.width))
}

// copyCommand copies the folder of outputs to where the commands that are printed find
// it, for somebody who logs in there as root.
func copyCommand(out string) string {
	out = filepath.ToSlash(filepath.Clean(out))
	switch dir := path.Dir(out); {
	case path.IsAbs(out) && dir != out:
		return ": scp -r " + renderers.ShellWord(out) + " root@MACHINE:" + renderers.ShellWord(strings.TrimSuffix(dir, "/")+"/")
	case dir == "." && out != "." && out != "..":
		return ": scp -r " + renderers.ShellWord(out) + " root@MACHINE:"
	}
	return "."
}
