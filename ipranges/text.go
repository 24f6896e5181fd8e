package ipranges

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"go4.org/netipx"
)

// AppendRange appends the shortest text of r that [ParseRange] reads back:
// the address when there is one, the prefix when r is exactly one, and
// "from-to" otherwise. An invalid range appends nothing.
func AppendRange(dst []byte, r netipx.IPRange) []byte {
	switch {
	case !r.IsValid():
		return dst
	case r.From().Is4():
		return appendSpan4(dst, spanOf4(r))
	}
	return appendSpan6(dst, spanOf6(r))
}

// AppendPrefix appends p as text, always with its length. An invalid prefix
// appends nothing.
func AppendPrefix(dst []byte, p netip.Prefix) []byte {
	switch {
	case !p.IsValid():
		return dst
	case p.Addr().Is4():
		return appendPrefix4(dst, wordOf4(p.Addr()), p.Bits())
	}
	return appendPrefix6(dst, wordOf6(p.Addr()), p.Bits())
}

// AppendRanges appends every range of family f as [AppendRange] does,
// ascending, each between before and after: AppendRanges(dst, f, "\t", ",\n")
// gives one indented element a line.
func (s Set) AppendRanges(dst []byte, f Family, before, after string) []byte {
	switch f {
	case IPv4:
		for _, r := range s.v4 {
			dst = appendString(appendSpan4(appendString(dst, before), r), after)
		}
	case IPv6:
		for _, r := range s.v6 {
			dst = appendString(appendSpan6(appendString(dst, before), r), after)
		}
	}
	return dst
}

// AppendPrefixes appends every minimal prefix of family f, ascending, each
// between before and after. Single addresses keep their "/32" or "/128".
func (s Set) AppendPrefixes(dst []byte, f Family, before, after string) []byte {
	switch f {
	case IPv4:
		for _, r := range s.v4 {
			for last := false; !last; {
				lo, length := r.lo, 0
				length, r, last = cut4(r)
				dst = appendString(appendPrefix4(appendString(dst, before), lo, length), after)
			}
		}
	case IPv6:
		for _, r := range s.v6 {
			for last := false; !last; {
				lo, length := r.lo, 0
				length, r, last = cut6(r)
				dst = appendString(appendPrefix6(appendString(dst, before), lo, length), after)
			}
		}
	}
	return dst
}

// String returns the ranges of s, IPv4 first, with blanks between them. It is
// for messages about small sets.
func (s Set) String() string {
	dst := s.AppendRanges(nil, IPv4, "", " ")
	dst = s.AppendRanges(dst, IPv6, "", " ")
	return string(dst[:max(0, len(dst)-1)])
}

// appendString is append, quick for the empty and one-byte strings that most
// callers use.
func appendString(dst []byte, s string) []byte {
	switch len(s) {
	case 0:
		return dst
	case 1:
		return append(dst, s[0])
	}
	return append(dst, s...)
}

func appendSpan4(dst []byte, r span4) []byte {
	if r.lo == r.hi {
		return appendAddr4(dst, r.lo)
	}
	if length, _, last := cut4(r); last {
		return appendPrefix4(dst, r.lo, length)
	}
	return appendAddr4(append(appendAddr4(dst, r.lo), '-'), r.hi)
}

func appendSpan6(dst []byte, r span6) []byte {
	if r.lo == r.hi {
		return appendAddr6(dst, r.lo)
	}
	if length, _, last := cut6(r); last {
		return appendPrefix6(dst, r.lo, length)
	}
	return appendAddr6(append(appendAddr6(dst, r.lo), '-'), r.hi)
}

// Numbers are written without a branch on how many digits they have: four bytes are
// stored, and the next number starts after those that count.

// octet is a number up to 255 in decimal with a dot after it.
type octet struct {
	text   uint32 // first character in the low byte
	length uint8
}

var octets = func() (t [256]octet) {
	for i := range t {
		var b [4]byte
		n := 0
		for _, unit := range [3]int{100, 10, 1} {
			if i >= unit || unit == 1 {
				b[n] = '0' + byte(i/unit%10)
				n++
			}
		}
		b[n] = '.'
		t[i] = octet{binary.LittleEndian.Uint32(b[:]), uint8(n + 1)}
	}
	return t
}()

// hexPairs is every byte as two hexadecimal digits, first one in the low byte.
var hexPairs = func() (t [256]uint16) {
	const digits = "0123456789abcdef"
	for i := range t {
		t[i] = uint16(digits[i>>4]) | uint16(digits[i&15])<<8
	}
	return t
}()

