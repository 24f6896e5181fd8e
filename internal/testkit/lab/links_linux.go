package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/await"
)

// up sets a link up.
func (h *Host) up(name string) error {
	link, err := h.nl.LinkByName(name)
	if err == nil {
		err = h.nl.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("%s: link %s up: %w", h.name, name, err)
	}
	return nil
}

// veth joins h and peer with a pair of links of the given MTU.
func (h *Host) veth(name string, peer *Host, peerName string, mtu int) error {
	pair := netlink.NewVeth(netlink.LinkAttrs{Name: name, MTU: mtu, TxQLen: -1})
	pair.PeerName = peerName
	pair.PeerNamespace = netlink.NsFd(peer.ns)
	pair.PeerMTU = uint32(mtu)
	if err := h.nl.LinkAdd(pair); err != nil {
		return fmt.Errorf("%s: cannot add the veth pair %s: %w; is the kernel's veth module there?", h.name, name, err)
	}
	if err := h.up(name); err != nil {
		return err
	}
	return peer.up(peerName)
}

// addAddr gives a link an address that serves at once. The kernel adds no
// route for its network when the prefix is a single address.
func (h *Host) addAddr(name string, p netip.Prefix) error {
	link, err := h.nl.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: link %s: %w", h.name, name, err)
	}
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := h.nl.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("%s: address %s on %s: %w", h.name, p, name, err)
	}
	return nil
}

// A hop is where a route leads: out of link dev, by way of the neighbour via
// unless that is the zero Addr.
type hop struct {
	dev string
	via netip.Addr
}

// addRoute adds a route for p, with edit for its rarer attributes.
func (h *Host) addRoute(p netip.Prefix, to hop, edit func(*netlink.Route)) error {
	link, err := h.nl.LinkByName(to.dev)
	if err != nil {
		return fmt.Errorf("%s: link %s: %w", h.name, to.dev, err)
	}
	route := &netlink.Route{Dst: ipNet(p), LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK}
	if to.via.IsValid() {
		route.Gw = to.via.AsSlice()
		route.Flags = int(netlink.FLAG_ONLINK)
		route.Scope = netlink.SCOPE_UNIVERSE
	}
	if edit != nil {
		edit(route)
	}
	if err := h.nl.RouteAdd(route); err != nil {
		return fmt.Errorf("%s: route %s by %s: %w", h.name, p, to.dev, err)
	}
	return nil
}

// Settle waits for what the kernel does in the background after links were set up:
// it connects the queue of a link whose peer came up later, without which it loses
// packets, and gives links their own IPv6 addresses and routes. It is for links that
// a test adds; those of the lab are settled.
func (h *Host) Settle(tb testing.TB, links ...string) {
	tb.Helper()
	if err := h.settle(links...); err != nil {
		tb.Fatal(err)
	}
}

// settle is also for addresses that the lab gave: the kernel makes those of IPv6
// local in the background. On an idle machine all this takes under a millisecond.
func (h *Host) settle(links ...string) error {
	deadline := await.Deadline()
	for {
		missing, err := h.unsettled(links)
		if err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		if missing == "" {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %s is not ready after %v", h.name, missing, await.Patience)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// unsettled returns a link or an address that is not ready; "": there is none.
func (h *Host) unsettled(links []string) (string, error) {
	for _, name := range links {
		link, err := h.nl.LinkByName(name)
		if err != nil {
			return "", err
		}
		if link.Attrs().OperState != netlink.OperUp {
			return name, nil
		}
		if ready, err := h.hasLinkLocal(link); err != nil || !ready {
			return "the link-local address of " + name, err
		}
	}
	filter := &netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL}
	routes, err := h.nl.RouteListFiltered(netlink.FAMILY_V6, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
	if err != nil {
		return "", err
	}
	local := map[string]bool{}
	for _, r := range routes {
		if r.Dst != nil {
			local[r.Dst.String()] = true
		}
	}
	for _, p := range h.addrs {
		if p.Addr().Is6() && !local[netip.PrefixFrom(p.Addr(), 128).String()] {
			return p.Addr().String(), nil
		}
	}
	return "", nil
}

// hasLinkLocal says whether a link has its link-local address, and the route of that.
func (h *Host) hasLinkLocal(link netlink.Link) (bool, error) {
	addrs, err := h.nl.AddrList(link, netlink.FAMILY_V6)
	if err != nil {
		return false, err
	}
	routes, err := h.nl.RouteList(link, netlink.FAMILY_V6)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
		return a.IP.IsLinkLocalUnicast() && a.Flags&unix.IFA_F_TENTATIVE == 0
	}) && slices.ContainsFunc(routes, func(r netlink.Route) bool {
		return r.Dst != nil && r.Dst.IP.IsLinkLocalUnicast()
	}), nil
}

// FlushNeighbours forgets the link-layer addresses of all neighbours, so that
// the next packet needs ARP or IPv6 neighbour discovery again.
func (h *Host) FlushNeighbours() error {
	neighbours, err := h.nl.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("%s: neighbours: %w", h.name, err)
	}
	for i := range neighbours {
		n := &neighbours[i]
		if n.State&(netlink.NUD_NOARP|netlink.NUD_PERMANENT) != 0 || n.IP == nil {
			continue
		}
		if err := h.nl.NeighDel(n); err != nil && err != unix.ENOENT {
			return fmt.Errorf("%s: neighbour %s: %w", h.name, n.IP, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// everything is the prefix of all addresses of a's family.
func everything(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}
