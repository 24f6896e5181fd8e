package jsonfeed

import (
	"errors"
	"fmt"
	"net/netip"

	"sallyport/ipranges"
	"sallyport/ipranges/refusal"
)

// ErrWide is in the error of [Prefix] for a prefix that is wider than the limits.
var ErrWide = errors.New("wider than the limit")

type wideError struct{ text string }

func (e wideError) Error() string { return e.text }
func (wideError) Unwrap() error   { return ErrWide }

// Prefix reads an element of a list of prefixes: well formed, without host bits, not
// IPv4-mapped, and of at least so many bits for its family. The error is safe to print.
func Prefix(text []byte, minBits4, minBits6 int) (netip.Prefix, error) {
	p, err := ipranges.ParsePrefixBytes(text)
	if err != nil {
		if q, e := netip.ParsePrefix(string(text)); e == nil && q != q.Masked() {
			err = fmt.Errorf("%s has host bits set; without them it is %s", q, q.Masked())
		}
		return netip.Prefix{}, errors.New(refusal.Clean(err.Error(), 200))
	}
	least := minBits4
	if p.Addr().Is6() {
		least = minBits6
	}
	if p.Bits() < least {
		return netip.Prefix{}, wideError{fmt.Sprintf("%s is wider than /%d", p, least)}
	}
	return p, nil
}

// Special says why a prefix may not be in a feed, or "" if it may: it holds addresses
// that are not public.
func Special(p netip.Prefix) string {
	s, ok := ipranges.FindSpecial(p)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s is not public: it holds addresses of %s, %s (%s)", p, s.Prefix, s.Name, s.RFC)
}
