package policy

import (
	"fmt"

	"sallyport/rules"
)

// noteArguments are what a rule, and a target that is a list of routes, can say of itself
// to people. Each is a field of rules.Notes.
var noteArguments = []string{"description"}

// notes evaluates the notes of a block. It reports whether nothing is wrong with them.
func (c *compiler) notes(d *decl, n *rules.Notes) bool {
	var ok bool
	n.Description, ok = c.textOr(d, "description", "")
	return ok
}

// noNotes reports notes of a target that could be a list of routes and carries rules: its
// rules have them. Other kinds have no such arguments.
func (t *target) noNotes() bool {
	good := true
	if t.kind.Class&Routes == 0 {
		return good
	}
	for _, name := range noteArguments {
		if a := t.d.attr(name); a != nil {
			t.c.error(a.NameRange, fmt.Sprintf("a target with rules has no %s", name), "Only a list of routes has one of its own.", "write it in the rules")
			good = false
		}
	}
	return good
}
