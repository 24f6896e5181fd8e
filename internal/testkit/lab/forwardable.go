package lab

import "net/netip"

// Forwardable says whether every Linux kernel forwards packets to a, with no
// rule loaded. There are kernels that never forward to
//
//	0.0.0.0/8        "this network": whole before 5.3, then 0.0.0.0 alone
//	127.0.0.0/8, ::1 loopback
//	224.0.0.0/4      multicast, IPv6 ff00::/8 too
//	255.255.255.255  broadcast
//	::, fe80::/10    unspecified and link-local
//
// 240.0.0.0/4 without the broadcast address, 169.254.0.0/16, and private
// ranges are forwarded. Packets from these addresses fare no better than
// packets to them. Addresses of the firewall itself are beyond this function.
// IPv4-mapped IPv6 addresses count as not forwardable: the kernel drops what
// comes from there.
func Forwardable(a netip.Addr) bool {
	switch {
	case !a.IsValid(), a.Is4In6(), a.IsUnspecified(), a.IsLoopback(), a.IsMulticast():
		return false
	case a.Is4():
		return a.As4()[0] != 0 && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	return !a.IsLinkLocalUnicast()
}
