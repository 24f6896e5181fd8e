package renderers

import (
	"strings"

	"sallyport/rules"
)

// RuleNote is what the author of r says of it, fit for a comment of any target as Clean
// makes it: one line of printable ASCII, at most 200 bytes. It is empty where the author
// says nothing. All targets show it, so that a note reaches each of them from here.
func RuleNote(r *rules.Rule) string {
	n := CleanNotes(r.Notes)
	var parts []string
	for _, part := range []struct{ word, text string }{{"ticket ", n.Ticket}, {"", n.Description}} {
		if part.text != "" {
			parts = append(parts, part.word+part.text)
		}
	}
	return Clean(strings.Join(parts, "; "))
}

// CleanNotes is n with each text fit for a comment, for formats that have a place for each.
func CleanNotes(n rules.Notes) rules.Notes {
	for _, text := range []*string{&n.Description, &n.Ticket} {
		*text = Clean(strings.Join(strings.Fields(*text), " "))
	}
	return n
}

// NoteLines is the notes of the plan's rules, a line for each rule that has some, for the
// comments at the top of a file.
func NoteLines(p *rules.Plan) []string {
	var lines []string
	for i := range p.Rules {
		if note := RuleNote(&p.Rules[i]); note != "" {
			lines = append(lines, "rule "+Clean(p.Rules[i].Name)+": "+note)
		}
	}
	return lines
}
