package cover

// The kernel of a knapsack: the prices of a node split between its children,
//
//	c[k] = min over i+j=k of a[i] + b[j],
//
// as far as c goes, at most len(a)+len(b)-1. Nearly all the time of a curve goes
// into these sums. The outer loop takes the shorter list, so that the inner one
// is long. There is a kernel for each width of number, because a method called
// through a type parameter is not inlined.

// narrow is a number of 64 bits that wraps around, as wide is one of 128.
type narrow uint64

func (a narrow) plus(b narrow) narrow  { return a + b }
func (a narrow) minus(b narrow) narrow { return a - b }

// power64 and power128 return 2^n, or 0 where the number wraps around.
func power64(n int) narrow { return 1 << n }

func power128(n int) wide {
	if n < 64 {
		return wide{0, 1 << n}
	}
	return wide{1 << (n - 64), 0}
}

func convolve64(c, a, b []narrow) {
	if len(b) < len(a) {
		a, b = b, a
	}
	for k := range c {
		c[k] = ^narrow(0) // above every sum, of which none wraps around
	}
	a = a[:min(len(a), len(c))]
	i := 0
	for ; i+rows <= len(a) && len(b) >= rows && i+rows <= len(c); i += rows {
		fourRows(c[i:], (*[rows]narrow)(a[i:]), b)
	}
	for ; i < len(a); i++ {
		x, y := a[i], b[:min(len(b), len(c)-i)]
		sums := c[i:][:len(y)]
		for j := range y {
			sums[j] = min(sums[j], x+y[j])
		}
	}
}

// rows is how many elements of a fourRows takes at a time, so that each element of b and
// c is loaded once for all of them.
const rows = 4

// fourRows adds the sums of a with b to c. b and c have rows elements at least.
func fourRows(c []narrow, a *[rows]narrow, b []narrow) {
	some := func(k int) { // the sums of one k, as far as b goes
		for i := max(0, k-len(b)+1); i <= min(k, rows-1); i++ {
			c[k] = min(c[k], a[i]+b[k-i])
		}
	}
	n := min(len(b), len(c))
	for k := range rows - 1 {
		some(k)
	}
	x0, x1, x2, x3 := a[0], a[1], a[2], a[3]
	y3, y2, y1 := b[0], b[1], b[2] // those before y0
	sums := c[rows-1 : n]
	for k, y0 := range b[rows-1 : n] {
		sums[k] = min(sums[k], x0+y0, x1+y1, x2+y2, x3+y3)
		y3, y2, y1 = y2, y1, y0
	}
	for k := n; k < min(n+rows-1, len(c)); k++ {
		some(k)
	}
}

func convolve128(c, a, b []wide) {
	if len(b) < len(a) {
		a, b = b, a
	}
	for k := range c {
		c[k] = wide{^uint64(0), ^uint64(0)}
	}
	for i, x := range a[:min(len(a), len(c))] {
		y := b[:min(len(b), len(c)-i)]
		sums := c[i:][:len(y)]
		for j := range y {
			if sum := x.plus(y[j]); sum.less(sums[j]) {
				sums[j] = sum
			}
		}
	}
}
