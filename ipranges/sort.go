package ipranges

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// Sorting is by radix, on the first address of each span: comparing a million random
// spans costs ten times as much. It is done in place, because the spans are the largest
// part of what a long list takes: they are moved into 256 buckets, and each bucket is
// sorted in the same way, until one fits the cache and a spare piece of memory beside it.

// normal4 returns the spans of r, whose memory it takes over, as a Set holds them.
func normal4(r run[word4]) []span4 {
	if len(r.spans) == 0 {
		return nil
	}
	if r.unsorted != 0 {
		sortShared(r.spans, split4, sort4)
	}
	return trim(merge4(r.spans))
}

// normal6 is normal4 for IPv6.
func normal6(r run[word6]) []span6 {
	if len(r.spans) == 0 {
		return nil
	}
	if r.unsorted != 0 {
		sortShared(r.spans, split6, sort6)
	}
	return trim(merge6(r.spans))
}

// spareLen is how many spans are sorted with the help of as many spare ones.
const spareLen = 1 << 12

// sortShared sorts s. Several goroutines share the work if there is much.
func sortShared[W word[W]](s []span[W], split func([]span[W]) [256]uint32, sort func(s, spare []span[W])) {
	if len(s) <= 4*spareLen {
		sort(s, make([]span[W], min(len(s), spareLen)))
		return
	}
	end := split(s)
	var next atomic.Int32
	var wg sync.WaitGroup
	for range workers() {
		wg.Go(func() {
			spare := make([]span[W], spareLen)
			for b := int(next.Add(1)) - 1; b < len(end); b = int(next.Add(1)) - 1 {
				start := uint32(0)
				if b > 0 {
					start = end[b-1]
				}
				sort(s[start:end[b]], spare)
			}
		})
	}
	wg.Wait()
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

// split4 moves the spans of s into 256 buckets, in place, by the highest bits in which
// they differ, and returns where each bucket ends. (The American flag of McIlroy, Bostic
// and McIlroy, Engineering Radix Sort, 1993.)
func split4(s []span4) (end [256]uint32) {
	shift := max(0, bits.Len32(differ4(s))-8)
	var next [256]uint32
	for i := range s {
		next[byte(s[i].lo>>shift)]++
	}
	buckets(next[:])
	copy(end[:], next[1:])
	end[255] = uint32(len(s))
	for b := range next {
		for ; next[b] < end[b]; next[b]++ {
			x := s[next[b]]
			for to := byte(x.lo >> shift); int(to) != b; to = byte(x.lo >> shift) {
				i := next[to]
				next[to]++
				x, s[i] = s[i], x
			}
			s[next[b]] = x
		}
	}
	return end
}

// differ4 has a one for each bit in which the first addresses differ.
func differ4(s []span4) uint32 {
	var differ uint32
	for i := range s {
		differ |= uint32(s[i].lo ^ s[0].lo)
	}
	return differ
}

// sort4 sorts s.
func sort4(s, spare []span4) {
	switch {
	case len(s) <= insertionMax:
		insertion4(s)
	case len(s) <= len(spare):
		sortBeside4(s, spare)
	case differ4(s) != 0:
		start := uint32(0)
		for _, end := range split4(s) {
			sort4(s[start:end], spare)
			start = end
		}
	}
}

// sortBeside4 sorts s, from the low octet up. spare is as long as s.
func sortBeside4(s, spare []span4) {
	var count [4][256]uint32
	for _, r := range s {
		count[0][byte(r.lo)]++
		count[1][byte(r.lo>>8)]++
		count[2][byte(r.lo>>16)]++
		count[3][r.lo>>24]++
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

// split6 is split4 for IPv6.
func split6(s []span6) (end [256]uint32) {
	d := digitOf(s, 8)
	var next [256]uint32
	for i := range s {
		next[d.of(s[i].lo)]++
	}
	buckets(next[:])
	copy(end[:], next[1:])
	end[255] = uint32(len(s))
	for b := range next {
		for ; next[b] < end[b]; next[b]++ {
			x := s[next[b]]
			for to := d.of(x.lo); to != uint64(b); to = d.of(x.lo) {
				i := next[to]
				next[to]++
				x, s[i] = s[i], x
			}
			s[next[b]] = x
		}
	}
	return end
}

// sort6 sorts s.
func sort6(s, spare []span6) {
	switch {
	case len(s) <= insertionMax:
		insertion6(s)
	case len(s) <= len(spare):
		sortBeside6(s, spare)
	case digitOf(s, 8).differ != word6{}:
		start := uint32(0)
		for _, end := range split6(s) {
			sort6(s[start:end], spare)
			start = end
		}
	}
}

// sortBeside6 sorts by the bits in which the spans differ, the highest first: addresses
// of one cloud share their high bits, and the low bits of most are 0. spare is as long as
// s.
func sortBeside6(s, spare []span6) {
	if len(s) <= insertionMax {
		insertion6(s)
		return
	}
	const width = 10
	d := digitOf(s, width)
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
		sortBeside6(s[start:end], spare)
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

// digit6 is the highest bits in which addresses differ, at most one half of the address
// at a time.
type digit6 struct {
	differ word6 // a one for each bit that differs
	low    bool  // the digit is in the low half
	shift  int
	mask   uint64
}

func digitOf(s []span6, width int) (d digit6) {
	for i := range s {
		d.differ.hi |= s[i].lo.hi ^ s[0].lo.hi
		d.differ.lo |= s[i].lo.lo ^ s[0].lo.lo
	}
	differ := d.differ.hi
	if d.low = differ == 0; d.low {
		differ = d.differ.lo
	}
	d.shift = max(0, bits.Len64(differ)-width)
	d.mask = 1<<width - 1
	return d
}

func (d *digit6) of(a word6) uint64 {
	half := a.hi
	if d.low {
		half = a.lo
	}
	return half >> (d.shift & 63) & d.mask
}
