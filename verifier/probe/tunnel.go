package probe

import "strings"

// tunnelTypes are kinds of Linux links that VPN clients make. sit, ip6tnl and the like
// are transition techniques, which carry IPv6 over IPv4 for hosts without either VPN or
// native IPv6.
var tunnelTypes = map[string]bool{"tun": true, "tuntap": true, "wireguard": true, "ppp": true,
	"xfrm": true, "vti": true, "vti6": true, "ipsec": true, "ovpn": true}

// tunnelNames are prefixes of the names of tunnels, in lower case: Linux and BSD
// devices, macOS utun, and the adapters of VPN clients on Windows.
var tunnelNames = []string{"tun", "tap", "utun", "wg", "ppp", "ipsec", "gpd", "wireguard", "openvpn", "tailscale",
	"zt", "nordlynx", "cisco anyconnect", "pangp", "fortinet", "fortissl", "juniper", "globalprotect", "cscotun"}

// notTunnels are prefixes of the names of interfaces that look like a tunnel and are no
// VPN: Teredo, ISATAP and 6to4 on Windows, and similar ones elsewhere.
var notTunnels = []string{"teredo", "isatap", "6to4", "sit", "stf", "gif", "local area connection* "}

// isTunnel guesses whether an interface is a VPN's. In doubt the answer is no: the user
// can name the interface. macOS keeps utun interfaces without an IPv4 address for its
// own services; they carry no route, so that it does no harm to take them for tunnels.
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
