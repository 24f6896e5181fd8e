package probe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"sallyport/internal/errqueue"
)

// A Network is all that probes need of the system. Every packet that a probe sends goes
// through one of its three ways to open a socket, so that a test can record every
// destination, put the sockets into another network namespace, or imitate a system that
// tells less. [System] is the real one. It is used by many goroutines at once.
type Network interface {
	Sockets
	Tables
}

// Sockets are the ways to send.
type Sockets interface {
	// DialUDP connects a UDP socket, which sends nothing. Errors, here and of the
	// socket, are *errqueue.Error where the network or the system refuses.
	DialUDP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (UDPConn, error)
	// ListenUDP opens an unconnected UDP socket of the family of a, for sending to
	// several destinations from one port.
	ListenUDP(ctx context.Context, a netip.Addr) (PacketConn, error)
	// DialTCP connects. The context bounds it.
	DialTCP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (net.Conn, error)
}

// Tables are what the system tells of itself.
type Tables interface {
	// Stub is how the system's programs look up names.
	Stub() (Stub, error)
	// Interfaces are the system's interfaces that are up.
	Interfaces() ([]Interface, error)
	// LookUp finds the route of each flow. Nothing is sent.
	LookUp(flows []Flow) ([]FlowRoute, error)
	// Routing returns the routes and rules by which the system chooses ways, so that a
	// route inside of a prefix, or a rule for a port, is not overlooked. It returns
	// nothing where the system does not tell.
	Routing() (Routing, error)
	// Sent counts the packets that each interface has sent so far; nil where the system
	// does not tell.
	Sent() (map[string]uint64, error)
}

// A UDPConn is a connected UDP socket. *errqueue.UDPConn is one.
type UDPConn interface {
	Read(b []byte) (int, error)
	Write(b []byte) (int, error)
	SetReadDeadline(t time.Time) error
	LocalAddr() netip.AddrPort
	Close() error
}

// A PacketConn is an unconnected UDP socket.
type PacketConn interface {
	ReadFrom(b []byte) (int, netip.AddrPort, error)
	WriteTo(b []byte, to netip.AddrPort) (int, error)
	SetReadDeadline(t time.Time) error
	LocalAddr() netip.AddrPort
	Close() error
}

// An Interface is a network interface.
type Interface struct {
	Name   string
	Type   string // as the system calls it: on Linux veth, tun, wireguard ...; else empty
	Tunnel bool   // it is recognised as a tunnel: see isTunnel
	// Wireless says that it is Wi-Fi, as far as the system tells (Linux does).
	Wireless bool
	Addrs    []netip.Addr
}

// A Flow is packets of one kind whose way is looked up. A zero field means no
// particular value.
type Flow struct {
	To               netip.Addr
	Protocol         string // "udp" or "tcp"
	Port, SourcePort uint16
	Mark             uint32 // as a local filter may set it
	TOS              uint8
}

// A FlowRoute is the route that packets of a flow take.
type FlowRoute struct {
	Interface string
	Source    netip.Addr
	Gateway   netip.Addr // zero: the target is on the link, or the system does not tell
	Also      []string   // all interfaces of a route with several next hops
	Own       string     // a route of this machine's own that stops packets: blackhole, prohibit, unreachable
	Err       error      // there is no way
}

// Routing is the routes and rules by which a system chooses ways.
type Routing struct {
	Routes []Route
	Rules  []RoutingRule // beside those that every machine has
}

// A Route is an entry of a routing table.
type Route struct {
	To        netip.Prefix
	Interface string
	Gateway   bool
	Main      bool // it is in the main table
}

// A RoutingRule is a rule of policy routing: what it chooses packets by.
type RoutingRule struct {
	Text        string
	IPv4        bool
	To          netip.Prefix
	From        bool // it chooses by the source address
	Protocol    bool
	Ports       [2]uint16 // first and last
	SourcePorts [2]uint16
	Mark        uint32
	TOS         uint8
}

// System is the machine's own network. Its zero value is ready.
type System struct {
	// NoQueue leaves error queues unread, to imitate a system that has none.
	NoQueue bool
}

// DialUDP implements [Network].
func (s System) DialUDP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (UDPConn, error) {
	o.NoQueue = o.NoQueue || s.NoQueue
	c, err := errqueue.DialUDP(ctx, to, o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialTCP implements [Network].
func (s System) DialTCP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (net.Conn, error) {
	o.NoQueue = o.NoQueue || s.NoQueue
	return errqueue.DialTCP(ctx, to, o)
}

// ListenUDP implements [Network].
func (System) ListenUDP(_ context.Context, a netip.Addr) (PacketConn, error) {
	network := "udp6"
	if a.Is4() {
		network = "udp4"
	}
	c, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	return packetConn{c}, nil
}

type packetConn struct{ *net.UDPConn }

func (c packetConn) ReadFrom(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

func (c packetConn) WriteTo(b []byte, to netip.AddrPort) (int, error) {
	return c.WriteToUDPAddrPort(b, to)
}

func (c packetConn) LocalAddr() netip.AddrPort {
	a := c.UDPConn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Interfaces implements [Network].
func (System) Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	types := linkTypes()
	var list []Interface
	for _, one := range all {
		if one.Flags&net.FlagUp == 0 {
			continue
		}
		i := Interface{Name: one.Name, Type: types[one.Name], Wireless: isWireless(one.Name)}
		addrs, err := one.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				i.Addrs = append(i.Addrs, p.Addr().Unmap().WithZone(""))
			}
		}
		i.Tunnel = isTunnel(i.Name, i.Type, one.Flags&net.FlagPointToPoint != 0)
		list = append(list, i)
	}
	return list, nil
}
