package probe

import "strings"

// tunnelTypes are kinds of Linux links that VPN clients make. sit, ip6tnl and the like
// are transition techniques, which carry IPv6 over IPv4 for hosts without either VPN or
// native IPv6.
var tunnelTypes = map[string]bool{"tun": true, "tuntap": true, "wireguard": true, "ppp": true,
	"xfrm": true, "vti": true, "vti6": true, "ipsec": true, "ovpn": true}

// tunnelNames begin the names of tunnels, in lower case: Linux and BSD devices, macOS
// utun, and the adapters of VPN clients on Windows.
var tunnelNames = []string{"tun", "tap", "utun", "wg", "ppp", "ipsec", "gpd", "wireguard", "openvpn", "tailscale",
	"zt", "nordlynx", "cisco anyconnect", "pangp", "fortinet", "fortissl", "juniper", "globalprotect", "cscotun"}

// notTunnels begin the names of what looks like a tunnel and is no VPN: Teredo, ISATAP
// and 6to4 on Windows and their kin.
var notTunnels = []string{"teredo", "isatap", "6to4", "sit", "stf", "gif", "local area connection* "}

// isTunnel guesses whether an interface is a VPN's. It errs towards no: the user can
// name the interface. macOS keeps utun interfaces without an IPv4 address for its own
// services; they carry no route, so that taking them for tunnels does no harm.
func isTunnel(name, typ string, pointToPoint bool) bool {
	name = strings.ToLower(name)
	for _, n := range notTunnels {
		if strings.HasPrefix(name, n) {
			return false
		}
	}
	if typ != "" {
		return tunnelTypes[typ]
	}
	for _, n := range tunnelNames {
		if strings.HasPrefix(name, n) {
			return true
		}
	}
	return pointToPoint
}
