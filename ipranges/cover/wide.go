package cover

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"sallyport/ipranges"
)

// wide is a number of 128 bits: a size, or the bits of an address, of which the
// first stands highest in either family (an IPv4 address fills the upper 32).
type wide struct{ hi, lo uint64 }

func wideOf(a netip.Addr) wide {
	if a.Is4() {
		b := a.As4()
		return wide{hi: uint64(binary.BigEndian.Uint32(b[:])) << 32}
	}
	b := a.As16()
	return wide{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addr is the inverse of wideOf.
func (a wide) addr(f ipranges.Family) netip.Addr {
	if f == ipranges.IPv4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.hi>>32))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

func (a wide) less(b wide) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// plus and minus wrap around at 2^128.
func (a wide) plus(b wide) wide {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return wide{hi, lo}
}

func (a wide) minus(b wide) wide {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return wide{hi, lo}
}

// first and last return the ends of the block of the given prefix length
// around a.
func (a wide) first(length int) wide {
	if length < 64 {
		return wide{a.hi &^ (^uint64(0) >> length), 0}
	}
	return wide{a.hi, a.lo &^ (^uint64(0) >> (length - 64))}
}

func (a wide) last(length int) wide {
	if length < 64 {
		return wide{a.hi | ^uint64(0)>>length, ^uint64(0)}
	}
	return wide{a.hi, a.lo | ^uint64(0)>>(length-64)}
}

// common returns how many leading bits a and b share.
func common(a, b wide) int {
	if a.hi != b.hi {
		return bits.LeadingZeros64(a.hi ^ b.hi)
	}
	return 64 + bits.LeadingZeros64(a.lo^b.lo)
}

// beside returns a with the last bit of the given prefix length flipped: an
// address of the block that forms a larger one with that around a.
func (a wide) beside(length uint8) wide {
	bit := power128(128 - int(length))
	return wide{a.hi ^ bit.hi, a.lo ^ bit.lo}
}
