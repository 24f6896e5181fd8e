package verifier

import (
	"fmt"
	"net/netip"
	"slices"
)

// MaxPorts is how many ports of one protocol a probe asks. With more, nothing of that
// protocol is asked unless the probe names services: the verifier never sweeps ports.
const MaxPorts = 16

// An Ask is one port to be asked, and how.
type Ask struct {
	Kind     Kind
	Protocol string // "udp" or "tcp"
	Port     uint16
}

// Asks are the ports that a probe asks, and why others of its services are not asked,
// a clause each. Kinds that the probe names are used for every port that they fit;
// without them, a UDP port is asked by STUN; a TCP port by STUN, too, where the probe
// also asks UDP ports, since that is a relay's fallback, and else by HTTPS (443), HTTP
// (80) or TCP.
func (p *Plan) Asks(pr *Probe) (asks []Ask, left []string) {
	services := p.ServicesFor(pr)
	ports, left := portsOf(services)
	for _, protocol := range []string{"udp", "tcp"} {
		for _, port := range ports[protocol] {
			kinds := pr.Kinds
			if len(kinds) == 0 {
				kinds = []Kind{pr.usualKind(protocol, port, len(ports["udp"]) > 0)}
			}
			for _, k := range kinds {
				if fits(k, protocol) {
					asks = append(asks, Ask{k, protocol, port})
				}
			}
		}
	}
	if len(asks) == 0 && len(left) == 0 {
		left = append(left, "none of its kinds fits its services")
	}
	return asks, left
}

// Wants reports whether the probe asks for a kind that concerns the host as a whole:
// DNS, NAT or Path.
func (pr *Probe) Wants(k Kind) bool { return len(pr.Kinds) == 0 || slices.Contains(pr.Kinds, k) }

// IsAddress reports whether the probe's host is an address rather than a name.
func (pr *Probe) IsAddress() bool {
	_, err := netip.ParseAddr(pr.Host)
	return err == nil
}

func (pr *Probe) usualKind(protocol string, port uint16, relay bool) Kind {
	switch {
	case protocol == "udp" || relay:
		return STUN
	case port == 443 && !pr.IsAddress(): // a certificate fits a name
		return HTTPS
	case port == 80:
		return HTTP
	}
	return TCP
}

func fits(k Kind, protocol string) bool {
	switch k {
	case STUN:
		return true
	case TCP, TLS, HTTP, HTTPS:
		return protocol == "tcp"
	}
	return false
}

// portsOf lists the ports of each protocol, in order and once, up to MaxPorts.
func portsOf(services []Service) (ports map[string][]uint16, left []string) {
	ports = map[string][]uint16{}
	count := map[string]int{}
	for _, s := range services {
		count[s.Protocol] += s.Ports()
		if s.Ports() == 0 {
			left = append(left, fmt.Sprintf("%s cannot be probed without knowing what answers it", s))
		}
	}
	for _, s := range services {
		if n := count[s.Protocol]; n > MaxPorts {
			left = append(left, fmt.Sprintf("%s is part of %d ports, and no more than %d are asked; let the probe name some", s, n, MaxPorts))
			continue
		}
		for i := range s.Ports() {
			ports[s.Protocol] = append(ports[s.Protocol], s.From+uint16(i))
		}
	}
	for protocol := range ports {
		slices.Sort(ports[protocol])
		ports[protocol] = slices.Compact(ports[protocol])
	}
	return ports, left
}
