package ipranges

import (
	"encoding/binary"
	"math/bits"
)

// The scanner reads the usual forms of prefixes and addresses from a buffer. It may
// reject a valid address in a rare form (an IPv6 address that ends in dotted IPv4, one
// with a zone), or one at the very end of the buffer: its callers then use net/netip,
// which decides. It never accepts what net/netip rejects.

// scanRoom is how many bytes after the first one of an entry the scanner needs: more
// than the longest entry and what may follow it.
const scanRoom = 48

// entry is an address, prefix or range that was scanned.
type entry struct {
	a        word6 // IPv4 in the low 32 bits
	last     word6 // of a range
	next     int   // index of the first byte after it
	length   int   // of the prefix; of an address 32 or 128
	v6       bool
	isPrefix bool
	isRange  bool
}

// hostBits reports whether the address of a prefix has bits set beyond its length.
func (e *entry) hostBits() bool {
	if e.v6 {
		return e.a.meets(hostMask6(e.length))
	}
	return word4(e.a.lo)&hostMask4(e.length) != 0
}

// scan reads an address or prefix at t[i:] into e. The caller judges what follows.
// IPv4-mapped addresses are rejected.
func (e *entry) scan(t []byte, i int) (ok bool) {
	if i+scanRoom > len(t) {
		return false
	}
	e.isRange = false
	if a, next, ok := scan4(t, i); ok {
		e.a, e.next, e.length, e.v6 = word6{0, uint64(a)}, next, 32, false
	} else if e.a, e.next, ok = scan6(t, i); ok {
		e.length, e.v6 = 128, true
	} else {
		return false
	}
	if e.isPrefix = t[e.next] == '/'; e.isPrefix {
		e.length, e.next, ok = scanLength(t, e.next+1, e.length)
		return ok
	}
	return true
}

// scanLast reads the last address of a range at t[i:], the first of which was read into e.
func (e *entry) scanLast(t []byte, i int) (ok bool) {
	if i+scanRoom > len(t) || e.isPrefix {
		return false
	}
	if e.v6 {
		e.last, e.next, ok = scan6(t, i)
	} else {
		var a uint32
		a, e.next, ok = scan4(t, i)
		e.last = word6{0, uint64(a)}
	}
	e.isRange = ok
	return ok && !e.last.less(e.a)
}

// scanLength reads a prefix length: a number up to limit, without leading zeros.
func scanLength(t []byte, i, limit int) (n, next int, ok bool) {
	start := i
	for ; i < start+4 && t[i]-'0' <= 9; i++ {
		n = n*10 + int(t[i]-'0')
	}
	return n, i, i > start && n <= limit && (t[start] != '0' || i == start+1)
}

// scan4 reads four decimal numbers with dots between them, each up to 255 and
// without leading zeros.
//
// A processor cannot predict how long the next number is, and a wrong prediction costs
// more than everything else. So the ends of all four are found at once: as bits of a
// mask, one for each byte that is no digit, among the 16 bytes in which the longest
// address and the byte after it fit.
func scan4(t []byte, i int) (a uint32, next int, ok bool) {
	t = t[i : i+scanRoom]
	stops := nonDigits(binary.LittleEndian.Uint64(t)) | nonDigits(binary.LittleEndian.Uint64(t[8:]))<<8
	at := uint(0)
	for field := range 4 {
		stop := uint(bits.TrailingZeros32(stops))
		stops &= stops - 1
		digits := stop - at
		if digits-1 > 2 || field < 3 && t[stop&15] != '.' { // 0 digits wrap around to many
			return 0, 0, false
		}
		// The digits as bytes, the last one highest, zeros before the first.
		x := (binary.LittleEndian.Uint32(t[at&15:]) ^ 0x30303030) << ((32 - 8*digits) & 31)
		if bits.ReverseBytes32(x) > 0x020505 || digits > 1 && t[at&15] == '0' {
			return 0, 0, false
		}
		// The high byte of the product is 100, 10 and 1 times the digits.
		a = a<<8 | x*(100<<16|10<<8|1)>>24
		at = stop + 1
	}
	return a, i + int(at) - 1, true
}

// nonDigits returns a bit for each of eight bytes, the first one lowest: 0 for
// a decimal digit, 1 for others. After a byte above 0x7f the next may be wrong.
func nonDigits(x uint64) uint32 {
	const ones = 0x0101010101010101
	x ^= ones * '0'                      // digits become their value, others at least 10
	x = (x | (x + ones*118)) >> 7 & ones // 118+10 is the first to reach the high bit
	return uint32(x * 0x0102040810204080 >> 56)
}

// hexValue gives the value of a hexadecimal digit, and noHex for other bytes.
var hexValue = func() (t [256]uint8) {
	for i := range t {
		t[i] = noHex
	}
	for i := range 10 {
		t['0'+i] = uint8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = uint8(10+i), uint8(10+i)
	}
	return t
}()

const noHex = 0xff

// scan6 reads eight groups of one to four hexadecimal digits with colons
// between them, or fewer with one "::" that stands for at least one group.
func scan6(t []byte, i int) (a word6, next int, ok bool) {
	var group [8]uint16
	n, gap := 0, -1 // groups read; how many of them stand before "::"
	if t[i] == ':' {
		if t[i+1] != ':' {
			return a, 0, false
		}
		gap = 0
		i += 2
	}
	for n < 8 {
		start, v := i, uint64(0)
		for i < start+5 {
			h := hexValue[t[i]]
			if h == noHex {
				break
			}
			v = v<<4 | uint64(h)
			i++
		}
		if i == start {
			if gap != n {
				return a, 0, false // nothing after a single colon, or at all
			}
			break // ends in "::"
		}
		if i > start+4 {
			return a, 0, false
		}
		group[n] = uint16(v)
		n++
		if n == 8 || t[i] != ':' {
			break
		}
		i++
		if t[i] == ':' {
			if gap >= 0 {
				return a, 0, false
			}
			gap = n
			i++
		}
	}
	if t[i] == ':' || (n == 8) == (gap >= 0) {
		return a, 0, false
	}
	if gap >= 0 {
		copy(group[gap+8-n:], group[gap:n])
		clear(group[gap : gap+8-n])
	}
	for g := range 4 {
		a.hi = a.hi<<16 | uint64(group[g])
		a.lo = a.lo<<16 | uint64(group[4+g])
	}
	return a, i, a.hi != 0 || a.lo>>32 != 0xffff
}
