package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// blockStart is where a block of a policy begins in a message, and assignment an argument.
var (
	blockStart = regexp.MustCompile(`\b(variable|feed|set|names|service|rule|target|probe|budget|accept)( "[^"]*"| x)* \{`)
	assignment = regexp.MustCompile(`\b[a-z][a-z0-9_]* = ("[^"\n]*"|\[[^\]]*\])`)
	verb       = regexp.MustCompile(`%(\[\d+\])?[-+.0-9]*([a-z])`)
)

// TestSnippetsParse finds what messages tell users to write, in every string of the
// program, and parses it: what is copied from a message has to be valid HCL.
func TestSnippetsParse(t *testing.T) {
	blocks, assignments := 0, 0
	for _, dir := range []string{"cmd", "internal", "renderers", "rules", "verifier", "ipranges"} {
		for where, text := range stringsOf(t, filepath.Join("..", "..", dir)) {
			text = verb.ReplaceAllStringFunc(text, func(v string) string {
				if strings.HasSuffix(v, "q") {
					return `"x"`
				}
				return "x"
			})
			for _, m := range blockStart.FindAllStringIndex(text, -1) {
				if strings.Contains(where, "renderers/nftables") {
					continue // nft's own blocks
				}
				snippet, ok := braced(text[m[0]:])
				if !ok {
					t.Errorf("%s: the block does not end: %s", where, text[m[0]:])
					continue
				}
				blocks++
				parseSnippet(t, where, snippet)
			}
			for _, s := range assignment.FindAllString(text, -1) {
				assignments++
				parseSnippet(t, where, s)
			}
		}
	}
	if blocks < 2 || assignments < 30 {
		t.Errorf("found only %d blocks and %d arguments", blocks, assignments)
	}
}

func parseSnippet(t *testing.T, where, snippet string) {
	t.Helper()
	if _, diags := hclsyntax.ParseConfig([]byte(snippet+"\n"), "snippet", hcl.InitialPos); diags.HasErrors() {
		t.Errorf("%s: %q: %v", where, snippet, diags)
	}
}

// braced is text up to the brace that closes its first one.
func braced(text string) (string, bool) {
	depth := 0
	for i, c := range text {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return text[:i+1], true
			}
		}
	}
	return "", false
}

// stringsOf are the string literals of the Go files under dir but tests, those that are
// added to each other as one, by place.
func stringsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			expr, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, ok := literal(expr)
			if ok {
				found[set.Position(expr.Pos()).String()] = text
			}
			return !ok
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// literal is the text of a string literal, or of several that are added.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		}
	case *ast.BinaryExpr:
		left, ok := literal(e.X)
		right, also := literal(e.Y)
		return left + right, ok && also && e.Op == token.ADD
	}
	return "", false
}
