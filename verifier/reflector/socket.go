package reflector

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Socket is where a reflector receives and answers.
type Socket interface {
	// ReadFrom waits for a datagram. Its error is net.ErrClosed after Close.
	ReadFrom(b []byte) (int, Peer, error)
	WriteTo(b []byte, to Peer) error
	LocalAddr() netip.AddrPort
	Close() error
}

// Peer is who sent a datagram, and to which address of this machine. The answer has to
// come from that address, or the client or its firewall drops it.
type Peer struct {
	From netip.AddrPort // unmapped
	To   netip.Addr     // not valid where the socket has just one, or the system does not tell
}

// receiveBuffer is enough for a second of 5,000 packets while the process waits for
// a processor.
const receiveBuffer = 1 << 20

// Listen opens the sockets of HOST:PORT: one for an address, and one for each family
// where HOST is empty. At least one opens, or there is an error.
func Listen(listen string) ([]Socket, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %q: write it as HOST:PORT, such as :3478 or [2001:db8::1]:3478", listen)
	}
	networks := []string{"udp4", "udp6"}
	if host != "" {
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return nil, fmt.Errorf("listening on %q: %s is no address: write one, or nothing for all addresses", listen, host)
		}
		networks = networks[:1]
		if addr.Is6() && !addr.Is4In6() {
			networks = []string{"udp6"}
		}
	}
	// A port that the system chooses for one family may be taken in the other.
	for range 20 {
		list, err := listenOn(networks, host, port)
		if err == nil || port != "0" || !errors.Is(err, syscall.EADDRINUSE) {
			return list, err
		}
	}
	return listenOn(networks, host, port)
}

// listenOn opens a socket of each network, all with one port.
func listenOn(networks []string, host, port string) ([]Socket, error) {
	var list []Socket
	var failed []error
	for _, network := range networks {
		s, err := open(network, net.JoinHostPort(host, port))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		list = append(list, s)
		// Port 0 is chosen by the system: once, for both families.
		port = fmt.Sprint(s.LocalAddr().Port())
	}
	// A machine without IPv6 is no reason to fail; a port that is taken is.
	for _, err := range failed {
		if len(list) == 0 || !noFamily(err) {
			for _, s := range list {
				s.Close()
			}
			return nil, fmt.Errorf("%w: choose a free port, and an address of this machine", errors.Join(failed...))
		}
	}
	return list, nil
}

func open(network, listen string) (Socket, error) {
	addr, err := net.ResolveUDPAddr(network, listen)
	if err != nil {
		return nil, err
	}
	c, err := net.ListenUDP(network, addr)
	if err != nil {
		return nil, err
	}
	// A smaller buffer than asked for only loses more under load.
	_ = c.SetReadBuffer(receiveBuffer)
	plain := &udpSocket{c}
	if !plain.LocalAddr().Addr().IsUnspecified() {
		return plain, nil
	}
	// Where the system does not tell which address was asked (Windows), it answers
	// from the one that its routes choose.
	if network == "udp4" {
		p := ipv4.NewPacketConn(c)
		if p.SetControlMessage(ipv4.FlagDst, true) == nil {
			return &wildcard4{plain, p}, nil
		}
		return plain, nil
	}
	p := ipv6.NewPacketConn(c)
	if p.SetControlMessage(ipv6.FlagDst, true) == nil {
		return &wildcard6{plain, p}, nil
	}
	return plain, nil
}

// udpSocket has one address.
type udpSocket struct{ c *net.UDPConn }

func (u *udpSocket) ReadFrom(b []byte) (int, Peer, error) {
	n, from, err := u.c.ReadFromUDPAddrPort(b)
	return n, Peer{From: unmapped(from)}, err
}

func (u *udpSocket) WriteTo(b []byte, to Peer) error {
	_, err := u.c.WriteToUDPAddrPort(b, to.From)
	return err
}

func (u *udpSocket) LocalAddr() netip.AddrPort {
	return unmapped(u.c.LocalAddr().(*net.UDPAddr).AddrPort())
}

func (u *udpSocket) Close() error { return u.c.Close() }

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// wildcard4 answers from the address that was asked.
type wildcard4 struct {
	*udpSocket
	p *ipv4.PacketConn
}

func (w *wildcard4) ReadFrom(b []byte) (int, Peer, error) {
	n, cm, from, err := w.p.ReadFrom(b)
	if err != nil {
		return 0, Peer{}, err
	}
	var to net.IP
	if cm != nil {
		to = cm.Dst
	}
	return n, peerOf(from, to), nil
}

func (w *wildcard4) WriteTo(b []byte, to Peer) error {
	var cm *ipv4.ControlMessage
	if to.To.IsValid() {
		cm = &ipv4.ControlMessage{Src: to.To.AsSlice()}
	}
	_, err := w.p.WriteTo(b, cm, net.UDPAddrFromAddrPort(to.From))
	return err
}

// wildcard6 does the same for IPv6.
type wildcard6 struct {
	*udpSocket
	p *ipv6.PacketConn
}

func (w *wildcard6) ReadFrom(b []byte) (int, Peer, error) {
	n, cm, from, err := w.p.ReadFrom(b)
	if err != nil {
		return 0, Peer{}, err
	}
	var to net.IP
	if cm != nil {
		to = cm.Dst
	}
	return n, peerOf(from, to), nil
}

func (w *wildcard6) WriteTo(b []byte, to Peer) error {
	var cm *ipv6.ControlMessage
	if to.To.IsValid() {
		cm = &ipv6.ControlMessage{Src: to.To.AsSlice()}
	}
	_, err := w.p.WriteTo(b, cm, net.UDPAddrFromAddrPort(to.From))
	return err
}

func peerOf(from net.Addr, to net.IP) Peer {
	var p Peer
	if u, ok := from.(*net.UDPAddr); ok {
		p.From = unmapped(u.AddrPort())
	}
	// A datagram to a group or to all is answered from an address of the system's choice.
	if a, ok := netip.AddrFromSlice(to); ok && !a.IsMulticast() && a.Unmap() != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		p.To = a.Unmap()
	}
	return p
}
