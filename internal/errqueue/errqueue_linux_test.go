package errqueue

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
)

// The addresses of a lab, for each family.
type family struct {
	name             string
	target, firewall netip.Addr
	dead             netip.Addr // nobody on the firewall's link has it
	ip               string     // nft's word
}

var families = []family{
	{"IPv4", netip.MustParseAddr("20.202.0.1"), netip.MustParseAddr("10.20.0.1"), netip.MustParseAddr("192.0.2.9"), "ip"},
	{"IPv6", netip.MustParseAddr("2603:1063::1"), netip.MustParseAddr("fd20::1"), netip.MustParseAddr("fd21::99"), "ip6"},
}

func newLab(t *testing.T) *lab.Lab {
	need.Program(t, "nft")
	l := lab.New(t)
	if err := l.Server.AnswerUDP(3478); err != nil {
		t.Fatal(err)
	}
	if err := l.Server.AnswerTCP(443); err != nil {
		t.Fatal(err)
	}
	// An ICMPv6 error comes from the target only where a link really has its address.
	l.Server.MustRun(t, "ip", "addr", "add", "2603:1063::1/128", "dev", "lo", "nodad")
	return l
}

// sendUDP sends until something comes back, and returns what Read or Write said.
func sendUDP(t *testing.T, l *lab.Lab, to netip.AddrPort, o Options, patience time.Duration) error {
	t.Helper()
	var c *UDPConn
	var err error
	l.Client.Do(func() { c, err = DialUDP(context.Background(), to, o) })
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err = c.Read(make([]byte, 1500))
	return err
}

func connectTCP(l *lab.Lab, to netip.AddrPort, o Options, patience time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l.Client.Do(func() {
		c, dialErr := DialTCP(ctx, to, o)
		if err = dialErr; err == nil {
			c.Close()
		}
	})
	return err
}

