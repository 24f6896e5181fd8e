package ipranges

import (
	"math/bits"
	"slices"
)

// Sorting is by radix, on the first address of each span: comparing a million
// random spans costs ten times as much. Both families start with one pass
// that moves the spans from the pile's chunks into one list, in 256 buckets.
// With a million spans a bucket then fits the cache, where the rest of the
// work is done.

// normal4 returns the spans of p as a Set holds them, in memory of their own.
func normal4(p *pile[word4]) []span4 {
	chunks, n := p.chunks()
	if n == 0 {
		return nil
	}
	out := make([]span4, 0, n)
	if p.unsorted {
		out = sorted4(chunks, out)
	} else {
		for _, c := range chunks {
			out = append(out, c...)
		}
	}
	return trim(merge4(out))
}

// normal6 is normal4 for IPv6.
func normal6(p *pile[word6]) []span6 {
	chunks, n := p.chunks()
	if n == 0 {
		return nil
	}
	out := make([]span6, 0, n)
	if p.unsorted {
		out = sorted6(chunks, out)
	} else {
		for _, c := range chunks {
			out = append(out, c...)
		}
	}
	return trim(merge6(out))
}

// trim returns a copy of s where most of its memory is unused.
func trim[W word[W]](s []span[W]) []span[W] {
	if len(s) < cap(s)/2 {
		return slices.Clone(s)
	}
	return slices.Clip(s)
}

// merge4 joins, in place, sorted spans that overlap or touch.
func merge4(s []span4) []span4 {
	n := 0 // s[n] is the span being grown
	for _, next := range s[1:] {
		last := &s[n]
		if next.lo <= last.hi || next.lo == last.hi+1 { // no wrap: last.hi < next.lo there
			last.hi = max(last.hi, next.hi)
		} else {
			n++
			s[n] = next
		}
	}
	return s[:n+1]
}

// merge6 is merge4 for IPv6.
func merge6(s []span6) []span6 {
	n := 0
	for _, next := range s[1:] {
		last := &s[n]
		if !last.hi.less(next.lo) || next.lo == last.hi.next() {
			if last.hi.less(next.hi) {
				last.hi = next.hi
			}
		} else {
			n++
			s[n] = next
		}
	}
	return s[:n+1]
}

// insertionMax is the length up to which insertion sort is the fastest.
const insertionMax = 32

// buckets turns counts into the index at which each bucket starts, and
// returns the size of the largest.
func buckets(count []uint32) (largest uint32) {
	at := uint32(0)
	for i, n := range count {
		count[i] = at
		at += n
		largest = max(largest, n)
	}
	return largest
}

// sorted4 appends the chunks to out, which has the room, in ascending order:
// first by the high octet into buckets, then within each from the low octet up.
func sorted4(chunks [][]span4, out []span4) []span4 {
	var end [256]uint32
	n := 0
	for _, c := range chunks {
		n += len(c)
		for _, s := range c {
			end[s.lo>>24]++
		}
	}
	out = out[:n]
	spare := make([]span4, buckets(end[:]))
	for _, c := range chunks {
		for _, s := range c {
			i := &end[s.lo>>24]
			out[*i] = s
			*i++
		}
	}
	start := uint32(0)
	for _, end := range end {
		sortLow4(out[start:end], spare)
		start = end
	}
	return out
}

// sortLow4 sorts spans that share their high octet. spare is as long as s.
func sortLow4(s, spare []span4) {
	if len(s) <= insertionMax {
		insertion4(s)
		return
	}
	var count [3][256]uint32
	for _, r := range s {
		count[0][byte(r.lo)]++
		count[1][byte(r.lo>>8)]++
		count[2][byte(r.lo>>16)]++
	}
	from, to := s, spare[:len(s)]
	for octet := range count {
		c, shift := &count[octet], 8*octet
		if buckets(c[:]) == uint32(len(s)) {
			continue // the same in every span
		}
		for _, r := range from {
			i := &c[byte(r.lo>>shift)]
			to[*i] = r
			*i++
		}
		from, to = to, from
	}
	copy(s, from) // a copy onto itself, which costs nothing, when s is where the last pass wrote
}

func insertion4(s []span4) {
	for i := 1; i < len(s); i++ {
		x, j := s[i], i
		for ; j > 0 && x.lo < s[j-1].lo; j-- {
			s[j] = s[j-1]
		}
		s[j] = x
	}
}

// sorted6 appends the chunks to out, which has the room, in ascending order.
func sorted6(chunks [][]span6, out []span6) []span6 {
	var d digit6
	n := 0
	for _, c := range chunks {
		n += len(c)
		d.see(chunks[0][0].lo, c)
	}
	d.choose(8)
	var end [256]uint32
	for _, c := range chunks {
		for i := range c {
			end[d.of(c[i].lo)]++
		}
	}
	out = out[:n]
	spare := make([]span6, buckets(end[:]))
	for _, c := range chunks {
		for i := range c {
			at := &end[d.of(c[i].lo)]
			out[*at] = c[i]
			*at++
		}
	}
	start := uint32(0)
	for _, end := range end {
		sort6(out[start:end], spare)
		start = end
	}
	return out
}

// sort6 sorts by the bits in which the spans differ, the highest first: addresses of
// one cloud share their high bits, and the low bits of most are 0. spare is as long as
// s.
func sort6(s, spare []span6) {
	if len(s) <= insertionMax {
		insertion6(s)
		return
	}
	const width = 10
	var d digit6
	d.see(s[0].lo, s)
	d.choose(width)
	var end [1 << width]uint32
	for i := range s {
		end[d.of(s[i].lo)]++
	}
	if buckets(end[:]) == uint32(len(s)) {
		return // one bucket holds all: no bit differs
	}
	for i := range s {
		at := &end[d.of(s[i].lo)]
		spare[*at] = s[i]
		*at++
	}
	copy(s, spare)
	start := uint32(0)
	for _, end := range end {
		sort6(s[start:end], spare)
		start = end
	}
}

func insertion6(s []span6) {
	for i := 1; i < len(s); i++ {
		x, j := s[i], i
		for ; j > 0 && x.lo.less(s[j-1].lo); j-- {
			s[j] = s[j-1]
		}
		s[j] = x
	}
}

// digit6 picks the highest bits in which addresses differ, at most one half
// of the address at a time.
type digit6 struct {
	differ word6 // a one for each bit that differs
	low    bool  // the digit is in the low half
	shift  int
	mask   uint64
}

func (d *digit6) see(first word6, s []span6) {
	for i := range s {
		d.differ.hi |= s[i].lo.hi ^ first.hi
		d.differ.lo |= s[i].lo.lo ^ first.lo
	}
}

func (d *digit6) choose(width int) {
	differ := d.differ.hi
	if d.low = differ == 0; d.low {
		differ = d.differ.lo
	}
	d.shift = max(0, bits.Len64(differ)-width)
	d.mask = 1<<width - 1
}

func (d *digit6) of(a word6) uint64 {
	half := a.hi
	if d.low {
		half = a.lo
	}
	return half >> (d.shift & 63) & d.mask
}
