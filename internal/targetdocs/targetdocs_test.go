package targetdocs

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"sallyport/renderers/all"
)

var update = flag.Bool("update", false, "write the generated page anew")

//go:generate go test . -run TestPageIsUpToDate -update

// TestPageIsUpToDate fails when a target changed and docs/targets/README.md did not.
func TestPageIsUpToDate(t *testing.T) {
	page := filepath.Join("..", "..", "docs", "targets", "README.md")
	want := Markdown(all.Kinds())
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: go generate ./... writes it", page)
	}
}

// TestHeads: each feature has a column head of its own.
func TestHeads(t *testing.T) {
	seen := map[string]bool{}
	features := Of(all.Kinds()[:1])[0].Features
	for _, f := range features {
		head := heads[f.Name]
		if head == "" || seen[head] {
			t.Errorf("feature %q has the head %q, which is empty or that of another", f.Name, head)
		}
		seen[head] = true
	}
	if len(heads) != len(features) {
		t.Errorf("%d heads for %d features", len(heads), len(features))
	}
}

// TestEveryOptionHasAMeaning looks for the doc tag of every option.
func TestEveryOptionHasAMeaning(t *testing.T) {
	for _, target := range Of(all.Kinds()) {
		for _, o := range target.Options {
			if o.Doc == "" {
				t.Errorf("%s: option %s has no doc tag", target.Name, o.Name)
			}
		}
	}
}
