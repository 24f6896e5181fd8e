package cover

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"sallyport/internal/testkit/iplist"
	"sallyport/ipranges"
)

// TestOverPrices compares the two ways to a curve, for sets that several goroutines share
// as well, and whose prices need 128 bits.
func TestOverPrices(t *testing.T) {
	rnd := rand.New(rand.NewPCG(15, 15))
	for _, f := range families {
		for i := range 203 {
			n, most := 1+rnd.IntN(300), 1+rnd.IntN(400)
			set := randomSet(t, rnd, f, n)
			if i >= 200 {
				shape := map[ipranges.Family]string{ipranges.IPv4: "random", ipranges.IPv6: "random6"}[f]
				set, _, _ = ipranges.ReadSet(bytes.NewReader(iplist.Lines(shape, 20_000)), ipranges.ReadOptions{})
				most = 100
				if set.NumPrefixes(f) < 18_000 {
					t.Fatalf("%d prefixes are too few to be shared", set.NumPrefixes(f))
				}
			}
			var protected ipranges.Set
			if i%2 == 1 {
				protected = randomSet(t, rnd, f, 1+rnd.IntN(5))
			}
			want, got := OverCurve(set, f, most, protected), OverPrices(set, f, most, protected)
			if got.Least() != want.Least() || got.Exact() != want.Exact() || got.Top() != want.Top() || got.Knee() != want.Knee() {
				t.Fatalf("%v: %d, %d, %d and %d, want %d, %d, %d and %d", set, got.Least(), got.Exact(), got.Top(), got.Knee(), want.Least(), want.Exact(), want.Top(), want.Knee())
			}
			for k := range most + 2 {
				a, okA := got.Price(k)
				b, okB := want.Price(k)
				if a != b || okA != okB {
					t.Fatalf("%d prefixes of %d cost %v (%v), want %v (%v)", k, got.Exact(), a, okA, b, okB)
				}
			}
			p, _ := got.Cover(most)
			if q, _ := want.Cover(most); !slices.Equal(p, q) {
				t.Fatalf("the covers of %d prefixes differ: %v and %v", most, p, q)
			}
		}
	}
}
