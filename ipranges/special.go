package ipranges

import (
	"net/netip"
	"sync"
)

// Special is a block of addresses that is never the public unicast
// destination of a cloud.
type Special struct {
	Prefix netip.Prefix
	Name   string
	RFC    string // "RFC 1918"
}

// Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries
// (iana.org/assignments/iana-ipv4-special-registry, iana-ipv6-special-registry)
// and the multicast registries; retired blocks by the RFC that defined them. A
// block that sits inside another stands before it, so that the first one found
// is the narrower.
//
// What the registries call globally reachable (AS112, AMT) and 192.88.99.0/24 are left
// out: they are or were routed, so that a list which holds one need not be wrong.
// 64:ff9b::/96 and 2002::/16 are in: they hold every IPv4 address, private ones too.
// 192.0.0.0/24 is in as a whole, although two of its addresses are anycast services.
var specialTable = sync.OnceValue(func() []Special {
	var out []Special
	for _, s := range [][3]string{
		{"0.0.0.0/8", "this network", "RFC 791"},
		{"10.0.0.0/8", "private use", "RFC 1918"},
		{"100.64.0.0/10", "shared address space (carrier-grade NAT)", "RFC 6598"},
		{"127.0.0.0/8", "loopback", "RFC 1122"},
		{"169.254.0.0/16", "link-local", "RFC 3927"},
		{"172.16.0.0/12", "private use", "RFC 1918"},
		{"192.0.0.0/24", "IETF protocol assignments", "RFC 6890"},
		{"192.0.2.0/24", "documentation (TEST-NET-1)", "RFC 5737"},
		{"192.168.0.0/16", "private use", "RFC 1918"},
		{"198.18.0.0/15", "benchmarking", "RFC 2544"},
		{"198.51.100.0/24", "documentation (TEST-NET-2)", "RFC 5737"},
		{"203.0.113.0/24", "documentation (TEST-NET-3)", "RFC 5737"},
		{"224.0.0.0/4", "multicast", "RFC 5771"},
		{"255.255.255.255/32", "limited broadcast", "RFC 919"},
		{"240.0.0.0/4", "reserved", "RFC 1112"},

		{"::/128", "unspecified address", "RFC 4291"},
		{"::1/128", "loopback", "RFC 4291"},
		{"::/96", "IPv4-compatible (deprecated)", "RFC 4291"},
		{"::ffff:0:0/96", "IPv4-mapped", "RFC 4291"},
		{"64:ff9b::/96", "IPv4/IPv6 translation: it holds every IPv4 address", "RFC 6052"},
		{"64:ff9b:1::/48", "local-use IPv4/IPv6 translation", "RFC 8215"},
		{"100::/64", "discard-only", "RFC 6666"},
		{"100:0:0:1::/64", "dummy prefix", "RFC 9780"},
		{"2001::/32", "Teredo", "RFC 4380"},
		{"2001:2::/48", "benchmarking", "RFC 5180"},
		{"2001:10::/28", "ORCHID (deprecated)", "RFC 4843"},
		{"2001:20::/28", "ORCHIDv2", "RFC 7343"},
		{"2002::/16", "6to4: it holds every IPv4 address", "RFC 3056"},
		{"2001:db8::/32", "documentation", "RFC 3849"},
		{"3fff::/20", "documentation", "RFC 9637"},
		{"5f00::/16", "segment routing (SRv6) SIDs", "RFC 9602"},
		{"fc00::/7", "unique local", "RFC 4193"},
		{"fe80::/10", "link-local", "RFC 4291"},
		{"fec0::/10", "site-local (deprecated)", "RFC 3879"},
		{"ff00::/8", "multicast", "RFC 4291"},
	} {
		out = append(out, Special{netip.MustParsePrefix(s[0]), s[1], s[2]})
	}
	return out
})

var specialSet = sync.OnceValue(func() Set {
	var b Builder
	for _, s := range specialTable() {
		b.addPrefix(s.Prefix) // unchecked: AddPrefix refuses ::ffff:0:0/96
	}
	return b.Set()
})

// SpecialUse returns the addresses of every block in [Specials].
func SpecialUse() Set { return specialSet() }

// Specials returns the blocks that are never public unicast destinations of a
// cloud: IPv4 first, ascending, except that a block inside another stands
// before it. The caller may change the slice.
func Specials() []Special { return append([]Special(nil), specialTable()...) }

// FindSpecial returns the first block of [Specials] that overlaps p. An
// invalid prefix overlaps none.
func FindSpecial(p netip.Prefix) (Special, bool) {
	if !p.IsValid() {
		return Special{}, false
	}
	// Nearly every prefix overlaps none; a binary search shows that quickly.
	hit := false
	if a := p.Addr(); a.Is4() {
		hit = overlaps(specialSet().v4, []span4{prefixSpan4(wordOf4(a), p.Bits())})
	} else {
		hit = overlaps(specialSet().v6, []span6{prefixSpan6(wordOf6(a), p.Bits())})
	}
	if !hit {
		return Special{}, false
	}
	for _, s := range specialTable() {
		if s.Prefix.Overlaps(p) {
			return s, true
		}
	}
	return Special{}, false
}
