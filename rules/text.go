package rules

import (
	"fmt"
	"strconv"
	"strings"
)

// ServiceText is what the rule matches as words with blanks between, or "any".
func (r *Rule) ServiceText() string {
	if r.AnyService() {
		return "any"
	}
	var list []string
	for _, m := range r.Matches() {
		list = append(list, m.String())
	}
	return strings.Join(list, " ")
}

// ParseServices is the inverse of ServiceText: the services are one, called name.
func ParseServices(name, text string) ([]Service, error) {
	if text == "any" {
		return []Service{AnyService()}, nil
	}
	matches, err := ParseMatches(strings.Fields(text)...)
	return []Service{NewService(name, matches...)}, err
}

// ParseMatches is ParseMatch of each of texts.
func ParseMatches(texts ...string) ([]Match, error) {
	var list []Match
	for _, text := range texts {
		m, err := ParseMatch(text)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// ParseMatch is the inverse of Match.String.
func ParseMatch(s string) (Match, error) {
	word, points, narrowed := strings.Cut(s, "/")
	p, ok := ProtocolNamed(word)
	if !ok {
		return Match{}, fmt.Errorf("no protocol is called %q", word)
	}
	if !narrowed {
		return All(p), nil
	}
	first, last, isRange := strings.Cut(points, "-")
	lo, hi, err := pointsOf(p, first)
	if err == nil && isRange {
		_, hi, err = pointsOf(p, last)
	}
	if err != nil || lo > hi {
		return Match{}, fmt.Errorf("%q is not a protocol with its ports or types", s)
	}
	return Match{p, lo, hi}, nil
}

// pointsOf reads a port, an ICMP type (all codes) or an ICMP type.code.
func pointsOf(p Protocol, s string) (lo, hi uint16, err error) {
	if !p.IsICMP() {
		n, err := strconv.ParseUint(s, 10, 16)
		return uint16(n), uint16(n), err
	}
	typ, code, exact := strings.Cut(s, ".")
	t, err := strconv.ParseUint(typ, 10, 8)
	if err != nil || !exact {
		return uint16(t) << 8, uint16(t)<<8 | 255, err
	}
	c, err := strconv.ParseUint(code, 10, 8)
	return uint16(t<<8 | c), uint16(t<<8 | c), err
}

// FamilyWord is how policies and documents write a family.
func FamilyWord(f Families) string {
	switch f {
	case OnlyIPv4:
		return "ipv4"
	case OnlyIPv6:
		return "ipv6"
	}
	return ""
}

// ActionWord is how policies write what a rule does: its verdict, or reject.
func (r *Rule) ActionWord() string {
	if r.Reject {
		return "reject"
	}
	return r.Verdict.String()
}