// room4 is the room for an IPv4 prefix and for one number stored past its end.
const room4 = 24

// appendAddr4 appends a in dotted decimal.
func appendAddr4(dst []byte, a word4) []byte {
	n := len(dst)
	dst = slices.Grow(dst, room4)[:n+room4]
	return dst[:n+putAddr4((*[room4]byte)(dst[n:]), a)]
}

// appendPrefix4 appends a in dotted decimal with "/length".
func appendPrefix4(dst []byte, a word4, length int) []byte {
	n := len(dst)
	dst = slices.Grow(dst, room4)[:n+room4]
	b := (*[room4]byte)(dst[n:])
	i := putAddr4(b, a)
	o := &octets[byte(length)]
	binary.LittleEndian.PutUint32(b[i&15:], '/'|o.text<<8) // the dot goes over the edge or is cut off
	return dst[:n+i+int(o.length)]
}

// putAddr4 writes a at the start of b and returns its length.
func putAddr4(b *[room4]byte, a word4) int {
	o := &octets[a>>24]
	binary.LittleEndian.PutUint32(b[0:], o.text)
	i := int(o.length)
	o = &octets[byte(a>>16)]
	binary.LittleEndian.PutUint32(b[i&15:], o.text)
	i += int(o.length)
	o = &octets[byte(a>>8)]
	binary.LittleEndian.PutUint32(b[i&15:], o.text)
	i += int(o.length)
	o = &octets[byte(a)]
	binary.LittleEndian.PutUint32(b[i&15:], o.text)
	return i + int(o.length) - 1 // without the last dot
}

// appendPrefix6 appends a in the form of RFC 5952 with "/length".
func appendPrefix6(dst []byte, a word6, length int) []byte {
	dst = append(appendAddr6(dst, a), '/')
	n := len(dst)
	o := &octets[byte(length)]
	return binary.LittleEndian.AppendUint32(dst, o.text)[:n+int(o.length)-1]
}

// appendAddr6 appends a in the form of RFC 5952: lower case, no leading
// zeros, "::" for the first longest run of two or more zero groups, and
// dotted IPv4 at the end of an IPv4-mapped address.
func appendAddr6(dst []byte, a word6) []byte {
	if a.hi == 0 && a.lo>>32 == 0xffff {
		return appendAddr4(append(dst, "::ffff:"...), word4(a.lo))
	}
	const room = 8*5 + 3
	dst = slices.Grow(dst, room)
	n := len(dst)
	b := (*[room]byte)(dst[n : n+room])
	gap, gapEnd := longestGap(a)
	i := 0
	for g := 0; g < 8; g++ {
		if g == gap {
			b[i] = ':' // the second colon, unless the address starts here
			i++
			if g == 0 {
				b[i] = ':'
				i++
			}
			if g = gapEnd; g == 8 {
				return dst[:n+i]
			}
		}
		half := a.hi
		if g >= 4 {
			half = a.lo
		}
		v := uint16(half >> (16 * (3 - g&3)))
		digits := (bits.Len16(v|1) + 3) / 4
		four := uint32(hexPairs[v>>8]) | uint32(hexPairs[byte(v)])<<16
		binary.LittleEndian.PutUint32(b[i:], four>>((32-8*digits)&31))
		i += digits
		b[i] = ':'
		i++
	}
	return dst[:n+i-1] // without the last colon
}

// longestGap returns the first and the end of the run of zero groups that
// "::" stands for, or -1.
func longestGap(a word6) (start, end int) {
	zero := zeroGroups(a.hi)<<4 | zeroGroups(a.lo)
	// After n turns a bit is left where n zeros begin.
	n, begin := 0, zero
	for ; zero != 0; zero &= zero << 1 {
		begin = zero
		n++
	}
	if n < 2 {
		return -1, -1
	}
	start = 8 - bits.Len8(begin)
	return start, start + n
}

// zeroGroups has a bit for each of the four groups of half an address, the first one
// highest: 1 for a group that is zero.
func zeroGroups(half uint64) uint8 {
	const low = 0x7fff_7fff_7fff_7fff // all but the highest bit of each group
	some := (half&low + low) | half   // has the highest bit of each group that is not zero
	return uint8(^some>>60&8 | ^some>>45&4 | ^some>>30&2 | ^some>>15&1)
}