// TestEvidence tests the socket layer with each row of the table of what a sender sees.
func TestEvidence(t *testing.T) {
	t.Parallel()
	admin := map[string]string{"ip": "icmp type admin-prohibited", "ip6": "icmpv6 type admin-prohibited"}
	port := map[string]string{"ip": "icmp type port-unreachable", "ip6": "icmpv6 type port-unreachable"}
	rows := []struct {
		name     string
		client   string // a verdict in the client's output hook
		firewall string // a verdict in the firewall's forward hook
		port     uint16
		tcp      bool
		silent   bool
		errno    func(f family) error
		offender func(f family) netip.Addr
		is       func(*Error) bool
	}{
		{name: "open"},
		{name: "open, TCP", tcp: true},
		{name: "local drop", client: "drop", errno: func(family) error { return unix.EPERM }},
		{name: "closed port", port: 9, errno: func(family) error { return unix.ECONNREFUSED },
			offender: func(f family) netip.Addr { return f.target }, is: (*Error).PortUnreachable},
		{name: "closed port, TCP", port: 9, tcp: true, errno: func(family) error { return unix.ECONNREFUSED }},
		{name: "rejects port", firewall: "reject with PORT", errno: func(family) error { return unix.ECONNREFUSED },
			offender: func(f family) netip.Addr { return f.firewall }, is: (*Error).PortUnreachable},
		{name: "rejects port, TCP", tcp: true, firewall: "reject with PORT", errno: func(family) error { return unix.ECONNREFUSED },
			offender: func(f family) netip.Addr { return f.firewall }, is: (*Error).PortUnreachable},
		{name: "prohibited", firewall: "reject with ADMIN", errno: prohibited,
			offender: func(f family) netip.Addr { return f.firewall }},
		{name: "prohibited, TCP", tcp: true, firewall: "reject with ADMIN", errno: prohibited,
			offender: func(f family) netip.Addr { return f.firewall }},
		{name: "tcp-reset", tcp: true, firewall: "reject with tcp reset", errno: func(family) error { return unix.ECONNREFUSED }},
		{name: "drop", firewall: "drop", silent: true},
		{name: "drop, TCP", tcp: true, firewall: "drop", silent: true},
	}
	for _, f := range families {
		for _, row := range rows {
			t.Run(f.name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				l := newLab(t)
				rule := strings.NewReplacer("ADMIN", admin[f.ip], "PORT", port[f.ip]).Replace(row.firewall)
				proto := map[bool]string{true: "tcp", false: "udp"}[row.tcp]
				if rule != "" {
					l.Firewall.MustExec(t, fmt.Sprintf("table inet t { chain c { type filter hook forward priority 0;\n meta l4proto %s %s\n}\n}\n", proto, rule), "nft", "-f", "-")
				}
				if row.client != "" {
					l.Client.MustExec(t, fmt.Sprintf("table inet t { chain c { type filter hook output priority 0;\n meta l4proto %s %s\n}\n}\n", proto, row.client), "nft", "-f", "-")
				}
				at, wait := row.port, await.Patience
				if row.silent {
					wait = 100 * time.Millisecond
				}
				var err error
				if row.tcp {
					if at == 0 {
						at = 443
					}
					err = connectTCP(l, netip.AddrPortFrom(f.target, at), Options{}, wait)
				} else {
					if at == 0 {
						at = 3478
					}
					err = sendUDP(t, l, netip.AddrPortFrom(f.target, at), Options{}, wait)
				}
				var e *Error
				switch {
				case row.silent:
					if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
						t.Fatalf("%v, want silence", err)
					}
					return
				case row.errno == nil:
					if err != nil {
						t.Fatalf("%v, want an answer", err)
					}
					return
				case !errors.As(err, &e):
					t.Fatalf("%v, want an Error", err)
				}
				if !errors.Is(err, row.errno(f)) {
					t.Errorf("errno %v, want %v", e.Err, row.errno(f))
				}
				var offender netip.Addr
				if row.offender != nil {
					offender = row.offender(f)
				}
				if e.Offender != offender {
					t.Errorf("offender %v, want %v (%+v)", e.Offender, offender, e)
				}
				if row.is != nil && !row.is(e) {
					t.Errorf("%s", e.Message())
				}
				if !e.Offender.IsValid() && e.Why == "" && e.Origin != Local {
					t.Errorf("no offender, and not why: %+v", e)
				}
			})
		}
	}
}

// prohibited is the one errno that the families do not share.
func prohibited(f family) error {
	if f.ip == "ip" {
		return unix.EHOSTUNREACH
	}
	return unix.EACCES
}

// TestTTL: a router answers for a TTL that ran out even when it drops the rest.
func TestTTL(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Firewall.MustExec(t, "table inet t { chain c { type filter hook forward priority 0; policy drop; }; }\n", "nft", "-f", "-")
	for _, f := range families {
		for name, err := range map[string]error{
			"udp": sendUDP(t, l, netip.AddrPortFrom(f.target, 3478), Options{TTL: 1}, await.Patience),
			"tcp": connectTCP(l, netip.AddrPortFrom(f.target, 443), Options{TTL: 1}, await.Patience),
		} {
			var e *Error
			if !errors.As(err, &e) || !e.TimeExceeded() || e.Offender != f.firewall {
				t.Errorf("%s %s: %v", f.name, name, err)
			}
		}
	}
}

