package pfsense

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"sallyport/rules"
)

// piece is the part of a rule that one rule of pfSense can say: one protocol of
// one service, for the families that can carry it.
type piece struct {
	service, label string
	families       rules.Families
	protocol       string
	icmp           string
	ports          []rules.Match
	matches        rules.Matches
}

// protocolWords are the protocols that the rule form offers
// (firewall_rules_edit.php) beside ICMP, by their numbers.
var protocolWords = map[rules.Protocol]string{
	2: "igmp", rules.TCP: "tcp", rules.UDP: "udp", 41: "ipv6", rules.GRE: "gre", rules.ESP: "esp", rules.AH: "ah",
	89: "ospf", 97: "etherip", 103: "pim", 112: "carp", rules.SCTP: "sctp", 240: "pfsync",
}

// The types of ICMP by pfSense's words (filter.inc, icmptypes) and pf's numbers
// (pfctl_parser.c). skip is left out: pfSense writes it otherwise (bug 7372).
var icmpWords = map[uint8]string{
	0: "echorep", 3: "unreach", 4: "squench", 5: "redir", 6: "althost", 8: "echoreq", 9: "routeradv", 10: "routersol",
	11: "timex", 12: "paramprob", 13: "timereq", 14: "timerep", 15: "inforeq", 16: "inforep", 17: "maskreq", 18: "maskrep",
	30: "trace", 31: "dataconv", 32: "mobredir", 33: "ipv6-where", 34: "ipv6-here", 35: "mobregreq", 36: "mobregrep", 40: "photuris",
}

var icmp6Words = map[uint8]string{
	1: "unreach", 2: "toobig", 3: "timex", 4: "paramprob", 128: "echoreq", 129: "echorep", 130: "listqry", 131: "listenrep",
	132: "listendone", 133: "routersol", 134: "routeradv", 135: "neighbrsol", 136: "neighbradv", 137: "redir", 138: "routrrenum",
	139: "niqry", 140: "nirep", 200: "mtraceresp", 201: "mtrace",
}

// passedFirst is what pfSense passes before all rules, from and to anywhere: IPv6
// cannot do without it (filter.inc, filter_rules_generate, looked up 2026-11).
var passedFirst = rules.NewMatches(rules.ICMPType(rules.ICMPv6, 1), rules.ICMPType(rules.ICMPv6, 2),
	rules.ICMPType(rules.ICMPv6, 135), rules.ICMPType(rules.ICMPv6, 136))

// deniesInVain reports whether a rule names p to deny it, and pfSense passes it before
// all rules. Rules for any service say nothing of it.
func (p *piece) deniesInVain(rule *rules.Rule) bool {
	return rule.Verdict == rules.Deny && !rule.AnyService() && len(p.matches.Intersect(passedFirst)) > 0
}

// piecesOf divides a rule, or says what pfSense has no way to say.
func piecesOf(rule *rules.Rule, fams rules.Families) (list []piece, cause string) {
	if fams == 0 {
		return nil, ""
	}
	if rule.AnyService() {
		return []piece{{service: "any", label: "any", families: fams, matches: rules.EveryProtocol()}}, ""
	}
	seen := map[string]bool{}
	for _, s := range rule.Services {
		if seen[s.Name()] {
			continue
		}
		seen[s.Name()] = true
		byProtocol := map[rules.Protocol]rules.Matches{}
		for _, m := range s.Matches() {
			byProtocol[m.Proto] = append(byProtocol[m.Proto], m)
		}
		for _, proto := range slices.Sorted(maps.Keys(byProtocol)) {
			p := piece{service: s.Name(), label: s.Name() + "/" + proto.String(), families: fams, matches: byProtocol[proto]}
			if cause := p.fill(proto); cause != "" {
				return nil, cause
			}
			if p.families != 0 {
				list = append(list, p)
			}
		}
	}
	return list, ""
}

// fill says p's matches in pfSense's words.
func (p *piece) fill(proto rules.Protocol) (cause string) {
	switch {
	case proto == rules.ICMP:
		p.families &= rules.OnlyIPv4
		return p.fillICMP(icmpWords)
	case proto == rules.ICMPv6:
		p.families &= rules.OnlyIPv6
		return p.fillICMP(icmp6Words)
	}
	word, ok := protocolWords[proto]
	if !ok {
		return fmt.Sprintf("pfSense's rules cannot name protocol %s", proto)
	}
	p.protocol = word
	if p.matches[0].IsAll() {
		return ""
	}
	if word != "tcp" && word != "udp" {
		return fmt.Sprintf("pfSense's rules take no ports for %s", word)
	}
	if p.matches[0].Lo == 0 {
		return fmt.Sprintf("%s begins at port 0, which pfSense does not know", p.matches[0])
	}
	p.ports = p.matches
	return ""
}

func (p *piece) fillICMP(names map[uint8]string) (cause string) {
	p.protocol = "icmp"
	if p.matches[0].IsAll() {
		return ""
	}
	var list []string
	for _, m := range p.matches {
		if m.Lo&255 != 0 || m.Hi&255 != 255 {
			return fmt.Sprintf("pfSense's rules take ICMP types and no codes, as in %s", m)
		}
		for t := int(m.Lo >> 8); t <= int(m.Hi>>8); t++ {
			name, ok := names[uint8(t)]
			if !ok {
				return fmt.Sprintf("pfSense has no name for %s", rules.ICMPType(m.Proto, uint8(t)))
			}
			list = append(list, name)
		}
	}
	p.icmp = strings.Join(list, ",")
	return ""
}
