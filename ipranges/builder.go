package ipranges

import (
	"net/netip"

	"go4.org/netipx"
)

// Builder collects prefixes, ranges, addresses and sets for one Set. The zero value is
// ready. Input in ascending order, such as the lists of every feed, is merged as it
// arrives; other input is sorted once, by Set. A Builder is not safe for concurrent
// use.
type Builder struct {
	v4 pile[word4]
	v6 pile[word6]
}

// AddPrefix adds the addresses of p. A prefix that is invalid, has host bits
// set, or is IPv4-mapped is an error and adds nothing.
func (b *Builder) AddPrefix(p netip.Prefix) error {
	if err := checkPrefix(p); err != nil {
		return err
	}
	b.addPrefix(p)
	return nil
}

// addPrefix is AddPrefix without the checks; host bits are masked.
func (b *Builder) addPrefix(p netip.Prefix) {
	if p.Addr().Is4() {
		b.add4(prefixSpan4(wordOf4(p.Addr()), p.Bits()))
	} else {
		b.add6(prefixSpan6(wordOf6(p.Addr()), p.Bits()))
	}
}

// AddRange adds the addresses of r. A range that is invalid or IPv4-mapped is
// an error and adds nothing.
func (b *Builder) AddRange(r netipx.IPRange) error {
	if err := checkRange(r); err != nil {
		return err
	}
	if r.From().Is4() {
		b.add4(spanOf4(r))
	} else {
		b.add6(spanOf6(r))
	}
	return nil
}

// AddAddr adds one address. The zero Addr, and one that has a zone or is
// IPv4-mapped, is an error and adds nothing.
func (b *Builder) AddAddr(a netip.Addr) error {
	if err := checkAddr(a); err != nil {
		return err
	}
	b.addPrefix(netip.PrefixFrom(a, a.BitLen()))
	return nil
}

// AddSet adds the addresses of s.
func (b *Builder) AddSet(s Set) {
	for _, r := range s.v4 {
		b.add4(r)
	}
	for _, r := range s.v6 {
		b.add6(r)
	}
}

// Set returns the set of everything added so far. The Builder keeps its
// content: more may be added for another Set, which does not change this one.
func (b *Builder) Set() Set { return Set{normal4(b.v4.copy()), normal6(b.v6.copy())} }

// Reset empties the Builder and keeps some of its memory for the next set.
func (b *Builder) Reset() {
	b.v4 = pile[word4]{open: b.v4.open[:0]}
	b.v6 = pile[word6]{open: b.v6.open[:0]}
}

// run is spans in the order they came, in one piece of memory.
type run[W word[W]] struct {
	spans    []span[W]
	unsorted uint64 // 1: a span started before the one before it
}

func (r *run[W]) reset() { r.spans, r.unsorted = r.spans[:0], 0 }

// pile holds spans in the order they came: full chunks, then the open one. Chunks avoid
// copying a million spans as the pile grows.
type pile[W word[W]] struct {
	full     [][]span[W]
	open     []span[W]
	unsorted bool // a span started before the one before it
}

// chunkLen is the length of most chunks but the first.
const chunkLen = 1 << 15

// grow makes room for a span in the open chunk.
func (p *pile[W]) grow() {
	if n := len(p.open); n < chunkLen {
		bigger := make([]span[W], n, max(8, 2*n))
		copy(bigger, p.open)
		p.open = bigger
		return
	}
	p.full = append(p.full, p.open)
	p.open = make([]span[W], 0, chunkLen)
}

// add adds the spans of r. Where it needs memory, expected is how many spans there may be in
// the end; 0 is unknown. What is not written to in the end costs nothing: the system has
// not handed it out.
func (p *pile[W]) add(r run[W], expected int) {
	if len(r.spans) == 0 {
		return
	}
	n := len(p.open)
	p.unsorted = p.unsorted || r.unsorted != 0 || n > 0 && r.spans[0].lo.less(p.open[n-1].lo)
	if n+len(r.spans) > cap(p.open) {
		if n > 0 {
			p.full = append(p.full, p.open)
		}
		if expected == 0 {
			expected = chunkLen
		}
		p.open = make([]span[W], 0, max(expected, len(r.spans)))
	}
	p.open = append(p.open, r.spans...)
}

// take returns the spans. The pile must not be used afterwards.
func (p *pile[W]) take() run[W] {
	if len(p.full) > 0 {
		return p.copy()
	}
	return run[W]{p.open, p.order()}
}

// copy returns a copy of the spans.
func (p *pile[W]) copy() run[W] {
	n := len(p.open)
	for _, c := range p.full {
		n += len(c)
	}
	spans := make([]span[W], 0, n)
	for _, c := range p.full {
		spans = append(spans, c...)
	}
	return run[W]{append(spans, p.open...), p.order()}
}

func (p *pile[W]) order() (unsorted uint64) {
	if p.unsorted {
		return 1
	}
	return 0
}

func (b *Builder) add4(s span4) {
	p := &b.v4
	if n := len(p.open); n > 0 && !p.unsorted {
		last := &p.open[n-1]
		if s.lo < last.lo {
			p.unsorted = true
		} else if s.lo <= last.hi || s.lo == last.hi+1 { // no wrap: last.hi < s.lo there
			last.hi = max(last.hi, s.hi)
			return
		}
	}
	if len(p.open) == cap(p.open) {
		p.grow()
	}
	p.open = append(p.open, s)
}

func (b *Builder) add6(s span6) {
	p := &b.v6
	if n := len(p.open); n > 0 && !p.unsorted {
		last := &p.open[n-1]
		if s.lo.less(last.lo) {
			p.unsorted = true
		} else if !last.hi.less(s.lo) || s.lo == last.hi.next() {
			if last.hi.less(s.hi) {
				last.hi = s.hi
			}
			return
		}
	}
	if len(p.open) == cap(p.open) {
		p.grow()
	}
	p.open = append(p.open, s)
}
