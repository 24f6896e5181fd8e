// Package iplist makes lists of addresses for tests and benchmarks: of any length, in the
// shapes that decide what reading, sorting and joining them costs. The same arguments give
// the same list.
package iplist

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
)

// Shapes are the names that Lines takes.
var Shapes = []string{"random", "random6", "public", "disjoint", "contiguous", "sorted", "nested", "overlapping", "ranges", "ranges6"}

// Lines returns a list of n lines:
//
//	random       /24 to /32 anywhere in IPv4
//	random6      /48 to /128 anywhere in 2000::/3
//	public       /24 to /32 from 12.0.0.0 to 99.255.255.255, of which nothing is special-use
//	disjoint     every second /32 of a network, in no order: no two can be joined
//	contiguous   every /32 of a network, in order: all become a few prefixes
//	sorted       every second /32 of a network, in order
//	nested       prefixes within others, to a depth of 24
//	overlapping  ranges that reach over the next ones, in no order
//	ranges       first-last of up to 300 addresses anywhere in IPv4
//	ranges6      the same in IPv6
func Lines(shape string, n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	order := func(i int) int { return i }
	if shape == "disjoint" || shape == "overlapping" {
		shuffled := rng.Perm(n)
		order = func(i int) int { return shuffled[i] }
	}
	var out []byte
	for i := range n {
		out = append(appendLine(out, shape, rng, order(i)), '\n')
	}
	return out
}

// base is the first address of the shapes that are not random.
const base = 20 << 24

func appendLine(out []byte, shape string, rng *rand.Rand, i int) []byte {
	switch shape {
	case "random":
		return prefix(addr4(rng.Uint32()), 24+rng.IntN(9)).AppendTo(out)
	case "random6":
		return prefix(addr6(rng.Uint64(), rng.Uint64()), 48+rng.IntN(81)).AppendTo(out)
	case "public":
		return prefix(addr4(12<<24+rng.Uint32N(88<<24)), 24+rng.IntN(9)).AppendTo(out)
	case "disjoint", "sorted":
		return addr4(base + 2*uint32(i)).AppendTo(out)
	case "contiguous":
		return addr4(base + uint32(i)).AppendTo(out)
	case "nested":
		return prefix(addr4(base+uint32(i/24)<<8), 9+i%24).AppendTo(out)
	case "overlapping":
		return between(out, addr4(base+16*uint32(i)), addr4(base+16*uint32(i)+uint32(rng.IntN(64))))
	case "ranges":
		first := rng.Uint32() >> 1
		return between(out, addr4(first), addr4(first+uint32(rng.IntN(300))))
	case "ranges6":
		hi, lo := rng.Uint64(), rng.Uint64()>>1
		return between(out, addr6(hi, lo), addr6(hi, lo+uint64(rng.IntN(300))))
	}
	panic(fmt.Sprintf("iplist: no shape is called %q", shape))
}

func between(out []byte, first, last netip.Addr) []byte {
	return last.AppendTo(append(first.AppendTo(out), '-'))
}

func prefix(a netip.Addr, length int) netip.Prefix { return netip.PrefixFrom(a, length).Masked() }

func addr4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// addr6 is an address in 2000::/3.
func addr6(hi, lo uint64) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], hi>>3|1<<61)
	binary.BigEndian.PutUint64(b[8:], lo)
	return netip.AddrFrom16(b)
}

// Feed returns an Azure feed of n tags. Each has four addresses of its own and four that
// several tags share.
func Feed(n int) []byte {
	out := []byte(`{"changeNumber": 1, "cloud": "Public", "values": [`)
	for i := range n {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `{"name": "Tag%d", "id": "Tag%[1]d", "properties": {"changeNumber": 1, "region": "", "regionId": 0, "platform": "Azure", "systemService": "", "addressPrefixes": [`, i)
		for k := range 8 {
			place := uint32(8*i + k)
			if k >= 4 {
				place = uint32(i/10*8 + k)
			}
			if k > 0 {
				out = append(out, ',')
			}
			out = append(prefix(addr4(base+place<<4), 29).AppendTo(append(out, '"')), '"')
		}
		out = append(out, `], "networkFeatures": ["API"]}}`...)
	}
	return append(out, "]}\n"...)
}
