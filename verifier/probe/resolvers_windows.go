package probe

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Stub implements [Network] with the name servers of the adapters that are up, and the
// hosts file (Microsoft Learn, GetAdaptersAddresses, read 2026-11-23).
func (System) Stub() (Stub, error) {
	s := defaultStub()
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
			return s, fmt.Errorf("name servers: %w", err)
		}
		s.Servers = adapterResolvers(first)
		s.Hosts = windowsHosts()
		return s, nil
	}
	return s, fmt.Errorf("name servers: the adapters keep changing; try again")
}

// windowsHosts reads the hosts file. A file that cannot be read counts as an empty one.
func windowsHosts() map[string][]netip.Addr {
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return nil
	}
	f, err := os.Open(filepath.Join(dir, "drivers", "etc", "hosts"))
	if err != nil {
		return nil
	}
	defer f.Close()
	hosts, err := parseHosts(io.LimitReader(f, 16<<20))
	if err != nil {
		return nil
	}
	return hosts
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
