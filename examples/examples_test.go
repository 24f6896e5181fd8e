// Package examples_test keeps the policies in this folder, and those in the pages
// of docs, working: each is checked as sallyport check does it, its nftables outputs
// are loaded into the kernel, and what it warns of is exactly what it announces.
//
// Conventions for the fenced blocks of a page:
//   - an hcl block with a target is a complete policy, and is treated like an example;
//     one without is a part of a policy, and has to load without errors;
//   - a block fenced as "text file=NAME" is a file beside the policies of its page;
//   - a block fenced as "text output=NAME", or another language, is what the policy
//     before it renders; go test -update writes it;
//   - a line of a policy announces a warning or an error of its own by ending in
//     "# warning: SUMMARY" or "# error: SUMMARY".
package examples_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"sallyport/diag"
	"sallyport/internal/feeds"
	"sallyport/internal/fetch"
	"sallyport/internal/pipeline"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/ipranges/azure"
	"sallyport/renderers/nftables"
	"sallyport/rules/policy"
)

var update = flag.Bool("update", false, "write what policies render into the pages anew")

// today is when the expiry dates of examples are judged.
var today = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %d examples, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) { try(t, file) })
	}
}

// TestPages runs what the pages of docs show.
func TestPages(t *testing.T) {
	pages := docs(t)
	policies := 0
	for _, page := range pages {
		t.Run(strings.TrimPrefix(page, "../"), func(t *testing.T) { policies += tryPage(t, page) })
	}
	if policies < 8 {
		t.Errorf("only %d complete policies found in %d pages: are they fenced as hcl?", policies, len(pages))
	}
}

// docs are the pages.
func docs(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"../docs/*.md", "../docs/targets/*.md"} {
		list, err := filepath.Glob(pattern)
		if err != nil || len(list) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		pages = append(pages, list...)
	}
	return pages
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tryPage runs the blocks of a page and returns how many policies were complete.
func tryPage(t *testing.T, page string) (policies int) {
	dir := t.TempDir()
	text := read(t, page)
	blocks := fences(t, page, text)
	for _, b := range blocks {
		if name := b.info["file"]; name != "" {
			write(t, filepath.Join(dir, name), b.text)
		}
	}
	var last *pipeline.Result
	for _, b := range blocks {
		where := fmt.Sprintf("line %d", b.line)
		switch {
		case b.lang == "hcl" && isTarget.MatchString(b.text):
			policies++
			name := filepath.Join(dir, "policy.hcl")
			write(t, name, b.text)
			t.Run(where, func(t *testing.T) { last = try(t, name) })
		case b.lang == "hcl":
			_, list := policy.Load("part.hcl", []byte(b.text), policy.Options{Now: today})
			for _, d := range list {
				if d.Severity == diag.Error {
					t.Errorf("%s: %s", where, d.Summary)
				}
			}
		case b.info["output"] != "":
			got := output(last, b.info["output"])
			switch fence := b.fence + "\n"; {
			case got == b.text:
			case *update:
				text = strings.Replace(text, fence+b.text, fence+got, 1)
				write(t, page, text)
			default:
				t.Errorf("%s: the policy before it renders, and go test -update writes,\n%s", where, got)
			}
		}
	}
	return policies
}

var isTarget = regexp.MustCompile(`(?m)^target "`)

// block is a fenced block of a page.
type block struct {
	line  int // of its fence
	fence string
	lang  string
	info  map[string]string // the NAME=VALUE pairs that follow the language
	text  string
}

