package policy

import (
	"fmt"
	"strings"

	"sallyport/rules"
)

// noteArguments are what a rule, and a target that is a list of routes, can say of itself
// to people. Each is a field of rules.Notes.
var noteArguments = []string{"description", "ticket"}

// notes evaluates the notes of a block. It reports whether nothing is wrong with them.
func (c *compiler) notes(d *decl, n *rules.Notes) bool {
	var described, ticketed bool
	n.Description, described = c.textOr(d, "description", "")
	n.Ticket, ticketed = c.ticket(d)
	return described && ticketed
}

// maxTicket bounds a ticket, so that it leaves room for the description in one line.
const maxTicket = 64

// ticket evaluates the ticket of a block, which every target can write as it is.
func (c *compiler) ticket(d *decl) (string, bool) {
	a := d.attr("ticket")
	if a == nil {
		return "", true
	}
	s, ok := c.text(a)
	if !ok {
		return "", false
	}
	const form = `write the ticket's name on one line, such as ticket = "CHG-1234"`
	switch odd := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }); {
	case strings.TrimSpace(s) == "":
		c.error(a.Expr.Range(), "ticket is empty", "", form+", or remove the argument")
	case odd >= 0:
		c.error(a.Expr.Range(), fmt.Sprintf("ticket holds %.20q", []rune(s[odd:])[0]), "Not every target can write it: a ticket is printable ASCII.", form)
	case len(s) > maxTicket:
		c.error(a.Expr.Range(), fmt.Sprintf("ticket has %d characters, and %d are the most", len(s), maxTicket), "", form)
	default:
		return s, true
	}
	return "", false
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
