package paloalto

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"sallyport/renderers"
)

// commandLines are the lines of a file of commands that the device takes.
func commandLines(src []byte) []string {
	_, lines := renderers.Uncomment(bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")), "#")
	return lines
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

// applyRule carries out a set command below n, the entries of a rule base, that says several
// fields of a rule.
func (n *node) applyRule(words []string) error {
	rule, err := n.child(words[0])
	for words = words[1:]; err == nil && len(words) > 0; {
		leaf := rule
		for err == nil && leaf.elem.kind == branch && len(words) > 1 {
			leaf, err = leaf.child(words[0])
			words = words[1:]
		}
		if err == nil {
			err = leaf.fill(words[:1])
			words = words[1:]
		}
	}
	return err
}

// fill gives a leaf its values.
func (n *node) fill(values []string) error {
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
