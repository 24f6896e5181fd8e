package routes

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
)

// Row is how a route stands on a line: the prefix, and what is around it.
type Row struct {
	Before, After string
	Mask          string // between an IPv4 network and its mask, as in "10.0.0.0 255.0.0.0"; empty: "10.0.0.0/8"
	Slash         string // between an address and its length; empty: a slash
	// Write appends the text between Before and After where that is not the prefix itself,
	// and Find reads the prefix from it. Both nil: it is the prefix.
	Write func(dst []byte, p netip.Prefix) []byte
	Find  func(text string) string
}

// Append appends the line of p, with its end.
func (r Row) Append(dst []byte, p netip.Prefix) []byte {
	dst = r.appendPrefix(append(dst, r.Before...), p)
	return append(append(dst, r.After...), '\n')
}

// Line is the line of p, without its end.
func (r Row) Line(p netip.Prefix) string { return strings.TrimSuffix(string(r.Append(nil, p)), "\n") }

// Bytes is the length of the line of p, with its end.
func (r Row) Bytes(p netip.Prefix) int {
	var text [128]byte
	return len(r.Before) + len(r.appendPrefix(text[:0], p)) + len(r.After) + len("\n")
}

func (r Row) appendPrefix(dst []byte, p netip.Prefix) []byte {
	switch {
	case r.Write != nil:
		return r.Write(dst, p)
	case r.Slash != "":
		return strconv.AppendInt(append(p.Addr().AppendTo(dst), r.Slash...), int64(p.Bits()), 10)
	case r.Mask == "" || !p.Addr().Is4():
		return ipranges.AppendPrefix(dst, p)
	}
	dst = append(p.Addr().AppendTo(dst), r.Mask...)
	return Netmask(p.Bits()).AppendTo(dst)
}

// Parse is the prefix of a line that Append wrote. ok is false where the line is none.
func (r Row) Parse(line string) (p netip.Prefix, ok bool) {
	text, begins := strings.CutPrefix(line, r.Before)
	text, ends := strings.CutSuffix(text, r.After)
	if !begins || !ends {
		return p, false
	}
	if r.Find != nil {
		text = r.Find(text)
	}
	if r.Slash != "" {
		text = strings.Replace(text, r.Slash, "/", 1)
	}
	if network, mask, masked := strings.Cut(text, r.Mask); masked && r.Mask != "" && strings.Contains(mask, ".") {
		m, err := netip.ParseAddr(mask)
		if err != nil || !m.Is4() {
			return p, false
		}
		text = fmt.Sprintf("%s/%d", network, bitsOf(m))
	}
	p, err := ipranges.ParsePrefix(text)
	return p, err == nil && r.Line(p) == line
}

// Netmask is the mask of an IPv4 prefix length: 255.252.0.0 of 14.
func Netmask(bits int) netip.Addr {
	m := uint32(uint64(0xffffffff) << (32 - bits))
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}

// bitsOf is the number of leading ones of a mask.
func bitsOf(mask netip.Addr) (bits int) {
	for _, b := range mask.As4() {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	return bits
}

// Rows are the lines of a list in one family. Those of Row lead where the list goes. With
// Other the list has exceptions, which lead the other way: it is then the shortest of all
// lists that say the same (cover.TwoHop), in which the longest prefix that holds an address
// decides.
type Rows struct {
	Row
	Other *Row // nil: there are no exceptions
}

// Append appends the routes of family f to the addresses of set, one a line, in address
// order. With exceptions the longest come first: so a program that sets one after the
// other never has a route in force without the longer ones inside it.
func (r Rows) Append(dst []byte, set ipranges.Set, f ipranges.Family) []byte {
	if r.Other == nil && r.Slash == "" && r.Write == nil && (r.Mask == "" || f == ipranges.IPv6) {
		dst = slices.Grow(dst, set.NumPrefixes(f)*(len(r.Before)+20+len(r.After)))
		return set.AppendPrefixes(dst, f, r.Before, r.After+"\n")
	}
	if r.Other == nil {
		dst = slices.Grow(dst, set.NumPrefixes(f)*(len(r.Before)+32+len(r.After)))
		for p := range set.Prefixes(f) {
			dst = r.Row.Append(dst, p)
		}
		return dst
	}
	table := cover.TwoHop(set, f)
	slices.SortStableFunc(table, func(a, b cover.Route) int { return b.Prefix.Bits() - a.Prefix.Bits() })
	for _, route := range table {
		row := r.Row
		if !route.In {
			row = *r.Other
		}
		dst = row.Append(dst, route.Prefix)
	}
	return dst
}

// route is the route of family f on a line, if there is one.
func (r Rows) route(line string, f ipranges.Family) (route cover.Route, ok bool) {
	if p, ok := r.Parse(line); ok && ipranges.FamilyOf(p.Addr()) == f {
		return cover.Route{Prefix: p, In: true}, true
	}
	if r.Other == nil {
		return route, false
	}
	p, ok := r.Other.Parse(line)
	return cover.Route{Prefix: p}, ok && ipranges.FamilyOf(p.Addr()) == f
}

// Find is the addresses of family f to which the routes among lines lead. Other lines do
// not count.
func (r Rows) Find(lines []string, f ipranges.Family) (ipranges.Set, error) {
	var found []cover.Route
	for _, line := range lines {
		if route, ok := r.route(line, f); ok {
			found = append(found, route)
		}
	}
	return match(found)
}

// match returns the addresses whose longest route leads In.
func match(routes []cover.Route) (ipranges.Set, error) {
	slices.SortStableFunc(routes, func(a, b cover.Route) int {
		if d := a.Prefix.Bits() - b.Prefix.Bits(); d != 0 {
			return d
		}
		return a.Prefix.Addr().Compare(b.Prefix.Addr())
	})
	var set ipranges.Set
	for len(routes) > 0 {
		// All routes of one length, which have no address in common.
		n := 1
		for ; n < len(routes) && routes[n].Prefix.Bits() == routes[0].Prefix.Bits(); n++ {
			if routes[n].Prefix == routes[n-1].Prefix {
				return ipranges.Set{}, fmt.Errorf("there are two routes for %s", routes[n].Prefix)
			}
		}
		var in, out ipranges.Builder
		for _, r := range routes[:n] {
			b := &out
			if r.In {
				b = &in
			}
			if err := b.AddPrefix(r.Prefix); err != nil {
				return ipranges.Set{}, err
			}
		}
		set = set.Minus(out.Set()).Union(in.Set())
		routes = routes[n:]
	}
	return set, nil
}

// firstDifference is the first line of got that want does not have in its place.
func firstDifference(got, want []byte) string {
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range g {
		if i >= len(w) || !bytes.Equal(g[i], w[i]) {
			return string(g[i])
		}
	}
	return ""
}
