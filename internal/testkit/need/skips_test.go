package need

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is that of the repository.
const root = "../../.."

// TestOnlyNeedsSkip: a test that is left out asks this package, or for a real feed, so
// that none is left out where SALLYPORT_MUST_RUN=1 says that it could run.
func TestOnlyNeedsSkip(t *testing.T) {
	mayThemselves := []string{"internal/testkit/need", "internal/testkit/pace", "internal/testkit/realfeed"}
	seen := 0
	each(t, "*.go", func(name string, src []byte) {
		if slices.Contains(mayThemselves, filepath.ToSlash(filepath.Dir(name))) {
			return
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing"` }) {
			return
		}
		seen++
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, method.Sel.Name) {
				return true
			}
			// Decoders have a Skip, too, which takes nothing and returns an error.
			if x, ok := method.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) {
				t.Errorf("%s: ask package need instead of calling %s.%s", files.Position(call.Pos()), x.Name, method.Sel.Name)
			}
			return true
		})
	})
	if seen < 100 {
		t.Errorf("only %d files with tests were looked at", seen)
	}
}

// TestScriptsSkipForSystemsOnly: the same of scripts for the command line.
func TestScriptsSkipForSystemsOnly(t *testing.T) {
	leaves := regexp.MustCompile(`(?m)^(?:\[[^\]]*\] )*(?:skip|stop)\b.*$`)
	system := regexp.MustCompile(`^\[(?:!?(?:linux|unix|windows|darwin)|short)\] (?:skip|stop)\b`)
	seen := 0
	each(t, "*.txtar", func(name string, src []byte) {
		seen++
		commands, _, _ := strings.Cut(string(src), "\n-- ")
		for _, line := range leaves.FindAllString(commands, -1) {
			if !system.MatchString(line) {
				t.Errorf("%s: %q leaves out what could run", name, line)
			}
		}
	})
	if seen < 20 {
		t.Errorf("only %d scripts were looked at", seen)
	}
}

// each calls look for each file of the repository whose name matches.
func each(t *testing.T, pattern string, look func(name string, src []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if ok, err := filepath.Match(pattern, d.Name()); !ok || err != nil || d.IsDir() {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err == nil {
			look(name, src)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
