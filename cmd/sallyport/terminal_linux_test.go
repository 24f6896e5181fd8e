package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal of so many columns.
type terminal struct {
	master, slave *os.File
	shown         chan string
}

func openTerminal(t *testing.T, columns uint16) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{master, slave, make(chan string, 1)}
	go func() {
		var all []byte
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil { // EIO, when nobody has the other end any more
				term.shown <- string(all)
				return
			}
		}
	}()
	return term
}

// run runs a command on the terminal and returns all that the terminal was sent.
func (term *terminal) run(t *testing.T, code int, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
	err := cmd.Run()
	term.slave.Close()
	shown := <-term.shown
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v: exit code %d, %v, want %d:\n%s", cmd.Args, got, err, code, shown)
	}
	return shown
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

func TestColourOnTerminal(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		env  []string
		want bool
	}{
		{[]string{"TERM=xterm"}, true},
		{[]string{"TERM=xterm", "NO_COLOR=1"}, false},
		{[]string{"TERM=dumb"}, false},
	} {
		for _, args := range [][]string{{"generate"}, {"generate", "--diff", "--out", "none"}, {"generate", "--frobnicate"}, {"targets"}, {"--help"}} {
			cmd := subprocess(t, dir, args...)
			cmd.Env = append(cmd.Env, c.env...)
			code := exitOK
			if args[len(args)-1] == "--frobnicate" {
				code = exitUsage
			}
			shown := openTerminal(t, 80).run(t, code, cmd)
			if got := strings.Contains(shown, "\x1b["); got != c.want {
				t.Errorf("%v with %v: colour %v, want %v:\n%q", args, c.env, got, c.want, shown)
			}
		}
	}
}

// TestNarrowTerminal shows a report and mistakes on 60 columns, counted without
// what only colours.
func TestNarrowTerminal(t *testing.T) {
	dir := t.TempDir()
	writePolicy(t, dir, "bad.hcl", "198.51.100.1/24", "999.0.0.0/8", "10.0.0.0/8")
	writePolicy(t, dir, "good.hcl", "198.51.100.0/24")
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitFailed, []string{"check", "--policy", "bad.hcl"}},
		{exitOK, []string{"check", "--policy", "good.hcl"}},
		{exitOK, []string{"generate", "--policy", "good.hcl"}},
		{exitOK, []string{"targets"}},
		{exitUsage, []string{"ranges", "frobnicate"}},
	} {
		cmd := subprocess(t, dir, c.args...)
		cmd.Env = append(cmd.Env, "TERM=xterm")
		shown := openTerminal(t, 60).run(t, c.code, cmd)
		plain := strings.ReplaceAll(escapes.ReplaceAllString(shown, ""), "\r\n", "\n")
		for _, line := range tooWide(plain, 60) {
			t.Errorf("%v: %d columns: %q", c.args, utf8.RuneCountInString(line), line)
		}
	}
}

// TestProgressOnTerminal downloads slowly: a bar is drawn, and is gone in the end.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join("..", "..", "ipranges", "azure", "testdata", "small.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "small.json"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := startFeedServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	cmd := subprocess(t, dir, "ranges", "show", "Sql.WestEurope", "-4", "--insecure", "--feed", s.server.URL+"/slow/small.json")
	cmd.Env = append(cmd.Env, "TERM=xterm")
	shown := openTerminal(t, 80).run(t, exitOK, cmd)
	if !strings.Contains(shown, "downloading from 127.0.0.1") {
		t.Errorf("no progress was shown: %q", shown)
	}
	last := shown[strings.LastIndex(shown, "\x1b")+1:]
	if _, text, _ := strings.Cut(last, "J"); strings.TrimSpace(text) != "33.16.64.0/22" {
		t.Errorf("after the bar: %q, want the one prefix alone", last)
	}
}