func fences(t *testing.T, page, src string) []block {
	var list []block
	var open *block
	for i, line := range strings.SplitAfter(src, "\n") {
		fence := strings.TrimSpace(line)
		info, isFence := strings.CutPrefix(fence, "```")
		switch {
		case isFence && open != nil:
			list, open = append(list, *open), nil
		case isFence:
			lang, pairs, _ := strings.Cut(info, " ")
			open = &block{line: i + 1, fence: fence, lang: lang, info: map[string]string{}}
			for pair := range strings.FieldsSeq(pairs) {
				name, value, _ := strings.Cut(pair, "=")
				open.info[name] = value
			}
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block is not closed", page, open.line)
	}
	return list
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// output is what res renders to the path.
func output(res *pipeline.Result, path string) string {
	if res == nil {
		return ""
	}
	for _, o := range res.Outputs {
		for _, f := range o.Files {
			if f.Path == path {
				return string(f.Data)
			}
		}
	}
	return ""
}

// try checks the policy in a file, and loads what it renders for nftables.
func try(t *testing.T, name string) *pipeline.Result {
	src := read(t, name)
	req := pipeline.Request{
		Policy: name, Feeds: fixtures(t, name, src), Version: "devel", Now: today, SelfCheck: true,
		Out: t.TempDir(), Opener: &feeds.Opener{Fetcher: &fetch.Fetcher{Offline: true}},
	}
	res, err := pipeline.Compile(context.Background(), req)
	if err == nil {
		res, err = res.Render()
	}
	if err != nil {
		t.Fatal(err)
	}
	wantDiagnostics(t, src, res.Diagnostics)
	if res.Diagnostics.HasErrors() {
		return res
	}
	if len(res.Outputs) == 0 {
		t.Fatal("it renders nothing")
	}
	for _, o := range res.Outputs {
		if opt, ok := o.Target.Options.(*nftables.Options); ok {
			t.Run("load "+o.Target.Name, func(t *testing.T) { load(t, opt, o) })
		}
	}
	return res
}

// fixtures gives every feed that the policy uses the small invented file of its
// kind, which for Azure is made out to be of the feed's cloud.
func fixtures(t *testing.T, name, src string) map[string]string {
	small := read(t, "../ipranges/azure/testdata/small.json")
	file, _ := policy.Load(name, []byte(src), policy.Options{Now: today})
	pairs := map[string]string{}
	for _, spec := range file.Feeds() {
		switch spec.Kind {
		case "m365":
			pairs[spec.Name] = "../ipranges/m365/testdata/small.json"
			continue
		case "text":
			continue // the list is beside the policy
		}
		cloud, err := azure.FindCloud(spec.Cloud)
		if err != nil {
			t.Fatal(err)
		}
		pairs[spec.Name] = filepath.Join(t.TempDir(), spec.Name+".json")
		write(t, pairs[spec.Name], strings.Replace(small, `"cloud": "Public"`, fmt.Sprintf(`"cloud": %q`, cloud.FileCloud), 1))
	}
	return pairs
}

var announced = regexp.MustCompile(`# ((?:warning|error): .*)$`)

// wantDiagnostics compares what was found with what the source announces.
func wantDiagnostics(t *testing.T, src string, list diag.List) {
	t.Helper()
	var want, got []string
	for i, line := range strings.Split(src, "\n") {
		if m := announced.FindStringSubmatch(line); m != nil {
			want = append(want, fmt.Sprintf("%d: %s", i+1, m[1]))
		}
	}
	for _, d := range list {
		if d.Accepted != nil {
			continue // and not shown
		}
		got = append(got, fmt.Sprintf("%d: %s: %s", d.Subject.Start.Line, d.Severity, d.Summary))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("found    %q\nannounced %q", got, want)
	}
}

// load puts the output beside an admin's table, twice, and takes it out again.
func load(t *testing.T, opt *nftables.Options, o pipeline.Output) {
	need.Program(t, "nft")
	h := lab.NewInjector(t).Host()
	h.MustExec(t, fmt.Sprintf("add table %s\nadd chain %[1]s %s { type filter hook %[2]s priority filter; policy drop; }\n",
		opt.Table, opt.Hook), "nft", "-f", "-")
	start := h.MustRun(t, "nft", "list", "ruleset")
	table := strings.Fields(opt.Table)
	main, remove := string(o.Files[0].Data), string(o.Files[1].Data)
	h.MustExec(t, main, "nft", "-f", "-")
	if opt.Placement == "fragment" {
		h.MustRun(t, "nft", "add", "rule", table[0], table[1], opt.Hook, "jump", "sallyport_"+o.Target.Name)
	}
	loaded := h.MustRun(t, "nft", "list", "ruleset")
	h.MustExec(t, main, "nft", "-f", "-")
	if again := h.MustRun(t, "nft", "list", "ruleset"); again != loaded || loaded == start {
		t.Error("loading it again changes the rule set, or it changes nothing at all")
	}
	if opt.Placement == "fragment" {
		h.MustRun(t, "nft", "flush", "chain", table[0], table[1], opt.Hook)
	}
	h.MustExec(t, remove, "nft", "-f", "-")
	if now := h.MustRun(t, "nft", "list", "ruleset"); now != start {
		t.Errorf("after removal the rule set is\n%s", now)
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks follows the links of the pages to files, and to headings of pages.
func TestLinks(t *testing.T) {
	for _, page := range docs(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
				continue
			}
			if heading != "" && !slices.Contains(headings(read(t, target)), heading) {
				t.Errorf("%s links to %s, and there is no such heading", page, m[1])
			}
		}
	}
}

// headings are the anchors that a page's headings get: lower case, blanks as
// hyphens, without other punctuation.
func headings(src string) []string {
	var list []string
	for line := range strings.Lines(src) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			list = append(list, strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
					return unicode.ToLower(r)
				}
				return -1
			}, strings.TrimSpace(title)))
		}
	}
	return list
}
