package examples_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"sallyport/internal/feeds"
	"sallyport/internal/fetch"
	"sallyport/internal/pipeline"
	"sallyport/templates"
)

// cuttable ends its rules with an argument that decides what they open, behind
// every form of text that can be cut.
const cuttable = `
rule "heredoc" {
  action      = "allow"
  to          = ["20.0.0.0/8"]
  services    = any
  description = <<EOT
until the new site has its own uplink
EOT
  from        = ["10.20.0.0/16"]
}
rule "quoted" {
  action      = "deny"
  to          = ["20.9.0.0/16"]
  services    = any /* all of them */
  description = "for the administrators' network" # a comment
  from        = ["10.21.0.0/16"]
}
target "generic" "g" {}
/* the end */
`

// TestCutShort cuts policies at every byte. A cut inside of a block is a mistake: a
// rule that lost its last argument would open more than it was written to.
func TestCutShort(t *testing.T) {
	starter, err := templates.Starter("", "", "")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string][]byte{"cuttable": []byte(cuttable), "built-in": templates.DefaultPolicy, "starter": starter}
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, name := range files {
		sources[name] = []byte(read(t, name))
	}
	for name, src := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cutEverywhere(t, src)
		})
	}
}

func cutEverywhere(t *testing.T, src []byte) {
	inside := insideOfBlocks(src)
	name := filepath.Join(t.TempDir(), "policy.hcl")
	for n := range inside {
		if err := os.WriteFile(name, src[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		// Feeds cannot be had here: that is an error and no mistake of the policy's.
		res, _ := pipeline.Compile(t.Context(), pipeline.Request{Policy: name, Now: today,
			Opener: &feeds.Opener{Fetcher: &fetch.Fetcher{Offline: true}}})
		if mistakes := res.Diagnostics.HasErrors(); inside[n] && !mistakes {
			t.Fatalf("cut inside of a block, and no mistake:\n%s", src[:n])
		} else if n == len(src) && mistakes {
			t.Fatalf("mistakes in the whole policy: %v", res.Diagnostics)
		}
	}
}

// insideOfBlocks tells for each byte whether a cut in front of it divides a block. Our
// policies begin a block at the left margin, and end it there or on its only line.
func insideOfBlocks(src []byte) []bool {
	inside := make([]bool, len(src)+1)
	at, begin := 0, -1
	for line := range bytes.Lines(src) {
		code, _, _ := bytes.Cut(line, []byte(" #"))
		code = bytes.TrimRight(code, " \n")
		if begin < 0 && len(line) > 0 && line[0] >= 'a' && line[0] <= 'z' {
			begin = at
		}
		if begin >= 0 && (line[0] == '}' || begin == at && bytes.HasSuffix(code, []byte("}"))) {
			for i := begin + 1; i < at+bytes.LastIndexByte(code, '}')+1; i++ {
				inside[i] = true
			}
			begin = -1
		}
		at += len(line)
	}
	return inside
}
