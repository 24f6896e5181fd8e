package rules

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
)

// Protocol is an IP protocol number (IANA, "Assigned Internet Protocol Numbers").
type Protocol uint8

// Protocols that the policy language has words for.
const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	GRE    Protocol = 47
	ESP    Protocol = 50
	AH     Protocol = 51
	ICMPv6 Protocol = 58
	SCTP   Protocol = 132
)

var protocolNames = map[Protocol]string{
	ICMP: "icmp", TCP: "tcp", UDP: "udp", GRE: "gre", ESP: "esp", AH: "ah", ICMPv6: "icmpv6", SCTP: "sctp",
}

func (p Protocol) String() string {
	if name, ok := protocolNames[p]; ok {
		return name
	}
	return strconv.Itoa(int(p))
}

// ProtocolNamed finds a protocol by its word or its number.
func ProtocolNamed(s string) (Protocol, bool) {
	for p, name := range protocolNames {
		if name == s {
			return p, true
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return Protocol(n), err == nil
}

// HasPorts reports whether packets of p carry ports.
func (p Protocol) HasPorts() bool { return p == TCP || p == UDP || p == SCTP }

// IsICMP reports whether packets of p carry a type and a code.
func (p Protocol) IsICMP() bool { return p == ICMP || p == ICMPv6 }

// Match is a protocol together with the points of it that pass: destination
// ports, or ICMP types and codes as type<<8|code. Protocols without either have
// the one range 0 to 65535. Keeping the pair together is what stops "TCP 443
// and UDP 3478" from becoming "TCP and UDP, 443 and 3478".
type Match struct {
	Proto  Protocol
	Lo, Hi uint16 // both inclusive
}

// All matches every point of a protocol.
func All(p Protocol) Match { return Match{Proto: p, Hi: 65535} }

// Ports matches destination ports lo to hi.
func Ports(p Protocol, lo, hi uint16) Match { return Match{p, lo, hi} }

// ICMPType matches one type with every code.
func ICMPType(p Protocol, typ uint8) Match {
	return Match{p, uint16(typ) << 8, uint16(typ)<<8 | 255}
}

// ICMPCode matches one type and code.
func ICMPCode(p Protocol, typ, code uint8) Match {
	point := uint16(typ)<<8 | uint16(code)
	return Match{p, point, point}
}

// IsAll reports whether m matches every point of its protocol.
func (m Match) IsAll() bool { return m.Lo == 0 && m.Hi == 65535 }

// String is m in the field's usual form: udp/3478-3481, tcp/443, icmp/8, icmp/3.4, esp.
func (m Match) String() string {
	switch {
	case m.IsAll():
		return m.Proto.String()
	case m.Proto.IsICMP():
		return m.Proto.String() + "/" + icmpPoints(m.Lo, m.Hi)
	case m.Lo == m.Hi:
		return fmt.Sprintf("%s/%d", m.Proto, m.Lo)
	}
	return fmt.Sprintf("%s/%d-%d", m.Proto, m.Lo, m.Hi)
}

func icmpPoints(lo, hi uint16) string {
	switch {
	case lo == hi:
		return fmt.Sprintf("%d.%d", lo>>8, lo&255)
	case lo&255 == 0 && hi&255 == 255 && lo>>8 == hi>>8:
		return strconv.Itoa(int(lo >> 8))
	case lo&255 == 0 && hi&255 == 255:
		return fmt.Sprintf("%d-%d", lo>>8, hi>>8)
	}
	return fmt.Sprintf("%d.%d-%d.%d", lo>>8, lo&255, hi>>8, hi&255)
}

// ICMPParts divides m into stretches that a pair of type and code can say: codes
// of one type, or whole types.
func (m Match) ICMPParts() []Match {
	var parts []Match
	lo, hi := int(m.Lo), int(m.Hi)
	for lo <= hi {
		end := lo | 255 // the last code of this type
		switch {
		case lo&255 == 0 && hi > end:
			end = (hi+1)&^255 - 1 // whole types, as many as there are
		case hi < end:
			end = hi
		}
		parts = append(parts, Match{m.Proto, uint16(lo), uint16(end)})
		lo = end + 1
	}
	return parts
}

// points is the linear space of protocol and port in which matches are ranges.
func (m Match) points() (lo, hi uint32) {
	base := uint32(m.Proto) << 16
	return base | uint32(m.Lo), base | uint32(m.Hi)
}

// stretches yields the first and the last point of every match.
func (ms Matches) stretches() iter.Seq2[uint32, uint32] {
	return func(yield func(lo, hi uint32) bool) {
		for _, m := range ms {
			if !yield(m.points()) {
				return
			}
		}
	}
}

// Matches is a set of protocol and port pairs: sorted, disjoint, and joined
// where they touch within a protocol. The zero value matches nothing.
type Matches []Match

// NewMatches sorts and joins list, which it does not keep.
func NewMatches(list ...Match) Matches {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b Match) int {
		if a.Proto != b.Proto {
			return int(a.Proto) - int(b.Proto)
		}
		return int(a.Lo) - int(b.Lo)
	})
	var out Matches
	for _, m := range sorted {
		if m.Lo > m.Hi {
			continue
		}
		if n := len(out); n > 0 && out[n-1].Proto == m.Proto && int(m.Lo) <= int(out[n-1].Hi)+1 {
			out[n-1].Hi = max(out[n-1].Hi, m.Hi)
			continue
		}
		out = append(out, m)
	}
	return out
}

