package policy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"sallyport/ipranges"
)

// literal returns the set for a string in the policy: a prefix, a range "a-b", or an
// address.
func (c *compiler) literal(s string, r hcl.Range) (ipranges.Set, bool) {
	var set ipranges.Set
	rng, err := ipranges.ParseRange(s)
	if err == nil {
		set, err = ipranges.FromRanges(rng)
	}
	if err == nil && rng.From().Is4In6() && rng.To().Is4In6() {
		err = errors.New("the block of IPv4-mapped addresses") // IPv4 is meant
	}
	if err == nil && strings.Contains(s, "%") {
		err = errors.New("addresses with zones are not taken") // ranges would ignore them
	}
	if err != nil {
		summary, detail, fix := literalMistake(s)
		c.error(r, summary, detail, fix)
		return ipranges.Set{}, false
	}
	f := ipranges.FamilyOf(rng.From())
	if set.Equal(ipranges.Full(f)) {
		family := map[ipranges.Family]string{ipranges.IPv4: "ipv4", ipranges.IPv6: "ipv6"}[f]
		c.error(r, fmt.Sprintf("%s is every %s address", s, f),
			"That is more often a mistake than meant, so the policy has a word of its own for it.",
			fmt.Sprintf("write any where any is meant, as in to = any; for one family, say families = [%q] in the target", family))
		return ipranges.Set{}, false
	}
	return set, true
}

// literalMistake explains why s is no address, and suggests what is most likely meant. If it
// has no better explanation, it uses the parser's.
func literalMistake(s string) (summary, detail, fix string) {
	const form = `write a prefix "192.0.2.0/24", a range "192.0.2.1-192.0.2.9" or an address`
	summary = fmt.Sprintf("%.60q is not an address, a prefix or a range", s)
	if detail, fix = otherForm(s); fix != "" {
		return summary, detail, fix
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		switch {
		case p.Addr().Is4In6():
			return mappedMistake(p.Addr(), p.Bits())
		case p != p.Masked():
			return s + " has host bits set", fmt.Sprintf("The prefix of %d bits that holds this address is %s.", p.Bits(), p.Masked()),
				fmt.Sprintf("write %q, or %q for the one address", p.Masked(), p.Addr())
		}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		switch {
		case a.Zone() != "":
			return fmt.Sprintf("%.60s has a zone", s), "Zones name an interface of one machine, so rules do not have them.", fmt.Sprintf("write %q", a.WithZone(""))
		case a.Is4In6():
			return mappedMistake(a, 128)
		}
	}
	if from, to, ok := strings.Cut(s, "-"); ok {
		a, errA := netip.ParseAddr(from)
		b, errB := netip.ParseAddr(to)
		switch {
		case errA != nil || errB != nil:
		case a.BitLen() != b.BitLen():
			return s + " mixes address families", "", "write two ranges, one for each family"
		case b.Less(a):
			return s + " ends before it starts", "", fmt.Sprintf("write %q", to+"-"+from)
		}
	}
	if addr, mask, ok := strings.Cut(s, "/"); ok {
		if a, err := netip.ParseAddr(addr); err == nil {
			if bits, ok := maskBits(mask); ok && a.Is4() {
				p, _ := a.Prefix(bits)
				return summary, "Prefixes are written with the number of their bits.", fmt.Sprintf("write %q", p)
			}
			return summary, "", fmt.Sprintf("the length of a prefix of this family is a number from 0 to %d", a.BitLen())
		}
	}
	if looksLikeName(s) {
		return summary, "Names are never resolved here, because their addresses change while the rules do not.",
			"list the addresses, or a tag of a feed"
	}
	return summary, "", form
}

