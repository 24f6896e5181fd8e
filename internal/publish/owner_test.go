package publish

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/testkit/need"
)

const mark = "# made by sallyport for target edge"

// output is a file of target edge with its mark.
func output(path, data string) File {
	return File{Path: path, Data: []byte(mark + "\n" + data), Ours: func(head []byte) bool { return bytes.Contains(head, []byte(mark)) },
		Record: Record{Target: "edge", Kind: "nftables", Undo: "nft -f edge.remove.nft"}}
}

func write(t *testing.T, dir, path, data string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, path), []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSomebodysFile tries to publish over files that were not published before.
func TestSomebodysFile(t *testing.T) {
	plain := file("x.json", "{}")
	with := output("edge.nft", "rules")
	goesWith := File{Path: "x.json", Data: []byte("{}"), With: "edge.nft"}
	for _, tc := range []struct {
		name  string
		there map[string]string
		files []File
		ours  bool
	}{
		{"a file without our mark", map[string]string{"edge.nft": "table inet mine\n"}, []File{with}, false},
		{"another target's mark", map[string]string{"edge.nft": "# made by sallyport for target gw\n"}, []File{with}, false},
		{"our mark far down", map[string]string{"edge.nft": strings.Repeat("\n", maxMark) + mark}, []File{with}, false},
		{"our mark", map[string]string{"edge.nft": mark + "\nold"}, []File{with}, true},
		{"an empty file", map[string]string{"edge.nft": ""}, []File{with}, true},
		{"the same bytes", map[string]string{"x.json": "{}"}, []File{plain}, true},
		{"a format without a mark", map[string]string{"x.json": "{ }"}, []File{plain}, false},
		{"beside a file of ours", map[string]string{"x.json": "{ }", "edge.nft": mark}, []File{with, goesWith}, true},
		{"beside a file of theirs", map[string]string{"x.json": "{ }", "edge.nft": "theirs"}, []File{with, goesWith}, false},
		{"beside nothing", map[string]string{"x.json": "{ }"}, []File{with, goesWith}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			for path, data := range tc.there {
				write(t, dir, path, data)
			}
			before := tree(t, dir)
			for _, force := range []bool{false, true} { // what was never ours is never forced
				set := Set{Files: tc.files, Force: force}
				_, preview := Preview(dir, set)
				_, err := Publish(dir, set)
				if (err == nil) != tc.ours || (preview == nil) != tc.ours {
					t.Fatalf("gives %v, a preview %v", err, preview)
				}
				if err == nil {
					mustPublish(t, dir, tc.files...)
					return
				}
				mustAdvise(t, err)
				for path := range tc.there {
					if path != "edge.nft" && !strings.Contains(err.Error(), path) {
						t.Errorf("%s is not named: %v", path, err)
					}
				}
				if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
					t.Error("the folder changed:", diff)
				}
			}
		})
	}
}

func TestEditedByHand(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, output("edge.nft", "1"), file("list.json", "1"))
	write(t, dir, "edge.nft", mark+"\nmine")
	write(t, dir, "list.json", "mine")
	set := Set{Files: []File{output("edge.nft", "2"), file("list.json", "2")}}
	_, err := Publish(dir, set)
	if err == nil {
		t.Fatal("edits were lost")
	}
	mustAdvise(t, err)
	for _, want := range []string{"edge.nft", "list.json", "edited", "--force"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said: %v", want, err)
		}
	}
	set.Force = true
	if _, err := Publish(dir, set); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, dir, set.Files...)
	if err := os.Remove(filepath.Join(dir, "list.json")); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, dir, set.Files...) // what was deleted comes back
}

func TestAnotherTargetsFile(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, output("edge.nft", "1"))
	other := output("edge.nft", "2")
	other.Record.Target = "gw"
	_, err := Publish(dir, Set{Files: []File{other}})
	if err == nil || !strings.Contains(err.Error(), "nft -f edge.remove.nft") {
		t.Fatalf("the target's rules are left behind in silence: %v", err)
	}
	mustAdvise(t, err)
	if _, err := Publish(dir, Set{Files: []File{other}, Force: true}); err != nil {
		t.Error(err)
	}
}

func TestInputsAreNoOutputs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "policy.hcl", mark) // marked: some may name their policy so
	link := filepath.Join(t.TempDir(), "link.hcl")
	inputs := []string{filepath.Join(dir, "policy.hcl"), filepath.Join(dir, "..", filepath.Base(dir), "policy.hcl"), link}
	if err := os.Symlink(inputs[0], link); err != nil {
		inputs = inputs[:2]
	}
	for _, in := range inputs {
		_, err := Publish(dir, Set{Files: []File{output("policy.hcl", "x")}, Inputs: []string{"missing", in}, Force: true})
		if err == nil {
			t.Fatal("the policy was replaced, read as", in)
		}
		mustAdvise(t, err)
	}
}

