package docs_test

import (
	"bytes"
	"go/format"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/need"
)

// TestContributing follows CONTRIBUTING.md, each section in a copy of the module:
//   - a block fenced as "LANGUAGE file=PATH" is a new file;
//   - one fenced as "diff file=PATH" changes lines of a file: those that begin with a
//     blank or a minus stand in it once, and become those with a blank or a plus;
//   - one fenced as "sh" is commands, a line each, that have to succeed; as "sh fails=TEXT",
//     commands that have to fail and print TEXT, with underscores for blanks;
//   - a block "text changed" lists the files of the copy that commands changed, all of them;
//   - a path in the prose names a file or folder of the copy, NAME standing for any word.
func TestContributing(t *testing.T) {
	sections := strings.Split(read(t, "CONTRIBUTING.md"), "\n## ")
	if len(sections) < 3 {
		t.Fatalf("CONTRIBUTING.md has %d sections", len(sections))
	}
	for _, text := range sections[1:] {
		title, text, _ := strings.Cut(text, "\n")
		t.Run(title, func(t *testing.T) { follow(t, text) })
	}
}

// guide is the copy of the module in which a section is followed.
type guide struct {
	*testing.T
	dir   string
	made  map[string]bool   // the files that blocks wrote or changed
	state map[string]string // what files held before the last commands
}

func follow(t *testing.T, text string) {
	parts := strings.Split(text, "```")
	g := guide{T: t, dir: copyModule(t), made: map[string]bool{}}
	for i := 1; i < len(parts); i += 2 {
		fence, block, _ := strings.Cut(parts[i], "\n")
		lang, argument, _ := strings.Cut(fence, " ")
		value := argument[strings.Index(argument, "=")+1:]
		switch {
		case lang == "diff":
			g.edit(value, block)
		case strings.HasPrefix(argument, "file="):
			g.write(value, block)
		case lang == "sh" && testing.Short():
		case lang == "sh":
			g.run(block, strings.ReplaceAll(value, "_", " "))
		case argument == "changed" && !testing.Short():
			g.changed(block)
		}
	}
	for i := 0; i < len(parts); i += 2 {
		g.named(parts[i])
	}
	g.formatted()
	if testing.Short() {
		need.Time(t, "the commands run the compiler")
	}
}

// copyModule makes a copy of the module without what begins with a dot.
func copyModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		to := filepath.Join(dir, filepath.FromSlash(name))
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(name, ".") && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (g *guide) path(name string) string { return filepath.Join(g.dir, filepath.FromSlash(name)) }

func (g *guide) write(name, text string) {
	g.Helper()
	if _, err := os.Stat(g.path(name)); err == nil {
		g.Errorf("%s is there already: show what changes in it", name)
	}
	g.made[name] = true
	if err := os.MkdirAll(filepath.Dir(g.path(name)), 0o755); err != nil {
		g.Fatal(err)
	}
	if err := os.WriteFile(g.path(name), []byte(text), 0o644); err != nil {
		g.Fatal(err)
	}
}

func (g *guide) edit(name, diff string) {
	g.Helper()
	g.made[name] = true
	var before, after strings.Builder
	for line := range strings.Lines(diff) {
		kind, rest := line[:1], line[1:]
		if kind == "\n" {
			kind, rest = " ", "\n"
		}
		if strings.ContainsAny(kind, " -") {
			before.WriteString(rest)
		}
		if strings.ContainsAny(kind, " +") {
			after.WriteString(rest)
		}
	}
	data, err := os.ReadFile(g.path(name))
	if err != nil {
		g.Fatal(err)
	}
	if n := strings.Count(string(data), before.String()); n != 1 {
		g.Fatalf("%s has these lines %d times: show lines as they are now\n%s", name, n, before.String())
	}
	if err := os.WriteFile(g.path(name), []byte(strings.Replace(string(data), before.String(), after.String(), 1)), 0o644); err != nil {
		g.Fatal(err)
	}
}

// formatted holds what was written and changed to gofmt.
func (g *guide) formatted() {
	g.Helper()
	for name := range g.made {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		src, err := os.ReadFile(g.path(name))
		if err != nil {
			g.Fatal(err)
		}
		want, err := format.Source(src)
		if err != nil || !bytes.Equal(src, want) {
			g.Errorf("%s is not as gofmt has it: %v", name, err)
		}
	}
}

// run runs commands. If fails is not empty, each has to fail and print it.
func (g *guide) run(commands, fails string) {
	g.Helper()
	g.state = g.files()
	for line := range strings.Lines(commands) {
		cmd := exec.CommandContext(g.Context(), need.Program(g, "sh"), "-c", line)
		cmd.Dir = g.dir
		// Without the path of the copy in what is compiled, the build cache serves every copy.
		cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath -buildvcs=false"))
		out, err := cmd.CombinedOutput()
		switch {
		case fails == "" && err != nil:
			g.Fatalf("%s%v\n%s", line, err, out)
		case bytes.Contains(out, []byte("no tests to run")):
			g.Fatalf("%sruns no test", line)
		case fails != "" && (err == nil || !bytes.Contains(out, []byte(fails))):
			g.Fatalf("%shas to fail with %q: %v\n%s", line, fails, err, out)
		}
	}
}

// files is what the files of the copy hold, by path.
func (g *guide) files() map[string]string {
	g.Helper()
	state := map[string]string{}
	err := fs.WalkDir(os.DirFS(g.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(g.path(name))
		state[name] = string(data)
		return err
	})
	if err != nil {
		g.Fatal(err)
	}
	return state
}

// changed compares the files that the last commands changed with those listed.
func (g *guide) changed(list string) {
	g.Helper()
	now := g.files()
	for name, text := range g.state {
		if now[name] == text {
			delete(now, name)
		}
	}
	if got, want := slices.Sorted(maps.Keys(now)), strings.Fields(list); !slices.Equal(got, want) {
		g.Errorf("the commands changed %q, and the page says %q", got, want)
	}
}

// inProse is a path, between backquotes or as a link's target, into a folder of ours.
var inProse = regexp.MustCompile("[`(]((?:cmd|diag|docs|examples|internal|ipranges|renderers|rules|templates|verifier)/[^`)# ]*)")

func (g *guide) named(prose string) {
	g.Helper()
	for _, m := range inProse.FindAllStringSubmatch(prose, -1) {
		list, err := filepath.Glob(g.path(strings.ReplaceAll(m[1], "NAME", "*")))
		if err != nil || len(list) == 0 {
			g.Errorf("%s is not there, not even after what the section adds", m[1])
		}
	}
}
