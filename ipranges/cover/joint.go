package cover

import "math/big"

// Side is one of two curves that share a budget, with bounds of its own.
type Side struct {
	Curve *Curve
	Low   int // the fewest prefixes that it must have room for
	High  int // the most; 0: no bound
}

// bounds are the fewest and the most prefixes that the side can use. A side that is
// cheapest below Low still gets Low, since a cover has at most as many.
func (s Side) bounds() (low, high int) {
	low, high = max(s.Low, s.Curve.Least()), max(s.Curve.Exact(), s.Low)
	if s.High > 0 {
		high = min(high, s.High)
	}
	return low, high
}

// Joint splits one budget of k prefixes between two curves, of IPv4 and IPv6:
// at most ka for a and kb for b, within the bounds of their sides, with the smallest
// sum of relative prices, each price taken as a share of its set's size. Of equal sums
// it takes the one with the fewest prefixes for a. It returns false when the curves
// know no split within the bounds: k is below the sum of both Least, or a Top is. For
// the split to be the best of all, each curve must go up to k or to its Exact.
func Joint(a, b Side, k int) (ka, kb int, ok bool) {
	lowA, highA := a.bounds()
	lowB, highB := b.bounds()
	// pa/size(a) + pb/size(b) is compared as pa*size(b) + pb*size(a). The prices of
	// an empty set are 0 whatever its size, which must not be 0 here.
	sizeA, sizeB := a.Curve.size.Big(), b.Curve.size.Big()
	for _, size := range []*big.Int{sizeA, sizeB} {
		if size.Sign() == 0 {
			size.SetInt64(1)
		}
	}
	var best *big.Int
	for i := lowA; i <= min(k-lowB, highA); i++ {
		j := min(k-i, highB)
		pa, okA := a.Curve.Price(i)
		pb, okB := b.Curve.Price(j)
		if !okA || !okB || j < lowB {
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
