package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Details is what some feeds say of a tag beside its addresses. Most feeds say
// nothing: the zero value.
type Details struct {
	// Ports are the destination ports on which the tag's addresses are contacted,
	// in the order of the feed.
	Ports []Port
	// Names are host names, and patterns of them with "*", that belong to the
	// tag. Nothing resolves them.
	Names []string
	// Parts are the tags that this one unites. They have the ports and names, which may
	// differ.
	Parts []string
}

// Port is a range of destination ports of a protocol.
type Port struct {
	Proto  string // "tcp" or "udp"
	Lo, Hi uint16 // both inclusive, from 1
}

// String is p as "udp/3478-3481" or "tcp/443".
func (p Port) String() string {
	if p.Lo == p.Hi {
		return fmt.Sprintf("%s/%d", p.Proto, p.Lo)
	}
	return fmt.Sprintf("%s/%d-%d", p.Proto, p.Lo, p.Hi)
}

func parsePort(s string) (Port, bool) {
	proto, points, ok := strings.Cut(s, "/")
	from, to, isRange := strings.Cut(points, "-")
	lo, err1 := strconv.ParseUint(from, 10, 16)
	hi, err2 := lo, error(nil)
	if isRange {
		hi, err2 = strconv.ParseUint(to, 10, 16)
	}
	p := Port{proto, uint16(lo), uint16(hi)}
	return p, ok && err1 == nil && err2 == nil && p.valid() && p.String() == s
}

func (p Port) valid() bool {
	return (p.Proto == "tcp" || p.Proto == "udp") && p.Lo > 0 && p.Lo <= p.Hi
}

// maxDetails bounds the text of a tag's details: 4,000 names of the longest kind.
const maxDetails = 1 << 20

// check returns which of New's rules the details of a tag break.
func (d *Details) check(name string) error {
	if d == nil {
		return nil
	}
	for _, p := range d.Ports {
		if !p.valid() {
			return fmt.Errorf("tag %.60q: %.60q is no range of ports of tcp or udp", name, p)
		}
	}
	for _, s := range slices.Concat(d.Names, d.Parts) {
		if !isWord(s) {
			return fmt.Errorf("tag %.60q: %.60q among its details is no word of printable ASCII", name, s)
		}
	}
	if n := len(d.text()); n > maxDetails {
		return fmt.Errorf("tag %.60q: its details have %d bytes, more than %d", name, n, maxDetails)
	}
	return nil
}

// isWord reports whether s can be in the text of details: printable ASCII without
// blanks and without the separator of its lists.
func isWord(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ';' {
			return false
		}
	}
	return s != "" && len(s) <= maxText
}

func (d *Details) isZero() bool {
	return d == nil || len(d.Ports) == 0 && len(d.Names) == 0 && len(d.Parts) == 0
}

// text is d as the index keeps it: ports, names and parts, separated by ";", and their
// elements by a space; "" is no details.
func (d *Details) text() string {
	if d.isZero() {
		return ""
	}
	var ports []string
	for _, p := range d.Ports {
		ports = append(ports, p.String())
	}
	lists := [...][]string{ports, d.Names, d.Parts}
	var texts [len(lists)]string
	for i, l := range lists {
		texts[i] = strings.Join(l, " ")
	}
	return strings.Join(texts[:], ";")
}

// parseDetails reads what text writes, and rejects everything else.
func parseDetails(text string) (d Details, ok bool) {
	if text == "" {
		return Details{}, true
	}
	lists := strings.Split(text, ";")
	if len(lists) != 3 {
		return Details{}, false
	}
	for s := range words(lists[0]) {
		p, ok := parsePort(s)
		if !ok {
			return Details{}, false
		}
		d.Ports = append(d.Ports, p)
	}
	d.Names = slices.Collect(words(lists[1]))
	d.Parts = slices.Collect(words(lists[2]))
	if d.check("") != nil || d.text() != text {
		return Details{}, false
	}
	return d, true
}

func words(list string) func(func(string) bool) {
	if list == "" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(list, " ")
}

// Details returns what the feed says of the tag of that exact name beside its
// addresses, and whether there is such a tag. Like [Catalog.Set], it says false
// of a tag whose details were damaged in an index. The caller may change what
// is returned.
func (c *Catalog) Details(name string) (Details, bool) {
	i, ok := c.find(name)
	if !ok {
		return Details{}, false
	}
	return c.store.details(i)
}

// Ports returns the destination ports on which all addresses of a tag are contacted, sorted,
// and joined where they touch. A tag that unites others has ports only if all its parts
// that hold addresses have the same ones: otherwise Ports returns the parts that
// differ, each of which has its own ports. Both are nil when the feed names no ports.
func (c *Catalog) Ports(name string) (ports []Port, differ []string) {
	d, _ := c.Details(name)
	if len(d.Parts) == 0 {
		return joined(d.Ports), nil
	}
	for _, part := range d.Parts {
		set, _ := c.Set(part)
		if set.IsEmpty() {
			continue
		}
		differ = append(differ, part)
	}
	for i, part := range differ {
		d, _ := c.Details(part)
		own := joined(d.Ports)
		if i > 0 && !slices.Equal(own, ports) {
			return nil, differ
		}
		ports = own
	}
	return ports, nil
}

func joined(list []Port) []Port {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Port) int {
		if a.Proto != b.Proto {
			return strings.Compare(a.Proto, b.Proto)
		}
		return int(a.Lo) - int(b.Lo)
	})
	var out []Port
	for _, p := range list {
		if n := len(out); n > 0 && out[n-1].Proto == p.Proto && int(p.Lo) <= int(out[n-1].Hi)+1 {
			out[n-1].Hi = max(out[n-1].Hi, p.Hi)
			continue
		}
		out = append(out, p)
	}
	return out
}

// Names returns the host names of a tag and of the tags that it unites, sorted.
func (c *Catalog) Names(name string) []string {
	d, _ := c.Details(name)
	names := d.Names
	for _, part := range d.Parts {
		own, _ := c.Details(part)
		names = append(names, own.Names...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// clone returns a copy of d that shares nothing with it.
func (d *Details) clone() Details {
	if d == nil {
		return Details{}
	}
	return Details{slices.Clone(d.Ports), slices.Clone(d.Names), slices.Clone(d.Parts)}
}
