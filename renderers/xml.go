package renderers

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"
)

// XMLElement is an element of a user's file, and where it stands in the text, so that text
// can be put in and taken out without writing anything else anew.
type XMLElement struct {
	Name       string // with its prefix, so that one of another namespace is not taken for it
	Start, End int    // with its tags
	Inner      int    // after the start tag; End for one that closes itself
	InnerEnd   int    // before the end tag
	Attr       []xml.Attr
	Text       string // of its own, without that of its children
	Children   []*XMLElement
}

// XMLLimits are what ParseXML takes.
type XMLLimits struct {
	Depth, Elements int
	FoldCase        bool // names are read in lower case
	ByteOrder       bool // a byte order mark may stand in front
}

// ParseXML reads one document. It is strict: tags match, there is one root, and nothing
// defines entities.
func ParseXML(data []byte, limits XMLLimits) (*XMLElement, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	top := &XMLElement{}
	stack := []*XMLElement{top}
	texts := [][]byte{nil} // of the elements of the stack, which comments divide
	elements := 0
	for {
		start := int(dec.InputOffset())
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not well-formed XML: %w", err)
		}
		fail := func(format string, args ...any) error {
			return fmt.Errorf("line %d: "+format, append([]any{LineOf(data, start)}, args...)...)
		}
		at, end := stack[len(stack)-1], int(dec.InputOffset())
		switch t := tok.(type) {
		case xml.StartElement:
			n := &XMLElement{Name: limits.name(t.Name), Start: start, End: end, Inner: end, InnerEnd: end, Attr: t.Attr}
			if len(stack) > limits.Depth {
				return nil, fail("elements are nested more than %d deep", limits.Depth)
			}
			if elements++; elements > limits.Elements {
				return nil, fail("it has more than %d elements", limits.Elements)
			}
			at.Children = append(at.Children, n)
			stack, texts = append(stack, n), append(texts, nil)
		case xml.EndElement:
			if len(stack) == 1 || at.Name != limits.name(t.Name) {
				return nil, fail("</%s> closes no element", t.Name.Local)
			}
			at.End, at.InnerEnd, at.Text = end, max(start, at.Inner), string(texts[len(texts)-1])
			stack, texts = stack[:len(stack)-1], texts[:len(texts)-1]
		case xml.CharData:
			if len(stack) == 1 && !limits.outside(t) {
				return nil, fail("text outside of the root element")
			}
			texts[len(texts)-1] = append(texts[len(texts)-1], t...)
		case xml.Directive:
			return nil, fail("a DOCTYPE, which no configuration has")
		}
	}
	if open := stack[len(stack)-1]; len(stack) != 1 {
		return nil, fmt.Errorf("line %d: <%s> is not closed", LineOf(data, open.Start), open.Name)
	}
	if len(top.Children) != 1 {
		return nil, fmt.Errorf("%d root elements", len(top.Children))
	}
	return top.Children[0], nil
}

func (l XMLLimits) name(n xml.Name) string {
	name := strings.TrimPrefix(n.Space+":"+n.Local, ":")
	if l.FoldCase {
		return strings.ToLower(name)
	}
	return name
}

// outside reports whether text may stand beside the root.
func (l XMLLimits) outside(text []byte) bool {
	if l.ByteOrder {
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
	}
	return len(bytes.TrimSpace(text)) == 0
}

// LineOf is the number of the line of an offset.
func LineOf(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}

// Child is the first child of that name, or nil. A nil element has no children.
func (n *XMLElement) Child(name string) *XMLElement {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// All is the children of that name.
func (n *XMLElement) All(name string) (list []*XMLElement) {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			list = append(list, c)
		}
	}
	return list
}

// Has reports whether the child is there.
func (n *XMLElement) Has(name string) bool { return n.Child(name) != nil }

// Value is the text of a child, without the blanks around it. Some programs store text as
// HTML within XML (pfSense, xmlparse.inc, cData): a CDATA section with &amp; means &.
func (n *XMLElement) Value(name string) string {
	if c := n.Child(name); c != nil {
		return html.UnescapeString(strings.TrimSpace(c.Text))
	}
	return ""
}

// IsBlank reports whether nothing is in the element.
func (n *XMLElement) IsBlank() bool { return len(n.Children) == 0 && strings.TrimSpace(n.Text) == "" }
