package pfsense

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// side is the source or destination of a rule of the user's.
type side struct {
	set     ipranges.Set
	self    bool                      // the firewall's own addresses
	unknown map[rules.Families]string // by family, what about it cannot be known
}

func everywhere() side {
	return side{set: ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6))}
}

// of is the side's addresses of a family, and all of them where they are unknown.
func (s side) of(f ipranges.Family) ipranges.Set {
	if s.unknown[rules.Only(f)] != "" {
		return ipranges.Full(f)
	}
	return s.set.Only(f)
}

func (s *side) mark(fams rules.Families, format string, args ...any) {
	if s.unknown == nil {
		s.unknown = map[rules.Families]string{}
	}
	for _, f := range fams.List() {
		s.unknown[rules.Only(f)] = fmt.Sprintf(format, args...)
	}
}

// side reads <source> or <destination> (filter.inc, filter_generate_address).
func (c *config) side(n *node) side {
	var s side
	switch {
	case n == nil:
		s.mark(rules.BothFamilies, "an address that is missing")
		return s
	case n.Has("any"):
		return everywhere()
	case n.Value("network") != "":
		c.network(&s, n.Value("network"))
	default:
		var b ipranges.Builder
		c.address(&s, &b, n.Value("address"), map[string]bool{})
		s.set = b.Set()
	}
	if n.Has("not") {
		if s.self {
			return everywhere()
		}
		s.set = s.set.Complement(ipranges.IPv4).Union(s.set.Complement(ipranges.IPv6))
	}
	return s
}

// network is the net of an interface, as "lan", or its address, as "lanip".
func (c *config) network(s *side, word string) {
	interfaces := c.root.Child("interfaces")
	if word == "(self)" || strings.HasSuffix(word, "ip") && interfaces.Has(strings.TrimSuffix(word, "ip")) {
		s.self = true
		return
	}
	i := interfaces.Child(word)
	if i == nil {
		if p, err := netip.ParsePrefix(word); err == nil {
			s.set = prefixSet(p)
			return
		}
		s.mark(rules.BothFamilies, "the network %s", renderers.Clean(word))
		return
	}
	for _, f := range []struct {
		fam        rules.Families
		addr, bits string
	}{{rules.OnlyIPv4, "ipaddr", "subnet"}, {rules.OnlyIPv6, "ipaddrv6", "subnetv6"}} {
		p, err := netip.ParsePrefix(i.Value(f.addr) + "/" + i.Value(f.bits))
		switch {
		case err == nil:
			s.set = s.set.Union(prefixSet(p))
		case i.Value(f.addr) != "":
			s.mark(f.fam, "the %s net of interface %s", f.fam, word)
		}
	}
	for _, v := range c.root.Child("virtualip").All("vip") {
		if p, err := netip.ParsePrefix(v.Value("subnet") + "/" + v.Value("subnet_bits")); err == nil && v.Value("interface") == word {
			s.set = s.set.Union(prefixSet(p))
		}
	}
}

func prefixSet(p netip.Prefix) ipranges.Set {
	set, err := ipranges.FromRanges(netipx.RangeOfPrefix(p.Masked()))
	if err != nil {
		return ipranges.Set{} // an IPv4-mapped prefix, which no packet carries
	}
	return set
}

// address reads an address, a prefix, a range or the name of an alias into b.
// Aliases can hold aliases, in circles too; each is read once.
func (c *config) address(s *side, b *ipranges.Builder, word string, seen map[string]bool) {
	if p, err := netip.ParsePrefix(word); err == nil {
		b.AddSet(prefixSet(p))
		return
	}
	if rg, err := ipranges.ParseRange(word); err == nil && b.AddRange(rg) == nil {
		return
	}
	if seen[word] {
		return
	}
	seen[word] = true
	a := c.alias(word)
	switch {
	case a == nil:
		s.mark(rules.BothFamilies, "the address %q", renderers.Clean(word))
	case a.Value("type") != "host" && a.Value("type") != "network":
		s.mark(rules.BothFamilies, "what alias %s holds", renderers.Clean(word))
	default:
		for _, w := range strings.Fields(a.Value("address")) {
			c.address(s, b, w, seen)
		}
	}
}

// matchesOf reads protocol, ports and ICMP types; where something cannot be read,
// it is the whole protocol, and unknown says what.
func (c *config) matchesOf(rule *node) (matches rules.Matches, unknown string) {
	word := strings.ToLower(rule.Value("protocol"))
	switch word {
	case "", "any":
		return rules.EveryProtocol(), ""
	case "icmp":
		return icmpOf(rule)
	case "tcp", "udp", "tcp/udp":
		ports, unknown := c.ports(rule.Child("destination").Value("port"), map[string]bool{})
		var list []rules.Match
		for _, p := range ports {
			for _, proto := range strings.Split(word, "/") {
				n, _ := rules.ProtocolNamed(proto)
				list = append(list, rules.Ports(n, p.Lo, p.Hi))
			}
		}
		return rules.NewMatches(list...), unknown
	}
	for proto, w := range protocolWords {
		if w == word || strconv.Itoa(int(proto)) == word {
			return rules.NewMatches(rules.All(proto)), ""
		}
	}
	return rules.EveryProtocol(), "protocol " + renderers.Clean(word)
}

func icmpOf(rule *node) (rules.Matches, string) {
	all := rules.NewMatches(rules.All(rules.ICMP), rules.All(rules.ICMPv6))
	types := rule.Value("icmptype")
	if types == "" || types == "any" {
		return all, ""
	}
	var list []rules.Match
	for _, w := range strings.Split(types, ",") {
		found := false
		for _, known := range []struct {
			proto rules.Protocol
			words map[uint8]string
		}{{rules.ICMP, icmpWords}, {rules.ICMPv6, icmp6Words}} {
			for _, t := range slices.Sorted(maps.Keys(known.words)) {
				if known.words[t] == w {
					list, found = append(list, rules.ICMPType(known.proto, t)), true
				}
			}
		}
		if !found {
			return all, "ICMP type " + renderers.Clean(w)
		}
	}
	return rules.NewMatches(list...), ""
}

// ports reads a port, a range or an alias of ports; the protocol of what it
// returns has no meaning.
func (c *config) ports(word string, seen map[string]bool) (list []rules.Match, unknown string) {
	whole := []rules.Match{rules.Ports(rules.TCP, 0, 65535)}
	if word == "" {
		return whole, ""
	}
	first, last, isRange := strings.Cut(strings.ReplaceAll(word, ":", "-"), "-")
	if !isRange {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	if err1 == nil && err2 == nil && lo <= hi {
		return []rules.Match{rules.Ports(rules.TCP, uint16(lo), uint16(hi))}, ""
	}
	if seen[word] {
		return nil, ""
	}
	seen[word] = true
	a := c.alias(word)
	if a == nil || a.Value("type") != "port" {
		return whole, "port " + renderers.Clean(word)
	}
	for _, w := range strings.Fields(a.Value("address")) {
		inner, unknown := c.ports(w, seen)
		if unknown != "" {
			return whole, unknown
		}
		list = append(list, inner...)
	}
	return list, ""
}
