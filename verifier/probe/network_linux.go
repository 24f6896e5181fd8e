package probe

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkTypes asks the kernel what kind of link each interface is. Without an answer the
// names have to do.
func linkTypes() map[string]string {
	types := map[string]string{}
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return types
	}
	for _, l := range links {
		types[l.Attrs().Name] = l.Type()
	}
	return types
}

// Leave implements [Network] with the kernel's own lookup, which knows policy routing.
func (System) Leave(to []netip.Addr) ([]Leave, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("route lookup: %w", err)
	}
	defer h.Close()
	names := map[int]string{}
	list := make([]Leave, len(to))
	for i, a := range to {
		list[i] = leaveBy(h, a, names)
	}
	return list, nil
}

func leaveBy(h *netlink.Handle, a netip.Addr, names map[int]string) Leave {
	routes, err := h.RouteGet(a.AsSlice())
	if err != nil {
		return Leave{Err: err}
	}
	if len(routes) == 0 {
		return Leave{Err: unix.ENETUNREACH}
	}
	r := routes[0]
	if r.Type != unix.RTN_UNICAST && r.Type != unix.RTN_LOCAL {
		return Leave{Err: fmt.Errorf("a route that lets nothing pass: %w", unix.ENETUNREACH)}
	}
	name, ok := names[r.LinkIndex]
	if !ok {
		link, err := h.LinkByIndex(r.LinkIndex)
		if err != nil {
			return Leave{Err: fmt.Errorf("interface %d: %w", r.LinkIndex, err)}
		}
		name = link.Attrs().Name
		names[r.LinkIndex] = name
	}
	l := Leave{Interface: name}
	if src, ok := netip.AddrFromSlice(r.Src); ok {
		l.Source = src.Unmap()
	}
	if gw, ok := netip.AddrFromSlice(r.Gw); ok {
		l.Gateway = gw.Unmap()
	}
	return l
}

// Table implements [Network]: the destinations of all tables but that of local
// addresses.
func (System) Table() ([]netip.Prefix, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("routing tables: %w", err)
	}
	defer h.Close()
	routes, err := h.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("routing tables: %w", err)
	}
	var list []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil || r.Table == unix.RT_TABLE_LOCAL {
			continue
		}
		a, ok := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		if p := netip.PrefixFrom(a, bits); ok && p.IsValid() {
			list = append(list, p)
		}
	}
	return list, nil
}
