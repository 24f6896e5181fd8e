// Package docs_test holds the pages of this folder to the code that they describe.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the module's folder.
const root = ".."

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// section is the part of a page under a heading, to the next of its level or above.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("there is no heading %q", heading)
	}
	level := strings.Count(strings.Fields(heading)[0], "#")
	var b strings.Builder
	for line := range strings.Lines(rest) {
		if n := len(line) - len(strings.TrimLeft(line, "#")); n > 0 && n <= level {
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

// packages are the folders of the module that hold Go files, for whatever system.
func packages(t *testing.T) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(name, ".go") && !slices.Contains(list, folderOf(name)):
			list = append(list, folderOf(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// folderOf is the folder of a file, and of one of the root the name of the module.
func folderOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return "sallyport"
}

var quoted = regexp.MustCompile("`([^`]+)`")

// TestPackageTable holds the tables of packages to the packages that there are.
func TestPackageTable(t *testing.T) {
	have, named := packages(t), map[string]bool{}
	for line := range strings.Lines(section(t, read(t, "docs/ARCHITECTURE.md"), "## Packages")) {
		first, _, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !isRow || !strings.HasPrefix(line, "| `") {
			continue
		}
		folder := "" // of the row's first package, in which the others are
		for i, m := range quoted.FindAllStringSubmatch(first, -1) {
			name := m[1]
			if i > 0 {
				name = path.Join(folder, name)
			}
			folder = path.Dir(name)
			switch {
			case !slices.Contains(have, name):
				t.Errorf("docs/ARCHITECTURE.md: the table has %s, which is no package: remove it, or correct its path", name)
			case named[name]:
				t.Errorf("docs/ARCHITECTURE.md: the table has %s twice", name)
			}
			named[name] = true
		}
	}
	for _, name := range have {
		if !named[name] {
			t.Errorf("docs/ARCHITECTURE.md: the table under Packages lacks %s: add a row that says its one job", name)
		}
	}
}

var step = regexp.MustCompile("^(\\d+)\\. `([^`]+)`(?: `([^`]+)`)?: .")

// TestWalks looks for every file that a walk names, and in it for the function.
func TestWalks(t *testing.T) {
	walks := section(t, read(t, "docs/ARCHITECTURE.md"), "## Three walks")
	for _, part := range strings.Split(walks, "### ")[1:] {
		title, lines, _ := strings.Cut(part, "\n")
		t.Run(title, func(t *testing.T) {
			files := map[string]bool{}
			for line := range strings.Lines(strings.TrimSpace(lines)) {
				m := step.FindStringSubmatch(line)
				if m == nil {
					t.Errorf("not a step with its number, file and function: %s", line)
					continue
				}
				if n, _ := strconv.Atoi(m[1]); n != len(files)+1 {
					t.Errorf("step %s comes after step %d", m[1], len(files))
				}
				if files[m[2]] {
					t.Errorf("the walk comes by %s twice", m[2])
				}
				files[m[2]] = true
				checkStep(t, m[2], m[3])
			}
			if len(files) < 5 {
				t.Errorf("a walk of %d steps", len(files))
			}
		})
	}
}

// checkStep looks for a function, or method, in a file; a file that is not Go has none.
func checkStep(t *testing.T, file, function string) {
	t.Helper()
	if !strings.HasSuffix(file, ".go") {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil || function != "" {
			t.Errorf("%s: function %q, %v", file, function, err)
		}
		return
	}
	tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return
	}
	if !slices.ContainsFunc(tree.Decls, func(d ast.Decl) bool { f, ok := d.(*ast.FuncDecl); return ok && f.Name.Name == function }) {
		t.Errorf("%s has no function %s", file, function)
	}
}
