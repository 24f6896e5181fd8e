package paloalto

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ref is the command that deletes one of our things, and its turn when all is deleted:
// what refers to others goes before them.
type ref struct {
	turn turn
	line string
}

const deleteWord, setWord = "delete ", "set "

// path is that of the thing, in words.
func (n ref) path() string { return n.line[len(deleteWord):] }

type turn int

// The turns. Rules are deleted at the beginning of each load and made anew: nothing
// refers to them. All else may be in use by the administrator's rules and groups, and then
// PAN-OS refuses to delete it. So a thing that stays is never deleted; only those of its
// parts are (resets) that set would add to or leave as they were: members, tags, and
// optional parts of a list. Set replaces single values. What the administrator gave a list
// (a user, exceptions) stays.
const (
	turnRule turn = iota
	turnGroup
	turnChunk // of a group
	turnList
	turnURLs // a list of URLs
	turnCategory
	turnAddress
	turnService
)

// refs is everything that c makes, in the order of deletion.
func (c *config) refs() []ref {
	list := make([]ref, 0, len(c.rules.kids)+c.groups+c.elements)
	at := deleteWord + c.r.rulePath() + " "
	for _, e := range c.rules.kids {
		list = append(list, ref{turnRule, at + word(e.name)})
	}
	for _, kind := range c.kinds() {
		at := deleteWord + joinWords(slices.Concat(c.r.objectPlace().words, kind)) + " "
		path := strings.Join(kind, " ")
		for _, e := range c.objects.entriesAt(kind...) {
			t, _ := turnOf(path, e.name)
			list = append(list, ref{t, at + word(e.name)})
		}
	}
	return inTurn(list)
}

// kinds are the paths below the scope of the kinds of objects that there are.
func (c *config) kinds() [][]string {
	var list [][]string
	for _, k := range c.objects.kids {
		if k.elem.kind == entries {
			list = append(list, []string{k.name})
		} else if k.name == "profiles" {
			for _, p := range k.kids {
				list = append(list, []string{k.name, p.name})
			}
		}
	}
	return list
}

// turnOf is the turn of our thing called name, of a kind by its path below the
// scope; false where we make no such kind.
func turnOf(kind, name string) (turn, bool) {
	switch kind {
	case "rulebase security rules", "pre-rulebase security rules", "post-rulebase security rules":
		return turnRule, true
	case "address-group":
		if isChunk(name) {
			return turnChunk, true
		}
		return turnGroup, true
	case "external-list":
		if strings.HasSuffix(name, urlsEnding) {
			return turnURLs, true
		}
		return turnList, true
	case "profiles custom-url-category":
		return turnCategory, true
	case "address":
		return turnAddress, true
	case "service":
		return turnService, true
	}
	return 0, false
}

// inTurn sorts by turns and leaves all else as it is.
func inTurn(list []ref) []ref {
	byTurn := func(a, b ref) int { return cmp.Compare(a.turn, b.turn) }
	if !slices.IsSortedFunc(list, byTurn) {
		slices.SortStableFunc(list, byTurn)
	}
	return list
}

// rulePath is the path in words of the rules.
func (r *renderer) rulePath() string {
	return joinWords(append(slices.Clone(r.rulePlace().words), r.rulebase(), "security", "rules"))
}

func joinWords(words []string) string {
	var b []byte
	for i, w := range words {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendWord(b, w)
	}
	return string(b)
}

// parseRef is the inverse of path, for any place and prefix: it reads what was
// published before, which other options may have shaped.
func parseRef(path string) (ref, error) {
	all, err := splitWords(path)
	if err != nil {
		return ref{}, err
	}
	w := all
	switch {
	case len(w) > 1 && w[0] == "shared":
		w = w[1:]
	case len(w) > 2 && (w[0] == "vsys" || w[0] == "device-group"):
		w = w[2:]
	}
	name := w[len(w)-1]
	if !isName(name, maxName) {
		return ref{}, fmt.Errorf("%q is no name", name)
	}
	t, ok := turnOf(strings.Join(w[:len(w)-1], " "), name)
	if !ok {
		return ref{}, fmt.Errorf("%q is nothing that this target makes", path)
	}
	return ref{t, deleteWord + joinWords(all)}, nil // one way to write it, to know it again
}

