package azurevpn

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// element is an element of the user's profile and where it stands in the text.
type element struct {
	name            string
	start, end      int    // with its tags
	inner, innerEnd int    // between its tags; inner is end for one that closes itself
	isNil           bool   // i:nil="true": it stands for nothing
	attributes      int    // besides that
	text            string // of its own, without that of its children
	children        []*element
}

// profile is the user's azurevpnconfig.xml.
type profile struct {
	data   []byte
	config *element // the clientconfig
}

const (
	maxProfile = 4 << 20 // bytes; one as downloaded has about 5,000
	maxDepth   = 50
	byteOrder  = "\ufeff"
)

func parseProfile(data []byte) (*profile, error) {
	if len(data) > maxProfile {
		return nil, fmt.Errorf("it has %d bytes, which no profile has", len(data))
	}
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8: save it as that")
	}
	root, err := parse(data)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(root.name, "AzVpnProfile") { // Microsoft's page and the files differ in case
		return nil, fmt.Errorf("it is a %.60q, not an AzVpnProfile", root.name)
	}
	config, err := root.only(clientConfig)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return nil, errors.New(`it has no clientconfig: a profile as downloaded holds <clientconfig i:nil="true" />`)
	}
	return &profile{data, config}, nil
}

// parse reads one document strictly: tags match, there is one root, and nothing
// defines entities.
func parse(data []byte) (*element, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	top := &element{}
	stack := []*element{top}
	texts := [][]byte{nil} // of the elements of the stack, which comments divide
	for {
		start := int(dec.InputOffset())
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no well-formed XML in UTF-8: %w", err)
		}
		at, end := stack[len(stack)-1], int(dec.InputOffset())
		switch t := tok.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return nil, fmt.Errorf("line %d: elements are nested more than %d deep", lineOf(data, start), maxDepth)
			}
			e := opened(t, start, end)
			at.children = append(at.children, e)
			stack, texts = append(stack, e), append(texts, nil)
		case xml.EndElement:
			if len(stack) == 1 || at.name != name(t.Name) {
				return nil, fmt.Errorf("line %d: </%.60s> closes no element", lineOf(data, start), t.Name.Local)
			}
			at.end, at.innerEnd, at.text = end, max(start, at.inner), string(texts[len(texts)-1])
			stack, texts = stack[:len(stack)-1], texts[:len(texts)-1]
		case xml.CharData:
			if len(stack) == 1 && strings.Trim(string(t), blanks+byteOrder) != "" {
				return nil, fmt.Errorf("line %d: text outside of the profile", lineOf(data, start))
			}
			texts[len(texts)-1] = append(texts[len(texts)-1], t...)
		case xml.Directive:
			return nil, fmt.Errorf("line %d: a document type, which no profile has", lineOf(data, start))
		}
	}
	if len(stack) != 1 || len(top.children) != 1 {
		return nil, errors.New("it is not one whole element")
	}
	return top.children[0], nil
}

func opened(t xml.StartElement, start, end int) *element {
	e := &element{name: name(t.Name), start: start, end: end, inner: end, innerEnd: end}
	for _, a := range t.Attr {
		if a.Name.Local == "nil" && strings.TrimSpace(a.Value) == "true" {
			e.isNil = true
		} else {
			e.attributes++
		}
	}
	return e
}

// name keeps the prefix of a name, so that an element of another namespace is not
// taken for one of the client's.
func name(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

const blanks = " \t\r\n"

func lineOf(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

// only is the one child of that name, nil where there is none.
func (e *element) only(name string) (*element, error) {
	var found *element
	for _, c := range e.children {
		if c.name == name && found != nil {
			return nil, fmt.Errorf("it has two elements %s in %s", name, e.name)
		}
		if c.name == name {
			found = c
		}
	}
	return found, nil
}

// blank reports whether nothing but white space is inside.
func (e *element) blank() bool { return len(e.children) == 0 && strings.Trim(e.text, blanks) == "" }

// value is the text of the child of that name.
func (e *element) value(name string) string {
	c, err := e.only(name)
	if err != nil || c == nil {
		return ""
	}
	return strings.TrimSpace(c.text)
}

// prefix is what a route element of the user's names.
func (e *element) prefix() (netip.Prefix, error) {
	text := e.value("destination") + "/" + e.value("mask")
	p, err := netip.ParsePrefix(text)
	if err != nil || e.name != "route" || len(e.children) != 2 {
		return netip.Prefix{}, fmt.Errorf("its %s with %.60q is no route of one destination and one mask", e.name, text)
	}
	return p.Masked(), nil
}
