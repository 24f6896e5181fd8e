package probe

import (
	"bufio"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Stub is how programs of this machine look up names. See resolv.conf(5).
type Stub struct {
	Servers []netip.AddrPort
	Limit   int // how many servers programs ask, from the first; 0: all
	Search  []string
	Dots    int           // a name with fewer dots is looked up under Search first
	Timeout time.Duration // for each server
	Tries   int           // rounds over all servers
	Hosts   map[string][]netip.Addr
}

// defaultStub is a system's without any settings.
func defaultStub() Stub { return Stub{Dots: 1, Timeout: 5 * time.Second, Tries: 2} }

// asked returns the servers that programs ask.
func (s *Stub) asked() []netip.AddrPort {
	if s.Limit > 0 && len(s.Servers) > s.Limit {
		return s.Servers[:s.Limit]
	}
	return s.Servers
}

// maxServers is glibc's MAXNS: how many servers programs ask.
const maxServers = 3

// parseResolvConf reads the file that resolv.conf(5) describes. Without a name server
// programs ask the machine itself.
func parseResolvConf(r io.Reader) (Stub, error) {
	s := defaultStub()
	s.Limit = maxServers
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(fields[1]); err == nil {
				s.Servers = append(s.Servers, netip.AddrPortFrom(a.Unmap(), 53))
			}
		case "domain", "search": // the last one holds
			s.Search = fields[1:]
		case "options":
			for _, o := range fields[1:] {
				s.option(o)
			}
		}
	}
	if len(s.Servers) == 0 {
		s.Servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)}
	}
	return s, lines.Err()
}

func (s *Stub) option(o string) {
	name, value, _ := strings.Cut(o, ":")
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return
	}
	switch name { // with the bounds that glibc sets
	case "ndots":
		s.Dots = min(n, 15)
	case "timeout":
		s.Timeout = time.Duration(min(max(n, 1), 30)) * time.Second
	case "attempts":
		s.Tries = min(max(n, 1), 5)
	}
}

// parseHosts reads the file that hosts(5) describes.
func parseHosts(r io.Reader) (map[string][]netip.Addr, error) {
	hosts := map[string][]netip.Addr{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			hosts[name] = append(hosts[name], a.Unmap())
		}
	}
	return hosts, lines.Err()
}

// candidates are the names that a lookup of host tries, in order.
func (s *Stub) candidates(host string) []string {
	if strings.HasSuffix(host, ".") {
		return []string{strings.TrimSuffix(host, ".")}
	}
	var under []string
	for _, domain := range s.Search {
		if domain = strings.Trim(domain, "."); domain != "" {
			under = append(under, host+"."+domain)
		}
	}
	if strings.Count(host, ".") < s.Dots {
		return append(under, host)
	}
	return append([]string{host}, under...)
}
