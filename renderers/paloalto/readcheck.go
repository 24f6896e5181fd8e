package paloalto

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkScript keeps the two scopes, and checks what the commands around them have
// to do: delete first all that would accumulate, and put the rules in their order.
func (rd *reader) checkScript(s *script, objects, ours *node) error {
	rd.objects, rd.rules = objects, ours.at(rd.r.rulebase(), "security", "rules")
	if rd.rules == nil || len(rd.rules.kids) == 0 {
		return errors.New("no rules")
	}
	for _, k := range ours.kids {
		if k.elem == rulebaseElement && k.name != rd.r.rulebase() {
			return fmt.Errorf("rules in %s", k.name)
		}
	}
	c := &config{r: rd.r, objects: objects, rules: rd.rules}
	for _, n := range c.refs() {
		for _, first := range n.atLoad() {
			if !s.deletes[first.path()] {
				return fmt.Errorf("%s would keep what it held before: it is not deleted first", first.path())
			}
		}
		if n.turn != turnRule && s.deletes[n.path()] {
			return fmt.Errorf("%s is deleted at each load", n.path())
		}
	}
	if err := rd.checkDeletes(s, c); err != nil {
		return err
	}
	var names []string
	for _, e := range rd.rules.kids {
		names = append(names, e.name)
	}
	if !slices.Equal(s.moves, rd.r.moves(names)) {
		return errors.New("the commands that move the rules do not give their order")
	}
	return nil
}

// checkDeletes checks that a load deletes nothing but sallyport's own, and that the remove
// file deletes exactly that.
func (rd *reader) checkDeletes(s *script, c *config) error {
	now := c.refs()
	old := rd.r.retired(now)
	ours := map[string]bool{}
	for _, line := range deletes(now, old, false) {
		ours[strings.TrimPrefix(line, deleteWord)] = true
	}
	for path := range s.deletes {
		if !ours[path] {
			return fmt.Errorf("%s is deleted, and is not ours to delete", path)
		}
	}
	remove, err := parseScript(string(rd.files[rd.r.removePath()]))
	if err != nil {
		return fmt.Errorf("%s: %w", rd.r.removePath(), err)
	}
	want := map[string]bool{}
	for _, line := range deletes(now, old, true) {
		want[strings.TrimPrefix(line, deleteWord)] = true
	}
	if len(remove.sets)+len(remove.loads)+len(remove.moves) > 0 || !maps.Equal(remove.deletes, want) {
		return fmt.Errorf("%s does not remove what is ours, and that alone", rd.r.removePath())
	}
	return nil
}
