package lab

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestSameAPIEverywhere compares the exported functions and types of the build
// for Linux with those of the other builds, so that tests which use the lab
// compile on every system.
func TestSameAPIEverywhere(t *testing.T) {
	t.Parallel()
	linux := exported(t, "linux")
	if len(linux) < 30 {
		t.Fatalf("only %d exported names found", len(linux))
	}
	for _, goos := range []string{"darwin", "windows"} {
		other := exported(t, goos)
		for name, signature := range linux {
			if other[name] != signature {
				t.Errorf("%s has %q, linux %q", goos, other[name], signature)
			}
		}
		for name := range other {
			if linux[name] == "" {
				t.Errorf("%s has %s, linux has not", goos, name)
			}
		}
	}
}

// exported returns the signatures of a build's exported functions and methods,
// and the names of its exported types.
func exported(t *testing.T, goos string) map[string]string {
	t.Helper()
	ctx := build.Default
	ctx.GOOS = goos
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	api, fset := map[string]string{}, token.NewFileSet()
	for _, e := range entries {
		name := e.Name()
		if match, err := ctx.MatchFile(".", name); err != nil || !match || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() {
					continue
				}
				d.Doc, d.Body = nil, nil
				if d.Recv != nil {
					d.Recv.List[0].Names = nil
				}
				var b bytes.Buffer
				if err := printer.Fprint(&b, fset, d); err != nil {
					t.Fatal(err)
				}
				api[b.String()] = b.String()
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() {
						api["type "+ts.Name.Name] = "type"
					}
				}
			}
		}
	}
	return api
}
