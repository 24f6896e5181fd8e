package paloalto

import (
	"errors"
	"fmt"
	"slices"

	"sallyport/renderers"
)

// check keeps the two scopes, and holds the commands to what is written for them: first
// they delete all that would accumulate, then the body makes or loads what there is, and at
// last the rules are put in their order. The remove file deletes what is ours, and that alone.
func (rd *reader) check(file string, objects, ours *node, body func(*config) []string) error {
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
	now := c.refs()
	old := rd.r.retired(now)
	var names []string
	for _, e := range rd.rules.kids {
		names = append(names, e.name)
	}
	err := renderers.SameLines(commandLines(rd.files[file]), slices.Concat(deletes(now, old, false), body(c), rd.r.moves(names)))
	if err == nil {
		file = rd.r.removePath()
		err = renderers.SameLines(commandLines(rd.files[file]), deletes(now, old, true))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
