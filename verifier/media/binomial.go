package media

import "math"

// doubt is how often a verdict on a rate may be wrong: a path that is exactly at the
// limit passes, or fails, once in 100 trains.
const doubt = 0.01

// atMost is the probability of k or fewer of n, each with probability p.
func atMost(k, n int, p float64) float64 {
	switch {
	case k < 0:
		return 0
	case k >= n || p <= 0:
		return 1
	case p >= 1:
		return 0
	case float64(k) > p*float64(n): // the other tail is shorter, and exact where this one is near 1
		return 1 - sum(k+1, n, n, p)
	}
	return sum(0, k, n, p)
}

// atLeast is the probability of k or more of n.
func atLeast(k, n int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	if k > n || p <= 0 {
		return 0
	}
	if p >= 1 || float64(k) < p*float64(n) {
		return 1 - atMost(k-1, n, p)
	}
	return sum(k, n, n, p)
}

// sum adds the binomial probabilities of from to to, 0 < p < 1.
func sum(from, to, n int, p float64) float64 {
	total, mode := 0.0, p*float64(n)
	for i := from; i <= to; i++ {
		term := math.Exp(choose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		total += term
		if float64(i) > mode && term < total*1e-17 {
			break // they only get smaller from here
		}
	}
	return min(total, 1)
}

// choose is the logarithm of n over k.
func choose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// interval is the Clopper-Pearson interval of a rate of which k of n were seen: below
// low and above high the true rate would show this, or less likely still, once in 100.
func interval(k, n int) (low, high float64) {
	low, high = 0, 1
	if n == 0 {
		return low, high
	}
	if k > 0 {
		low = bisect(func(p float64) bool { return atLeast(k, n, p) < doubt })
	}
	if k < n {
		high = bisect(func(p float64) bool { return atMost(k, n, p) >= doubt })
	}
	return low, high
}

// bisect finds where below turns from true to false, between 0 and 1.
func bisect(below func(float64) bool) float64 {
	a, b := 0.0, 1.0
	for range 50 {
		if m := (a + b) / 2; below(m) {
			a = m
		} else {
			b = m
		}
	}
	return (a + b) / 2
}

// needed is how many packets without a loss show that a rate is under the limit.
func needed(limit float64) int { return int(math.Ceil(math.Log(doubt) / math.Log1p(-limit))) }