func TestNoHost(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	// The server owns every address, but only answers for those of its link.
	if err := l.Server.Sysctl("net.ipv4.conf.eth0.arp_ignore", "1"); err != nil {
		t.Fatal(err)
	}
	l.Firewall.MustRun(t, "ip", "route", "add", "192.0.2.0/24", "dev", "wan0")
	for _, name := range []string{"net/ipv4/neigh/wan0/retrans_time_ms", "net/ipv6/neigh/wan0/retrans_time_ms"} {
		if err := l.Firewall.Sysctl(name, "40"); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range families {
		near := map[string]string{"ip": "198.18.0.1", "ip6": "fd21::1"}[f.ip]
		for name, try := range map[string]func() error{
			"udp": func() error { return sendUDP(t, l, netip.AddrPortFrom(f.dead, 3478), Options{}, await.Patience) },
			"tcp": func() error { return connectTCP(l, netip.AddrPortFrom(f.dead, 443), Options{}, await.Patience) },
		} {
			started := time.Now()
			var e *Error
			if err := try(); !errors.As(err, &e) || !e.NoNeighbour() {
				t.Errorf("%s %s: %v", f.name, name, err)
				continue
			}
			if e.Offender != f.firewall && e.Offender.String() != near {
				t.Errorf("%s %s: offender %s", f.name, name, e.Offender)
			}
			if took := time.Since(started); took < 80*time.Millisecond {
				t.Errorf("%s %s: after %v, before neighbour discovery can have failed", f.name, name, took)
			}
		}
	}
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Client.MustRun(t, "ip", "route", "del", "default")
	l.Client.MustRun(t, "ip", "-6", "route", "del", "default")
	l.Client.MustRun(t, "ip", "route", "add", "blackhole", "192.0.2.0/24")
	for _, to := range []string{"20.202.0.1:3478", "[2603:1063::1]:3478", "192.0.2.1:3478"} {
		var e *Error
		if err := sendUDP(t, l, netip.MustParseAddrPort(to), Options{}, await.Patience); !errors.As(err, &e) || e.Cause != NetUnreachable || e.Origin != Local {
			t.Errorf("%s: %v", to, err)
		}
		if err := connectTCP(l, netip.MustParseAddrPort(to), Options{}, await.Patience); !errors.As(err, &e) || e.Cause != NetUnreachable {
			t.Errorf("%s, TCP: %v", to, err)
		}
	}
}

// TestNoQueue runs the code of systems without an error queue.
func TestNoQueue(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, f := range families {
		for name, err := range map[string]error{
			"udp": sendUDP(t, l, netip.AddrPortFrom(f.target, 9), Options{NoQueue: true}, await.Patience),
			"tcp": connectTCP(l, netip.AddrPortFrom(f.target, 9), Options{NoQueue: true}, await.Patience),
		} {
			var e *Error
			if !errors.As(err, &e) || e.Cause != Refused || e.Offender.IsValid() || e.Origin != Unknown || e.Why == "" {
				t.Errorf("%s %s: %#v", f.name, name, err)
			}
		}
		if err := sendUDP(t, l, netip.AddrPortFrom(f.target, 3478), Options{NoQueue: true}, await.Patience); err != nil {
			t.Errorf("%s: %v, want an answer", f.name, err)
		}
	}
}

func TestInterface(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	to := netip.MustParseAddrPort("20.202.0.1:3478")
	if err := sendUDP(t, l, to, Options{Interface: "eth0"}, await.Patience); err != nil {
		t.Error(err)
	}
	if err := sendUDP(t, l, to, Options{Interface: "lo"}, 50*time.Millisecond); err == nil {
		t.Error("an answer by the loopback")
	}
	if err := sendUDP(t, l, to, Options{Interface: "none0"}, await.Patience); err == nil {
		t.Error("an interface that does not exist")
	}
}

func FuzzDecodeControl(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte("\x30\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0b\x00\x00\x00o\x00\x00\x00\x02\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x0a\x14\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), false)
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		if e, ok := decodeControl(b, v6); ok && e.Error() == "" {
			t.Errorf("%#v", e)
		}
	})
}

func TestSetTTL(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, f := range families {
		var c *UDPConn
		var err error
		l.Client.Do(func() { c, err = DialUDP(context.Background(), netip.AddrPortFrom(f.target, 3478), Options{}) })
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := errors.Join(c.SetTTL(1), c.SetReadDeadline(await.Deadline())); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		var e *Error
		if _, err := c.Read(make([]byte, 10)); !errors.As(err, &e) || !e.TimeExceeded() || e.Offender != f.firewall {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}
