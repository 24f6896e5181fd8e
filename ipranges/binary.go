package ipranges

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sort"
)

// The binary form of a set, all numbers big-endian:
//
//	1 byte   version, 1
//	1 byte   width of an IPv6 bound: 8 when every IPv6 range is whole /64s, else 16
//	uvarint  number of IPv4 ranges
//	uvarint  number of IPv6 ranges
//	4+4      first and last address of each IPv4 range, ascending
//	w+w      first and last address of each IPv6 range, ascending
//
// Equal sets have equal bytes, and only one sequence of bytes gives a set.

const binaryVersion = 1

var errBinary = errors.New("not an address set, or a damaged one")

// AppendBinary appends the compact binary form of s. Equal sets have equal
// binary forms. It never fails.
func (s Set) AppendBinary(dst []byte) ([]byte, error) {
	width := s.width6()
	dst = append(dst, binaryVersion, byte(width))
	dst = binary.AppendUvarint(dst, uint64(len(s.v4)))
	dst = binary.AppendUvarint(dst, uint64(len(s.v6)))
	for _, r := range s.v4 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(r.lo)<<32|uint64(r.hi))
	}
	for _, r := range s.v6 {
		dst = binary.BigEndian.AppendUint64(dst, r.lo.hi)
		if width == 16 {
			dst = binary.BigEndian.AppendUint64(dst, r.lo.lo)
		}
		dst = binary.BigEndian.AppendUint64(dst, r.hi.hi)
		if width == 16 {
			dst = binary.BigEndian.AppendUint64(dst, r.hi.lo)
		}
	}
	return dst, nil
}

// MarshalBinary returns the compact binary form of s. It never fails.
func (s Set) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// width6 returns the bytes of an IPv6 bound in the binary form.
func (s Set) width6() int {
	for _, r := range s.v6 {
		if r.lo.lo != 0 || r.hi.lo != ^uint64(0) {
			return 16
		}
	}
	return 8
}

// UnmarshalBinary sets s to the set whose binary form data is. Data that AppendBinary
// does not write is an error, and leaves s as it was. It keeps no reference to data,
// and takes at most twice len(data) of memory.
func (s *Set) UnmarshalBinary(data []byte) error {
	b, ok := openBinary(data)
	if !ok {
		return errBinary
	}
	var out Set
	if b.n4 > 0 {
		out.v4 = make([]span4, b.n4)
	}
	for i := range out.v4 {
		out.v4[i] = b.at4(i)
	}
	if b.n6 > 0 {
		out.v6 = make([]span6, b.n6)
	}
	for i := range out.v6 {
		out.v6[i] = b.at6(i)
	}
	if !inOrder4(out.v4) || !inOrder6(out.v6) || out.width6() != b.width {
		return errBinary
	}
	*s = out
	return nil
}

// MayOverlap reports whether a set in its binary form and s may have an address in common.
// It decodes what it looks at and no more. False is certain if data is the binary form of
// a set; true is not, and for other data neither is.
func MayOverlap(data []byte, s Set) bool {
	b, ok := openBinary(data)
	return ok && (meet(b.n4, b.at4, s.v4) || meet(b.n6, b.at6, s.v6))
}

// meet reports whether one of n ascending spans has an address in common with s.
func meet[W word[W]](n int, at func(i int) span[W], s []span[W]) bool {
	for i := 0; i < n && len(s) > 0; {
		r := at(i)
		switch {
		case r.hi.less(s[0].lo):
			i += 1 + sort.Search(n-i-1, func(k int) bool { return !at(i + 1 + k).hi.less(s[0].lo) })
		case s[0].hi.less(r.lo):
			s = s[firstFrom(s, r.lo):]
		default:
			return true
		}
	}
	return false
}

// binaryForm is the binary form of a set, the ranges of which are not looked at.
type binaryForm struct {
	n4, n6 int
	width  int // bytes of an IPv6 bound
	v4, v6 []byte
}

func openBinary(data []byte) (b binaryForm, ok bool) {
	if len(data) < 4 || data[0] != binaryVersion || data[1] != 8 && data[1] != 16 {
		return b, false
	}
	width := uint64(data[1])
	n4, rest, ok4 := uvarint(data[2:])
	n6, rest, ok6 := uvarint(rest)
	if !ok4 || !ok6 {
		return b, false
	}
	// The first tests bound the counts, so that the products cannot overflow.
	size := uint64(len(rest))
	if n4 > size || n6 > size || n4*8+n6*2*width != size {
		return b, false
	}
	return binaryForm{int(n4), int(n6), int(width), rest[:n4*8], rest[n4*8:]}, true
}

func (b *binaryForm) at4(i int) span4 {
	both := binary.BigEndian.Uint64(b.v4[8*i:])
	return span4{word4(both >> 32), word4(both)}
}

func (b *binaryForm) at6(i int) span6 {
	r := b.v6[2*b.width*i:]
	if b.width == 8 {
		return span6{word6{binary.BigEndian.Uint64(r), 0}, word6{binary.BigEndian.Uint64(r[8:]), ^uint64(0)}}
	}
	return span6{
		word6{binary.BigEndian.Uint64(r), binary.BigEndian.Uint64(r[8:])},
		word6{binary.BigEndian.Uint64(r[16:]), binary.BigEndian.Uint64(r[24:])},
	}
}

// uvarint reads a count, which must have no more bytes than it needs.
func uvarint(b []byte) (n uint64, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || k > 1 && b[k-1] == 0 {
		return 0, nil, false
	}
	return n, b[k:], true
}

// inOrder4 reports whether s is sorted, disjoint and without neighbours.
func inOrder4(s []span4) bool {
	next := uint64(0) // the lowest address at which a range may begin
	for _, r := range s {
		if uint64(r.lo) < next || r.hi < r.lo {
			return false
		}
		next = uint64(r.hi) + 2
	}
	return true
}

// inOrder6 is inOrder4 for IPv6.
func inOrder6(s []span6) bool {
	for i, r := range s {
		if r.hi.less(r.lo) || i > 0 && (!s[i-1].hi.less(r.lo) || s[i-1].hi.next() == r.lo) {
			return false
		}
	}
	return true
}

// Hash returns the SHA-256 of the binary form of s: equal sets have equal
// hashes, on every machine.
func (s Set) Hash() [32]byte {
	data, _ := s.AppendBinary(nil)
	return sha256.Sum256(data)
}
