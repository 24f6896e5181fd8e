package f5

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. It reads the lists, and holds the rest to the
// script that would be written for them.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	return renderers.ReadFile(files, r.env.Path, r.read)
}

func (r *renderer) read(data []byte) (*rules.Plan, error) {
	header, body, ok := strings.Cut(string(data), "\n\n")
	if !ok || !strings.HasPrefix(header, "#!/bin/sh\n") {
		return nil, errors.New("it does not begin as a script of ours")
	}
	comments, lines := renderers.Uncomment([]byte(header), "#")
	if len(lines) > 0 {
		return nil, fmt.Errorf("%.80q stands in its header", lines[0])
	}
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	var b ipranges.Builder
	for _, f := range fams.List() {
		if err := readList(&b, body, f); err != nil {
			return nil, err
		}
	}
	if b.Set().IsEmpty() {
		return nil, errors.New("there is no route")
	}
	want, err := r.body(b.Set(), v, fams)
	if err != nil {
		return nil, err
	}
	if "\n"+body != string(want) {
		return nil, errors.New("it is not the script that sallyport writes for these routes")
	}
	return rules.RoutePlan(r.env.Name, fams, v, b.Set()), nil
}

func readList(b *ipranges.Builder, body string, f ipranges.Family) error {
	_, rest, ok := strings.Cut(body, "\n"+variables[f]+"='\n")
	if !ok {
		return fmt.Errorf("there is no list of %s", f)
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		if line == "'" {
			return nil
		}
		text, opened := strings.CutPrefix(line, open)
		text, ended := strings.CutSuffix(text, end)
		p, err := ipranges.ParsePrefix(text)
		switch {
		case !opened || !ended:
			return fmt.Errorf("%.80q is no subnet", line)
		case err == nil && ipranges.FamilyOf(p.Addr()) != f:
			return fmt.Errorf("%s stands in the list of %s", p, f)
		case err == nil:
			err = b.AddPrefix(p)
		}
		if err != nil {
			return fmt.Errorf("%.80q: %w", line, err)
		}
	}
	return fmt.Errorf("the list of %s does not end", f)
}

// leftBehind is an error where the script published before made a list that this one
// does not replace: on another resource, of the other direction, of a family or of names.
func (r *renderer) leftBehind(body []byte) error {
	if r.env.Previous == nil {
		return nil
	}
	resource, before := properties(r.env.Previous(r.env.Path))
	same, now := properties(body)
	var old []string
	for _, p := range before {
		if resource != same || !slices.Contains(now, p) {
			old = append(old, p+" none")
		}
	}
	if len(old) == 0 {
		return nil
	}
	file := renderers.Clean(r.env.Path)
	return &rules.RuleError{Cause: fmt.Sprintf("%s of an earlier run makes lists that this one leaves alone: they would stay on %s", file, renderers.Clean(resource)),
		Fix: fmt.Sprintf("where it is loaded, run: %s%s %s; then delete %s and run again", modify, renderers.Clean(resource), strings.Join(old, " "), file)}
}

const modify = "tmsh modify /apm resource network-access "

// properties are the resource of a script, and the lists that it makes there.
func properties(script []byte) (resource string, list []string) {
	_, rest, ok := bytes.Cut(script, []byte("\n"+modify))
	if !ok {
		return "", nil
	}
	words := strings.Fields(string(rest))
	if len(words) == 0 {
		return "", nil
	}
	for _, w := range words[1:] {
		if strings.HasPrefix(w, "address-space-") || strings.HasPrefix(w, "ipv6-address-space-") {
			list = append(list, w)
		}
	}
	return words[0], list
}
