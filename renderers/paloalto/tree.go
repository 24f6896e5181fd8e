package paloalto

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// node is one element of a configuration, or one entry. Both syntaxes are
// written from it and read into it.
type node struct {
	name   string
	elem   *element
	kids   []*node
	index  map[string]*node // of entries
	values []string         // of members and text
}

// child finds the element or entry called name, or makes it. A name that the
// table lacks is an error.
func (n *node) child(name string) (*node, error) {
	if k := n.find(name); k != nil {
		return k, nil
	}
	var elem *element
	switch n.elem.kind {
	case branch:
		elem = n.elem.kids[name]
	case entries:
		elem = n.elem.entry
	}
	if elem == nil {
		return nil, fmt.Errorf("unknown element %q in %q", name, n.name)
	}
	k := &node{name: name, elem: elem}
	if n.elem.kind == entries {
		if n.index == nil {
			n.index = make(map[string]*node, 64)
		}
		n.index[name] = k
	}
	n.kids = append(n.kids, k)
	return k, nil
}

// find is child without making one.
func (n *node) find(name string) *node {
	if n == nil {
		return nil
	}
	if n.elem.kind == entries {
		return n.index[name]
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// at finds the node at a path below n, or nil.
func (n *node) at(path ...string) *node {
	for _, name := range path {
		n = n.find(name)
	}
	return n
}

// value is the text of the element at a path below n, or "".
func (n *node) value(path ...string) string {
	if n = n.at(path...); n != nil && len(n.values) == 1 {
		return n.values[0]
	}
	return ""
}

// members is the list at a path below n, or nil.
func (n *node) members(path ...string) []string {
	if n = n.at(path...); n != nil {
		return n.values
	}
	return nil
}

// entriesAt is the entries at a path below n.
func (n *node) entriesAt(path ...string) []*node {
	if n = n.at(path...); n != nil {
		return n.kids
	}
	return nil
}

// mustChild is child for paths that this package spells itself. A step that the
// table lacks is written all the same, and refused when it is read back.
func (n *node) mustChild(path ...string) *node {
	for _, name := range path {
		k, err := n.child(name)
		if err != nil {
			k = &node{name: name, elem: memberList}
			n.kids = append(n.kids, k)
		}
		n = k
	}
	return n
}

// set gives the element at a path below n its values.
func (n *node) set(path []string, values ...string) {
	k := n.mustChild(path...)
	k.values = append(k.values, values...)
}

// appendSet writes the set commands that make n, whose own path in words is
// path, one value a line.
func (n *node) appendSet(dst, path []byte) []byte {
	switch n.elem.kind {
	case flag:
		return append(append(dst, path...), '\n')
	case members, text:
		for _, v := range n.values {
			dst = append(append(dst, path...), ' ')
			dst = append(appendWord(dst, v), '\n')
		}
		return dst
	}
	path = append(path, ' ')
	for _, k := range n.kids {
		dst = k.appendSet(dst, appendWord(path, k.name)) // over the one before
	}
	return dst
}

// appendRule writes the set commands that make a rule, whose own path in words is path.
// The first says all, with one value of each list, so that it makes a rule that is
// narrow enough, or none. Each of the others adds a value to a list. What lies deeper
// comes last in the first: no source says that a command finds its way back up.
func (n *node) appendRule(dst, path []byte) []byte {
	var fields, deeper, more []byte
	n.leaves(nil, func(leaf *node, words string) {
		part := &fields
		if strings.Count(words, " ") > 1 {
			part = &deeper
		}
		for i, v := range leaf.values {
			if i == 0 {
				*part = appendWord(append(append(*part, words...), ' '), v)
			} else {
				more = append(appendWord(append(append(append(more, path...), words...), ' '), v), '\n')
			}
		}
	})
	return append(append(append(append(append(dst, path...), fields...), deeper...), '\n'), more...)
}

// leaves calls yield with each element of values below n and its path in words, which
// begins with a blank.
func (n *node) leaves(path []byte, yield func(leaf *node, path string)) {
	if n.elem.kind == members || n.elem.kind == text {
		yield(n, string(path))
		return
	}
	for _, k := range n.kids {
		k.leaves(appendWord(append(path[:len(path):len(path)], ' '), k.name), yield)
	}
}

// appendWord writes a word of a command. Names hold no quote and no backslash.
func appendWord(dst []byte, w string) []byte {
	if w == "" || strings.IndexByte(w, ' ') >= 0 || strings.IndexByte(w, ';') >= 0 {
		return append(append(append(dst, '"'), w...), '"')
	}
	return append(dst, w...)
}

func word(w string) string { return string(appendWord(nil, w)) }

// appendXML writes n as an element, or as an entry.
func (n *node) appendXML(b *bytes.Buffer, indent int, isEntry bool) {
	b.WriteString(strings.Repeat("  ", indent))
	tag := n.name
	if isEntry {
		tag = "entry"
		b.WriteString(`<entry name="`)
		escape(b, n.name)
		b.WriteByte('"')
	} else {
		b.WriteString("<" + tag)
	}
	switch n.elem.kind {
	case flag:
		b.WriteString("/>\n")
		return
	case text:
		b.WriteByte('>')
		escape(b, n.values[0])
		b.WriteString("</" + tag + ">\n")
		return
	}
	if len(n.kids) == 1 && n.kids[0].elem.kind == text { // one line, so that an address is one
		b.WriteString("><" + n.kids[0].name + ">")
		escape(b, n.kids[0].values[0])
		b.WriteString("</" + n.kids[0].name + "></" + tag + ">\n")
		return
	}
	b.WriteString(">\n")
	for _, v := range n.values {
		b.WriteString(strings.Repeat("  ", indent+1) + "<member>")
		escape(b, v)
		b.WriteString("</member>\n")
	}
	for _, k := range n.kids {
		k.appendXML(b, indent+1, n.elem.kind == entries)
	}
	b.WriteString(strings.Repeat("  ", indent) + "</" + tag + ">\n")
}

func escape(b *bytes.Buffer, s string) {
	if strings.ContainsAny(s, `<>&"'`) {
		xml.EscapeText(b, []byte(s)) // a bytes.Buffer never fails
		return
	}
	b.WriteString(s)
}
