// Package hostlist renders rules to host names as a plain list, one name a line, for
// the proxies and DNS filters that decide by name.
//
// The list itself holds names alone. What they are for (the action, and protocols with
// their ports) is the same for the whole file and stands in a comment, which the
// program's own rule has to repeat; sources have no place at all and are refused. So one
// file is one list of the program's: rules that differ in more than their names need a
// target each.
package hostlist

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Style string `policy:"style" doc:"how all names under a domain are written: star, *.example.com; dot, .example.com, which holds example.com too"`
}

var info = renderers.Info{
	Name:    "hostlist",
	Title:   "Host names",
	Summary: "a plain list of host names for proxies and DNS filters",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Allow, rules.Deny},
		Defaults: []rules.Verdict{rules.Continue},
		Names:    true, Wildcards: true, OnlyNames: true, Ports: true, ICMP: true, Protocols: true,
	},
	Load:      renderers.NotLoaded,
	Extension: ".txt",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, Options{Style: "star"}, build) }

type renderer struct {
	path string
	dot  bool
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	if opt.Style != "star" && opt.Style != "dot" {
		return nil, &renderers.OptionError{Option: "style", Cause: fmt.Sprintf("no style %.60q", opt.Style), Fix: `"star" or "dot"`}
	}
	r := &renderer{path: env.Path, dot: opt.Style == "dot"}
	return &renderers.Target{Renderer: r}, nil
}

// mark begins the comment that says what the list is for.
const mark = "names: "

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	names, err := union(p)
	if err != nil {
		return nil, err
	}
	lines := names
	if r.dot {
		if lines, err = dotted(&p.Rules[0], names); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for _, l := range append(renderers.Header(p), renderers.NoteLines(p)...) {
		b.WriteString("# " + l + "\n")
	}
	fmt.Fprintf(&b, "# %s%s\n", mark, purpose(p))
	b.WriteString("# a list holds names alone: let your program's own rule say the action and the ports\n")
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	return []renderers.File{{Path: r.path, Mode: fs.FileMode(0o644), Data: []byte(b.String())}}, nil
}

// union is the names of all rules, which have to be alike in all else.
func union(p *rules.Plan) ([]string, error) {
	if len(p.Rules) == 0 {
		return nil, errors.New("the plan has no rule")
	}
	first := &p.Rules[0]
	var names []string
	for i := range p.Rules {
		rule := &p.Rules[i]
		if rule.ActionWord() != first.ActionWord() || rule.ServiceText() != first.ServiceText() {
			return nil, rule.Refuse(fmt.Sprintf("one list has one action and one set of ports: %s is %s %s, and %s is %s %s",
				first.Name, first.ActionWord(), first.ServiceText(), rule.Name, rule.ActionWord(), rule.ServiceText()),
				"give each of them a target of its own, with rules = [rule.NAME]")
		}
		names = append(names, rule.To.Patterns()...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// dotted writes *.example.com as .example.com. Programs take that for example.com as
// well (Squid, acl dstdomain, 2026-11-23), so the name itself has to be meant, too; and
// they refuse or warn of names that another line holds already, so those are left out.
func dotted(first *rules.Rule, names []string) ([]string, error) {
	var out []string
	for _, n := range names {
		ending, wild := strings.CutPrefix(n, "*")
		base, atDot := strings.CutPrefix(ending, ".")
		switch {
		case wild && underAnother(names, base): // all of it, whatever it would hold besides
		case wild && !atDot:
			return nil, first.Refuse(fmt.Sprintf("a dot cannot say %s", n), `use style = "star"`)
		case wild && !slices.Contains(names, base):
			return nil, first.Refuse(fmt.Sprintf("%s, written with a dot, would hold %s as well, and no rule goes there", n, base),
				fmt.Sprintf("list %q too where it is meant, or use style = \"star\"", base))
		case wild:
			out = append(out, ending)
		case !wild && !slices.Contains(names, "*."+n) && !underAnother(names, n):
			out = append(out, n)
		}
	}
	return out, nil
}

// underAnother reports whether a wildcard of names holds name.
func underAnother(names []string, name string) bool {
	for {
		_, rest, more := strings.Cut(name, ".")
		if !more {
			return false
		}
		if slices.Contains(names, "*."+rest) {
			return true
		}
		name = rest
	}
}

// purpose is what the list is for, on one line.
func purpose(p *rules.Plan) string {
	return fmt.Sprintf("%s %s of %s", p.Rules[0].ActionWord(), p.Rules[0].ServiceText(), p.Families)
}

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	file, err := renderers.FileAt(files, r.path)
	if err != nil {
		return nil, err
	}
	comments, lines := renderers.Uncomment(file.Data, "#")
	p := &rules.Plan{Rules: []rules.Rule{{Name: "names", From: rules.Any()}}}
	for _, c := range comments {
		text, ok := strings.CutPrefix(c, mark)
		if !ok {
			continue
		}
		if p.Families != 0 {
			return nil, fmt.Errorf("two lines begin with %q", mark)
		}
		if err := readPurpose(p, text); err != nil {
			return nil, fmt.Errorf("%q: %w", c, err)
		}
	}
	if p.Families == 0 {
		return nil, fmt.Errorf("no line begins with %q", mark)
	}
	if r.dot {
		for _, l := range slices.Clone(lines) {
			if base, ok := strings.CutPrefix(l, "."); ok {
				lines = append(lines, "*"+l, base)
			}
		}
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, ".") })
	}
	if len(lines) == 0 {
		return nil, errors.New("the list is empty")
	}
	for _, l := range lines {
		if !renderers.IsHostPattern(l) {
			return nil, fmt.Errorf("%.80q is no host name", l)
		}
	}
	p.Rules[0].To = rules.Named("names", lines)
	return p, nil
}

// readPurpose is the inverse of purpose.
func readPurpose(p *rules.Plan, text string) error {
	for _, f := range []rules.Families{rules.OnlyIPv4, rules.OnlyIPv6, rules.BothFamilies} {
		if before, ok := strings.CutSuffix(text, " of "+f.String()); ok {
			text, p.Families = before, f
			break
		}
	}
	action, list, _ := strings.Cut(text, " ")
	rule := &p.Rules[0]
	switch action {
	case "allow":
		rule.Verdict = rules.Allow
	case "deny":
		rule.Verdict = rules.Deny
	default:
		return fmt.Errorf("no action %q", action)
	}
	var err error
	rule.Services, err = rules.ParseServices("names", list)
	return err
}
