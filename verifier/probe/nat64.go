package probe

import (
	"context"
	"net/netip"
	"slices"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/verifier"
)

// The prefixes of RFC 6052 and RFC 8215, which every network may use.
var wellKnown64 = []netip.Prefix{netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48")}

// only4 is the name whose IPv6 addresses show a network's own prefix (RFC 7050 section
// 8); its only IPv4 addresses follow.
const only4 = "ipv4only.arpa"

var only4Addrs = []netip.Addr{netip.MustParseAddr("192.0.0.170"), netip.MustParseAddr("192.0.0.171")}

// lengths64 are those that a prefix may have (RFC 6052 section 2.2).
var lengths64 = []int{32, 40, 48, 56, 64, 96}

// embedded is the IPv4 address within an IPv6 address under a prefix of a length. The
// octet of bits 64 to 71 is not part of it (RFC 6052 section 2.2).
func embedded(a netip.Addr, bits int) netip.Addr {
	b := a.As16()
	var four [4]byte
	at := bits / 8
	for i := range four {
		if at == 8 {
			at++
		}
		four[i] = b[at]
		at++
	}
	return netip.AddrFrom4(four)
}

// nat64 is the IPv4 address that a translator makes of a.
func (e *env) nat64(ctx context.Context, a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return netip.Addr{}, false
	}
	if wellKnown64[0].Contains(a) {
		return embedded(a, 96), true
	}
	for _, p := range e.prefixes64(ctx) {
		if p.Contains(a) {
			return embedded(a, p.Bits()), true
		}
	}
	return netip.Addr{}, false
}

// prefixes64 returns this network's own prefixes, which its name servers show. They are
// asked once in a run.
func (e *env) prefixes64(ctx context.Context) []netip.Prefix {
	e.own64.Do(func() {
		for _, server := range e.lookups().asked() {
			q := e.query(ctx, server, only4, dnsmessage.TypeAAAA)
			if !q.ok {
				continue
			}
			e.found64 = prefixesIn(q.answer.addrs)
			return
		}
	})
	return e.found64
}

// prefixesIn finds the prefixes under which addresses hold those of only4.
func prefixesIn(addrs []netip.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range addrs {
		if !a.Is6() {
			continue
		}
		for _, bits := range lengths64 {
			p := netip.PrefixFrom(a, bits).Masked()
			if slices.Contains(only4Addrs, embedded(a, bits)) && !slices.Contains(list, p) {
				list = append(list, p)
				break
			}
		}
	}
	return list
}

// allows reports whether the rule's ranges hold a, or the address that a translator
// makes of it, which is what a firewall behind that sees.
func (e *env) allows(ctx context.Context, r *verifier.Rule, a netip.Addr) bool {
	if e.plan.Allows(r, a) {
		return true
	}
	if !a.Is6() {
		return false
	}
	four, ok := e.nat64(ctx, a)
	return ok && e.plan.Allows(r, four)
}
