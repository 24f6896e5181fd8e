package paloalto

import (
	"net/netip"
	"sort"
)

// chunk is a part of a set that fits one group.
type chunk struct {
	space   netip.Prefix // all elements begin inside
	objects []object
}

// chunksOf cuts objects, which are of one family and in order, into parts of at
// most limit elements. Where it cuts depends on addresses alone: the address
// space is halved wherever a half holds too many, so a part keeps its name and
// its other members when an element comes or goes. Only a part that outgrows the
// limit falls in two.
//
//	0.0.0.0/0 (800)
//	|- 0.0.0.0/1 (450)        a part
//	`- 128.0.0.0/1 (350)      a part
func chunksOf(objects []object, limit int) []chunk {
	if len(objects) == 0 {
		return nil
	}
	whole, _ := objects[0].first.Prefix(0) // a length of 0 is never wrong
	return halve(nil, objects, whole, limit)
}

func halve(dst []chunk, objects []object, space netip.Prefix, limit int) []chunk {
	switch {
	case len(objects) == 0:
		return dst
	case len(objects) <= limit || space.IsSingleIP():
		return append(dst, chunk{space, objects})
	}
	low := netip.PrefixFrom(space.Addr(), space.Bits()+1)
	high := netip.PrefixFrom(withBit(space.Addr(), space.Bits()), space.Bits()+1)
	cut := sort.Search(len(objects), func(i int) bool { return !objects[i].first.Less(high.Addr()) })
	dst = halve(dst, objects[:cut], low, limit)
	return halve(dst, objects[cut:], high, limit)
}

// withBit is a with the bit set, counted from the left.
func withBit(a netip.Addr, bit int) netip.Addr {
	b := a.AsSlice()
	b[bit/8] |= 0x80 >> (bit % 8)
	out, _ := netip.AddrFromSlice(b) // of the length of an address
	return out
}
