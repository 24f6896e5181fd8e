package iptables

import (
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/rules"
)

// pointMatches is the matches of list that packets of the family can meet, as
// iptables-save writes them. ICMP is left to the family it belongs to.
func pointMatches(d dialect, list rules.Matches) []string {
	var out []string
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Proto == list[0].Proto {
			n++
		}
		out = append(out, protocolMatches(d, list[:n])...)
		list = list[n:]
	}
	return out
}

// protocolMatches is the matches of one protocol.
func protocolMatches(d dialect, list rules.Matches) []string {
	p := list[0].Proto
	switch {
	case p.IsICMP() && p != d.icmp:
		return nil
	case p == rules.AH && d.family == ipranges.IPv6:
		// AH is an extension header: -p ah matches it in one back-end only.
		return []string{"-m ah"}
	case list[0].IsAll() || !p.HasPorts() && !p.IsICMP():
		return []string{"-p " + protocolWord(p)}
	case p.IsICMP():
		return icmpMatches(d, list)
	}
	return portMatches(p, list)
}

// protocolWord is the name that iptables-save gives the protocol.
func protocolWord(p rules.Protocol) string {
	if p == rules.ICMPv6 {
		return "ipv6-icmp"
	}
	return p.String()
}

// portMatches is one match for up to fifteen ports, where a range counts as two
// (iptables-extensions(8), multiport).
func portMatches(p rules.Protocol, list rules.Matches) []string {
	if len(list) == 1 {
		return []string{fmt.Sprintf("-p %s -m %[1]s --dport %s", p, portRange(list[0]))}
	}
	var out, ports []string
	free := 15
	flush := func() {
		if len(ports) > 0 {
			out = append(out, fmt.Sprintf("-p %s -m multiport --dports %s", p, strings.Join(ports, ",")))
		}
		ports, free = nil, 15
	}
	for _, m := range list {
		need := 1
		if m.Lo != m.Hi {
			need = 2
		}
		if need > free {
			flush()
		}
		ports = append(ports, portRange(m))
		free -= need
	}
	flush()
	return out
}

func portRange(m rules.Match) string {
	if m.Lo == m.Hi {
		return fmt.Sprint(m.Lo)
	}
	return fmt.Sprintf("%d:%d", m.Lo, m.Hi)
}

// icmpMatches is one match a type, or a type and code: iptables has no ranges of
// either.
func icmpMatches(d dialect, list rules.Matches) []string {
	word := "-p icmp -m icmp --icmp-type "
	if d.icmp == rules.ICMPv6 {
		word = "-p ipv6-icmp -m icmp6 --icmpv6-type "
	}
	var out []string
	for _, m := range list {
		for _, part := range m.ICMPParts() {
			if part.Lo&255 == 0 && part.Hi&255 == 255 {
				for typ := part.Lo >> 8; typ <= part.Hi>>8; typ++ {
					out = append(out, fmt.Sprint(word, typ))
				}
				continue
			}
			for code := part.Lo & 255; code <= part.Hi&255; code++ {
				out = append(out, fmt.Sprintf("%s%d/%d", word, part.Lo>>8, code))
			}
		}
	}
	return out
}

// unsayable refuses what iptables would take for something else, or never match.
func (t *table) unsayable(rule *rules.Rule) error {
	refuse := func(cause string) error {
		return &rules.RuleError{Rule: rule.Name, Place: rule.Place, Cause: cause, Fix: "leave the rule out of this target"}
	}
	for _, m := range rule.Matches() {
		switch {
		case m.Proto == 0:
			return refuse("iptables takes protocol 0 for every protocol")
		case t.fam.family == ipranges.IPv4 && m.Proto == rules.ICMP && !m.IsAll() && m.Hi>>8 == 255:
			return refuse("iptables takes ICMP type 255 for every type")
		}
	}
	return nil
}
