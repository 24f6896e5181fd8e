package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// AnswerUDP answers datagrams to the given ports on every address of the host,
// in both families, until the test ends. Each answer (see [Answer]) leaves
// from the address that was asked.
func (h *Host) AnswerUDP(ports ...uint16) error {
	for _, port := range ports {
		for _, network := range []string{"udp4", "udp6"} {
			lc := net.ListenConfig{Control: wantDestination(network)}
			var c net.PacketConn
			var err error
			h.Do(func() {
				c, err = lc.ListenPacket(context.Background(), network, fmt.Sprintf(":%d", port))
			})
			if err != nil {
				return fmt.Errorf("%s: %w", h.name, err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				answerDatagrams(c.(*net.UDPConn), port)
			}()
			h.atClose(func() {
				c.Close()
				<-done
			})
		}
	}
	return nil
}

// wantDestination asks the kernel to tell with each datagram the address it
// was sent to (ip(7) IP_PKTINFO, ipv6(7) IPV6_RECVPKTINFO).
func wantDestination(network string) func(string, string, syscall.RawConn) error {
	return func(_, _ string, rc syscall.RawConn) error {
		var err error
		ctlErr := rc.Control(func(fd uintptr) {
			if network == "udp4" {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			} else {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
			}
		})
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}
}

// answerDatagrams serves until c is closed.
func answerDatagrams(c *net.UDPConn, port uint16) {
	buf, oob := make([]byte, 1<<16), make([]byte, 256)
	for {
		n, oobn, _, client, err := c.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an earlier answer
		}
		asked, ok := destination(oob[:oobn])
		if !ok {
			continue
		}
		client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		answer := append(answerLine(netip.AddrPortFrom(asked, port), client), buf[:n]...)
		// A datagram too large to answer stays unanswered: the client sees silence.
		_, _, _ = c.WriteMsgUDPAddrPort(answer, sendFrom(asked), client)
	}
}

// destination reads the address to which a datagram was sent.
func destination(oob []byte) (netip.Addr, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&m.Data[0])).Addr), true
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&m.Data[0])).Addr), true
		}
	}
	return netip.Addr{}, false
}

// sendFrom is the control message that gives a datagram its source address.
func sendFrom(a netip.Addr) []byte {
	if a.Is4() {
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: a.As4()})
	}
	return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: a.As16()})
}

// AnswerTCP accepts connections to the given ports on every address of the
// host, in both families, until the test ends. Each is sent one line at once
// and then its own bytes (see [Answer]).
func (h *Host) AnswerTCP(ports ...uint16) error {
	for _, port := range ports {
		for _, network := range []string{"tcp4", "tcp6"} {
			l, err := h.Listen(network, fmt.Sprintf(":%d", port))
			if err != nil {
				return fmt.Errorf("%s: %w", h.name, err)
			}
			s := &streamServer{conns: map[net.Conn]bool{}}
			s.running.Add(1)
			go s.accept(l)
			h.atClose(func() {
				l.Close()
				s.close()
			})
		}
	}
	return nil
}

// streamServer echoes the streams of one listener.
type streamServer struct {
	running sync.WaitGroup
	mu      sync.Mutex
	closed  bool
	conns   map[net.Conn]bool
}

func (s *streamServer) accept(l net.Listener) {
	defer s.running.Done()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // a connection that ended before it was accepted
			continue
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			return
		}
		s.conns[c] = true
		s.running.Add(1)
		s.mu.Unlock()
		go s.serve(c.(*net.TCPConn))
	}
}

func (s *streamServer) serve(c *net.TCPConn) {
	defer s.running.Done()
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	asked, client := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
	if _, err := c.Write(answerLine(asked, client)); err != nil {
		return
	}
	// How a client leaves is its own affair: an error needs no report.
	_, _ = io.Copy(c, c)
}

func (s *streamServer) close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}
