package probe

import (
	"errors"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/pion/stun/v3"

	"sallyport/internal/testkit/lab"
)

// serveSTUN answers Binding and Allocate as a relay does, on one UDP port of the
// relays' addresses.
func serveSTUN(tb testing.TB, h *lab.Host, port uint16) {
	tb.Helper()
	for _, bind := range [][2]string{{"udp4", relay4.String()}, {"udp4", other4.String()}, {"udp6", relay6.String()}, {"udp6", other6.String()}} {
		c, err := h.ListenPacket(bind[0], net.JoinHostPort(bind[1], strconv.Itoa(int(port))))
		if err != nil {
			tb.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			answerSTUN(c)
		}()
		tb.Cleanup(func() {
			c.Close()
			<-done
		})
	}
}

func answerSTUN(c net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier answer
		}
		if out := stunReply(buf[:n], from.(*net.UDPAddr)); out != nil {
			_, _ = c.WriteTo(out, from) // a client that is gone needs no answer
		}
	}
}

// stunReply is what a relay says: success to Binding, 401 to Allocate.
func stunReply(b []byte, from *net.UDPAddr) []byte {
	m := new(stun.Message)
	if stun.Decode(b, m) != nil || m.Type.Class != stun.ClassRequest {
		return nil
	}
	id := stun.NewTransactionIDSetter(m.TransactionID)
	switch m.Type.Method {
	case stun.MethodBinding:
		return mustBuild(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.IP, Port: from.Port})
	case stun.MethodAllocate:
		return mustBuild(id, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.CodeUnauthorized, stun.NewRealm("lab"))
	}
	return nil
}

// serveTCP accepts on a port and hands each connection to serve.
func serveTCP(tb testing.TB, h *lab.Host, address string, serve func(net.Conn)) {
	tb.Helper()
	network := "tcp4"
	if address[0] == '[' {
		network = "tcp6"
	}
	l, err := h.Listen(network, address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
}

// turnTCP answers STUN and TURN over a stream.
func turnTCP(c net.Conn) {
	for {
		head := make([]byte, 20)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		body := make([]byte, int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		out := stunReply(append(head, body...), &net.UDPAddr{IP: c.RemoteAddr().(*net.TCPAddr).IP, Port: c.RemoteAddr().(*net.TCPAddr).Port})
		if out == nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}
