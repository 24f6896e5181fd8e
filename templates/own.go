package templates

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"text/template"
	"text/template/parse"
)

// Bounds of a template of the user's. text/template has none: a loop can go on for ever,
// and a variable can double until memory ends. They hold for one execution and are
// counted, not timed, so that equal inputs end in the same way on every machine.
const (
	maxSteps  = 5_000_000 // turns of loops and calls of templates
	maxText   = 64 << 20  // bytes that functions make
	maxOutput = 64 << 20  // bytes that are written
)

// budget is what is left for an execution.
type budget struct{ steps, text int }

var (
	errSteps  = fmt.Errorf("it takes more than %d steps: shorten its loops", maxSteps)
	errText   = fmt.Errorf("it makes more than %d MiB of text: shorten what it prints", maxText>>20)
	errOutput = fmt.Errorf("it writes more than %d MiB: shorten what it prints", maxOutput>>20)
)

// Own parses a template of the user's, which is executed once, with Execute.
func Own(name, src string) (*template.Template, error) {
	return own(name, src, &budget{maxSteps, maxText})
}

func own(name, src string, left *budget) (*template.Template, error) {
	t, err := parseWith(name, src, template.FuncMap{
		stepName: left.step,
		// What makes text does so within the budget. The names are those of
		// text/template's own functions.
		"print":    func(args ...any) (string, error) { return left.sprint(fmt.Sprint, args) },
		"println":  func(args ...any) (string, error) { return left.sprint(fmt.Sprintln, args) },
		"printf":   left.printf,
		"html":     func(args ...any) (string, error) { return left.sprint(template.HTMLEscaper, args) },
		"js":       func(args ...any) (string, error) { return left.sprint(template.JSEscaper, args) },
		"urlquery": func(args ...any) (string, error) { return left.sprint(template.URLQueryEscaper, args) },
		"lines":    left.lines,
		"join":     left.join,
	})
	if err != nil {
		return nil, err
	}
	step, err := template.New("step").Funcs(template.FuncMap{stepName: left.step}).Parse("{{" + stepName + "}}")
	if err != nil {
		return nil, err
	}
	for _, each := range t.Templates() {
		if each.Tree != nil && each.Root != nil {
			count(each.Root, step.Root.Nodes[0])
			each.Root.Nodes = append([]parse.Node{step.Root.Nodes[0]}, each.Root.Nodes...)
		}
	}
	return t, nil
}

const stepName = "sallyport_step"

// count puts step in front of each turn of each loop below list.
func count(list *parse.ListNode, step parse.Node) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.IfNode:
			count(n.List, step)
			count(n.ElseList, step)
		case *parse.WithNode:
			count(n.List, step)
			count(n.ElseList, step)
		case *parse.RangeNode:
			count(n.List, step)
			count(n.ElseList, step)
			n.List.Nodes = append([]parse.Node{step}, n.List.Nodes...)
		}
	}
}

func (b *budget) step() (string, error) {
	if b.steps--; b.steps < 0 {
		return "", errSteps
	}
	return "", nil
}

// take takes n bytes of the budget.
func (b *budget) take(n int) error {
	if n > b.text {
		return errText
	}
	b.text -= n
	return nil
}

// longest is how long the longest of args can be as text. What is neither text nor small
// comes from the plan, which bounds its size.
func longest(args []any) (n, sum int) {
	for _, a := range args {
		size := 64
		switch a := a.(type) {
		case string:
			size = len(a)
		case []byte:
			size = len(a)
		case []string:
			for _, s := range a {
				size += len(s) + 1
			}
		}
		n, sum = max(n, size), sum+size
	}
	return n, sum
}

// maxEscape is how much longer an escaped text can be.
const maxEscape = 6

func (b *budget) sprint(f func(...any) string, args []any) (string, error) {
	_, sum := longest(args)
	if sum > maxText/maxEscape {
		return "", errText
	}
	s := f(args...)
	return s, b.take(len(s))
}

// printf bounds what comes out before it is made: each verb writes at most the longest
// argument or its width.
func (b *budget) printf(format string, args ...any) (string, error) {
	n, _ := longest(args)
	width, verbs := 0, strings.Count(format, "%")
	for i := 0; i < len(format); i++ {
		number := 0
		for ; i < len(format) && format[i] >= '0' && format[i] <= '9'; i++ {
			number = min(number*10+int(format[i]-'0'), maxText)
		}
		width = max(width, number)
	}
	if strings.Contains(format, "*") {
		width = 1_000_000 // what fmt allows
	}
	if verbs > 0 && (n*4+width) > (maxText-len(format))/verbs { // %q writes four bytes for one
		return "", errText
	}
	s := fmt.Sprintf(format, args...)
	return s, b.take(len(s))
}

func (b *budget) lines(prefix string, list []string) (string, error) {
	size := len(list) * (len(prefix) + 1)
	for _, l := range list {
		size += len(l)
	}
	if err := b.take(size); err != nil {
		return "", err
	}
	return prefixLines(prefix, list), nil
}

func (b *budget) join(list []string, sep string) (string, error) {
	size := len(list) * len(sep)
	for _, l := range list {
		size += len(l)
	}
	if err := b.take(size); err != nil {
		return "", err
	}
	return strings.Join(list, sep), nil
}

// Execute fills in a template with data. What a template of the user's writes is bounded.
func Execute(t *template.Template, users bool, data any) ([]byte, error) {
	out := bounded{most: math.MaxInt}
	if users {
		out.most = maxOutput
	}
	if err := t.Execute(&out, data); err != nil {
		for _, bound := range []error{errSteps, errText, errOutput} {
			if errors.Is(err, bound) {
				return nil, fmt.Errorf("template %s: %w", t.Name(), bound)
			}
		}
		return nil, fmt.Errorf("%w: correct the template", err)
	}
	return out.Bytes(), nil
}

// bounded is a buffer that takes so many bytes.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, errOutput
	}
	return b.Buffer.Write(p)
}