// otherForm recognizes addresses in the forms of other programs, and references in quotes,
// and says how to write them in a policy. fix is empty for anything else.
func otherForm(s string) (detail, fix string) {
	word := strings.TrimSpace(s)
	kind, name, _ := strings.Cut(word, ".")
	switch {
	case word == "":
		return "It is empty.", "write an address, or take it out"
	case strings.EqualFold(word, "any"), strings.EqualFold(word, "all"), word == "*":
		return "In quotes it is a text like any other.", "write any, without quotes and brackets, where any address is meant"
	case kindOf(kind) != "" && plainName(name), strings.HasPrefix(word, "tag("), strings.HasPrefix(word, "names("):
		return "In quotes it is a text like any other.", fmt.Sprintf("write it without quotes: %.80s", word)
	case strings.Contains(word, "://"):
		return "It is a URL.", "list the addresses, or a tag of a feed"
	}
	plain := strings.NewReplacer("–", "-", "—", "-", "−", "-", "‑", "-", "..", "-", "\\", "/", "[", "", "]", "").Replace(strings.Join(strings.Fields(word), " "))
	if t := strings.ReplaceAll(plain, " ", ""); t != s && isLiteral(t) {
		return map[bool]string{true: "It holds blanks.", false: "It is written otherwise here."}[t == strings.Join(strings.Fields(s), "")], fmt.Sprintf("write %q", t)
	}
	if list := strings.FieldsFunc(plain, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }); len(list) > 1 {
		if bits, ok := maskBits(list[1]); ok && len(list) == 2 {
			if p, err := netip.ParsePrefix(fmt.Sprintf("%s/%d", list[0], bits)); err == nil {
				return "Prefixes are written with the number of their bits.", fmt.Sprintf("write %q", p.Masked())
			}
		}
		var quotedItems []string
		for _, w := range list {
			if !isLiteral(w) {
				quotedItems = nil
				break
			}
			quotedItems = append(quotedItems, strconv.Quote(w))
		}
		if len(quotedItems) > 0 {
			return "Each address is an element of the list.", fmt.Sprintf("write %.200s", strings.Join(quotedItems, ", "))
		}
	}
	return shortForm(plain)
}

// shortForm recognizes IPv4 addresses with too few or too many parts.
func shortForm(s string) (detail, fix string) {
	if host, _, err := net.SplitHostPort(s); err == nil && isAddress(host) {
		return "It holds a port, and ports are part of a service.", fmt.Sprintf("write %q, and the port in a service", host)
	}
	if from, to, ok := strings.Cut(s, "-"); ok {
		if n, small := number(to, 255); small && isAddress(from) && strings.Count(from, ".") == 3 {
			return "Both ends of a range are whole addresses.", fmt.Sprintf("write \"%s-%s%d\"", from, from[:strings.LastIndexByte(from, '.')+1], n)
		}
	}
	addr, _, _ := strings.Cut(s, "/")
	var parts []string
	for _, p := range strings.Split(strings.TrimSuffix(addr, "."), ".") {
		n, err := strconv.ParseUint(p, 10, 8)
		switch {
		case p == "*" || p == "x" || p == "X":
		case err != nil:
			return "", ""
		default:
			parts = append(parts, strconv.FormatUint(n, 10))
		}
	}
	switch n := len(parts); {
	case n == 4 && addr == s && strings.Join(parts, ".") != addr:
		return "A number with a zero in front is read as octal by some programs.", fmt.Sprintf("write %q", strings.Join(parts, "."))
	case n > 0 && n < 4 && (addr != s || strings.ContainsAny(s, "*xX.")):
		whole, length := strings.Join(parts, ".")+strings.Repeat(".0", 4-n), strconv.Itoa(8*n)
		if addr != s {
			length = s[len(addr)+1:]
		}
		if p, err := netip.ParsePrefix(whole + "/" + length); err == nil {
			return "An IPv4 address has four numbers.", fmt.Sprintf("write %q", p.Masked())
		}
	}
	return "", ""
}

func isLiteral(s string) bool {
	_, err := ipranges.ParseRange(s)
	return err == nil
}

func mappedMistake(a netip.Addr, bits int) (summary, detail, fix string) {
	fix = "write the IPv4 addresses that are meant"
	if bits > 96 {
		if p, err := a.Unmap().Prefix(bits - 96); err == nil {
			fix = fmt.Sprintf("write %q", p)
		}
	}
	return fmt.Sprintf("%s is an IPv4-mapped IPv6 address", a), "Packets never carry such addresses: they stand for IPv4 inside of programs.", fix
}

// maskBits is the prefix length of a netmask such as 255.255.0.0.
func maskBits(s string) (int, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return 0, false
	}
	for bits := range 33 {
		if p, _ := netip.AddrFrom4([4]byte{255, 255, 255, 255}).Prefix(bits); p.Addr() == a {
			return bits, true
		}
	}
	return 0, false
}

func looksLikeName(s string) bool {
	return strings.Contains(s, ".") && hostProblem(s) == "" && strings.ContainsFunc(s, func(r rune) bool {
		return 'g' <= r && r <= 'z' || 'G' <= r && r <= 'Z'
	})
}
