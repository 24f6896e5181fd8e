package cover

import (
	"encoding/json"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
)

const (
	change396 = "azure/ServiceTags_Public_change396.json"
	change398 = "azure/ServiceTags_Public_change398.json"
)

var families = []ipranges.Family{ipranges.IPv4, ipranges.IPv6}

// azureCloud returns the addresses of the tag AzureCloud of a real feed.
func azureCloud(tb testing.TB, name string) ipranges.Set {
	tb.Helper()
	var feed struct {
		Values []struct {
			Name       string
			Properties struct{ AddressPrefixes []netip.Prefix }
		}
	}
	if err := json.Unmarshal(realfeed.Read(tb, name), &feed); err != nil {
		tb.Fatal(err)
	}
	for _, v := range feed.Values {
		if v.Name == "AzureCloud" {
			return mustSet(tb, v.Properties.AddressPrefixes)
		}
	}
	tb.Fatal("no tag AzureCloud")
	return ipranges.Set{}
}

// onePrefix returns the addresses of p, which must not be IPv4-mapped.
func onePrefix(p netip.Prefix) ipranges.Set {
	s, err := ipranges.FromPrefixes(p)
	if err != nil {
		panic(err)
	}
	return s
}

func mustSet(tb testing.TB, p []netip.Prefix) ipranges.Set {
	tb.Helper()
	s, err := ipranges.FromPrefixes(p...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// randomSet returns the addresses of up to n random prefixes, which crowd
// together so that they have gaps of many sizes between them.
func randomSet(tb testing.TB, rnd *rand.Rand, f ipranges.Family, n int) ipranges.Set {
	width := 32
	if f == ipranges.IPv6 {
		width = 128
	}
	addr := make([]byte, width/8)
	var p []netip.Prefix
	for range rnd.IntN(n + 1) {
		for i := rnd.IntN(width); i < width; i++ { // keep what comes before from the last address
			addr[i/8] = addr[i/8]&^(0x80>>(i%8)) | byte(rnd.IntN(2))<<(7-i%8)
		}
		a, _ := netip.AddrFromSlice(addr)
		if a.Is4In6() {
			continue
		}
		p = append(p, netip.PrefixFrom(a, width-rnd.IntN(rnd.IntN(width)+1)).Masked())
	}
	return mustSet(tb, p)
}

// checkCover checks a cover's form, and its price against the set operations:
// these know nothing of how it was found. lost is what it adds or leaves out.
func checkCover(t *testing.T, set ipranges.Set, f ipranges.Family, over bool, p []netip.Prefix, k int, price Count) (lost ipranges.Set) {
	t.Helper()
	s := mustSet(t, p)
	if len(p) > k || !slices.Equal(p, slices.Collect(s.Prefixes(f))) {
		t.Fatalf("%d prefixes for k = %d, minimal and ascending: %v", len(p), k, p)
	}
	big, small := s, set.Only(f)
	if !over {
		big, small = small, big
	}
	if !big.Covers(small) {
		t.Fatalf("k = %d: %v does not cover %v", k, big, small)
	}
	lost = big.Minus(small)
	if n := CountOf(lost, f); n != price {
		t.Fatalf("k = %d: the price is %v, not %v", k, n, price)
	}
	return lost
}

// world is the 2^depth addresses or blocks below a prefix. A subset of it is a
// bit mask, bit 0 for the lowest block.
type world struct {
	base   netip.Prefix
	depth  int
	blocks []netip.Prefix
}

func newWorld(base netip.Prefix, depth int) world {
	w := world{base: base.Masked(), depth: depth}
	for i := range w.size() {
		w.blocks = append(w.blocks, w.block(i, 0))
	}
	return w
}

// Worlds lie where a family is a whole trie, at its last address, and across
// the border between the two words of an IPv6 address.
func worlds(depth int) []world {
	var out []world
	for _, base := range []string{"0.0.0.0/0", "203.0.113.255/32", "::/0", "2603:1030:0:ffff::/66", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"} {
		p := netip.MustParsePrefix(base)
		out = append(out, newWorld(netip.PrefixFrom(p.Addr(), max(0, p.Bits()-depth)), depth))
	}
	return out
}

func (w world) family() ipranges.Family { return ipranges.FamilyOf(w.base.Addr()) }

// size is how many blocks the world has, and full the mask of all.
func (w world) size() int { return 1 << w.depth }
func (w world) full() int { return 1<<w.size() - 1 }

// unit is the number of addresses in a block.
func (w world) unit() Count {
	return NewCount(1).shift(w.base.Addr().BitLen() - w.base.Bits() - w.depth)
}

// block returns the prefix of 2^up blocks that starts at block i.
func (w world) block(i, up int) netip.Prefix {
	n := new(big.Int).SetBytes(w.base.Addr().AsSlice())
	step := w.unit().Big()
	n.Add(n, step.Mul(step, big.NewInt(int64(i))))
	a, _ := netip.AddrFromSlice(n.FillBytes(make([]byte, w.base.Addr().BitLen()/8)))
	return netip.PrefixFrom(a, w.base.Bits()+w.depth-up)
}

func (w world) set(tb testing.TB, mask int) ipranges.Set {
	var p []netip.Prefix
	for i := range w.size() {
		if mask>>i&1 == 1 {
			p = append(p, w.blocks[i])
		}
	}
	return mustSet(tb, p)
}

// price turns a number of blocks into addresses.
func (w world) price(blocks int) Count { return w.unit().times(uint64(blocks)) }

// numPrefixes is how many prefixes it takes to hold exactly the blocks of a
// mask of the given number of blocks.
func numPrefixes(mask, size int) int {
	switch mask {
	case 0:
		return 0
	case 1<<size - 1:
		return 1
	}
	half := size / 2
	return numPrefixes(mask>>half, half) + numPrefixes(mask&(1<<half-1), half)
}

func ones(mask int) int { return bits.OnesCount(uint(mask)) }

// supersets calls visit with every mask that holds all of a and none of no.
func supersets(a, no, full int, visit func(int)) {
	free := full &^ a &^ no
	for more := free; ; more = (more - 1) & free {
		visit(a | more)
		if more == 0 {
			return
		}
	}
}
