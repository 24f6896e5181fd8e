package fortigate

import (
	"net/netip"

	"sallyport/ipranges"
)

// perLine is the most members on a line of a group: far below what a CLI takes.
const perLine = 16

// chunks divides the prefixes of a family, in order, into the members of each line. Lines
// are cut by content: all members that share their first 16 bits (IPv4) or 32 (IPv6), or
// as many more as it takes for a line to hold them. So a change moves no member to
// another line, but where a line gets too long or need not be cut any more.
func chunks(set ipranges.Set, f ipranges.Family) [][]netip.Prefix {
	var all []netip.Prefix
	for p := range set.Prefixes(f) {
		all = append(all, p)
	}
	bits := 16
	if f == ipranges.IPv6 {
		bits = 32
	}
	return appendChunks(nil, all, bits)
}

// appendChunks cuts list where the first bits of two neighbours differ.
func appendChunks(dst [][]netip.Prefix, list []netip.Prefix, bits int) [][]netip.Prefix {
	for start := 0; start < len(list); {
		end := start + 1
		for end < len(list) && sameStart(list[start].Addr(), list[end].Addr(), bits) {
			end++
		}
		if end-start > perLine && bits < list[start].Addr().BitLen() {
			dst = appendChunks(dst, list[start:end], bits+4)
		} else {
			dst = append(dst, list[start:end])
		}
		start = end
	}
	return dst
}

// sameStart reports whether two addresses of a family have their first bits in common.
func sameStart(a, b netip.Addr, bits int) bool {
	p, err := a.Prefix(bits)
	return err == nil && p.Contains(b)
}