func TestOrphans(t *testing.T) {
	paths := func(list []Entry) (out []string) {
		for _, e := range list {
			out = append(out, e.Path)
		}
		return out
	}
	in := func(policy string, complete bool, files ...File) Set {
		return Set{Policy: policy, Complete: complete, Files: files}
	}
	a, b, sub := output("a", "1"), output("b", "1"), output("deep/er/c", "1")
	b.Record.Target, sub.Record.Target = "gw", "gw"
	dir := t.TempDir()
	for _, set := range []Set{in("p.hcl", true, a, b, sub), in("q.hcl", true, output("q", "1"))} {
		if _, err := Publish(dir, set); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name string
		set  Set
		want []string
	}{
		{"all are there", in("p.hcl", true, a, b, sub), nil},
		{"another policy", in("r.hcl", true), nil},
		{"only some targets were rendered", in("p.hcl", false, a), nil},
		{"a file of a target that was", in("p.hcl", false, b), []string{"deep/er/c"}},
		{"a target left", in("p.hcl", true, a), []string{"b", "deep/er/c"}},
		{"all left", in("p.hcl", true), []string{"a", "b", "deep/er/c"}},
	} {
		rep, err := Preview(dir, tc.set)
		if diff := cmp.Diff(tc.want, paths(rep.Orphans)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tc.name, err, diff)
		}
	}
	write(t, dir, "b", "edited")
	set := in("p.hcl", true, a)
	set.Prune = true
	rep, err := Publish(dir, set)
	if diff := cmp.Diff([]string{"deep/er/c"}, rep.Pruned); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if diff := cmp.Diff([]string{"b"}, paths(rep.Orphans)); diff != "" {
		t.Error("an edited file is the user's:", diff)
	}
	if !missing(filepath.Join(dir, "deep")) {
		t.Error("an empty folder is left")
	}
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if rep, err = Publish(dir, set); err != nil || len(rep.Orphans) != 0 {
		t.Error(rep, err)
	}
	m, err := ReadManifest(dir)
	if diff := cmp.Diff([]string{"a", "q"}, paths(m)); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// What it was made from is kept with a file that stays as it is.
func TestProvenanceOfUnchangedFiles(t *testing.T) {
	dir := t.TempDir()
	f := output("edge.nft", "1")
	f.Record.Made = []byte(`{"change":"396"}`)
	mustPublish(t, dir, f)
	before, err := os.Stat(filepath.Join(dir, "edge.nft"))
	if err != nil {
		t.Fatal(err)
	}
	f.Record.Current = []byte(`{"change":"398"}`)
	if rep := mustPublish(t, dir, f); rep.Changed() {
		t.Error("changed")
	}
	m, err := ReadManifest(dir)
	if err != nil || string(m[0].Made) != `{"change":"396"}` || string(m[0].Current) != `{"change":"398"}` {
		t.Errorf("%s, %v", m, err)
	}
	if after, err := os.Stat(filepath.Join(dir, "edge.nft")); err != nil || !os.SameFile(before, after) {
		t.Error("the file was touched", err)
	}
}

// A record that cannot be trusted stops the run: edits could be lost.
func TestDamagedManifest(t *testing.T) {
	dir := t.TempDir()
	mustPublish(t, dir, output("edge.nft", "1"), file("list.json", "1"))
	name := filepath.Join(dir, ManifestName)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	set := Set{Files: []File{output("edge.nft", "2"), file("list.json", "2")}}
	for n := range len(whole) - 1 { // the last byte ends the line
		write(t, dir, ManifestName, string(whole[:n]))
		if _, err := Publish(dir, set); err == nil {
			t.Fatalf("published over a record cut at byte %d", n)
		} else if n%97 == 0 {
			mustAdvise(t, err)
		}
	}
	for _, bad := range []string{`{"sallyport_outputs":2,"new":1}`, `{"sallyport_outputs":1,"files":[{"path":"../x"}]}`, "[]", `{"files":[]}`} {
		write(t, dir, ManifestName, bad)
		if _, err := Publish(dir, set); err == nil {
			t.Errorf("taken: %s", bad)
		} else {
			mustAdvise(t, err)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := Publish(dir, set); err == nil || !strings.Contains(err.Error(), "list.json") || strings.Contains(err.Error(), "edge.nft") {
		t.Errorf("without a record, marks count: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	data, err := Manifest{{Path: "a", SHA256: strings.Repeat("0", 64), Record: Record{Target: "t"}}}.bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest("out", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
			return
		}
		again, err := m.bytes()
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseManifest("out", again)
		if err != nil || len(back) != len(m) {
			t.Errorf("%d entries become %d, %v", len(m), len(back), err)
		}
	})
}

// A pipe, or a link, in the place of the lock neither hangs nor makes a file elsewhere:
// see also TestPlantedLinks.
func TestStrangeLock(t *testing.T) {
	need.NotWindows(t, "Windows has no such files")
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "made")
	if err := os.Symlink(elsewhere, filepath.Join(dir, lockName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Publish(dir, Set{Files: []File{file("a", "1")}}); err == nil {
		t.Error("locked through a link")
	} else {
		mustAdvise(t, err)
	}
	if !missing(elsewhere) {
		t.Error("a file was made elsewhere")
	}
}
