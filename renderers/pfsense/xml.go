package pfsense

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"
)

// node is an element and where it stands in the text, so that text can be put in
// and taken out without writing anything else anew.
type node struct {
	name       string
	start, end int // of the element with its tags
	inner      int // after the start tag; end for a self-closing one
	innerEnd   int // before the end tag
	text       string
	children   []*node
}

// maxDepth bounds the nesting of elements, and maxElements their number; pfSense's own
// have less than ten levels, and a large one some ten thousand elements.
const (
	maxDepth    = 100
	maxElements = 500_000
)

// parseXML reads one document. It is strict: tags match, there is one root, and
// nothing defines entities.
func parseXML(data []byte) (*node, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	top := &node{}
	stack := []*node{top}
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
		at := stack[len(stack)-1]
		end := int(dec.InputOffset())
		switch t := tok.(type) {
		case xml.StartElement:
			n := &node{name: elementName(t.Name), start: start, end: end, inner: end, innerEnd: end}
			if len(stack) > maxDepth {
				return nil, fmt.Errorf("line %d: elements are nested more than %d deep", lineOf(data, start), maxDepth)
			}
			if elements++; elements > maxElements {
				return nil, fmt.Errorf("line %d: it has more than %d elements", lineOf(data, start), maxElements)
			}
			at.children = append(at.children, n)
			stack, texts = append(stack, n), append(texts, nil)
		case xml.EndElement:
			if len(stack) == 1 || at.name != elementName(t.Name) {
				return nil, fmt.Errorf("line %d: </%s> closes no element", lineOf(data, start), t.Name.Local)
			}
			at.end, at.text = end, string(texts[len(texts)-1])
			at.innerEnd = max(start, at.inner)
			stack, texts = stack[:len(stack)-1], texts[:len(texts)-1]
		case xml.CharData:
			if len(stack) > 1 {
				texts[len(texts)-1] = append(texts[len(texts)-1], t...)
			} else if strings.TrimSpace(string(t)) != "" {
				return nil, fmt.Errorf("line %d: text outside of the root element", lineOf(data, start))
			}
		case xml.Directive:
			return nil, fmt.Errorf("line %d: a DOCTYPE, which no configuration has", lineOf(data, start))
		}
	}
	if len(stack) != 1 {
		return nil, fmt.Errorf("line %d: <%s> is not closed", lineOf(data, stack[len(stack)-1].start), stack[len(stack)-1].name)
	}
	if len(top.children) != 1 {
		return nil, fmt.Errorf("%d root elements", len(top.children))
	}
	return top.children[0], nil
}

// elementName is as pfSense compares names: without regard to case.
func elementName(n xml.Name) string {
	if n.Space != "" {
		return strings.ToLower(n.Space + ":" + n.Local)
	}
	return strings.ToLower(n.Local)
}

func lineOf(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}

// child is the first child of that name, or nil. A nil node has no children.
func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// all is the children of that name.
func (n *node) all(name string) []*node {
	if n == nil {
		return nil
	}
	var list []*node
	for _, c := range n.children {
		if c.name == name {
			list = append(list, c)
		}
	}
	return list
}

// value is the text of a child, without the blanks around it. pfSense stores text
// as HTML within XML (xmlparse.inc, cData): a CDATA section with &amp; means &.
func (n *node) value(name string) string {
	if c := n.child(name); c != nil {
		return html.UnescapeString(strings.TrimSpace(c.text))
	}
	return ""
}

// has reports whether the child is there; pfSense's flags are empty elements.
func (n *node) has(name string) bool { return n.child(name) != nil }

// edit replaces a stretch of a text.
type edit struct {
	start, end int
	text       string
}

// apply makes edits, which are in order and do not overlap.
func apply(data []byte, edits []edit) []byte {
	var b bytes.Buffer
	at := 0
	for _, e := range edits {
		b.Write(data[at:e.start])
		b.WriteString(e.text)
		at = e.end
	}
	b.Write(data[at:])
	return b.Bytes()
}

// blankBefore is where the blanks before offset begin.
func blankBefore(data []byte, offset int) int {
	for offset > 0 && strings.IndexByte(" \t\r\n", data[offset-1]) >= 0 {
		offset--
	}
	return offset
}
