package media

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Marks are DSCP values for media by their names in RFC 4594.
var Marks = map[string]int{"EF": 46, "AF41": 34, "AF21": 18, "CS0": 0}

// DialOptions say how to reach the reflector.
type DialOptions struct {
	// DSCP is set on what is sent, 0 to 63. Answers carry no mark. Marks that the network
	// sets show in a capture, not here. Windows ignores it without a QoS policy.
	DSCP int
	// Local is the address to send from; not valid: the system's choice.
	Local netip.AddrPort
	// Dialer makes the socket; its Control may set options before it is connected.
	Dialer net.Dialer
}

// Dial connects a socket to a reflector's address. Names are not resolved here.
func Dial(ctx context.Context, to netip.AddrPort, opt DialOptions) (*net.UDPConn, error) {
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
	u := c.(*net.UDPConn) // DialContext returns one for these networks
	if opt.DSCP == 0 {
		return u, nil
	}
	// DSCP are the upper six bits of the byte that IPv4 calls TOS and IPv6 traffic class.
	if to.Addr().Is4() {
		err = ipv4.NewConn(u).SetTOS(opt.DSCP << 2)
	} else {
		err = ipv6.NewConn(u).SetTrafficClass(opt.DSCP << 2)
	}
	if err != nil {
		u.Close()
		return nil, fmt.Errorf("marking with DSCP %d: %w: leave the mark out", opt.DSCP, err)
	}
	return u, nil
}
