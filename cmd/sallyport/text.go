package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// hang wraps text that begins at column start, after a label. It indents further lines by
// indent. It does not break words, such as a long URL.
func hang(text string, start, indent, width int) string {
	var b strings.Builder
	column := start
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			fmt.Fprintf(&b, "\n%*s", indent, "")
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

// progressTo returns the writer for progress.
func (a *app) progressTo() io.Writer {
	if a.quiet {
		return io.Discard
	}
	return a.err
}

// note prints a line on standard error, after the text on standard output. It prints nothing
// if standard output is a closed pipe.
func (a *app) note(line string) {
	if a.out.Flush(); !a.out.tracked.closed && !a.quiet {
		fmt.Fprintln(a.err, hang(line, 0, 2, a.width))
	}
}

// table writes aligned columns. A cell that is wider than half the terminal only moves the
// rest of its row. If a terminal is too narrow for all columns, the last ones are left out;
// a file or a pipe gets all.
func (a *app) table(header []string, rows [][]string) error {
	rows = append([][]string{header}, rows...)
	lines := a.layout(rows)
	for a.narrow && len(rows[0]) > 1 && slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > a.width }) {
		for i := range rows {
			rows[i] = rows[i][:len(rows[i])-1]
		}
		lines = a.layout(rows)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(a.out, l); err != nil {
			return err
		}
	}
	return nil
}

// layout pads the cells of rows to columns.
func (a *app) layout(rows [][]string) []string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			if n := utf8.RuneCountInString(cell); n <= a.width/2 {
				widths[i] = max(widths[i], n)
			}
		}
	}
	var lines []string
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return lines
}
