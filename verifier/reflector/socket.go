package reflector

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Socket is where a reflector receives and answers.
type Socket interface {
	// ReadFrom waits for a datagram. Its error is net.ErrClosed after Close.
	ReadFrom(b []byte) (int, Peer, error)
	// WriteTo sends one. It may be called beside ReadFrom and itself.
	WriteTo(b []byte, to Peer) error
	LocalAddr() netip.AddrPort
	Close() error
}

// Peer is who sent a datagram, and to which address of this machine. The answer has to
// come from that address, or the client or its firewall drops it.
type Peer struct {
	From netip.AddrPort // unmapped
	To   netip.Addr     // not valid where the socket has just one, or the system does not tell
	// Mark is the DSCP of the datagram, which the answer gets, too. Marked says that the
	// system tells it.
	Mark   uint8
	Marked bool
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
	if runtime.GOOS == "windows" { // x/net reads and writes no control messages there
		return plainSocket{c}, nil
	}
	u := &udpSocket{c: c, v4: network == "udp4", controls: map[Peer][]byte{}}
	wild := u.LocalAddr().Addr().IsUnspecified()
	// Where the system does not tell which address was asked, it answers from the one that
	// its routes choose.
	if u.v4 {
		p := ipv4.NewPacketConn(c)
		u.batch, u.wild = p, wild && p.SetControlMessage(ipv4.FlagDst, true) == nil
	} else {
		p := ipv6.NewPacketConn(c)
		u.batch, u.wild = p, wild && p.SetControlMessage(ipv6.FlagDst, true) == nil
	}
	u.marks = ReceiveMarks(c, !u.v4) == nil
	return u, nil
}

// plainSocket answers from the address that the system's routes choose.
type plainSocket struct{ c *net.UDPConn }

func (p plainSocket) ReadFrom(b []byte) (int, Peer, error) {
	n, from, err := p.c.ReadFromUDPAddrPort(b)
	return n, Peer{From: unmapped(from)}, err
}

func (p plainSocket) WriteTo(b []byte, to Peer) error {
	_, err := p.c.WriteToUDPAddrPort(b, to.From)
	return err
}

func (p plainSocket) LocalAddr() netip.AddrPort { return localOf(p.c) }

func (p plainSocket) Close() error { return p.c.Close() }

// A datagram is one that came, or one to send.
type datagram struct {
	data []byte
	peer Peer
}

// A batchSocket receives and sends several datagrams with one call of the system.
type batchSocket interface {
	// readBatch waits for datagrams and reads as many as there are into list, whose data
	// are buffers.
	readBatch(list []datagram) (int, error)
	// writeBatch says how many were sent. Those that the system does not take are left
	// out.
	writeBatch(list []datagram) int
}

// oneByOne makes a batchSocket of any Socket.
type oneByOne struct{ Socket }

func (o oneByOne) readBatch(list []datagram) (int, error) {
	n, peer, err := o.ReadFrom(list[0].data)
	list[0].data, list[0].peer = list[0].data[:n], peer
	return 1, err
}

func (o oneByOne) writeBatch(list []datagram) (sent int) {
	for _, d := range list {
		if o.WriteTo(d.data, d.peer) == nil {
			sent++
		}
	}
	return sent
}

// udpSocket is a socket of the system. One goroutine reads, and uses the batches.
type udpSocket struct {
	c     *net.UDPConn
	v4    bool
	batch interface { // what ipv4.PacketConn and ipv6.PacketConn have in common
		ReadBatch(ms []ipv4.Message, flags int) (int, error)
		WriteBatch(ms []ipv4.Message, flags int) (int, error)
	}
	wild    bool // it has all addresses, so answers name the one that was asked
	marks   bool // it tells the traffic class of what comes
	in, out []ipv4.Message
	// controls are control messages of answers, by Peer without the source.
	controls map[Peer][]byte
}

// maxControls bounds controls: a machine has few addresses, and few marks are in use.
const maxControls = 256

func (u *udpSocket) readBatch(list []datagram) (int, error) {
	for len(u.in) < len(list) {
		u.in = append(u.in, ipv4.Message{Buffers: make([][]byte, 1), OOB: make([]byte, ControlSize)})
	}
	for i := range list {
		u.in[i].Buffers[0], u.in[i].NN = list[i].data, 0
	}
	n, err := u.batch.ReadBatch(u.in[:len(list)], 0)
	if err != nil {
		return 0, err
	}
	for i := range n {
		m := &u.in[i]
		list[i].data, list[i].peer = list[i].data[:m.N], u.peerOf(m)
	}
	return n, nil
}

// peerOf is who sent a message.
func (u *udpSocket) peerOf(m *ipv4.Message) Peer {
	var p Peer
	if from, ok := m.Addr.(*net.UDPAddr); ok {
		p.From = unmapped(from.AddrPort())
	}
	if !u.wild && !u.marks {
		return p
	}
	var to netip.Addr
	to, p.Mark, p.Marked = parseControl(m.OOB[:m.NN])
	// A datagram to a group or to all is answered from an address of the system's choice.
	if u.wild && to.IsValid() && !to.IsMulticast() && to != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		p.To = to
	}
	return p
}

func (u *udpSocket) writeBatch(list []datagram) (sent int) {
	for len(u.out) < len(list) {
		u.out = append(u.out, ipv4.Message{Buffers: make([][]byte, 1)})
	}
	for i := range list {
		u.out[i].Buffers[0], u.out[i].Addr, u.out[i].OOB = list[i].data, net.UDPAddrFromAddrPort(list[i].peer.From), u.control(list[i].peer)
	}
	for left := u.out[:len(list)]; len(left) > 0; {
		n, err := u.batch.WriteBatch(left, 0)
		if err != nil {
			n = 0
			left = left[1:]
		}
		sent, left = sent+n, left[n:]
	}
	return sent
}

// control is the control message of an answer: its source, and the mark of its request.
func (u *udpSocket) control(p Peer) []byte {
	p.From = netip.AddrPort{}
	b, ok := u.controls[p]
	if !ok {
		b = makeControl(p, u.v4)
		if len(u.controls) < maxControls {
			u.controls[p] = b
		}
	}
	return b
}

func (u *udpSocket) ReadFrom(b []byte) (int, Peer, error) {
	one := []datagram{{data: b}}
	if _, err := u.readBatch(one); err != nil {
		return 0, Peer{}, err
	}
	return len(one[0].data), one[0].peer, nil
}

// WriteTo may be called beside the batches.
func (u *udpSocket) WriteTo(b []byte, to Peer) error {
	_, err := u.batch.WriteBatch([]ipv4.Message{{Buffers: [][]byte{b}, Addr: net.UDPAddrFromAddrPort(to.From), OOB: makeControl(to, u.v4)}}, 0)
	return err
}

func (u *udpSocket) LocalAddr() netip.AddrPort { return localOf(u.c) }

func localOf(c *net.UDPConn) netip.AddrPort {
	return unmapped(c.LocalAddr().(*net.UDPAddr).AddrPort())
}

func (u *udpSocket) Close() error { return u.c.Close() }

// Dropped counts the datagrams that came and found the socket's buffer full; false where
// the system does not tell.
func (u *udpSocket) Dropped() (uint32, bool) { return Dropped(u.c) }

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
