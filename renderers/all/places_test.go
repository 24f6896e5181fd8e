package all_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/targetdocs"
	"sallyport/renderers"
	"sallyport/renderers/all"
)

// place is a part of the repository that has to know each target.
type place struct {
	where string // the path from the root, with NAME for the target's name
	add   string // what to add there
	// lacks says what is missing there, and "" if nothing is. In its where, the name is k's.
	lacks func(k renderers.Kind, where string) string
}

// withoutTemplate are the targets that have no template of ours, with the reason.
var withoutTemplate = map[string]string{
	"generic":  "it writes JSON and CSV, or what the user's own template makes",
	"hostlist": "a list of names needs no frame",
}

// places is every place that a new target needs, in the order of the work.
var places = []place{
	{"renderers/NAME/*_test.go", "a test that calls conformance.Run with the target's contract", lacksText(`conformance\.Run\(`)},
	{"renderers/NAME/testdata/golden/*/*", "golden files: go test ./renderers/NAME -run Conformance -update writes them", lacksFile},
	{"templates/NAME/*.tmpl", "a template, or a reason for none in withoutTemplate of renderers/all/places_test.go", lacksTemplate},
	{"templates/policy/starter/NAME.hcl.tmpl", "the policy that sallyport init --target NAME writes", lacksText(`(?m)^target "NAME" `)},
	{"cmd/sallyport/admin_linux_test.go", "an entry in targetOptions: the options that the target cannot do without", lacksText(`(?m)^\s+"NAME":\s+"`)},
	{"docs/targets/NAME.md", "a page that shows each option, between backquotes", lacksOption},
	{"examples/*.hcl", "a policy with a target of the kind, or one in docs/targets/NAME.md in a block fenced as hcl", lacksExample},
	{"docs/ARCHITECTURE.md", "the package, in the table under Packages", lacksText("(?m)^\\| .*`(renderers/)?NAME`.* \\|")},
	{"README.md", "a link to docs/targets/NAME.md, in the table under Targets", lacksText(`\]\(docs/targets/NAME\.md\)`)},
	{"CHANGELOG.md", "a line that mentions the target by its name or title", lacksMention},
}

// TestPlaces holds every target to all places.
func TestPlaces(t *testing.T) {
	for _, k := range all.Kinds() {
		for _, p := range places {
			if lack := p.of(k); lack != "" {
				t.Errorf("target %s: %s", k.Name, lack)
			}
		}
	}
	for name := range withoutTemplate {
		if _, ok := all.Named(name); !ok || len(files("templates/"+name+"/*.tmpl")) > 0 {
			t.Errorf("withoutTemplate has %s, which is no target or has a template: remove the entry", name)
		}
	}
}

// TestPlacesMissing: for a target that nobody has added, each place says so, and where.
func TestPlacesMissing(t *testing.T) {
	k := renderers.Define(renderers.Info{Name: "unheardof", Title: "Unheard Of"}, struct {
		Option string `policy:"option" doc:"an option"`
	}{}, nil)
	for _, p := range places {
		lack := p.of(k)
		if where := strings.ReplaceAll(p.where, "NAME", "unheardof"); !strings.HasPrefix(lack, where+": ") {
			t.Errorf("%s: it says %q", where, lack)
		}
	}
}

// of says what the place lacks for k, and what to add; "" if it lacks nothing.
func (p place) of(k renderers.Kind) string {
	named := strings.NewReplacer("NAME", k.Name)
	detail := p.lacks(k, named.Replace(p.where))
	if detail == "" {
		return ""
	}
	return fmt.Sprintf("%s: %s: add %s", named.Replace(p.where), detail, named.Replace(p.add))
}

// files are those of a pattern from the root.
func files(pattern string) []string {
	list, err := filepath.Glob(filepath.Join("..", "..", pattern))
	if err != nil {
		panic(err)
	}
	return list
}

// text is what the files of a pattern hold.
func text(pattern string) string {
	var b strings.Builder
	for _, name := range files(pattern) {
		data, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		b.Write(data)
	}
	return b.String()
}

func matches(expr, name, text string) bool {
	return regexp.MustCompile(strings.ReplaceAll(expr, "NAME", regexp.QuoteMeta(name))).MatchString(text)
}

func lacksFile(_ renderers.Kind, where string) string {
	if len(files(where)) == 0 {
		return "there is no such file"
	}
	return ""
}

// lacksText wants a match of expr, with NAME for the target's name.
func lacksText(expr string) func(renderers.Kind, string) string {
	return func(k renderers.Kind, where string) string {
		if !matches(expr, k.Name, text(where)) {
			return "it does not have the target"
		}
		return ""
	}
}

func lacksTemplate(k renderers.Kind, where string) string {
	if withoutTemplate[k.Name] != "" {
		return ""
	}
	return lacksFile(k, where)
}

func lacksOption(k renderers.Kind, where string) string {
	page := text(where)
	if page == "" {
		return "there is no such page"
	}
	for _, o := range targetdocs.Of([]renderers.Kind{k})[0].Options {
		if !strings.Contains(page, "`"+o.Name) {
			return "it does not show option " + o.Name
		}
	}
	return ""
}

// lacksExample wants a target of the kind in what package examples compiles.
func lacksExample(k renderers.Kind, where string) string {
	const target = `(?m)^target "NAME" `
	if matches(target, k.Name, text(where)) {
		return ""
	}
	for i, part := range strings.Split(text("docs/targets/"+k.Name+".md"), "```") {
		if i%2 == 1 && strings.HasPrefix(part, "hcl") && matches(target, k.Name, part) {
			return ""
		}
	}
	return "none has such a target"
}

func lacksMention(k renderers.Kind, where string) string {
	if matches(`(?i)\bNAME\b`, k.Name, text(where)) || matches(`(?i)\bNAME\b`, k.Title, text(where)) {
		return ""
	}
	return "it does not mention the target"
}
