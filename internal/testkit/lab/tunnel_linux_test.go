package lab_test

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"sallyport/internal/testkit/lab"
)

// TestFarRouter counts hops by TTL: a packet that dies at the second one comes back
// from the router.
func TestFarRouter(t *testing.T) {
	t.Parallel()
	var there, back atomic.Int64
	count := func(n *atomic.Int64) lab.Carrier {
		return func(packet []byte, send func([]byte)) {
			n.Add(1)
			send(packet)
		}
	}
	for name, opt := range map[string]lab.Option{"plain": lab.FarRouter(nil, nil), "carried": lab.FarRouter(count(&there), count(&back))} {
		t.Run(name, func(t *testing.T) {
			l := lab.New(t, opt)
			if err := errors.Join(l.Server.AnswerUDP(3478), l.Server.AnswerTCP(443)); err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"20.202.0.1:3478", "[2603:1063::1]:3478"} {
				if _, err := l.Client.Ask("udp", netip.MustParseAddrPort(to), []byte("x"), soon); err != nil {
					t.Error(err)
				}
			}
			for _, to := range []string{"20.202.0.1:443", "[2603:1063::1]:443"} {
				if _, err := l.Client.Ask("tcp", netip.MustParseAddrPort(to), make([]byte, 50_000), soon); err != nil {
					t.Error(err)
				}
			}
			for ttl, want := range map[int]bool{1: false, 2: false, 3: true} {
				if got := arrives(t, l.Client, ttl); got != want {
					t.Errorf("a datagram with TTL %d is answered: %v", ttl, got)
				}
			}
		})
	}
	if there.Load() == 0 || back.Load() == 0 {
		t.Errorf("%d packets were carried there and %d back", there.Load(), back.Load())
	}
}

func arrives(t *testing.T, h *lab.Host, ttl int) bool {
	t.Helper()
	conn, err := h.Dial(nil, "udp", "20.202.0.1:3478")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wait := soon
	if ttl < 3 {
		wait = late
	}
	if err := errors.Join(ipv4.NewConn(conn.(*net.UDPConn)).SetTTL(ttl), conn.SetDeadline(time.Now().Add(wait))); err != nil {
		t.Fatal(err)
	}
	_, err = lab.Exchange(conn, []byte("x"))
	return err == nil
}

// TestTunnel carries packets as the test says: here none, then all.
func TestTunnel(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	var open atomic.Bool
	gate := func(packet []byte, send func([]byte)) {
		if open.Load() {
			send(packet)
		}
	}
	if err := l.Client.Tunnel("tun0", l.Server, "tun1", gate, nil); err != nil {
		t.Fatal(err)
	}
	if err := l.Server.AnswerUDP(3478); err != nil {
		t.Fatal(err)
	}
	l.Client.MustRun(t, "ip", "addr", "add", "10.99.0.2/24", "dev", "tun0")
	l.Server.MustRun(t, "ip", "route", "add", "table", "local", "10.99.0.2", "dev", "tun1")
	l.Client.MustRun(t, "ip", "route", "add", "20.202.0.0/16", "dev", "tun0")
	to := netip.MustParseAddrPort("20.202.0.1:3478")
	if _, err := l.Client.Ask("udp", to, nil, late); err == nil {
		t.Error("an answer through a tunnel that lets nothing pass")
	}
	open.Store(true)
	if _, err := l.Client.Ask("udp", to, nil, soon); err != nil {
		t.Error(err)
	}
}
