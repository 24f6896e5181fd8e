package rules

import "strconv"

// Names of ICMP types, as nft and iptables say them (IANA, "ICMP Type Numbers"
// and "ICMPv6 type Numbers").
var (
	icmpTypes = map[string]uint8{
		"echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8,
		"router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
		"timestamp-request": 13, "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
		"address-mask-request": 17, "address-mask-reply": 18,
	}
	icmpv6Types = map[string]uint8{
		"destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
		"echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
		"mld-listener-done": 132, "nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135,
		"nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138, "ind-neighbor-solicit": 141,
		"ind-neighbor-advert": 142, "mld2-listener-report": 143,
	}
)

// ICMPTypeNames maps the names of p's types to their numbers; nil when p is not
// an ICMP. Callers must not write to it.
func ICMPTypeNames(p Protocol) map[string]uint8 {
	switch p {
	case ICMP:
		return icmpTypes
	case ICMPv6:
		return icmpv6Types
	}
	return nil
}

// ICMPTypeNamed finds a type of p by its name or number.
func ICMPTypeNamed(p Protocol, s string) (uint8, bool) {
	if t, ok := ICMPTypeNames(p)[s]; ok {
		return t, true
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return uint8(n), err == nil
}
