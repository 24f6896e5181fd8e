package verifier

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"go4.org/netipx"

	"sallyport/ipranges"
)

// Ranges is a set of addresses that travels as JSON: a list of prefixes, of ranges
// "first-last" where they are no prefix, and of single addresses.
type Ranges struct{ ipranges.Set }

// MarshalJSON returns the list in order, IPv4 first.
func (r Ranges) MarshalJSON() ([]byte, error) {
	list := []string{}
	for one := range r.All() {
		list = append(list, rangeText(one))
	}
	return json.Marshal(list)
}

func rangeText(r netipx.IPRange) string {
	if r.From() == r.To() {
		return r.From().String()
	}
	if p, ok := r.Prefix(); ok {
		return p.String()
	}
	return r.From().String() + "-" + r.To().String()
}

// UnmarshalJSON reads such a list strictly: no host bits, no zones.
func (r *Ranges) UnmarshalJSON(b []byte) error {
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	if len(list) > maxRanges {
		return fmt.Errorf("%d ranges, more than %d", len(list), maxRanges)
	}
	parsed := make([]netipx.IPRange, len(list))
	for i, s := range list {
		one, err := ipranges.ParseRange(s)
		if err != nil {
			return err
		}
		parsed[i] = one
	}
	set, err := ipranges.FromRanges(parsed...)
	if err != nil {
		return err
	}
	r.Set = set
	return nil
}

// A Service is a protocol with the destination ports From to To, both inclusive. As
// text it is "udp/3478-3481", "tcp/443", or a protocol alone for all of it, such as
// "tcp" or "esp"; "any" is every protocol.
type Service struct {
	Protocol string // lower case
	From, To uint16 // 0 to 65535 for a protocol without ports
}

// Ports is how many ports s has, or 0 when it is no service of UDP or TCP.
func (s Service) Ports() int {
	if s.Protocol != "udp" && s.Protocol != "tcp" {
		return 0
	}
	return int(s.To) - int(s.From) + 1
}

// Has reports whether s holds the port.
func (s Service) Has(protocol string, port uint16) bool {
	return (s.Protocol == protocol || s.Protocol == "any") && s.From <= port && port <= s.To
}

func (s Service) String() string {
	switch {
	case s.From == 0 && s.To == 65535:
		return s.Protocol
	case s.From == s.To:
		return fmt.Sprintf("%s/%d", s.Protocol, s.From)
	}
	return fmt.Sprintf("%s/%d-%d", s.Protocol, s.From, s.To)
}

// MarshalText is String.
func (s Service) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes.
func (s *Service) UnmarshalText(b []byte) error {
	protocol, ports, some := strings.Cut(string(b), "/")
	if !isName(protocol) {
		return fmt.Errorf("service %.40q: write udp/3478-3481, tcp/443 or a protocol", b)
	}
	*s = Service{Protocol: protocol, To: 65535}
	if !some {
		return nil
	}
	from, to, isRange := strings.Cut(ports, "-")
	if !isRange {
		to = from
	}
	lo, err1 := strconv.ParseUint(from, 10, 16)
	hi, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || lo > hi {
		return fmt.Errorf("service %.40q: ports are numbers from 0 to 65535, the lower one first", b)
	}
	s.From, s.To = uint16(lo), uint16(hi)
	return nil
}

// isName says whether s is a word such as protocols have: lower case letters and digits.
func isName(s string) bool {
	if s == "" || len(s) > 16 {
		return false
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
