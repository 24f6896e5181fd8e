package cover

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"net/netip"
	"strconv"

	"sallyport/ipranges"
)

// Count is an exact number of addresses of either family: 192 bits, so that
// the 2^128 addresses of IPv6 and any sum of such numbers fit. The zero value is
// 0. Counts are values: copy them, and compare them with == or [Count.Cmp].
type Count struct{ hi, mid, lo uint64 } // hi*2^128 + mid*2^64 + lo

// NewCount returns n as a Count.
func NewCount(n uint64) Count { return Count{lo: n} }

// CountOf returns how many addresses of family f are in s.
func CountOf(s ipranges.Set, f ipranges.Family) Count {
	if f == ipranges.IPv4 {
		return NewCount(s.Count4())
	}
	return countOfBig(s.Count(f))
}

// sizeOf returns how many addresses are in p, a valid prefix.
func sizeOf(p netip.Prefix) Count { return NewCount(1).shift(p.Addr().BitLen() - p.Bits()) }

// countOfBig takes a number of at most 192 bits that is not negative.
func countOfBig(n *big.Int) Count {
	var b [24]byte
	n.FillBytes(b[:])
	be := binary.BigEndian
	return Count{be.Uint64(b[:8]), be.Uint64(b[8:16]), be.Uint64(b[16:])}
}

// Big returns c as a new big.Int.
func (c Count) Big() *big.Int {
	var b [24]byte
	be := binary.BigEndian
	be.PutUint64(b[:8], c.hi)
	be.PutUint64(b[8:16], c.mid)
	be.PutUint64(b[16:], c.lo)
	return new(big.Int).SetBytes(b[:])
}

// Uint64 returns c as a uint64, and whether it fits one.
func (c Count) Uint64() (n uint64, ok bool) { return c.lo, c.hi|c.mid == 0 }

// Float64 returns the nearest float64, or a neighbour of it.
func (c Count) Float64() float64 {
	return math.Ldexp(float64(c.hi), 128) + math.Ldexp(float64(c.mid), 64) + float64(c.lo)
}

// String returns c in decimal, exactly.
func (c Count) String() string {
	if n, ok := c.Uint64(); ok {
		return strconv.FormatUint(n, 10)
	}
	return c.Big().String()
}

// MarshalText returns what String does: JSON numbers of this size are read
// as floats by most programs.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// IsZero reports whether c is 0.
func (c Count) IsZero() bool { return c == Count{} }

// Cmp returns -1, 0 or 1 as c is less than, equal to or greater than d.
func (c Count) Cmp(d Count) int {
	switch {
	case c == d:
		return 0
	case c.less(d):
		return -1
	}
	return 1
}

// Add returns c+d modulo 2^192.
func (c Count) Add(d Count) Count {
	lo, carry := bits.Add64(c.lo, d.lo, 0)
	mid, carry := bits.Add64(c.mid, d.mid, carry)
	hi, _ := bits.Add64(c.hi, d.hi, carry)
	return Count{hi, mid, lo}
}

// Percent returns how many percent of whole c is: 100 when they are equal. Zero is 0 %
// of anything, and every other number +Inf of zero.
func (c Count) Percent(whole Count) float64 {
	if c.IsZero() {
		return 0
	}
	return 100 * c.Float64() / whole.Float64()
}

// Part returns the given percentage of c, rounded down: how much a limit such
// as "2.5 %" allows. The percentage is taken as the shortest decimal that
// denotes it, so that 0.3 % of 1000 is 3. It is 0 unless percent is above 0;
// what exceeds a Count, as +Inf does, is the largest one.
func (c Count) Part(percent float64) Count {
	most := Count{^uint64(0), ^uint64(0), ^uint64(0)}
	switch {
	case c.IsZero() || !(percent > 0):
		return Count{}
	case math.IsInf(percent, 1):
		return most
	}
	part, _ := new(big.Rat).SetString(strconv.FormatFloat(percent, 'f', -1, 64))
	part.Mul(part, new(big.Rat).SetFrac(c.Big(), big.NewInt(100)))
	n := new(big.Int).Quo(part.Num(), part.Denom())
	if n.BitLen() > 192 {
		return most
	}
	return countOfBig(n)
}

func (c Count) less(d Count) bool {
	if c.hi != d.hi {
		return c.hi < d.hi
	}
	if c.mid != d.mid {
		return c.mid < d.mid
	}
	return c.lo < d.lo
}

// minus returns c-d modulo 2^192.
func (c Count) minus(d Count) Count {
	lo, borrow := bits.Sub64(c.lo, d.lo, 0)
	mid, borrow := bits.Sub64(c.mid, d.mid, borrow)
	hi, _ := bits.Sub64(c.hi, d.hi, borrow)
	return Count{hi, mid, lo}
}

// times returns c*n modulo 2^192.
func (c Count) times(n uint64) Count {
	carry, lo := bits.Mul64(c.lo, n)
	high, mid := bits.Mul64(c.mid, n)
	mid, c1 := bits.Add64(mid, carry, 0)
	return Count{c.hi*n + high + c1, mid, lo}
}

// over returns c/n, rounded down. n must not be 0.
func (c Count) over(n uint64) Count {
	hi, rem := bits.Div64(0, c.hi, n)
	mid, rem := bits.Div64(rem, c.mid, n)
	lo, _ := bits.Div64(rem, c.lo, n)
	return Count{hi, mid, lo}
}

// shift returns c*2^n modulo 2^192.
func (c Count) shift(n int) Count {
	for ; n >= 64; n -= 64 {
		c = Count{c.mid, c.lo, 0}
	}
	return Count{c.hi<<n | c.mid>>(64-n), c.mid<<n | c.lo>>(64-n), c.lo << n}
}
