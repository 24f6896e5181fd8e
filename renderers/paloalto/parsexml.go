package paloalto

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// xmlReader reads an XML configuration by the table: unknown elements and
// attributes, and text where none belongs, are errors.
type xmlReader struct {
	root    *node
	open    []*node // the elements that are not closed yet
	member  bool    // inside of a member
	content strings.Builder
}

func parseXML(src []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(src))
	r := &xmlReader{}
	for {
		tok, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && r.root != nil && len(r.open) == 0:
			return r.root, nil
		case errors.Is(err, io.EOF):
			return nil, errors.New("the file ends before its elements do")
		case err == nil:
			err = r.token(tok)
		}
		if err != nil {
			line, _ := d.InputPos()
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func (r *xmlReader) token(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		return r.end()
	case xml.CharData:
		if r.holdsText() {
			r.content.Write(t)
		} else if strings.TrimSpace(string(t)) != "" {
			return fmt.Errorf("text %.40q between elements", string(t))
		}
	case xml.ProcInst:
		if t.Target != "xml" || r.root != nil {
			return fmt.Errorf("unknown instruction %q", t.Target)
		}
	case xml.Directive:
		return errors.New("a directive")
	}
	return nil
}

func (r *xmlReader) top() *node { return r.open[len(r.open)-1] }

func (r *xmlReader) holdsText() bool {
	return len(r.open) > 0 && (r.member || r.top().elem.kind == text)
}

func (r *xmlReader) start(t xml.StartElement) error {
	r.content.Reset()
	switch {
	case r.member:
		return fmt.Errorf("element %q inside of a member", t.Name.Local)
	case len(r.open) > 0 && r.top().elem.kind == members:
		if t.Name.Local != "member" || len(t.Attr) > 0 {
			return fmt.Errorf("element %q among the members of %q", t.Name.Local, r.top().name)
		}
		r.member = true
		return nil
	case len(r.open) > 0:
		k, err := r.top().openTag(t)
		r.open = append(r.open, k)
		return err
	case r.root != nil || t.Name.Local != "config" || len(t.Attr) > 0:
		return fmt.Errorf("element %q where one config was expected", t.Name.Local)
	}
	r.root = &node{name: "config", elem: configElement}
	r.open = append(r.open, r.root)
	return nil
}

func (r *xmlReader) end() error {
	top := r.top()
	if r.member {
		r.member = false
		return top.fill([]string{r.content.String()})
	}
	r.open = r.open[:len(r.open)-1]
	if top.elem.kind == text {
		return top.fill([]string{r.content.String()})
	}
	return nil
}

// openTag makes the node that a start tag below n names. An element that is there
// already is an error.
func (n *node) openTag(t xml.StartElement) (*node, error) {
	name := t.Name.Local
	switch {
	case n.elem.kind == entries && name == "entry" && len(t.Attr) == 1 && t.Attr[0].Name.Local == "name" && t.Attr[0].Value != "":
		name = t.Attr[0].Value
	case n.elem.kind == entries, len(t.Attr) > 0, t.Name.Space != "":
		return nil, fmt.Errorf("element %q in %q, or its attributes", name, n.name)
	}
	if n.find(name) != nil {
		return nil, fmt.Errorf("%q is there twice in %q", name, n.name)
	}
	return n.child(name)
}
