package paloalto

import (
	"errors"
	"fmt"
	"strings"
)

// script is what a file of commands says, in the three parts that it has.
type script struct {
	deletes map[string]bool // paths
	sets    [][]string      // the words of each, without the first
	loads   []string
	moves   []string
}

// parseScript reads a file of commands. It is strict: a command that is unknown
// or out of its turn is an error.
func parseScript(src string) (*script, error) {
	s := &script{deletes: map[string]bool{}}
	number := 0
	for line := range strings.Lines(src) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.command(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return s, nil
}

func (s *script) command(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "delete":
		if len(s.sets)+len(s.loads)+len(s.moves) > 0 {
			return errors.New("a delete after what it could delete again")
		}
		_, err := parseRef(rest)
		if err != nil && isReset(rest) {
			err = nil
		}
		s.deletes[rest] = true
		return err
	case "set":
		if len(s.moves) > 0 {
			return errors.New("a set after the moves")
		}
		words, err := splitWords(rest)
		s.sets = append(s.sets, words)
		return err
	case "load":
		if len(s.moves) > 0 {
			return errors.New("a load after the moves")
		}
		s.loads = append(s.loads, line)
	case "move":
		s.moves = append(s.moves, line)
	default:
		return fmt.Errorf("unknown command %.40q", verb)
	}
	return nil
}

// splitWords divides a command at its blanks; quotes hold a word together.
func splitWords(line string) ([]string, error) {
	if !strings.Contains(line, `"`) {
		if w := strings.Fields(line); len(w) > 0 {
			return w, nil
		}
		return nil, errors.New("a command without words")
	}
	var words []string
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		if line[0] != '"' {
			w, rest, _ := strings.Cut(line, " ")
			if strings.Contains(w, `"`) {
				return nil, fmt.Errorf("a quote inside of %.40q", w)
			}
			words, line = append(words, w), rest
			continue
		}
		w, rest, ok := strings.Cut(line[1:], `"`)
		if !ok || rest != "" && rest[0] != ' ' {
			return nil, errors.New("a quoted word does not end")
		}
		words, line = append(words, w), rest
	}
	return words, nil
}

// apply carries out a set command below n.
func (n *node) apply(words []string) error {
	for len(words) > 0 && (n.elem.kind == branch || n.elem.kind == entries) {
		k, err := n.child(words[0])
		if err != nil {
			return err
		}
		n, words = k, words[1:]
	}
	return n.fill(words)
}

// applyRule carries out a set command below n, the entries of a rule base. What makes a
// rule has to say all that narrows it: were the category of a rule, say, in a command of
// its own, then without it, or once it has failed, the rule would go to any address.
func (n *node) applyRule(words []string) error {
	if len(words) < 3 {
		return errors.New("a rule without fields")
	}
	old := n.find(words[0])
	rule, err := n.child(words[0])
	if err != nil {
		return err
	}
	said := map[string]bool{}
	for words = words[1:]; len(words) > 0; {
		field, leaf := words[0], rule
		for leaf.elem.kind == branch {
			if len(words) < 2 {
				return fmt.Errorf("no value for %q", field)
			}
			if leaf, err = leaf.child(words[0]); err != nil {
				return err
			}
			words = words[1:]
		}
		if said[field] {
			return fmt.Errorf("%q twice in one command", field)
		}
		said[field] = true
		if err := leaf.fill(words[:1]); err != nil {
			return err
		}
		words = words[1:]
		if old != nil && (leaf.elem.kind != members || len(leaf.values) < 2 || field == "category" || len(words) > 0) {
			return fmt.Errorf("%q of a rule that is there already", field)
		}
	}
	for _, field := range []string{"from", "to", "source", "destination", "service", "application", "action"} {
		if old == nil && !said[field] {
			return fmt.Errorf("a rule that begins without %q", field)
		}
	}
	return nil
}

// fill gives a leaf its values.
func (n *node) fill(values []string) error {
	if len(values) > 2 && values[0] == "[" && values[len(values)-1] == "]" {
		values = values[1 : len(values)-1]
	}
	switch {
	case n.elem.kind == flag && len(values) == 0:
		return nil
	case n.elem.kind == text && len(values) == 1 && len(n.values) == 0:
	case n.elem.kind == members && len(values) > 0:
	default:
		return fmt.Errorf("%d values in %q", len(values), n.name)
	}
	n.values = append(n.values, values...)
	return nil
}
