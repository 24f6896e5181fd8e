package paloalto

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"go4.org/netipx"

	"sallyport/ipranges"
)

// randomRange spreads over both families and all lengths of names.
func randomRange(rng *rand.Rand) netipx.IPRange {
	var a, b netip.Addr
	if rng.IntN(2) == 0 {
		x, y := rng.Uint32(), rng.Uint32()>>rng.IntN(32)
		a = netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
		b = netip.AddrFrom4([4]byte{byte(y >> 24), byte(y >> 16), byte(y >> 8), byte(y)})
	} else {
		var x, y [16]byte
		for i := range rng.IntN(17) {
			x[i] = byte(rng.IntN(256))
		}
		y = x
		for i := rng.IntN(17); i < 16; i++ {
			y[i] = []byte{255, 0, byte(rng.IntN(256))}[rng.IntN(3)]
		}
		a, b = netip.AddrFrom16(x).Unmap(), netip.AddrFrom16(y).Unmap()
	}
	if a.BitLen() != b.BitLen() {
		b = a
	}
	if b.Less(a) {
		a, b = b, a
	}
	if rng.IntN(3) == 0 {
		p, _ := a.Prefix(rng.IntN(a.BitLen() + 1)) // the length is one of a's
		return netipx.RangeOfPrefix(p)
	}
	return netipx.IPRangeFrom(a, b)
}

// TestNames: every range has objects whose names PAN-OS takes and mean that
// range alone, for the longest prefix of ours too.
func TestNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	r := &renderer{prefix: "sp-a_long_prefix__"}
	if len(r.prefix) != maxPrefix {
		t.Fatal(len(r.prefix))
	}
	meaning := map[string]string{}
	several := 0
	for range 20_000 {
		rg := randomRange(rng)
		if rg.To().Is4In6() {
			continue // no set can begin or end there
		}
		list := r.appendObjects(nil, rg)
		if len(list) > 1 {
			several++
		}
		var b ipranges.Builder
		for _, o := range list {
			if !isName(o.name, maxName) {
				t.Fatalf("%s is called %q", o.text, o.name)
			}
			if other, ok := meaning[o.name]; ok && other != o.text {
				t.Fatalf("%q means %s and %s", o.name, other, o.text)
			}
			meaning[o.name] = o.text
			back, err := ipranges.ParseRange(o.text)
			if err == nil {
				err = b.AddRange(back)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		want, err := ipranges.FromRanges(rg)
		if err != nil {
			t.Fatal(err)
		}
		if !b.Set().Equal(want) {
			t.Fatalf("%s becomes %+v", rg, list)
		}
	}
	if several == 0 {
		t.Error("no range fell into prefixes: the longest names were not tried")
	}
}

func objectsAt(addrs ...netip.Addr) []object {
	list := make([]object, len(addrs))
	for i, a := range addrs {
		list[i] = object{name: a.String(), text: a.String(), first: a}
	}
	return list
}

func randomAddrs(rng *rand.Rand, n int, six bool) []netip.Addr {
	seen := map[netip.Addr]bool{}
	for len(seen) < n {
		var a netip.Addr
		if six {
			a = netip.AddrFrom16([16]byte{0x26, 0x03, byte(rng.IntN(8)), byte(rng.IntN(256)), 15: byte(rng.IntN(4))})
		} else {
			a = netip.AddrFrom4([4]byte{byte(13 + rng.IntN(8)), byte(rng.IntN(64)), byte(rng.IntN(256)), 0})
		}
		seen[a] = true
	}
	var list []netip.Addr
	for a := range seen {
		list = append(list, a)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// TestChunks: the parts hold everything once, in order, within their limit and
// their space; and one more element changes the members of one part, which may
// fall in several.
func TestChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	for round := range 200 {
		six := round%2 == 0
		limit := 2 + rng.IntN(50)
		addrs := randomAddrs(rng, 1+rng.IntN(400), six)
		before := chunksOf(objectsAt(addrs...), limit)
		members := map[string]netip.Prefix{}
		var all []string
		for _, c := range before {
			if len(c.objects) == 0 || len(c.objects) > limit {
				t.Fatalf("a part of %d with the limit %d", len(c.objects), limit)
			}
			for _, o := range c.objects {
				if !c.space.Contains(o.first) {
					t.Fatalf("%s is not in %s", o.first, c.space)
				}
				all = append(all, o.name)
				members[o.name] = c.space
			}
		}
		if len(all) != len(addrs) || !slices.Equal(all, names(objectsAt(addrs...))) {
			t.Fatal("elements are lost, doubled or out of order")
		}
		more := randomAddrs(rng, 1, six)[0]
		if slices.Contains(addrs, more) {
			continue
		}
		addrs = append(addrs, more)
		slices.SortFunc(addrs, netip.Addr.Compare)
		touched := map[netip.Prefix]bool{}
		for _, c := range chunksOf(objectsAt(addrs...), limit) {
			for _, o := range c.objects {
				if old, ok := members[o.name]; ok && old != c.space {
					touched[old] = true
				}
			}
		}
		if len(touched) > 1 {
			t.Fatalf("one more element moved members of %d parts", len(touched))
		}
	}
}
