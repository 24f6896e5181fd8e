package ipranges

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"go4.org/netipx"
)

// word4 is an IPv4 address, most significant octet first.
type word4 uint32

// word6 is an IPv6 address as a 128-bit number.
type word6 struct{ hi, lo uint64 }

// word is what the set algebra needs of an address. next and prev wrap around
// at the ends of the address space; callers compare first.
type word[W any] interface {
	comparable
	less(W) bool
	next() W
	prev() W
}

func (a word4) less(b word4) bool { return a < b }
func (a word4) next() word4       { return a + 1 }
func (a word4) prev() word4       { return a - 1 }

func (a word6) less(b word6) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

func (a word6) next() word6 {
	lo, carry := bits.Add64(a.lo, 1, 0)
	return word6{a.hi + carry, lo}
}

func (a word6) prev() word6 {
	lo, borrow := bits.Sub64(a.lo, 1, 0)
	return word6{a.hi - borrow, lo}
}

const max4 = ^word4(0)

var max6 = word6{^uint64(0), ^uint64(0)}

// span is the closed range lo..hi, lo <= hi. It is closed because the end of a
// half-open range up to the last address would not fit the word.
type span[W word[W]] struct{ lo, hi W }

type (
	span4 = span[word4]
	span6 = span[word6]
)

// wordOf4 and wordOf6 take an address of their own family.
func wordOf4(a netip.Addr) word4 {
	b := a.As4()
	return word4(binary.BigEndian.Uint32(b[:]))
}

func wordOf6(a netip.Addr) word6 {
	b := a.As16()
	return word6{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a word4) addr() netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

func (a word6) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

func range4(r span4) netipx.IPRange { return netipx.IPRangeFrom(r.lo.addr(), r.hi.addr()) }
func range6(r span6) netipx.IPRange { return netipx.IPRangeFrom(r.lo.addr(), r.hi.addr()) }

// hostMask4 and hostMask6 have a one for every bit that a prefix of the given
// length leaves to the host.
func hostMask4(length int) word4 { return word4(uint64(max4) >> length) }

func hostMask6(length int) word6 {
	if length >= 64 {
		return word6{0, ^uint64(0) >> (length - 64)} // a shift by 64 gives 0
	}
	return word6{^uint64(0) >> length, ^uint64(0)}
}

// meets reports whether a and b have a one bit in common.
func (a word6) meets(b word6) bool { return a.hi&b.hi|a.lo&b.lo != 0 }

// prefixSpan4 and prefixSpan6 give the addresses of a prefix; bits of the
// address beyond the length are ignored.
func prefixSpan4(a word4, length int) span4 {
	m := hostMask4(length)
	return span4{a &^ m, a | m}
}

func prefixSpan6(a word6, length int) span6 {
	m := hostMask6(length)
	return span6{word6{a.hi &^ m.hi, a.lo &^ m.lo}, word6{a.hi | m.hi, a.lo | m.lo}}
}

// spanOf4 and spanOf6 take a valid range of their own family.
func spanOf4(r netipx.IPRange) span4 { return span4{wordOf4(r.From()), wordOf4(r.To())} }
func spanOf6(r netipx.IPRange) span6 { return span6{wordOf6(r.From()), wordOf6(r.To())} }
