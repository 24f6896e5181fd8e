// Package grow holds work to how fast its cost grows with its input: an input is doubled
// four times, what each one costs is counted in instructions or operations, which do not
// depend on how busy the machine is, and the growth is fitted as a power of the size.
package grow

import (
	"math"
	"testing"
)

// Most is the largest exponent that passes: that of n log n is 1.1 at these sizes, and
// that of a square 2.
const Most = 1.3

// doublings of the smallest input.
const doublings = 4

// Check fails the test where the cost of what is called so grows faster than its size to
// the power of [Most]. size is that of the smallest input, whose work must show beside what
// an input of size 1 costs: start-up, most of all. cost counts the instructions (see
// [Instructions]) or operations that an input of a size takes.
func Check(tb testing.TB, what string, size int, cost func(size int) int) {
	tb.Helper()
	base := cost(1)
	sizes, costs := make([]int, 0, doublings+1), make([]int, 0, doublings+1)
	for i := range doublings + 1 {
		sizes = append(sizes, size<<i)
		costs = append(costs, cost(size<<i))
	}
	if least := costs[doublings]; least-base < base/10 {
		tb.Errorf("%s costs %d for a size of 1 and %d for %d: take larger inputs, or nothing shows", what, base, least, sizes[doublings])
		return
	}
	e := Exponent(sizes, costs, base)
	tb.Logf("%s: exponent %.2f; costs %d for a size of 1, and %v for %v", what, e, base, costs, sizes)
	if e > Most {
		tb.Errorf("%s costs %v for sizes of %v: that grows with the power %.2f of the size, more than %.1f", what, costs, sizes, e, Most)
	}
}

// Exponent returns the e of cost = base + c*size^e that fits best, by least squares of the
// logarithms. A cost below base counts as 1 above it.
func Exponent(sizes, costs []int, base int) float64 {
	var x, y, xx, xy float64
	for i := range sizes {
		lx, ly := math.Log(float64(sizes[i])), math.Log(float64(max(1, costs[i]-base)))
		x, y, xx, xy = x+lx, y+ly, xx+lx*lx, xy+lx*ly
	}
	n := float64(len(sizes))
	return (n*xy - x*y) / (n*xx - x*x)
}
