package main

import (
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"

	"sallyport/internal/testkit/await"
)

// clockAhead is how far the clock of a sallyport started by a script is ahead, as
// a duration in this variable: feeds get old in no time.
const clockAhead = "TEST_CLOCK_AHEAD"

// TestMain makes this test binary the program that scripts start as sallyport.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sallyport": func() {
			version = "1.2.3-test"
			a := newApp()
			if s := os.Getenv(clockAhead); s != "" {
				ahead, err := time.ParseDuration(s)
				if err != nil {
					panic(err)
				}
				a.now = func() time.Time { return time.Now().Add(ahead) }
			}
			os.Exit(process(a))
		},
	})
}

// TestScript runs testdata/script, a script for each command or behaviour. Each has
// a home, a cache and a feed server of its own, which also is its proxy: a request
// to anywhere else ends there, and the script fails.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupScript,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    cmdExits,
			"json":     cmdJSON,
			"matches":  cmdMatches,
			"columns":  cmdColumns,
			"requests": cmdRequests,
			"await":    cmdAwait,
			"until":    cmdUntil,
			"gz":       cmdGzip,
			"edit":     cmdEdit,
			"utf16":    cmdUTF16,
			"cut":      cmdCut,
			"writesto": cmdWritesTo,
		},
	})
}

func setupScript(env *testscript.Env) error {
	for _, name := range []string{"small.json", "small-next.json"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "ipranges", "azure", "testdata", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(env.WorkDir, name), data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	s, err := startFeedServer(env.WorkDir)
	if err != nil {
		return err
	}
	env.Values["server"] = s
	env.Defer(func() {
		s.close()
		if stray := s.stray(); len(stray) > 0 {
			env.T().Log("asked for, and not the server's: ", stray)
			env.T().FailNow()
		}
	})
	for key, value := range s.environment() {
		env.Setenv(key, value)
	}
	// The race detector would make each process sleep for a second at its end.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("SALLYPORT_CACHE", filepath.Join(env.WorkDir, "cache"))
	return nil
}

func serverOf(ts *testscript.TestScript) *feedServer { return ts.Value("server").(*feedServer) }

func noNegation(ts *testscript.TestScript, neg bool) {
	if neg {
		ts.Fatalf("! makes no sense here")
	}
}

// cmdExits runs a command that must exit with a code: exits CODE COMMAND [ARG...]
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	code, wantErr := 0, args[0]
	err := ts.Exec(args[1], args[2:]...)
	var exited *exec.ExitError
	switch {
	case errors.As(err, &exited):
		code = exited.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != wantErr {
		ts.Fatalf("%s exited with %d, want %s", strings.Join(args[1:], " "), code, wantErr)
	}
	// Whatever goes wrong is said in words, and never by Go's own trace.
	if out := ts.ReadFile("stderr"); strings.Contains(out, "goroutine ") || strings.Contains(out, "panic:") {
		ts.Fatalf("a trace on standard error")
	}
}

// cmdJSON looks into a JSON document: json FILE PATH VALUE
//
// PATH is member names and indexes with dots between, len for the length of a list. VALUE is a
// string as it is, or anything else as JSON. With !, there is nothing at PATH.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 && !(neg && len(args) == 2) {
		ts.Fatalf("usage: json FILE PATH VALUE, or ! json FILE PATH")
	}
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	got, ok := lookUp(doc, strings.Split(args[1], "."))
	switch {
	case neg && ok:
		ts.Fatalf("%s is %v, want nothing", args[1], got)
	case neg:
		return
	case !ok:
		ts.Fatalf("nothing at %s", args[1])
	}
	text, isString := got.(string)
	if !isString {
		compact, err := json.Marshal(got)
		ts.Check(err)
		text = string(compact)
	}
	if text != args[2] {
		ts.Fatalf("%s is %s, want %s", args[1], text, args[2])
	}
}

