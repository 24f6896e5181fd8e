package globalprotect

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// list is what a file lists, as read.
type list struct {
	routes  ipranges.Builder
	domains []string
}

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	f, err := renderers.FileAt(files, r.main)
	if err != nil {
		return nil, err
	}
	comments, lines := renderers.Uncomment(f.Data, "#")
	if r.opt.Form == formXML {
		if comments, err = xmlComments(f.Data); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	var got list
	if r.opt.Form == formXML {
		err = r.readTree(&got, f.Data, v)
	} else {
		err = r.readCommands(&got, lines, v)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	if r.opt.Form == formXML {
		if err := r.readScript(files, v); err != nil {
			return nil, err
		}
	}
	return r.plan(&got, v, fams)
}

// readScript holds the file that loads the tree to the commands for it.
func (r *renderer) readScript(files []renderers.File, v rules.Verdict) error {
	f, err := renderers.FileAt(files, r.script)
	if err != nil {
		return err
	}
	_, lines := renderers.Uncomment(f.Data, "#")
	if !slices.Equal(lines, append(r.deletes(v), r.loads(v)...)) {
		return fmt.Errorf("%s: it does not delete our lists and load them again, and nothing else", f.Path)
	}
	return nil
}

// plan checks what was listed, and makes a plan of it.
func (r *renderer) plan(got *list, v rules.Verdict, fams rules.Families) (*rules.Plan, error) {
	set := got.routes.Set()
	for _, f := range rules.BothFamilies.List() {
		if set.Has(f) && !fams.Has(f) {
			return nil, fmt.Errorf("it lists %s, and the header speaks of %s only", f, fams)
		}
	}
	if set.IsEmpty() {
		return nil, errors.New("there is no route")
	}
	if !slices.Equal(got.domains, r.opt.Domains.Patterns) {
		return nil, errors.New("the names are not those of the policy")
	}
	return rules.RoutePlan(r.env.Name, fams, v, set), nil
}

func (r *renderer) readCommands(got *list, lines []string, v rules.Verdict) error {
	deletes := r.deletes(v)
	if len(lines) < len(deletes) || !slices.Equal(lines[:len(deletes)], deletes) {
		return errors.New("it does not begin by deleting our lists, and those alone: what was withdrawn would stay")
	}
	for _, l := range lines[len(deletes):] {
		rest, ok := strings.CutPrefix(l, "set "+r.path()+" ")
		if !ok {
			return fmt.Errorf("%.200q is no command of ours", l)
		}
		element, value, _ := strings.Cut(rest, " ")
		var err error
		switch element {
		case routeElement[v]:
			err = got.route(value)
		case domainElement[v]:
			name, ok := strings.CutPrefix(value, "list ")
			if !ok {
				return fmt.Errorf("%.200q is no command of ours", l)
			}
			got.domains = append(got.domains, name)
		default:
			return fmt.Errorf("%.200q is no command of ours", l)
		}
		if err != nil {
			return fmt.Errorf("%.200q: %w", l, err)
		}
	}
	return nil
}

func (l *list) route(text string) error {
	p, err := ipranges.ParsePrefix(text)
	if err == nil && p.String() != text {
		err = fmt.Errorf("it is not written as %s", p)
	}
	if err != nil {
		return err
	}
	return l.routes.AddPrefix(p)
}

// xmlComments are the lines of all comments.
func xmlComments(data []byte) ([]string, error) {
	var lines []string
	d := xml.NewDecoder(strings.NewReader(string(data)))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is no well-formed XML: %w", err)
		}
		if c, ok := tok.(xml.Comment); ok {
			lines = append(lines, strings.Split(string(c), "\n")...)
		}
	}
}

// readTree reads an element tree that holds our lists and the way to them, once.
func (r *renderer) readTree(got *list, data []byte, v rules.Verdict) error {
	d := xml.NewDecoder(strings.NewReader(string(data)))
	at, seen := "", map[string]bool{} // elements and entries from the top, each after a slash
	way := "/config"
	ways := map[string]bool{way: true}
	for _, s := range r.steps() {
		way += "/" + s.element
		ways[way] = true
		if s.entry != "" {
			way += "/entry=" + s.entry
			ways[way] = true
		}
	}
	for _, e := range r.elements(v) {
		ways[way+"/"+e] = true
	}
	names, members := way+"/"+domainElement[v]+"/list", way+"/"+routeElement[v]+"/member"
	empty := false // whether a member has begun and has no text yet
	ways[names] = len(r.opt.Domains.Patterns) > 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no well-formed XML: %w", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if at, err = enter(at, tok); err != nil {
				return err
			}
			name, isName := strings.CutPrefix(at, names+"/entry=")
			member := at == members
			empty = member
			switch {
			case isName && ways[names]:
				got.domains = append(got.domains, name)
			case !member && !ways[at] || seen[at]:
				return fmt.Errorf("%.200s is nothing of ours, or there twice", at)
			}
			seen[at] = !member
		case xml.EndElement:
			if empty {
				return errors.New("a member is empty")
			}
			at = at[:strings.LastIndexByte(at, '/')]
		case xml.CharData:
			text := string(tok)
			if at == members {
				empty = false
				if err := got.route(text); err != nil {
					return fmt.Errorf("%.80q: %w", text, err)
				}
			} else if strings.TrimSpace(text) != "" {
				return fmt.Errorf("text %.80q outside a member", text)
			}
		case xml.Comment, xml.ProcInst:
		default:
			return fmt.Errorf("%T is not ours", tok)
		}
	}
}

// enter is the path of an element within at.
func enter(at string, e xml.StartElement) (string, error) {
	step := e.Name.Local
	switch {
	case e.Name.Space != "":
		return "", fmt.Errorf("%.80q has a namespace", step)
	case step == "entry" && len(e.Attr) == 1 && e.Attr[0].Name.Local == "name" && e.Attr[0].Name.Space == "":
		step += "=" + e.Attr[0].Value
	case step == "entry" || len(e.Attr) > 0:
		return "", fmt.Errorf("%.80q has other attributes than an entry's name", step)
	}
	if strings.Contains(step, "/") {
		return "", fmt.Errorf("%.80q is no name", step)
	}
	return at + "/" + step, nil
}
