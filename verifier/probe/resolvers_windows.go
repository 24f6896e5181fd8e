package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Resolvers implements [Network] with the name servers of the adapters that are up
// (Microsoft Learn, GetAdaptersAddresses, read 2026-11-23).
func (System) Resolvers() ([]netip.AddrPort, error) {
	const flags = windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST
	size := uint32(15 << 10)
	for range 4 {
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		if err == windows.ERROR_BUFFER_OVERFLOW {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("name servers: %w", err)
		}
		return adapterResolvers(first), nil
	}
	return nil, fmt.Errorf("name servers: the adapters keep changing; try again")
}

func adapterResolvers(first *windows.IpAdapterAddresses) []netip.AddrPort {
	var list []netip.AddrPort
	for a := first; a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		for d := a.FirstDnsServerAddress; d != nil; d = d.Next {
			ip, ok := netip.AddrFromSlice(d.Address.IP())
			// fec0:0:0:ffff::1 to ::3 are placeholders that Windows lists where none is set.
			if !ok || netip.MustParsePrefix("fec0::/10").Contains(ip) {
				continue
			}
			if to := netip.AddrPortFrom(ip.Unmap(), 53); !slices.Contains(list, to) {
				list = append(list, to)
			}
		}
	}
	return list
}
