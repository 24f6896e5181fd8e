package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// inProcess runs a command in this process, with a terminal of so many columns.
func inProcess(t *testing.T, width int, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	a := &app{in: strings.NewReader(stdin), out: newOutput(&out), err: &err, width: width, now: time.Now, version: "1.2.3-test"}
	code = run(context.Background(), args, a)
	return code, out.String(), err.String()
}

// TestHelp asks every command for help: it is there, it names the command, and it
// fits the terminal.
func TestHelp(t *testing.T) {
	asked := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		asked++
		path := strings.Fields(cmd.CommandPath())
		for _, width := range []int{60, 80, 120} {
			code, out, stderr := inProcess(t, width, "", append(path[1:], "--help")...)
			if code != exitOK || stderr != "" {
				t.Errorf("%v --help: exit code %d, %q", path, code, stderr)
			}
			if !strings.Contains(out, "\nUsage:\n  "+cmd.CommandPath()) {
				t.Errorf("%v --help does not say how to use it:\n%s", path, out)
			}
			if strings.Contains(out, "\x1b") {
				t.Errorf("%v --help has escape codes", path)
			}
			for _, l := range brokenTwice(out, width) {
				t.Errorf("%v --help at %d columns is broken too early: %q", path, width, l)
			}
			if width < 80 && path[len(path)-1] != path[0] && path[1] == "completion" {
				continue // cobra's commands to copy need 80
			}
			for _, l := range tooWide(out, width) {
				t.Errorf("%v --help at %d columns: %q", path, width, l)
			}
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%v: the short help is %q", path, cmd.Short)
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{out: newOutput(&bytes.Buffer{}), width: 80}, nil))
	if asked < 18 {
		t.Errorf("only %d commands were asked", asked)
	}
}

// brokenTwice are lines of the description that had room for the next one's first word,
// as there are where text with line breaks of its own is wrapped again.
func brokenTwice(help string, width int) []string {
	description, _, _ := strings.Cut(help, "\nUsage:\n")
	lines := strings.Split(description, "\n")
	var list []string
	for i, line := range lines[:len(lines)-1] {
		next, _, _ := strings.Cut(lines[i+1], " ")
		if line == "" || next == "" || strings.HasPrefix(line, "\t") || strings.HasPrefix(next, "\t") {
			continue
		}
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(next) <= width {
			list = append(list, line)
		}
	}
	return list
}

func TestShellLine(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"  sallyport check", 20, "  sallyport check"},
		{"  sallyport check --policy policy.hcl", 30, "  sallyport check \\\n      --policy policy.hcl"},
		{"  sallyport verify a --save b --json", 30, "  sallyport verify a \\\n      --save b --json"},
		{"  sallyport show x | sallyport sum y", 22, "  sallyport show x | \\\n      sallyport sum \\\n      y"},
	} {
		got := shellLine(c.line, c.width)
		if got != c.want {
			t.Errorf("%q at %d: %q, want %q", c.line, c.width, got, c.want)
		}
	}
}

func TestHang(t *testing.T) {
	for _, c := range []struct {
		text          string
		start, indent int
		width         int
		want          string
	}{
		{"", 7, 2, 20, ""},
		{"one two", 7, 2, 20, "one two"},
		{"one two three four", 7, 2, 20, "one two three\n  four"},
		{"  blanks \n and breaks ", 0, 0, 40, "blanks and breaks"},
		{"exactly at the edge", 0, 0, 19, "exactly at the edge"},
		{"one past the edge", 0, 0, 16, "one past the\nedge"},
		{"see https://example.com/a/long/address now", 0, 2, 20, "see\n  https://example.com/a/long/address\n  now"},
		{"größer als gedacht", 0, 0, 10, "größer als\ngedacht"},
	} {
		if got := hang(c.text, c.start, c.indent, c.width); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		width  int
		narrow bool
		want   string
	}{
		{20, false, "NAME    N   NOTE\na       1   x\nlonger  22\nlonger-than-half  3   y\n"},
		{24, true, "NAME    N   NOTE\na       1   x\nlonger  22\nlonger-than-half  3   y\n"},
		{20, true, "NAME    N\na       1\nlonger  22\nlonger-than-half  3\n"},
		{16, true, "NAME\na\nlonger\nlonger-than-half\n"},
		{8, true, "NAME\na\nlonger\nlonger-than-half\n"},
	} {
		var out bytes.Buffer
		a := &app{out: newOutput(&out), width: c.width, narrow: c.narrow}
		err := a.table([]string{"NAME", "N", "NOTE"}, [][]string{{"a", "1", "x"}, {"longer", "22", ""}, {"longer-than-half", "3", "y"}})
		if err != nil || a.out.finish() != nil || out.String() != c.want {
			t.Errorf("width %d, terminal %v: %v, got\n%swant\n%s", c.width, c.narrow, err, out.String(), c.want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "just now", time.Minute: "1 min ago", 119 * time.Minute: "119 min ago",
		2 * time.Hour: "2 hours ago", 47 * time.Hour: "47 hours ago", 48 * time.Hour: "2 days ago", 1000 * time.Hour: "41 days ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1049: "1 kB", 1050: "1.1 kB", 999_999: "1000 kB", 1_000_000: "1.0 MB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
