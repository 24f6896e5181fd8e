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

// This file prints how to load outputs, and on which machine. The lines for a machine can be
// pasted into a shell there: lines that are not commands are comments.

// loadOf is how the files of one target are loaded on one machine.
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

// printLoads prints the commands that load outputs, by target and machine.
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
				line = hang(line, 4, 6, a.width) // only comments are wrapped
				line = strings.ReplaceAll(line, "\n      ", "\n    #   ")
			}
			fmt.Fprintf(a.out, "    %s\n", line)
		}
	}
	fmt.Fprintf(a.out, "\n%s\n", hang("Where that is another machine, copy the folder to the same place there first"+
		copyCommand(out), 0, 2, a.width))
	fmt.Fprintf(a.out, "%s\n", hang("The beginning of each file says what else there is to know, and how to remove it.", 0, 0, a.width))
}

// copyCommand is the command that copies the folder of outputs to the same place on another
// machine, by logging in there as root.
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
