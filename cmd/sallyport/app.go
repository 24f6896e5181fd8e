package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"

	"sallyport/diag"
)

// Exit codes, as docs/commands.md lists them.
const (
	exitOK     = 0
	exitFailed = 1 // failed, blocked or refused
	exitUsage  = 2
	// 3, inconclusive, is the verifier's: see verifier.Report.ExitCode
	exitChanged = 4 // with --detailed-exitcode
	// exitInterrupted is what shells say of a command that Ctrl-C ended.
	exitInterrupted = 130
)

// app is the state that commands share: where and how they read and write.
type app struct {
	in     io.Reader
	out    *output
	err    io.Writer
	colour bool // on standard error and standard output
	width  int  // of the terminal, in columns
	narrow bool // standard output is a terminal, which breaks lines that are wider than it
	// progress says whether standard error is a terminal that can redraw lines.
	progress bool
	now      func() time.Time
	version  string
	quiet    bool      // --quiet: errors and changes only
	strict   bool      // --strict: warnings are failures
	noCache  error     // why feeds cannot be cached
	found    diag.List // the diagnostics that were printed, for the JSON of a failure
}

func newApp() *app {
	// errWriter handles a closed pipe; the signal must not end the process.
	ignoreBrokenPipe()
	errTerm, outTerm := term.IsTerminal(int(os.Stderr.Fd())), term.IsTerminal(int(os.Stdout.Fd()))
	return &app{
		in:       os.Stdin,
		out:      newOutput(os.Stdout),
		err:      os.Stderr,
		colour:   errTerm && outTerm && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
		width:    terminalWidth(),
		narrow:   outTerm,
		progress: errTerm,
		now:      time.Now,
		version:  buildVersion(),
	}
}

func terminalWidth() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 20 {
		return min(n, 200)
	}
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w >= 20 {
		return min(w, 200)
	}
	return 80
}

// version is set by the linker for releases.
var version string

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// output is standard output. It is buffered and keeps the first error, so that finish can
// report it once.
type output struct {
	*bufio.Writer
	tracked *errWriter
}

// errWriter keeps the first error. A closed pipe is no error: a reader such as head stops
// when it has read enough. Then errWriter discards its input, so that the command ends with
// its usual exit code.
type errWriter struct {
	w      io.Writer
	some   bool // something was written
	err    error
	closed bool // nobody reads any more
}

func (e *errWriter) Write(p []byte) (int, error) {
	e.some = true
	if e.closed {
		return len(p), nil
	}
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.w.Write(p)
	if isClosedPipe(err) {
		e.closed = true
		return len(p), nil
	}
	e.err = err
	return n, err
}

func newOutput(w io.Writer) *output {
	t := &errWriter{w: w}
	return &output{bufio.NewWriterSize(t, 32<<10), t}
}

// empty reports whether nothing was printed yet.
func (o *output) empty() bool { return o.Buffered() == 0 && !o.tracked.some }

// finish flushes the buffer and returns the first error of standard output.
func (o *output) finish() error {
	err := o.Flush()
	if o.tracked.err != nil {
		err = o.tracked.err
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("writing to standard output: %w: make room, or write somewhere else", err)
}

// printJSON writes v as indented JSON.
func (a *app) printJSON(v any) error {
	err := json.MarshalWrite(a.out, v, jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out)
	return err
}

// diagnose prints diagnostics on standard error, with an empty line after them.
func (a *app) diagnose(list diag.List, sources map[string][]byte) {
	if len(list) > 0 {
		diag.Print(a.err, list, diag.PrintOptions{Sources: sources, Color: a.colour, Width: a.width})
		fmt.Fprintln(a.err)
	}
}

// Styles of text. Without colour they change nothing.
func (a *app) style(code, s string) string {
	if !a.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (a *app) bold(s string) string { return a.style("1", s) }
func (a *app) dim(s string) string  { return a.style("2", s) }
