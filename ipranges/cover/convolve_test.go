package cover

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"sallyport/ipranges"
)

// TestConvolve compares both kernels with the definition, for results cut short
// too.
func TestConvolve(t *testing.T) {
	rnd := rand.New(rand.NewPCG(12, 12))
	falling := func() []int {
		out := make([]int, 1+rnd.IntN(12))
		for i := range out {
			out[i] = rnd.IntN(6)
		}
		slices.Sort(out)
		slices.Reverse(out)
		return out
	}
	for range 20000 {
		a, b := falling(), falling()
		n := 1 + rnd.IntN(len(a)+len(b)-1)
		want := make([]int, n)
		for k := range want {
			want[k] = infeasible
			for i := range a {
				if j := k - i; j >= 0 && j < len(b) {
					want[k] = min(want[k], a[i]+b[j])
				}
			}
		}
		// The wide numbers reach over the border of their words, and carry.
		var a64, b64 []narrow
		var a128, b128 []wide
		for _, x := range a {
			a64, a128 = append(a64, narrow(x)), append(a128, wide{uint64(x), ^uint64(0) - uint64(5-x)})
		}
		for _, x := range b {
			b64, b128 = append(b64, narrow(x)), append(b128, wide{uint64(x), uint64(x)})
		}
		c64, c128 := make([]narrow, n), make([]wide, n)
		convolve64(c64, a64, b64)
		convolve128(c128, a128, b128)
		for k, w := range want {
			wide := wide{uint64(w), ^uint64(0) - 5}.plus(wide{0, uint64(w)})
			if c64[k] != narrow(w) || c128[k] != wide {
				t.Fatalf("%v and %v, k = %d: %d and %d, want %d and %d", a, b, k, c64[k], c128[k], w, wide)
			}
		}
	}
}

// TestTies: of joins at the same price those at the lowest addresses come first,
// and of equal prefixes the lowest are left out first, so that the covers for
// all k are made by one change each.
func TestTies(t *testing.T) {
	rnd := rand.New(rand.NewPCG(13, 13))
	for _, f := range families {
		for range 100 {
			// Pairs of blocks around a gap as large as each, far from each other.
			w := newWorld(wholeOf(f), 10)
			var pairs []int
			for i := range 32 {
				if rnd.IntN(2) == 0 {
					pairs = append(pairs, 32*i)
				}
			}
			var all []netip.Prefix
			for _, i := range pairs {
				all = append(all, w.blocks[i], w.blocks[i+2])
			}
			set, n := mustSet(t, all), len(all)
			over := OverCurve(set, f, n, ipranges.Set{})
			under, err := UnderCurve(set, f, ipranges.Set{})
			if err != nil {
				t.Fatal(err)
			}
			for joined := range pairs {
				var want []netip.Prefix
				for i, at := range pairs {
					if i < joined {
						want = append(want, w.block(at, 2))
					} else {
						want = append(want, w.blocks[at], w.blocks[at+2])
					}
				}
				if got, _ := over.Cover(n - joined); !slices.Equal(got, want) {
					t.Fatalf("%d of %d prefixes: %v, want %v", n-joined, n, got, want)
				}
				if got, _ := under.Cover(n - joined); !slices.Equal(got, all[joined:]) {
					t.Fatalf("%d of %d prefixes: %v, want %v", n-joined, n, got, all[joined:])
				}
			}
		}
	}
}
