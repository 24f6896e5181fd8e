package report

import (
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sallyport/verifier"
)

// ChangesFormat is the version of the JSON that [WriteChangesJSON] writes. Members may
// be added within a version; none changes its meaning.
const ChangesFormat = "sallyport-changes/1"

// direction is which way a change goes. The values are those of the JSON.
type direction string

const (
	worse   direction = "worse"
	changed direction = "changed" // another verdict, offender or hop, with the same outcome
	better  direction = "better"
	added   direction = "new"
	gone    direction = "gone"
)

var directions = []direction{worse, changed, better, added, gone}

func directionOf(c *verifier.Change) direction {
	switch {
	case c.Before == nil:
		return added
	case c.After == nil:
		return gone
	case c.Worse():
		return worse
	case c.Better():
		return better
	}
	return changed
}

// WriteChangesJSON writes what changed from one report to another for programs.
func WriteChangesJSON(w io.Writer, before, after *verifier.Report) error {
	type run struct {
		Started  time.Time       `json:"started"`
		Machine  string          `json:"machine,omitempty"`
		Plan     verifier.Source `json:"plan"`
		ExitCode int             `json:"exit_code"`
	}
	type change struct {
		Direction direction `json:"change"`
		verifier.Change
	}
	runOf := func(r *verifier.Report) run { return run{r.Started, r.Machine, r.Plan, r.ExitCode()} }
	out := struct {
		Format  string   `json:"format"`
		Before  run      `json:"before"`
		After   run      `json:"after"`
		Changes []change `json:"changes"`
	}{ChangesFormat, runOf(before), runOf(after), []change{}}
	for _, c := range verifier.Compare(before, after) {
		out.Changes = append(out.Changes, change{directionOf(&c), c})
	}
	b, err := json.Marshal(out, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// changeTitles head the list of changes that go one way.
var changeTitles = map[direction]struct {
	title string
	role  Role
}{
	worse: {"Worse", Bad}, changed: {"Otherwise than before", Doubt}, better: {"Better", Good},
	added: {"New", Heading}, gone: {"No longer verified", Doubt},
}

// WriteChanges writes what changed from one report to another for people, what became
// worse first.
func WriteChanges(w io.Writer, before, after *verifier.Report, opt TextOptions) error {
	p := newPrinter(opt)
	p.labelled("before", fmt.Sprintf("%s, %s", moment(before.Started), subject(before)))
	p.labelled("after", fmt.Sprintf("%s, %s", moment(after.Started), subject(after)))
	if clean(before.Machine) != clean(after.Machine) {
		p.labelled("note", fmt.Sprintf("the reports are of two machines, %q and %q", clean(before.Machine), clean(after.Machine)))
	}
	all, n := verifier.Compare(before, after), map[direction]int{}
	for _, d := range directions {
		for i := range all {
			if directionOf(&all[i]) != d {
				continue
			}
			if n[d]++; n[d] == 1 {
				p.line("\n%s", p.paint(changeTitles[d].role, changeTitles[d].title))
			}
			p.change(&all[i])
		}
	}
	if len(all) == 0 {
		p.line("\nNothing changed in %s.", plural(len(after.Findings), "finding"))
		return p.writeTo(w)
	}
	var parts []string
	for _, d := range directions {
		if n[d] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[d], d))
		}
	}
	p.b.WriteString("\n")
	p.hang(plain, plural(len(all), "change")+": "+list(parts)+".", 0)
	return p.writeTo(w)
}

func (p *printer) change(c *verifier.Change) {
	f := c.After
	if f == nil {
		f = c.Before
	}
	p.b.WriteString("  ")
	title := about(f)
	if f.Rule != "" {
		title += ", rule " + clean(f.Rule)
	}
	p.hang(Heading, title, 2)
	side := func(label string, f *verifier.Finding) {
		if f == nil {
			return
		}
		p.b.WriteString("    " + p.paint(Faint, pad(label, 6)) + "  " + p.paint(roleOf(f.Outcome), pad(outcomeWord(f.Outcome), 12)) + "  ")
		p.hang(plain, seen(f), 26)
	}
	side("before", c.Before)
	side("after", c.After)
	if c.After != nil && c.After.Remedy != "" {
		p.b.WriteString("    " + p.paint(Faint, "do") + "      ")
		p.hang(plain, clean(c.After.Remedy), 12)
	}
}
