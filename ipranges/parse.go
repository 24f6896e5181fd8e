package ipranges

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"go4.org/netipx"
)

var (
	errMapped = errors.New("an IPv4-mapped IPv6 address: write it as IPv4")
	errZone   = errors.New("has a zone, which a set cannot hold")
)

// checkPrefix returns why p cannot be in a set, or nil.
func checkPrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("invalid prefix")
	case p.Addr().Is4In6():
		return fmt.Errorf("%s is %w", p, errMapped)
	case hasHostBits(p):
		return fmt.Errorf("%s has host bits set: did you mean %s?", p, p.Masked())
	}
	return nil
}

// hasHostBits is p != p.Masked() for a valid p.
func hasHostBits(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return wordOf4(p.Addr())&hostMask4(p.Bits()) != 0
	}
	return wordOf6(p.Addr()).meets(hostMask6(p.Bits()))
}

// checkAddr returns why a cannot be in a set, or nil.
func checkAddr(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return errors.New("invalid address")
	case a.Zone() != "":
		return fmt.Errorf("%.60q %w", a.String(), errZone)
	case a.Is4In6():
		return fmt.Errorf("%s is %w", a, errMapped)
	}
	return nil
}

// checkRange returns why r cannot be in a set, or nil. A netipx range has no
// zone: those of the addresses it is made from are dropped.
func checkRange(r netipx.IPRange) error {
	if err := checkAddr(r.From()); err != nil {
		return err
	}
	if err := checkAddr(r.To()); err != nil {
		return err
	}
	switch {
	case r.From().BitLen() != r.To().BitLen():
		return fmt.Errorf("%s-%s mixes IPv4 and IPv6", r.From(), r.To())
	case r.To().Less(r.From()):
		return fmt.Errorf("%s-%s ends before it starts", r.From(), r.To())
	}
	return nil
}

// ParsePrefix parses a prefix such as "10.0.0.0/8". It takes what
// [netip.ParsePrefix] takes, except for host bits (the error names the masked
// form) and IPv4-mapped addresses.
func ParsePrefix(s string) (netip.Prefix, error) { return parsePrefix(s) }

// ParsePrefixBytes is [ParsePrefix] for bytes, which it does not keep.
func ParsePrefixBytes(b []byte) (netip.Prefix, error) { return parsePrefix(b) }

func parsePrefix[T string | []byte](s T) (netip.Prefix, error) {
	var e entry
	var buf [scanRoom]byte // at least one zero byte after the text ends it
	if len(s) < scanRoom {
		copy(buf[:], s)
	}
	if e.scan(buf[:], 0) && e.isPrefix && e.next == len(s) && !e.hostBits() {
		if e.v6 {
			return netip.PrefixFrom(e.a.addr(), e.length), nil
		}
		return netip.PrefixFrom(word4(e.a.lo).addr(), e.length), nil
	}
	p, err := netip.ParsePrefix(string(s))
	if err != nil {
		return netip.Prefix{}, notA("prefix", string(s))
	}
	if err := checkPrefix(p); err != nil {
		return netip.Prefix{}, err
	}
	return p, nil
}

// ParseRange parses a prefix "10.0.0.0/8", a range "10.0.0.1-10.0.0.9" or a
// single address. It is strict: blanks, host bits, zones, IPv4-mapped
// addresses, and ranges that mix families or end before they start are
// errors.
func ParseRange(s string) (netipx.IPRange, error) {
	if strings.IndexByte(s, '/') >= 0 {
		p, err := ParsePrefix(s)
		return netipx.RangeOfPrefix(p), err // of the zero Prefix it is the zero IPRange
	}
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err1 := netip.ParseAddr(from)
	b, err2 := netip.ParseAddr(to)
	if err1 != nil || err2 != nil {
		return netipx.IPRange{}, notA("prefix, range or address", s)
	}
	r := netipx.IPRangeFrom(a, b)
	for _, err := range []error{checkAddr(a), checkAddr(b), checkRange(r)} {
		if err != nil {
			return netipx.IPRange{}, err
		}
	}
	return r, nil
}

// notA is the error for text that is no address at all. Such text may be long
// or hostile: the error holds at most its start, quoted.
func notA(what, s string) error {
	if s == "" {
		return fmt.Errorf("an empty text is not a %s", what)
	}
	if len(s) > 60 {
		return fmt.Errorf("%q... is not a %s", s[:60], what)
	}
	return fmt.Errorf("%q is not a %s", s, what)
}
