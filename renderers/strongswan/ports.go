package strongswan

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"sallyport/rules"
)

// parsePorts reads a protocol with or without ports, as rules.Match writes them.
func parsePorts(s string) (rules.Match, error) {
	word, ports, given := strings.Cut(s, "/")
	proto, ok := rules.ProtocolNamed(word)
	if !ok || !proto.HasPorts() || proto.String() != word {
		return rules.Match{}, errors.New("the protocol is not udp, tcp or sctp")
	}
	if !given {
		return rules.All(proto), nil
	}
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	lo, err := parsePort(first)
	if err != nil {
		return rules.Match{}, err
	}
	hi, err := parsePort(last)
	if err != nil {
		return rules.Match{}, err
	}
	if hi < lo {
		return rules.Match{}, fmt.Errorf("%d is after %d", lo, hi)
	}
	return rules.Ports(proto, lo, hi), nil
}

// parsePort reads a port. Port 0 is none, and charon's word for every port.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%.20q is no port from 1 to 65535", s)
	}
	return uint16(n), nil
}

// aligned divides m into ranges that are a port with a mask, which is how the kernel
// keeps them: charon widens any other range to the next mask.
func aligned(m rules.Match) []rules.Match {
	if m.IsAll() {
		return []rules.Match{m}
	}
	var parts []rules.Match
	for lo, end := uint32(m.Lo), uint32(m.Hi)+1; lo < end; {
		size := uint32(1) << 16
		if lo > 0 {
			size = 1 << bits.TrailingZeros32(lo)
		}
		for lo+size > end {
			size /= 2
		}
		parts = append(parts, rules.Ports(m.Proto, uint16(lo), uint16(lo+size-1)))
		lo += size
	}
	return parts
}

// marksOf is what follows a prefix in each of its selectors.
func marksOf(list rules.Matches) []string {
	var marks []string
	for _, m := range list {
		for _, part := range aligned(m) {
			marks = append(marks, "["+part.String()+"]")
		}
	}
	return marks
}
