package grow

import (
	"math"
	"testing"
)

// attempt is a test that may fail.
type attempt struct {
	testing.TB
	failed bool
}

func (a *attempt) Errorf(string, ...any) { a.failed = true }

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		cost func(n int) int
		fail bool
	}{
		"linear":                 {func(n int) int { return 7 * n }, false},
		"linear after a start":   {func(n int) int { return 1000 + n }, false},
		"sorted":                 {func(n int) int { return int(float64(n) * math.Log2(float64(n))) }, false},
		"square":                 {func(n int) int { return n * n }, true},
		"square after a start":   {func(n int) int { return 50_000 + n*n }, true},
		"power of 1.5":           {func(n int) int { return int(math.Pow(float64(n), 1.5)) }, true},
		"square with a small c":  {func(n int) int { return 20*n + n*n/50 }, true},
		"hidden behind a start":  {func(n int) int { return 1_000_000 + n }, true},
		"less for larger inputs": {func(n int) int { return 1000 - n/100 }, true},
	} {
		a := &attempt{TB: t}
		if Check(a, name, 100, c.cost); a.failed != c.fail {
			t.Errorf("%s: failed is %v", name, a.failed)
		}
	}
}

func TestExponent(t *testing.T) {
	sizes := []int{100, 200, 400, 800, 1600}
	for e := 0.5; e < 3; e += 0.25 {
		var costs []int
		for _, n := range sizes {
			costs = append(costs, 12345+int(1000*math.Pow(float64(n), e)))
		}
		if got := Exponent(sizes, costs, 12345); math.Abs(got-e) > 0.001 {
			t.Errorf("exponent %f of a power of %f", got, e)
		}
	}
}
