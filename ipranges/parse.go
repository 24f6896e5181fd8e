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
	case p.Addr().Is4In6() && p.Bits() > mappedBits:
		return fmt.Errorf("%s is %w, %s/%d", p, errMapped, p.Addr().Unmap(), p.Bits()-mappedBits)
	case hasHostBits(p):
		return fmt.Errorf("%s has host bits set: did you mean %s?", p, p.Masked())
	}
	return nil
}

// The block of IPv4-mapped addresses, ::ffff:0:0/96, is part of IPv6's address space: a
// set holds all of it or nothing, so that ranges that begin or end next to it can be
// written and read. An address in it means IPv4 (RFC 4291, section 2.5.5.2) and is
// refused.
const mappedBits = 96

var mappedFirst, mappedLast = netip.MustParseAddr("::ffff:0.0.0.0"), netip.MustParseAddr("::ffff:255.255.255.255")

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
		return fmt.Errorf("%s %w", printable(a.String()), errZone)
	case a.Is4In6():
		return fmt.Errorf("%s is %w, %s", a, errMapped, a.Unmap())
	}
	return nil
}

// checkRange returns why r cannot be in a set, or nil. A netipx range has no
// zone: those of the addresses it is made from are dropped.
func checkRange(r netipx.IPRange) error {
	switch {
	case !r.From().IsValid() || !r.To().IsValid():
		return errors.New("invalid address")
	case r.From().BitLen() != r.To().BitLen():
		return fmt.Errorf("%s-%s mixes IPv4 and IPv6", r.From(), r.To())
	case r.To().Less(r.From()):
		return fmt.Errorf("%s-%s ends before it starts", r.From(), r.To())
	case r.From().Is4In6() && (r.From() != mappedFirst || r.To().Less(mappedLast)):
		return checkAddr(r.From())
	case r.To().Is4In6() && (r.To() != mappedLast || mappedFirst.Less(r.From())):
		return checkAddr(r.To())
	}
	return nil
}

// ParsePrefix parses a prefix such as "10.0.0.0/8". It takes what
// [netip.ParsePrefix] takes, except for host bits (the error names the masked
// form) and IPv4-mapped addresses.
func ParsePrefix(s string) (netip.Prefix, error) { return parsePrefix(s) }

// ParsePrefixBytes is [ParsePrefix] for bytes, which it does not keep.
func ParsePrefixBytes(b []byte) (netip.Prefix, error) { return parsePrefix(b) }

// scanPrefix parses a prefix in a usual form, without host bits. It is quick, and its false
// decides nothing.
func scanPrefix[T string | []byte](s T) (p netip.Prefix, ok bool) {
	var e entry
	var buf [scanRoom]byte // at least one zero byte after the text ends it
	if len(s) < scanRoom {
		copy(buf[:], s)
	}
	switch {
	case !e.scan(buf[:], 0) || !e.isPrefix || e.next != len(s) || e.hostBits():
		return p, false
	case e.v6:
		return netip.PrefixFrom(e.a.addr(), e.length), true
	}
	return netip.PrefixFrom(word4(e.a.lo).addr(), e.length), true
}

func parsePrefix[T string | []byte](s T) (netip.Prefix, error) {
	if p, ok := scanPrefix(s); ok {
		return p, nil
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
	for _, end := range []netip.Addr{a, b} {
		if end.Zone() != "" {
			return netipx.IPRange{}, checkAddr(end)
		}
	}
	r := netipx.IPRangeFrom(a, b)
	if err := checkRange(r); err != nil {
		return netipx.IPRange{}, err
	}
	return r, nil
}

// notA is the error for text that is no address at all. Such text may be long
// or hostile: the error holds at most its start, quoted.
func notA(what, s string) error {
	if s == "" {
		return fmt.Errorf("an empty text is not a %s", what)
	}
	quoted := printable(s)
	address, _, _ := strings.Cut(s, "/")
	switch {
	case strings.ContainsFunc(s, func(r rune) bool { return r > '~' }):
		return fmt.Errorf("%s is not a %s: it holds characters that are not ASCII", quoted, what)
	case leadingZero(address):
		return fmt.Errorf("%s is not a %s: some programs read a number with a leading zero as octal, so write it without", quoted, what)
	case strings.Contains(address, "%") && strings.Contains(address, ":"):
		return fmt.Errorf("%s is not a %s: it %w", quoted, what, errZone)
	}
	return fmt.Errorf("%s is not a %s", quoted, what)
}

// leadingZero reports whether s is four numbers with dots between, of which one has a
// leading zero.
func leadingZero(s string) bool {
	parts := strings.Split(s, ".")
	zero := false
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
		zero = zero || len(p) > 1 && p[0] == '0'
	}
	return zero && len(parts) == 4
}
