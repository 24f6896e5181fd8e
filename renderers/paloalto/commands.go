package paloalto

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ref is the path of one thing of ours in words, and its turn when all is
// deleted: what refers to others goes before them.
type ref struct {
	turn turn
	path string
}

type turn int

// The turns. Rules and groups are deleted at the beginning of each load and made
// anew, because set adds to lists of members and never takes away. A list has
// single values, which set replaces, and may have a user and exceptions that the
// administrator gave it: only its schedule, a choice between elements, is deleted
// first. Address objects and services never change under their names.
const (
	turnRule turn = iota
	turnGroup
	turnChunk // of a group
	turnList
	turnAddress
	turnService
)

// refs is everything that c makes, in the order of deletion.
func (c *config) refs() []ref {
	list := make([]ref, 0, len(c.rules.kids)+c.groups+c.elements)
	add := func(t turn, at string, nodes []*node) {
		for _, e := range nodes {
			own := t
			if t == turnGroup && isChunk(e.name) {
				own = turnChunk
			}
			list = append(list, ref{own, at + word(e.name)})
		}
	}
	add(turnRule, c.r.rulePath()+" ", c.rules.kids)
	for _, k := range []struct {
		kind string
		turn turn
	}{{"address-group", turnGroup}, {"external-list", turnList}, {"address", turnAddress}, {"service", turnService}} {
		at := joinWords(append(slices.Clone(c.r.objectPlace().words), k.kind)) + " "
		add(k.turn, at, c.objects.entriesAt(k.kind))
	}
	return inTurn(list)
}

// inTurn sorts by turns and leaves all else as it is.
func inTurn(list []ref) []ref {
	slices.SortStableFunc(list, func(a, b ref) int { return cmp.Compare(a.turn, b.turn) })
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

// parseRef is the inverse of ref.path, for any place and prefix: it reads what was
// published before, which other options may have shaped.
func parseRef(path string) (ref, error) {
	w, err := splitWords(path)
	if err != nil {
		return ref{}, err
	}
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
	t := turnAddress
	switch strings.Join(w[:len(w)-1], " ") {
	case "rulebase security rules", "pre-rulebase security rules", "post-rulebase security rules":
		t = turnRule
	case "address-group":
		t = turnGroup
		if isChunk(name) {
			t = turnChunk
		}
	case "external-list":
		t = turnList
	case "address":
	case "service":
		t = turnService
	default:
		return ref{}, fmt.Errorf("%q is nothing that this target makes", path)
	}
	return ref{t, path}, nil
}

// retired is what the file published before at the path of the remove file
// deletes and now is not there any more. That file carries its own leftovers in
// the same way, so they stay until the target is removed, however many versions
// were never loaded.
func (r *renderer) retired(now []ref) []ref {
	if r.env.Previous == nil {
		return nil
	}
	old := string(r.env.Previous(r.removePath()))
	if old == "" {
		return nil
	}
	made := make(map[string]bool, len(now))
	for _, n := range now {
		made[n.path] = true
	}
	var list []ref
	for line := range strings.Lines(old) {
		path, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "delete ")
		if !ok {
			continue
		}
		gone, err := parseRef(path)
		if err != nil {
			return nil // not a file of ours
		}
		if !made[path] {
			made[path] = true
			list = append(list, gone)
		}
	}
	return list
}

// schedule is the path of a list's schedule below the list.
const schedule = " type ip recurring"

// deletes are the commands that begin a load (all of it, or what is made anew) or
// a removal.
func deletes(now, retired []ref, everything bool) []string {
	var list []ref
	for _, n := range now {
		switch {
		case everything || n.turn < turnList:
			list = append(list, n)
		case n.turn == turnList:
			list = append(list, ref{n.turn, n.path + schedule})
		}
	}
	list = inTurn(append(list, retired...))
	lines := make([]string, len(list))
	for i, l := range list {
		lines[i] = "delete " + l.path
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
	for _, k := range c.objects.kids {
		if len(k.kids) > 0 && k.elem.kind == entries {
			add(r.objectPlace(), k.name)
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
