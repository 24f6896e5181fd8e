package errqueue

import (
	"context"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// A UDPConn is a connected UDP socket. Read and Write return ICMP errors as *Error.
// One goroutine may read while another writes.
type UDPConn struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	v6    bool
	queue bool
	wrote atomic.Bool // something was sent that an ICMP error can be about
}

// DialUDP connects a UDP socket, which sends nothing. The error is an *Error where the
// system refuses: no route, no address of the family.
func DialUDP(ctx context.Context, to netip.AddrPort, o Options) (*UDPConn, error) {
	c := &UDPConn{v6: !to.Addr().Unmap().Is4(), queue: haveQueue && !o.NoQueue}
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error { return prepare(raw, c.v6, c.queue, o) }}
	conn, err := d.DialContext(ctx, networkFor("udp", to.Addr()), to.String())
	if err != nil {
		return nil, local(err)
	}
	c.conn = conn.(*net.UDPConn)
	if c.raw, err = c.conn.SyscallConn(); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// Read waits for a datagram of the peer, an ICMP error, or the deadline.
func (c *UDPConn) Read(b []byte) (int, error) {
	if c.queue {
		return c.readQueued(b)
	}
	n, err := c.conn.Read(b)
	return n, wrap(err, noQueueHere)
}

// Write sends one datagram. An *Error may be about an earlier one: then nothing was
// sent. [Error.Origin] is Local when this machine refuses.
func (c *UDPConn) Write(b []byte) (int, error) {
	n, err := c.conn.Write(b)
	if err == nil {
		c.wrote.Store(true)
		return n, nil
	}
	if c.queue {
		if e, ok := c.takeError(); ok {
			return n, e
		}
		return n, local(err)
	}
	if !c.wrote.Load() {
		return n, local(err)
	}
	return n, wrap(err, noQueueHere)
}

// SetReadDeadline bounds Read, as in package net.
func (c *UDPConn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// LocalAddr is the local address, which is the source that the routes choose.
func (c *UDPConn) LocalAddr() netip.AddrPort {
	a := c.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// SetTTL sets the TTL, or hop limit, of what is sent from now on.
func (c *UDPConn) SetTTL(ttl int) error { return setTTL(c.raw, c.v6, ttl) }

// Close closes the socket.
func (c *UDPConn) Close() error { return c.conn.Close() }

// DialTCP connects a TCP socket. The context bounds it. An error of the network is an
// *Error with the ICMP offender; a reset leaves no offender on any system.
func DialTCP(ctx context.Context, to netip.AddrPort, o Options) (net.Conn, error) {
	v6, queue := !to.Addr().Unmap().Is4(), haveQueue && !o.NoQueue
	var kept keptSocket
	defer kept.close()
	d := net.Dialer{
		KeepAlive: -1,
		Control: func(_, _ string, raw syscall.RawConn) error {
			if err := prepare(raw, v6, queue, o); err != nil {
				return err
			}
			if queue {
				return kept.keep(raw)
			}
			return nil
		},
	}
	conn, err := d.DialContext(ctx, networkFor("tcp", to.Addr()), to.String())
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, err
	}
	if e, ok := kept.takeError(v6); ok {
		return nil, e
	}
	if !queue {
		return nil, wrap(err, noQueueHere)
	}
	// An empty queue: a reset, which leaves none, or this machine refused.
	if cause, ok := classify(err); ok && cause != Refused && cause != TimedOut {
		return nil, local(err)
	}
	return nil, wrap(err, "a reset leaves no trace of who sent it")
}

// local is wrap for an error that this machine gave without any ICMP.
func local(err error) error {
	e, ok := wrap(err, "").(*Error)
	if !ok {
		return err
	}
	e.Origin = Local
	return e
}
