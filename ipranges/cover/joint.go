package cover

import "math/big"

// Joint splits one budget of k prefixes between two curves, of IPv4 and IPv6:
// at most ka for a and kb for b, with the smallest sum of relative prices, each
// price taken as a share of its set's size. Of equal sums it takes the one with
// the fewest prefixes for a. It returns false when the curves know no split: k is
// below the sum of both Least, or a Top is. For the split to be the best of all,
// each curve must go up to k or to its Exact.
func Joint(a, b *Curve, k int) (ka, kb int, ok bool) {
	// pa/size(a) + pb/size(b) is compared as pa*size(b) + pb*size(a). The prices of
	// an empty set are 0 whatever its size, which must not be 0 here.
	sizeA, sizeB := a.size.Big(), b.size.Big()
	for _, size := range []*big.Int{sizeA, sizeB} {
		if size.Sign() == 0 {
			size.SetInt64(1)
		}
	}
	var best *big.Int
	for i := a.Least(); i <= min(k, a.Exact()); i++ {
		j := min(k-i, b.Exact())
		pa, okA := a.Price(i)
		pb, okB := b.Price(j)
		if !okA || !okB {
			continue
		}
		sum := new(big.Int).Mul(pa.Big(), sizeB)
		sum.Add(sum, new(big.Int).Mul(pb.Big(), sizeA))
		if best == nil || sum.Cmp(best) < 0 {
			best, ka, kb = sum, i, j
		}
	}
	return ka, kb, best != nil
}