// EveryProtocol is the matches of all 256 protocols.
func EveryProtocol() Matches {
	out := make(Matches, 256)
	for i := range out {
		out[i] = All(Protocol(i))
	}
	return out
}

// everyProtocol is not written to.
var everyProtocol = EveryProtocol()

// Has reports whether ms matches the point of protocol p.
func (ms Matches) Has(p Protocol, point uint16) bool {
	for _, m := range ms {
		if m.Proto == p && m.Lo <= point && point <= m.Hi {
			return true
		}
	}
	return false
}

// before reports whether m ends before o begins.
func (m Match) before(o Match) bool {
	return m.Proto < o.Proto || m.Proto == o.Proto && m.Hi < o.Lo
}

// Minus is ms without the points of other. Both are in order, so one pass does.
func (ms Matches) Minus(other Matches) Matches {
	var out Matches
	for _, m := range ms {
		for len(other) > 0 && other[0].before(m) {
			other = other[1:]
		}
		gone := false
		for _, o := range other {
			if m.before(o) {
				break
			}
			if m.Lo < o.Lo {
				out = append(out, Match{m.Proto, m.Lo, o.Lo - 1})
			}
			if gone = m.Hi <= o.Hi; gone {
				break
			}
			m.Lo = o.Hi + 1
		}
		if !gone {
			out = append(out, m)
		}
	}
	return out
}

// meets reports whether ms and other share a point.
func (ms Matches) meets(other Matches) bool {
	for len(ms) > 0 && len(other) > 0 {
		switch {
		case ms[0].before(other[0]):
			ms = ms[1:]
		case other[0].before(ms[0]):
			other = other[1:]
		default:
			return true
		}
	}
	return false
}

// Intersect is the points that ms and other share.
func (ms Matches) Intersect(other Matches) Matches {
	var out Matches
	for len(ms) > 0 && len(other) > 0 {
		m, o := ms[0], other[0]
		switch {
		case m.before(o):
			ms = ms[1:]
			continue
		case o.before(m):
			other = other[1:]
			continue
		}
		out = append(out, Match{m.Proto, max(m.Lo, o.Lo), min(m.Hi, o.Hi)})
		if m.Hi < o.Hi {
			ms = ms[1:]
		} else {
			other = other[1:]
		}
	}
	return out
}

// Service is a named set of protocol and port pairs, or every protocol. The
// zero value matches nothing. It is immutable.
type Service struct {
	name    string
	any     bool
	matches Matches
}

// AnyService matches every packet.
func AnyService() Service { return Service{name: "any", any: true} }

// NewService names a set of matches. The name follows the rules of In.
func NewService(name string, list ...Match) Service {
	return Service{name: name, matches: NewMatches(list...)}
}

// Name is the policy's name for the service.
func (s Service) Name() string { return s.name }

// IsAny reports whether every packet matches.
func (s Service) IsAny() bool { return s.any }

// IsEmpty reports whether no packet matches.
func (s Service) IsEmpty() bool { return !s.any && len(s.matches) == 0 }

// Matches is the service's protocol and port pairs. Callers must not write to it.
func (s Service) Matches() Matches {
	if s.any {
		return everyProtocol
	}
	return s.matches
}

// Has reports whether the service matches the point of protocol p.
func (s Service) Has(p Protocol, point uint16) bool { return s.any || s.matches.Has(p, point) }
