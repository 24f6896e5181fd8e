package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/diag"
	"sallyport/renderers/all"
)

// TestStarters writes the starter of every kind of target: it has a target of the kind
// and a probe, and check finds nothing wrong with it, without any feed.
func TestStarters(t *testing.T) {
	// What a starter warns of, for its user to judge.
	warns := map[string]string{"windows": "Windows needs an IPv6 gateway for IPv6 past the tunnel"}
	dir := t.TempDir()
	for _, k := range all.Kinds() {
		name := filepath.Join(dir, k.Name+".hcl")
		if code, _, stderr := inProcess(t, 80, "", "init", "--target", k.Name, name); code != exitOK {
			t.Errorf("init --target %s: exit code %d, %s", k.Name, code, stderr)
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\ntarget \"" + k.Name + "\" ", "\nprobe \"", "docs/targets/" + k.Name + ".md"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: the starter lacks %q", k.Name, want)
			}
		}
		code, out, stderr := inProcess(t, 80, "", "check", "--policy", name, "--json")
		var doc struct {
			Targets     []targetJSON `json:"targets"`
			Diagnostics []diag.JSON  `json:"diagnostics"`
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil || code != exitOK || len(doc.Targets) != 1 {
			t.Errorf("%s: exit code %d, %v: %s", k.Name, code, err, stderr)
			continue
		}
		var said []string
		for _, d := range doc.Diagnostics {
			if !d.Accepted {
				said = append(said, d.Summary)
			}
		}
		if text := strings.Join(said, "; "); (text == "") != (warns[k.Name] == "") || !strings.Contains(text, warns[k.Name]) {
			t.Errorf("%s: it warns %q, want %q", k.Name, text, warns[k.Name])
		}
	}
	files, err := filepath.Glob("../../templates/policy/starter/*.hcl.tmpl")
	if err != nil || len(files) != len(all.Kinds())+1 {
		t.Errorf("%d starters, and %d kinds and the usual one: %v", len(files), len(all.Kinds()), err)
	}
}
