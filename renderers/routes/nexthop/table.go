package nexthop

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
)

// Words are what stands around the prefix of a route by way of h, in a target's
// language.
type Words func(h Hop) (before, after string)

// Append appends the routes of family f to the addresses of set, one a line, in
// address order. With exceptions the longest come first: so a program that sets one
// after the other never has an exception in force without what it contains.
func (w Way) Append(dst []byte, set ipranges.Set, f ipranges.Family, words Words) []byte {
	before, after := words(w.To)
	if w.Other == (Hop{}) {
		dst = slices.Grow(dst, set.NumPrefixes(f)*(len(before)+20+len(after)))
		return set.AppendPrefixes(dst, f, before, after+"\n")
	}
	otherBefore, otherAfter := words(w.Other)
	routes := cover.TwoHop(set, f)
	slices.SortStableFunc(routes, func(a, b cover.Route) int { return b.Prefix.Bits() - a.Prefix.Bits() })
	for _, r := range routes {
		b, a := before, after
		if !r.In {
			b, a = otherBefore, otherAfter
		}
		dst = append(append(ipranges.AppendPrefix(append(dst, b...), r.Prefix), a...), '\n')
	}
	return dst
}

// RouteBytes counts the line that Append writes for a prefix, its end included. It is
// nil where a way has exceptions: such a list has no line for each of its prefixes.
func (w Ways) RouteBytes(words func(ipranges.Family) Words) func(netip.Prefix) int {
	frame := map[ipranges.Family]int{}
	for f, way := range w {
		if way.Other != (Hop{}) {
			return nil
		}
		before, after := words(f)(way.To)
		frame[f] = len(before) + len(after) + len("\n")
	}
	return func(p netip.Prefix) int {
		var text [64]byte
		return frame[ipranges.FamilyOf(p.Addr())] + len(ipranges.AppendPrefix(text[:0], p))
	}
}

// Read is the inverse of Append: the addresses that lines of routes of family f send
// to the list's hop.
func (w Way) Read(lines []string, f ipranges.Family, words Words) (ipranges.Set, error) {
	routes := make([]cover.Route, len(lines))
	for i, line := range lines {
		r, err := w.readLine(line, f, words)
		if err != nil {
			return ipranges.Set{}, fmt.Errorf("%q: %w", line, err)
		}
		routes[i] = r
	}
	return match(routes)
}

func (w Way) readLine(line string, f ipranges.Family, words Words) (cover.Route, error) {
	for _, h := range []Hop{w.To, w.Other} {
		if h == (Hop{}) {
			continue
		}
		before, after := words(h)
		text, begins := strings.CutPrefix(line, before)
		text, ends := strings.CutSuffix(text, after)
		if !begins || !ends {
			continue
		}
		p, err := ipranges.ParsePrefix(text)
		if err == nil && ipranges.FamilyOf(p.Addr()) != f {
			err = fmt.Errorf("no %s prefix", f)
		}
		return cover.Route{Prefix: p, In: h == w.To}, err
	}
	return cover.Route{}, errors.New("no route by our next hop")
}

// match returns the addresses whose longest route leads In.
func match(routes []cover.Route) (ipranges.Set, error) {
	routes = slices.Clone(routes)
	slices.SortFunc(routes, func(a, b cover.Route) int {
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
				return ipranges.Set{}, fmt.Errorf("two routes for %s", routes[n].Prefix)
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
