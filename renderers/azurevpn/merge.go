package azurevpn

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// slot is where our text goes in the user's profile. The rest of the profile stays as
// it is, byte for byte.
type slot struct {
	start, end int      // of the user's text that ours replaces; equal where it replaces none
	before     string   // what ours begins with, before its first element
	elements   []string // that are missing around the routes, outermost first
	after      string   // what ours ends with
	indent     string   // of our text
	step       string
}

// slot finds the place for routes that go where v says: the list that is there already,
// or the clientconfig, or the place of an empty one.
func (p *profile) slot(v rules.Verdict) (slot, error) {
	config := p.config
	if isNil(config) {
		return p.instead(config, clientConfig, lists[v])
	}
	list, err := only(config, lists[v])
	if err != nil {
		return slot{}, err
	}
	switch {
	case list != nil && isNil(list):
		return p.instead(list, lists[v])
	case list != nil:
		return p.inside(list)
	}
	include, err := only(config, lists[rules.Tunnel])
	if err != nil {
		return slot{}, err
	}
	if include != nil {
		indent := p.indent(include)
		return slot{start: include.Start, end: include.Start, elements: []string{lists[v]}, after: "\n" + indent, indent: indent, step: step(indent)}, nil
	}
	return p.inside(config, lists[v])
}

// instead is the slot of an element that holds nothing.
func (p *profile) instead(e *element, elements ...string) (slot, error) {
	if slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return !saysNil(a) }) || !e.IsBlank() {
		return slot{}, fmt.Errorf("line %d: %s is empty, and has attributes or text all the same", renderers.LineOf(p.data, e.Start), e.Name)
	}
	indent := p.indent(e)
	return slot{start: e.Start, end: e.End, elements: elements, indent: indent, step: step(indent)}, nil
}

// inside is the slot behind what an element holds. One that closes itself is opened.
func (p *profile) inside(e *element, elements ...string) (slot, error) {
	if e.Inner == e.End {
		return p.instead(e, append([]string{e.Name}, elements...)...)
	}
	indent := p.indent(e)
	at := e.InnerEnd
	for at > e.Inner && strings.IndexByte(blanks, p.data[at-1]) >= 0 {
		at--
	}
	deep := indent + step(indent)
	s := slot{start: at, end: at, before: "\n" + deep, elements: elements, indent: deep, step: step(indent)}
	if at == e.InnerEnd { // <a></a>, with no line for the end tag
		s.after = "\n" + indent
	}
	return s, nil
}

// indent is the white space that the element's line begins with.
func (p *profile) indent(e *element) string {
	line := p.data[bytes.LastIndexByte(p.data[:e.Start], '\n')+1 : e.Start]
	if len(bytes.Trim(line, " \t")) > 0 {
		return ""
	}
	return string(line)
}

func step(indent string) string {
	if strings.Contains(indent, "\t") {
		return "\t"
	}
	return "  "
}

// fill is the text of the slot, with the line ends of the profile.
func (p *profile) fill(s slot, set ipranges.Set) []byte {
	text := s.before + nested(s.elements, items(set), s.indent, s.step) + s.after
	if bytes.Contains(p.data, []byte("\r\n")) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return []byte(text)
}

// theirs are the routes that the user's profile has in the list of v.
func (p *profile) theirs(v rules.Verdict) ([]netip.Prefix, error) {
	list, err := only(p.config, lists[v])
	if err != nil || list == nil {
		return nil, err
	}
	var found []netip.Prefix
	for _, c := range list.Children {
		route, err := prefixOf(c)
		if err != nil {
			return nil, err
		}
		found = append(found, route)
	}
	return found, nil
}

// checkOverlap refuses a profile that has our routes already: those of an earlier
// merge would stay when they are withdrawn.
func (r *renderer) checkOverlap(set ipranges.Set, v rules.Verdict) error {
	routes, err := r.profile.theirs(v)
	if err != nil {
		return &rules.RuleError{Option: "config", Cause: fmt.Sprintf("%s: %v", renderers.Clean(r.opt.Config), err), Fix: "correct it, or download it again"}
	}
	for _, p := range routes {
		if set.Overlaps(setOf(p)) {
			return &rules.RuleError{Option: "config", Cause: fmt.Sprintf("%s has %s in %s already, which overlaps the list", renderers.Clean(r.opt.Config), p, lists[v]),
				Fix: "take it out, or name the profile as it was downloaded and not one that sallyport wrote"}
		}
	}
	return nil
}

// advice warns of the user's routes that send a part of the list the other way, because
// the longer prefix wins.
func (r *renderer) advice(p *rules.Plan) []*renderers.OptionError {
	list, ok := p.Routes()
	set, v := list.Set, list.Way
	if !ok || r.opt.Form != formMerge {
		return nil
	}
	other := rules.Tunnel
	if v == rules.Tunnel {
		other = rules.Bypass
	}
	routes, err := r.profile.theirs(other)
	if err != nil {
		return []*renderers.OptionError{{ID: "profile-routes", Option: "config", Cause: fmt.Sprintf("%s: %v", renderers.Clean(r.opt.Config), err), Fix: "see where it sends the addresses of the list"}}
	}
	for _, route := range routes {
		if wins(route, set) {
			return []*renderers.OptionError{{ID: "profile-routes", Option: "config",
				Cause: fmt.Sprintf("%s has %s in %s: the longer prefix wins, and a part of the list goes the other way", renderers.Clean(r.opt.Config), route, lists[other]),
				Fix:   "take it out of the profile, or out of the list"}}
		}
	}
	return nil
}

// wins reports whether the user's route takes addresses of set away: whether it is as
// long as a prefix of set that it touches, or longer.
func wins(route netip.Prefix, set ipranges.Set) bool {
	for p := range set.Prefixes(ipranges.IPv4) {
		if p.Overlaps(route) && p.Bits() <= route.Bits() {
			return true
		}
	}
	return false
}

func setOf(p netip.Prefix) ipranges.Set {
	s, err := ipranges.FromPrefixes(p)
	if err != nil {
		return ipranges.Set{} // one that no set holds overlaps none
	}
	return s
}
