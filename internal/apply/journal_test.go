package apply

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func journalOf(t testing.TB, lines ...string) (*Folder, string) {
	t.Helper()
	f, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(f.dir, journalName)
	if err := os.WriteFile(name, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	return f, name
}

const (
	headLine  = `{"sallyport_journal":1}` + "\n"
	begunLine = `{"time":"2026-12-01T00:00:00Z","run":1,"step":"begun","plan":{"kind":"apply","out":"/o","confirm":"5m0s","deploys":[{"name":"edge","target":"edge","kind":"nftables","path":"edge.nft","dir":"/","timeout":"1m0s","files":[]}],"process":{"pid":2}}}` + "\n"
	doneLine  = `{"time":"2026-12-01T00:00:01Z","run":1,"step":"loaded"}` + "\n"
)

// TestJournalIsCutShort cuts a journal at every byte: what was written whole stays, and the
// next line follows it.
func TestJournalIsCutShort(t *testing.T) {
	whole := headLine + begunLine + doneLine
	for n := range len(whole) + 1 {
		f, name := journalOf(t, whole[:n])
		j, err := f.Read()
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		lines := strings.Count(whole[:n], "\n")
		if want := min(max(lines-1, 0), 1); len(j.Runs) != want {
			t.Fatalf("%d bytes: %d runs, want %d", n, len(j.Runs), want)
		}
		if err := f.append(func(*Journal) ([]Event, error) { return []Event{{Step: Noted, Text: "here"}}, nil }); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		data, err := os.ReadFile(name)
		if err != nil || strings.Count(string(data), "\n") != max(lines, 1)+1 || !strings.HasSuffix(string(data), "\"here\"}\n") {
			t.Fatalf("%d bytes: %q, %v", n, data, err)
		}
		if j, err := f.Read(); err != nil || !j.notes["here"] {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// TestJournalIsDamaged holds a journal that makes no sense to an error that says where.
func TestJournalIsDamaged(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no version":     {begunLine, "no version"},
		"newer":          {`{"sallyport_journal":2}` + "\n", "newer sallyport"},
		"no JSON":        {headLine + "what\n", "line 2"},
		"a lost run":     {headLine + doneLine, "there is no run 1"},
		"twice":          {headLine + begunLine + begunLine, "line 3"},
		"a step unknown": {headLine + begunLine + `{"run":1,"step":"what"}` + "\n", `no step "what"`},
	} {
		f, _ := journalOf(t, c.text)
		if _, err := f.Read(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzJournal reads journals that nobody wrote.
func FuzzJournal(f *testing.F) {
	f.Add(headLine + begunLine + doneLine)
	f.Add(headLine + begunLine + `{"run":1,"step":"undone","deploy":"edge","state":"x"}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		folder, _ := journalOf(t, text)
		j, err := folder.Read()
		if err != nil {
			return
		}
		for _, name := range j.Deploys() {
			j.Current(name)
			j.stateNow(name)
		}
		j.Waiting()
	})
}

// TestNeeded keeps what the last runs and every deploy need, and nothing else.
func TestNeeded(t *testing.T) {
	j := &Journal{}
	run := func(deploy, file, state string, last Step, after string) {
		n := len(j.Runs) + 1
		d := Deploy{Name: deploy, Files: []File{{Path: deploy, SHA256: file}}}
		events := []Event{{Run: n, Step: Begun, Plan: &Run{Kind: kindApply, Deploys: []Deploy{d}}}, {Run: n, Step: Loaded, Deploy: deploy, State: state}}
		if after != "" {
			events = append(events, Event{Run: n, Step: last, Deploy: deploy, State: after})
		}
		for _, e := range append(events, Event{Run: n, Step: last}) {
			if err := j.add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	run("a", "fileA", "stateA", Confirmed, "")
	run("b", "fileB", "stateB", Confirmed, "")
	run("b", "gone", "goneState", Undone, "stateB2") // which is what b has now
	run("c", "fileC", "stateC", Confirmed, "")
	got := j.needed(1)
	for _, sum := range []string{"fileA", "stateA", "fileB", "stateB2", "fileC", "stateC"} {
		if !got[sum] {
			t.Errorf("%s is not kept", sum)
		}
	}
	for _, sum := range []string{"gone", "goneState"} {
		if got[sum] {
			t.Errorf("%s is kept", sum)
		}
	}
}

func TestDiffer(t *testing.T) {
	for _, c := range []struct{ was, is, missing, more string }{
		{"", "", "", ""},
		{"a b c", "a b c", "", ""},
		{"a b c", "c b a", "", ""},
		{"a b", "a c", "b", "c"},
		{"a a b", "a b b", "a", "b"},
	} {
		missing, more := Differ(strings.Fields(c.was), strings.Fields(c.is))
		if !slices.Equal(missing, strings.Fields(c.missing)) || !slices.Equal(more, strings.Fields(c.more)) {
			t.Errorf("%q to %q: %q gone, %q new", c.was, c.is, missing, more)
		}
	}
}
