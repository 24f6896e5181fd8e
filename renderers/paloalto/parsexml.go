package paloalto

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"sallyport/renderers"
)

// parseXML reads an XML configuration by the table, in which unknown elements are errors.
// All else that is not as sallyport writes it shows in the lines that it is written in.
func parseXML(src []byte) (*node, error) {
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	d := xml.NewDecoder(bytes.NewReader(src))
	root := &node{name: "config", elem: configElement}
	top := &node{elem: branchOf(map[string]*element{"config": configElement}), kids: []*node{root}}
	open := []*node{top}
	var body, content []byte // without comments; and of the element that is open
	for {
		start := d.InputOffset()
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		at := open[len(open)-1]
		switch t := tok.(type) {
		case xml.Comment:
			continue
		case xml.ProcInst:
			if t.Target == "xml" && len(root.kids) == 0 {
				continue
			}
		case xml.StartElement:
			k := at
			if at.elem.kind != members { // these have a <member> for each value
				name := t.Name.Local
				if len(t.Attr) > 0 {
					name = t.Attr[0].Value
				}
				k, err = at.child(name)
			}
			open, content = append(open, k), nil
		case xml.EndElement:
			open = open[:len(open)-1]
			if at.elem.kind == text || at.elem.kind == members && open[len(open)-1] == at {
				err = at.fill([]string{string(content)})
			}
		case xml.CharData:
			content = append(content, t...)
		}
		if err != nil {
			line, _ := d.InputPos()
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		body = append(body, src[start:d.InputOffset()]...)
	}
	var want bytes.Buffer
	root.appendXML(&want, 0, false)
	return root, renderers.SameLines(withoutBlanks(body), withoutBlanks(want.Bytes()))
}

func withoutBlanks(text []byte) []string {
	return strings.FieldsFunc(string(text), func(c rune) bool { return c == '\n' })
}
