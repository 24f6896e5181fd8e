package cover

import (
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"sallyport/ipranges"
)

// TestCount compares the arithmetic with big.Int, modulo 2^192.
func TestCount(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 11))
	modulus := new(big.Int).Lsh(big.NewInt(1), 192)
	word := func() uint64 {
		switch rnd.IntN(4) {
		case 0:
			return 0
		case 1:
			return math.MaxUint64
		}
		return rnd.Uint64() >> rnd.IntN(64)
	}
	same := func(c Count, n *big.Int) bool {
		return c.Big().Cmp(n.Mod(n, modulus)) == 0 && c.String() == n.String() && countOfBig(n) == c
	}
	for range 20000 {
		c, d, n := Count{word(), word(), word()}, Count{word(), word(), word()}, word()
		shift := rnd.IntN(200)
		x, y, z := c.Big(), d.Big(), new(big.Int).SetUint64(n)
		ok := same(c.Add(d), new(big.Int).Add(x, y)) && same(c.minus(d), new(big.Int).Sub(x, y)) &&
			same(c.times(n), new(big.Int).Mul(x, z)) && same(c.shift(shift), new(big.Int).Lsh(x, uint(shift))) &&
			c.Cmp(d) == x.Cmp(y) && c.less(d) == (x.Cmp(y) < 0) && c.IsZero() == (x.Sign() == 0)
		if n > 0 {
			ok = ok && same(c.over(n), new(big.Int).Quo(x, z))
		}
		small, fits := c.Uint64()
		ok = ok && fits == x.IsUint64() && (!fits || small == x.Uint64())
		f, _ := new(big.Float).SetInt(x).Float64()
		ok = ok && math.Abs(c.Float64()-f) <= 1e-15*f
		if !ok {
			t.Fatalf("%v, %v, %d, shift %d", c, d, n, shift)
		}
	}
}

func TestCountOf(t *testing.T) {
	set := ipranges.MustParse("192.0.2.0/24", "2001:db8::/32", "2001:db9::1")
	for _, c := range []struct {
		got  Count
		want string
	}{
		{CountOf(set, ipranges.IPv4), "256"},
		{CountOf(set, ipranges.IPv6), "79228162514264337593543950337"},
		{CountOf(set, 0), "0"},
		{CountOf(ipranges.Full(ipranges.IPv4), ipranges.IPv4), "4294967296"},
		{CountOf(ipranges.Full(ipranges.IPv6), ipranges.IPv6), "340282366920938463463374607431768211456"},
	} {
		text, err := json.Marshal(c.got)
		if c.got.String() != c.want || err != nil || string(text) != `"`+c.want+`"` {
			t.Errorf("%v, in JSON %s, %v; want %s", c.got, text, err, c.want)
		}
	}
}

func TestPercent(t *testing.T) {
	all := CountOf(ipranges.Full(ipranges.IPv6), ipranges.IPv6)
	for _, c := range []struct {
		part, whole Count
		want        float64
	}{
		{NewCount(1), NewCount(8), 12.5},
		{NewCount(3), NewCount(2), 150},
		{Count{}, Count{}, 0},
		{NewCount(1), Count{}, math.Inf(1)},
		{NewCount(1).shift(127), all, 50},
	} {
		if got := c.part.Percent(c.whole); got != c.want {
			t.Errorf("%v of %v is %v %%, want %v", c.part, c.whole, got, c.want)
		}
	}
	for _, c := range []struct {
		whole   Count
		percent float64
		want    Count
	}{
		{NewCount(1000), 0.3, NewCount(3)}, // 0.3 is below 3/10 in binary
		{NewCount(1000), 0.1, NewCount(1)},
		{NewCount(999), 0.1, NewCount(0)},
		{NewCount(7), 150, NewCount(10)},
		{NewCount(7), 1e-300, Count{}},
		{NewCount(7), -1, Count{}},
		{NewCount(7), math.NaN(), Count{}},
		{NewCount(7), math.Inf(1), Count{math.MaxUint64, math.MaxUint64, math.MaxUint64}},
		{NewCount(7), math.MaxFloat64, Count{math.MaxUint64, math.MaxUint64, math.MaxUint64}},
		{Count{}, math.Inf(1), Count{}},
		{all, 100, all},
		{all, 25, NewCount(1).shift(126)},
	} {
		if got := c.whole.Part(c.percent); got != c.want {
			t.Errorf("%v %% of %v is %v, want %v", c.percent, c.whole, got, c.want)
		}
	}
}
