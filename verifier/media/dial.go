package media

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"sallyport/verifier/reflector"
)

// Marks are DSCP values for media by their names in RFC 4594.
var Marks = map[string]int{"EF": 46, "AF41": 34, "AF21": 18, "CS0": 0}

// DialOptions say how to reach the reflector.
type DialOptions struct {
	// DSCP is set on what is sent, 0 to 63. Answers carry the mark that their request
	// arrived with. Windows ignores it without a QoS policy.
	DSCP int
	// Local is the address to send from; not valid: the system's choice.
	Local netip.AddrPort
	// Dialer makes the socket; its Control may set options before it is connected.
	Dialer net.Dialer
}

// receiveBuffer is enough for a second of a fast train, should this process stand still.
const receiveBuffer = 1 << 20

// Socket is a socket to a reflector that knows the mark of what it read last.
type Socket struct {
	*net.UDPConn
	marks bool
	mark  atomic.Int32 // DSCP + 1; 0: unknown
}

// Read reads one datagram.
func (s *Socket) Read(b []byte) (int, error) {
	if !s.marks {
		return s.UDPConn.Read(b)
	}
	var control [reflector.ControlSize]byte
	n, size, _, _, err := s.ReadMsgUDPAddrPort(b, control[:])
	if err != nil {
		return n, err
	}
	if mark, ok := reflector.MarkOf(control[:size]); ok {
		s.mark.Store(int32(mark) + 1)
	}
	return n, nil
}

// Dropped counts answers that came and found the socket's buffer full.
func (s *Socket) Dropped() (uint32, bool) { return reflector.Dropped(s.UDPConn) }

// Mark is the DSCP of the datagram that was read last; false where it is not known.
func (s *Socket) Mark() (uint8, bool) {
	m := s.mark.Load()
	return uint8(max(0, m-1)), m > 0
}

// Dial connects a socket to a reflector's address. Names are not resolved here.
func Dial(ctx context.Context, to netip.AddrPort, opt DialOptions) (*Socket, error) {
	if opt.DSCP < 0 || opt.DSCP > 63 {
		return nil, fmt.Errorf("DSCP %d: choose 0 to 63", opt.DSCP)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	d := opt.Dialer
	if opt.Local.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(opt.Local)
	}
	network := "udp6"
	if to.Addr().Is4() {
		network = "udp4"
	}
	c, err := d.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, err
	}
	u := &Socket{UDPConn: c.(*net.UDPConn)} // DialContext returns one for these networks
	_ = u.SetReadBuffer(receiveBuffer)      // a smaller one only loses more, and counts it
	u.marks = reflector.ReceiveMarks(u.UDPConn, !to.Addr().Is4()) == nil
	if opt.DSCP == 0 {
		return u, nil
	}
	// DSCP are the upper six bits of the byte that IPv4 calls TOS and IPv6 traffic class.
	if to.Addr().Is4() {
		err = ipv4.NewConn(u.UDPConn).SetTOS(opt.DSCP << 2)
	} else {
		err = ipv6.NewConn(u.UDPConn).SetTrafficClass(opt.DSCP << 2)
	}
	if err != nil {
		u.Close()
		return nil, fmt.Errorf("marking with DSCP %d: %w: leave the mark out", opt.DSCP, err)
	}
	return u, nil
}
