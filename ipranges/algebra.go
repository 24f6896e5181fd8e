package ipranges

import "slices"

// The algebra works on sorted, disjoint, non-adjacent spans and returns such.
// Arguments are never changed; a result may share memory with one of them.
// Every function is one walk along both lists.

// unite returns the spans in a or b.
func unite[W word[W]](a, b []span[W]) []span[W] {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]span[W], 0, len(a)+len(b))
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		var next span[W]
		if j == len(b) || i < len(a) && a[i].lo.less(b[j].lo) {
			next = a[i]
			i++
		} else {
			next = b[j]
			j++
		}
		out = appendMerged(out, next)
	}
	return slices.Clip(out)
}

// appendMerged appends s, which must not start before the last span of dst,
// and joins it with that span where they overlap or touch.
func appendMerged[W word[W]](dst []span[W], s span[W]) []span[W] {
	if n := len(dst); n > 0 {
		last := &dst[n-1]
		// The second test cannot wrap: last.hi is below s.lo there.
		if !last.hi.less(s.lo) || last.hi.next() == s.lo {
			if last.hi.less(s.hi) {
				last.hi = s.hi
			}
			return dst
		}
	}
	return append(dst, s)
}

// subtract returns the spans in a but not in b.
func subtract[W word[W]](a, b []span[W]) []span[W] {
	if len(a) == 0 || len(b) == 0 {
		return a
	}
	out := make([]span[W], 0, len(a))
	j := 0
	for _, s := range a {
		for j < len(b) && b[j].hi.less(s.lo) {
			j++
		}
		// Cut s at every hole. The last hole may reach into the next span of
		// a, so j stays on it.
		left := true
		for left && j < len(b) && !s.hi.less(b[j].lo) {
			if s.lo.less(b[j].lo) {
				out = append(out, span[W]{s.lo, b[j].lo.prev()})
			}
			if left = b[j].hi.less(s.hi); left {
				s.lo = b[j].hi.next()
				j++
			}
		}
		if left {
			out = append(out, s)
		}
	}
	return out
}

// intersect returns the spans in both a and b.
func intersect[W word[W]](a, b []span[W]) []span[W] {
	var out []span[W]
	for len(a) > 0 && len(b) > 0 {
		lo, hi := a[0].lo, a[0].hi
		if lo.less(b[0].lo) {
			lo = b[0].lo
		}
		if b[0].hi.less(hi) {
			hi = b[0].hi
		}
		if !hi.less(lo) {
			out = append(out, span[W]{lo, hi})
		}
		if a[0].hi.less(b[0].hi) {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// firstFrom returns the index of the first span that ends at or after w, or
// len(s): the only one that can hold w.
func firstFrom[W word[W]](s []span[W], w W) int {
	lo, hi := 0, len(s)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s[mid].hi.less(w) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// covers reports whether every address of b is in a.
func covers[W word[W]](a, b []span[W]) bool {
	for _, s := range b {
		a = a[firstFrom(a, s.lo):]
		if len(a) == 0 || s.lo.less(a[0].lo) || a[0].hi.less(s.hi) {
			return false
		}
	}
	return true
}

// overlaps reports whether a and b have an address in common.
func overlaps[W word[W]](a, b []span[W]) bool {
	if len(a) < len(b) {
		a, b = b, a // search in the long list, walk the short one
	}
	for _, s := range b {
		a = a[firstFrom(a, s.lo):]
		if len(a) == 0 {
			return false
		}
		if !s.hi.less(a[0].lo) {
			return true
		}
	}
	return false
}
