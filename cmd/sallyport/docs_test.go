package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write what the program prints into README.md anew")

// page reads a page of the documentation, by its path from the repository's root.
func page(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// fence is the first block of text behind a marker that begins with the fence.
func fence(t *testing.T, text, marker, fence string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, marker)
	_, rest, begins := strings.Cut(rest, "```"+fence+"\n")
	block, _, ends := strings.Cut(rest, "```\n")
	if !ok || !begins || !ends {
		t.Fatalf("there is no block %q behind %q", fence, marker)
	}
	return block
}

// TestReadmeFirstRun holds the README's first sample to what the program prints.
func TestReadmeFirstRun(t *testing.T) {
	readme := page(t, "README.md")
	shown := fence(t, readme, "go run ./cmd/sallyport generate\n", "text")
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	code, out, stderr := inProcess(t, 80, "", "generate")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	_, printed, found := strings.Cut(out, "\nTo load")
	printed, _, ends := strings.Cut("To load"+printed, "\n\nThis is the built-in policy")
	printed += "\n"
	switch {
	case !found || !ends:
		t.Fatalf("generate does not say how to load:\n%s", out)
	case printed == shown:
	case *update:
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(strings.Replace(readme, shown, printed, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("README.md shows\n%s\nand the program prints, which go test -update puts there,\n%s", shown, printed)
	}
}

// TestReadmePolicy holds the README's policy to its sample output: the lines of the sample
// are in the file, in their order, with others where it has dots.
func TestReadmePolicy(t *testing.T) {
	readme := page(t, "README.md")
	policy, sample := fence(t, readme, "## A policy\n", "hcl"), fence(t, readme, "## A policy\n", "text file=edge.nft")
	feed, err := filepath.Abs("../../ipranges/azure/testdata/small.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("policy.hcl", []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"check"}, {"generate", "--diff"}, {"generate"}} {
		if code, _, stderr := inProcess(t, 80, "", append(command, "--feed", "azure="+feed)...); code != exitOK {
			t.Fatalf("%v: exit code %d: %s", command, code, stderr)
		}
	}
	got, err := os.ReadFile("out/edge.nft")
	if err != nil {
		t.Fatal(err)
	}
	rest := strings.Split(string(got), "\n")
	for line := range strings.SplitSeq(strings.TrimSpace(sample), "\n") {
		if strings.TrimSpace(line) == "..." {
			continue
		}
		i := slices.Index(rest, line)
		if i < 0 {
			t.Fatalf("out/edge.nft does not go on with %q:\n%s", line, got)
		}
		rest = rest[i+1:]
	}
	if _, err := os.Stat("out/edge.remove.nft"); err != nil {
		t.Error(err)
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

func TestReadmeLinks(t *testing.T) {
	for _, m := range link.FindAllStringSubmatch(page(t, "README.md"), -1) {
		if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
			t.Errorf("README.md: %v", err)
		}
	}
}

// commandLine is where a page shows a command of ours.
var commandLine = regexp.MustCompile("(?m)(?:^|[\\s`(;&|])sallyport ([a-z][^`\n#|;>&)]*)")

// TestDocumentedCommands parses every command of ours that the documentation shows: the
// command is there, and so are its flags.
func TestDocumentedCommands(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/targets/*.md", "examples/*.hcl", "templates/policy/*.hcl"} {
		list, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		pages = append(pages, list...)
	}
	parsed := 0
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range commandLine.FindAllStringSubmatch(string(text), -1) {
			args := strings.Fields(m[1])
			root := newRoot(&app{out: newOutput(&bytes.Buffer{}), width: 80}, nil)
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == root {
				continue // prose: sallyport finds, sallyport writes
			}
			parsed++
			for _, arg := range rest {
				flag, _, _ := strings.Cut(strings.TrimRight(arg, ".,:'\""), "=")
				var found *pflag.Flag
				switch {
				case strings.HasPrefix(flag, "--") && flag != "--help" && flag != "--":
					found = cmd.Flags().Lookup(flag[2:])
				case strings.HasPrefix(flag, "-") && len(flag) == 2 && flag != "--":
					found = cmd.Flags().ShorthandLookup(flag[1:])
				default:
					continue
				}
				if found == nil {
					t.Errorf("%s shows %q, and %s has no flag %s", strings.TrimPrefix(name, "../../"), m[0], cmd.CommandPath(), flag)
				}
			}
		}
	}
	if parsed < 60 {
		t.Errorf("only %d commands were found", parsed)
	}
}
