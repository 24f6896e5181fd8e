package cover

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"testing"

	"sallyport/ipranges"
)

// The oracle knows neither tries nor knapsacks. A cover, read from the lowest
// address on, is a path: it stands before the first of the set's minimal
// prefixes, and each of its own prefixes takes it past those that it holds. So
// the best cover with at most k prefixes is the shortest path with at most k
// steps, over every prefix of every length that might be a step. What a step
// adds is its size less those of the prefixes it passes.

type step struct {
	to     int // the first minimal prefix behind it
	prefix netip.Prefix
	added  *big.Int // in addresses
}

// steps returns, for each minimal prefix, the steps that start before it.
func steps(set ipranges.Set, f ipranges.Family, protected ipranges.Set) [][]step {
	var parts []netip.Prefix
	for p := range set.Prefixes(f) {
		parts = append(parts, p)
	}
	size := func(p netip.Prefix) *big.Int {
		return new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	}
	out := make([][]step, len(parts))
	for i, part := range parts {
		for length := part.Bits(); length >= 0; length-- {
			p := netip.PrefixFrom(part.Addr(), length).Masked()
			if i > 0 && p.Contains(parts[i-1].Addr()) {
				break // it starts farther back
			}
			if added := onePrefix(p).Minus(set); added.Overlaps(protected) {
				break // as do all around it
			}
			s := step{to: i, prefix: p, added: size(p)}
			for s.to < len(parts) && p.Contains(parts[s.to].Addr()) {
				s.added.Sub(s.added, size(parts[s.to]))
				s.to++
			}
			out[i] = append(out[i], s)
		}
	}
	return out
}

// shortest returns the fewest units of 2^shift addresses added with at most k
// steps, for all k up to maxK, -1 where there is no path. It counts in 64 bits
// and reports false when those, or the unit, do not do.
func shortest(all [][]step, maxK int, shift uint) ([]int64, bool) {
	type edge struct {
		to    int
		added int64
	}
	edges := make([][]edge, len(all))
	for i := range all {
		for j, s := range all[i] {
			if j > 0 && all[i][j-1].to == s.to {
				continue // it passes no more than the smaller one before it
			}
			units := new(big.Int).Rsh(s.added, shift)
			if new(big.Int).Lsh(units, shift).Cmp(s.added) != 0 || units.BitLen() > 61 {
				return nil, false
			}
			edges[i] = append(edges[i], edge{s.to, units.Int64()})
		}
	}
	const far = 1 << 62
	from := make([]int64, len(all)+1) // from[i]: the best from before i to the end
	for i := range all {
		from[i] = far
	}
	var out []int64
	for k := 0; k <= maxK; k++ {
		if out = append(out, from[0]); from[0] == far {
			out[k] = -1
		}
		for i := range all { // upwards: what lies behind still has one step less
			for _, e := range edges[i] {
				if from[e.to] < far {
					from[i] = min(from[i], from[e.to]+e.added)
				}
			}
		}
	}
	return out, true
}

// shortestBig is shortest with numbers of any size, in addresses.
func shortestBig(all [][]step, maxK int) []*big.Int {
	from := make([]*big.Int, len(all)+1)
	from[len(all)] = new(big.Int)
	var out []*big.Int
	for range maxK + 1 {
		out = append(out, from[0])
		for i := range all {
			for _, s := range all[i] {
				if from[s.to] == nil {
					continue
				}
				if sum := new(big.Int).Add(from[s.to], s.added); from[i] == nil || sum.Cmp(from[i]) < 0 {
					from[i] = sum
				}
			}
		}
	}
	return out
}

// TestRandomSets compares curves with the oracle, on sets that need 64 and
// ones that need 128 bits, and budgets in bytes with curves.
func TestRandomSets(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	narrow := make(map[bool]int)
	for range 500 {
		f := families[rnd.IntN(2)]
		set, protected := randomSet(t, rnd, f, 50), ipranges.Set{}
		if rnd.IntN(2) == 0 {
			protected = randomSet(t, rnd, f, 4)
		}
		c := OverCurve(set, f, set.NumPrefixes(f), protected)
		want := shortestBig(steps(set, f, protected), c.Exact())
		b, err := OverBytes(set, f, func(netip.Prefix) int { return 7 }, protected)
		if err != nil || b.Least() != 7*c.Least() || b.Exact() != 7*c.Exact() {
			t.Fatalf("bytes %d to %d, %v; prefixes %d to %d", b.Least(), b.Exact(), err, c.Least(), c.Exact())
		}
		for k, w := range want {
			price, ok := c.Price(k)
			if ok != (w != nil) || ok && price != countOfBig(w) {
				t.Fatalf("%v, protected %v: price %v (%v) for k = %d, want %v", set, protected, price, ok, k, w)
			}
			if choice, okBytes := b.At(7*k + rnd.IntN(7)); okBytes != ok || choice.Price != price {
				t.Fatalf("%v, protected %v: price %v for k = %d, in bytes %v (%v)", set, protected, price, k, choice.Price, okBytes)
			}
			if p, ok := c.Cover(k); ok {
				if lost := checkCover(t, set, f, true, p, k, price); lost.Overlaps(protected) {
					t.Fatalf("%v: it adds %v of %v", set, lost, protected)
				}
			}
		}
		if tr := newTrie(set, f); tr.root() >= 0 {
			narrow[tr.longest-int(tr.nodes[tr.root()].length) <= 64]++
		}
	}
	if narrow[true] < 50 || narrow[false] < 50 {
		t.Errorf("%d sets of 64 bits and %d of 128: the test has lost its point", narrow[true], narrow[false])
	}
}

// shortestBytes is shortest for a budget in bytes: the fewest units added for
// at most each number of bytes.
func shortestBytes(all [][]step, cost func(netip.Prefix) int, budget int, shift uint) []int64 {
	const far = 1 << 62
	from := make([][]int64, len(all)+1) // from[i][b]: the best from before i with b bytes
	for i := range from {
		from[i] = make([]int64, budget+1)
		for b := range from[i] {
			if i < len(all) {
				from[i][b] = far
			}
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		for _, s := range all[i] {
			bytes, units := cost(s.prefix), new(big.Int).Rsh(s.added, shift)
			for b := bytes; b <= budget; b++ {
				if behind := from[s.to][b-bytes]; behind < far {
					from[i][b] = min(from[i][b], behind+units.Int64())
				}
			}
		}
	}
	for b := range from[0] {
		if from[0][b] == far {
			from[0][b] = -1
		}
	}
	return from[0]
}

// fewestLeft is the oracle of UnderCurve and UnderBytes: the minimal prefixes are
// taken or left out one by one, in order of address, while those taken cost
// at most the budget. Prices are in units of 2^shift addresses, for every
// budget, -1 where what must be kept does not fit.
func fewestLeft(set ipranges.Set, f ipranges.Family, must ipranges.Set, cost func(netip.Prefix) int, budget int, shift uint) []int64 {
	const far = 1 << 61
	best := make([]int64, budget+1) // for at most each number of bytes, of those so far
	for p := range set.Prefixes(f) {
		bytes, left := cost(p), int64(far)
		if !must.Overlaps(onePrefix(p)) {
			left = new(big.Int).Rsh(sizeOf(p).Big(), shift).Int64()
		}
		for b := budget; b >= 0; b-- {
			taken := int64(far)
			if b >= bytes {
				taken = best[b-bytes]
			}
			best[b] = min(far, best[b]+left, taken)
		}
	}
	for b := range best {
		if best[b] == far {
			best[b] = -1
		}
	}
	return best
}