func lookUp(doc any, path []string) (any, bool) {
	for _, step := range path {
		switch d := doc.(type) {
		case map[string]any:
			v, ok := d[step]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			if step == "len" {
				doc = len(d)
				continue
			}
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(d) {
				return nil, false
			}
			doc = d[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// cmdMatches looks for a regular expression in a text whose line breaks, which
// come from the width of the terminal, count as blanks: [!] matches FILE REGEXP
func cmdMatches(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: [!] matches FILE REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	text := strings.Join(strings.Fields(ts.ReadFile(args[0])), " ")
	if re.MatchString(text) == neg {
		ts.Fatalf("%s matches %q: %v, want %v, in\n%s", args[0], args[1], !neg == re.MatchString(text), !neg, text)
	}
}

// cmdColumns checks that text fits the terminal: columns FILE WIDTH
func cmdColumns(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) != 2 {
		ts.Fatalf("usage: columns FILE WIDTH")
	}
	width, err := strconv.Atoi(args[1])
	ts.Check(err)
	for _, l := range tooWide(ts.ReadFile(args[0]), width) {
		ts.Fatalf("%s has a line of %d columns: %s", args[0], utf8.RuneCountInString(l), l)
	}
}

// loadCommand are the lines that say how an output is loaded, which stay whole to be copied.
var loadCommand = regexp.MustCompile(`^    (nft|sh|ip6?tables|openvpn|\(echo) `)

// tooWide are the lines of text that are wider than width, other than by a path
// or an address, which stay whole to be copied.
func tooWide(text string, width int) []string {
	var list []string
	for line := range strings.SplitSeq(text, "\n") {
		if loadCommand.MatchString(line) {
			continue
		}
		n := utf8.RuneCountInString(line)
		long := slices.ContainsFunc(strings.Fields(line), func(word string) bool {
			return strings.Contains(word, "/") && n-len(word)+20 < width && len(word) > 20
		})
		if n > width && !long {
			list = append(list, line)
		}
	}
	return list
}

// cmdRequests checks what the feed server was asked since the last time, one
// "METHOD PATH STATUS" an argument: requests [REQUEST...]
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if got := serverOf(ts).take(); !slices.Equal(got, args) {
		ts.Fatalf("the server was asked %q, want %q", got, args)
	}
}

// cmdAwait waits until the feed server is being asked for a path: await PATH
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) != 1 {
		ts.Fatalf("usage: await PATH")
	}
	for end := await.Deadline(); !serverOf(ts).asked(args[0]); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("nobody asked for %s", args[0])
		}
	}
}

// cmdUntil runs a command until a text is in what it prints: until TEXT COMMAND [ARG...]
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: until TEXT COMMAND [ARG...]")
	}
	for end := await.Deadline(); ; time.Sleep(20 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...)
		if strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s does not come", args[0])
		}
	}
}

// cmdGzip packs a file: gz FROM TO
func cmdGzip(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) != 2 {
		ts.Fatalf("usage: gz FROM TO")
	}
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	z := gzip.NewWriter(file)
	_, err = z.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(errors.Join(err, z.Close(), file.Close()))
}

// cmdUTF16 writes a file as PowerShell 5 does, in UTF-16 with a byte order mark: utf16 FROM TO
func cmdUTF16(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) != 2 {
		ts.Fatalf("usage: utf16 FROM TO")
	}
	var data []byte
	for _, c := range utf16.Encode([]rune("\ufeff" + ts.ReadFile(args[0]))) {
		data = binary.LittleEndian.AppendUint16(data, c)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o644))
}

// cmdCut takes bytes off the end of a file: cut FILE BYTES
func cmdCut(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) != 2 {
		ts.Fatalf("usage: cut FILE BYTES")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	text := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text[:len(text)-n]), 0o644))
}

// cmdEdit replaces the one place of a file that holds a text: edit FILE OLD NEW
func cmdEdit(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if n := strings.Count(text, args[1]); n != 1 {
		ts.Fatalf("%s holds %q %d times, want once", args[0], args[1], n)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, args[1], args[2], 1)), 0o644))
}

// cmdWritesTo runs a command with its standard output at a file, such as /dev/full, where
// it must fail with exit code 1 and one message; or at a pipe that nobody reads any more,
// where it must say nothing and exit as it would have: writesto FILE|closed-pipe[:CODE]
// COMMAND [ARG...]
func cmdWritesTo(ts *testscript.TestScript, neg bool, args []string) {
	noNegation(ts, neg)
	if len(args) < 2 {
		ts.Fatalf("usage: writesto FILE|closed-pipe[:CODE] COMMAND [ARG...]")
	}
	var out *os.File
	var err error
	where, code, _ := strings.Cut(args[0], ":")
	piped := where == "closed-pipe"
	if piped {
		var in *os.File
		in, out, err = os.Pipe()
		if err == nil {
			err = in.Close()
		}
	} else {
		out, err = os.OpenFile(where, os.O_WRONLY, 0)
	}
	ts.Check(err)
	defer out.Close()
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir, cmd.Stdout = ts.MkAbs("."), out
	for _, key := range []string{"PATH", "HOME", "SALLYPORT_CACHE", "HTTP_PROXY", "HTTPS_PROXY", "GORACE"} {
		cmd.Env = append(cmd.Env, key+"="+ts.Getenv(key))
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err = cmd.Run()
	fmt.Fprint(ts.Stderr(), stderr.String())
	text := stderr.String()
	if piped {
		if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != cmp.Or(code, "0") || text != "" {
			ts.Fatalf("%s: exit code %s, want %s and no message: %s", strings.Join(args[1:], " "), got, cmp.Or(code, "0"), text)
		}
		return
	}
	if got := cmd.ProcessState.ExitCode(); got != exitFailed {
		ts.Fatalf("%s: %v, want exit code 1: %s", strings.Join(args[1:], " "), err, text)
	}
	if strings.Count(text, "error: ") != 1 || strings.Count(text, "\n") > 4 || strings.Contains(text, "goroutine ") {
		ts.Fatalf("standard error is more than one message: %s", text)
	}
}