// retired is what the remove file published before deletes and this version no
// longer makes. That file carries its own leftovers in
// the same way, so they stay until the target is removed, however many versions
// were never loaded.
func (r *renderer) retired(now []ref) []ref {
	old := string(r.env.Previous(r.removePath()))
	if old == "" {
		return nil
	}
	made := make(map[string]bool, len(now))
	for _, n := range now {
		made[n.path()] = true
	}
	var list []ref
	for line := range strings.Lines(old) {
		path, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), deleteWord)
		if !ok {
			continue
		}
		gone, err := parseRef(path)
		if err != nil {
			return nil // not one of our files
		}
		if !made[gone.path()] {
			made[gone.path()] = true
			list = append(list, gone)
		}
	}
	return list
}

// resets are the parts of a thing that a load deletes before it sets them, as paths
// below it: what set adds to, and what other options leave out. What an address
// object or a service matches never changes under its name.
var resets = map[turn][]string{
	turnGroup:    {"static", "tag"},
	turnChunk:    {"static", "tag"},
	turnList:     {"type ip recurring", "type ip certificate-profile"},
	turnURLs:     {"type url recurring", "type url certificate-profile"},
	turnCategory: {"list"},
	turnService:  {"tag"},
}

// atLoad are the paths that a load deletes of a thing that stays: all of a rule, and
// the parts of all else.
func (n ref) atLoad() []ref {
	if n.turn == turnRule {
		return []ref{n}
	}
	var list []ref
	for _, part := range resets[n.turn] {
		list = append(list, ref{n.turn, n.line + " " + part})
	}
	return list
}

// deletes are the commands that begin a load, or a removal: of what is there now, and
// of what earlier versions made.
func deletes(now, retired []ref, everything bool) []string {
	var list []ref
	for _, n := range now {
		if everything {
			list = append(list, n)
		} else {
			list = append(list, n.atLoad()...)
		}
	}
	list = inTurn(append(list, retired...))
	lines := make([]string, len(list))
	for i, l := range list {
		lines[i] = l.line
	}
	return lines
}

// moves puts our rules where the policy wants them: the first by its position,
// each other one after the one before.
func (r *renderer) moves(rules []string) []string {
	where, anchor, named := strings.Cut(r.opt.Position, " ")
	if named {
		where += " " + word(anchor)
	}
	var lines []string
	for _, name := range rules {
		lines = append(lines, fmt.Sprintf("move %s %s %s", r.rulePath(), word(name), where))
		where = "after " + word(name)
	}
	return lines
}

// loads are the commands that merge the sections of the imported XML file into
// the candidate configuration.
func (r *renderer) loads(c *config) []string {
	var lines []string
	add := func(p place, steps ...string) {
		at := xpath(append(slices.Clone(p.path), steps...))
		lines = append(lines, fmt.Sprintf("load config partial from %s from-xpath %s to-xpath %s mode merge",
			word(fileName(r.main)), word(at), word("/config/"+at)))
	}
	for _, kind := range c.kinds() {
		if len(c.objects.entriesAt(kind...)) > 0 {
			add(r.objectPlace(), kind...)
		}
	}
	add(r.rulePlace(), r.rulebase(), "security", "rules")
	return lines
}

// xpath writes a path of elements; below devices, vsys and device-group every
// second step is an entry's name.
func xpath(path []string) string {
	var b strings.Builder
	named := false
	for i, step := range path {
		switch {
		case named:
			fmt.Fprintf(&b, "/entry[@name='%s']", step)
		case i > 0:
			b.WriteString("/" + step)
		default:
			b.WriteString(step)
		}
		named = !named && (step == "devices" || step == "vsys" || step == "device-group")
	}
	return b.String()
}
