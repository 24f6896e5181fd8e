package lab_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
)

// soon bounds exchanges that are answered, late those that are not.
const (
	soon = await.Patience
	late = 300 * time.Millisecond
)

var farAddresses = []string{
	"20.202.0.1", "20.202.255.255", "52.112.0.0", "1.0.0.0", "1.0.0.1", "223.255.255.255", "240.0.0.1", "254.255.255.255",
	"255.0.0.0", "255.255.255.254", "10.21.0.1", "169.254.9.9", "198.18.0.2",
	"2603:1063::1", "2603:1063::", "2603:1063:3ff:ffff:ffff:ffff:ffff:ffff", "::2", "fec0::1", "fd20:0:0:1::", "feff::1", "fd21::2",
}

func TestServerAnswersOnEveryAddress(t *testing.T) {
	t.Parallel()
	start := time.Now()
	l := lab.New(t)
	t.Logf("a lab in %v", time.Since(start).Round(100*time.Microsecond))
	if err := errors.Join(l.Server.AnswerUDP(3478, 3481), l.Server.AnswerTCP(443, 80)); err != nil {
		t.Fatal(err)
	}
	payload := bytes.Repeat([]byte("0123456789"), 100)
	for _, s := range farAddresses {
		for network, ports := range map[string][]uint16{"udp": {3478, 3481}, "tcp": {443, 80}} {
			for _, port := range ports {
				to := netip.AddrPortFrom(addr(s), port)
				a, err := l.Client.Ask(network, to, payload, soon)
				if err != nil {
					t.Errorf("%s %v: %v", network, to, err)
					continue
				}
				client := addr("10.20.0.2")
				if to.Addr().Is6() {
					client = addr("fd20::2")
				}
				if a.Asked != to || a.Client.Addr() != client || !bytes.Equal(a.Echo, payload) {
					t.Errorf("%s %v: asked %v by %v, %d bytes back", network, to, a.Asked, a.Client, len(a.Echo))
				}
			}
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	for _, s := range []string{"20.202.0.1", "2603:1063::1"} {
		if err := ping(l.Client, addr(s)); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

// ping sends an echo request by way of an ICMP socket and awaits the reply.
func ping(h *lab.Host, to netip.Addr) error {
	network, request, reply := "ip4:icmp", byte(8), byte(0)
	if to.Is6() {
		network, request, reply = "ip6:ipv6-icmp", 128, 129
	}
	c, err := h.ListenPacket(network, "")
	if err != nil {
		return err
	}
	defer c.Close()
	message := []byte{request, 0, 0, 0, 0x12, 0x34, 0, 1}
	if to.Is4() { // the kernel fills in the checksum of ICMPv6 alone
		message[2], message[3] = 0xe5, 0xca
	}
	if _, err := c.WriteTo(message, &net.IPAddr{IP: to.AsSlice()}); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(soon)); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		if from.String() == to.String() && n >= 8 && buf[0] == reply && buf[4] == 0x12 && buf[5] == 0x34 {
			return nil
		}
	}
}

// TestNoWayOut looks at every link that is up: each is the loopback or one of
// the lab's own, so there is nowhere else to go.
func TestNoWayOut(t *testing.T) {
	t.Parallel()
	l, in := lab.New(t), lab.NewInjector(t)
	for h, want := range map[*lab.Host]string{
		l.Client: "lo eth0", l.Firewall: "lo lan0 wan0", l.Server: "lo eth0", in.Host(): "lo lan0 wan0",
	} {
		var got []string
		h.Do(func() {
			links, err := net.Interfaces()
			if err != nil {
				t.Fatal(err)
			}
			for _, link := range links {
				if link.Flags&net.FlagUp != 0 {
					got = append(got, link.Name)
				}
			}
		})
		if strings.Join(got, " ") != want {
			t.Errorf("%s: links %v are up, want %s", h.Name(), got, want)
		}
	}

	// Not even this machine's own loopback can be reached.
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	if c, err := l.Client.Dial(nil, "tcp", outside.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the client's connection to a server outside: %v, %v", c, err)
	}
	if _, err := l.Client.Dial(nil, "tcp", "example.com:443"); err == nil {
		t.Error("a name was looked up")
	}
}

func TestFirewallRules(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	if err := errors.Join(l.Server.AnswerUDP(3478), l.Server.AnswerTCP(443)); err != nil {
		t.Fatal(err)
	}
	rules(t, l.Firewall, "forward", `
		ip daddr 20.202.0.0/16 accept
		ip6 daddr 2603:1063::/38 accept
		ct state established,related accept
		ip daddr 52.112.0.0/14 reject with icmp admin-prohibited
		tcp dport 443 reject with tcp reset
		icmpv6 type != echo-request accept
		drop`)
	silence, refusal, noRoute := error(os.ErrDeadlineExceeded), error(syscall.ECONNREFUSED), error(syscall.EHOSTUNREACH)
	tests := []struct {
		network, to string
		want        error
	}{
		{"udp", "20.202.0.1:3478", nil},
		{"tcp", "20.202.0.1:443", nil},
		{"udp", "[2603:1063::1]:3478", nil},
		{"tcp", "[2603:1063::1]:443", nil},
		{"udp", "20.202.0.1:3479", refusal}, // by the server: nobody there
		{"udp", "20.203.0.0:3478", silence},
		{"udp", "[2603:1063:400::]:3478", silence},
		{"tcp", "20.203.0.0:443", refusal},
		{"tcp", "[2603:1063:400::]:443", refusal},
		{"udp", "52.112.0.1:3478", noRoute},
	}
	for _, tt := range tests {
		timeout := soon
		if tt.want == silence {
			timeout = late
		}
		_, err := l.Client.Ask(tt.network, netip.MustParseAddrPort(tt.to), []byte("hello"), timeout)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s %s: %v, want %v", tt.network, tt.to, err, tt.want)
		}
	}
}

// TestPacketTooBig sends a stream through a link that the client knows nothing
// about: it arrives only because the firewall's ICMP errors do.
func TestPacketTooBig(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.FarMTU(1280))
	if err := l.Server.AnswerTCP(443); err != nil {
		t.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 1<<20)
	for _, s := range []string{"20.202.0.1", "2603:1063::1"} {
		a, err := l.Client.Ask("tcp", netip.AddrPortFrom(addr(s), 443), payload, soon)
		if err != nil || len(a.Echo) != len(payload) {
			t.Errorf("%s: %d of %d bytes back, %v", s, len(a.Echo), len(payload), err)
		}
		if mtu := pathMTU(t, l.Client, addr(s)); mtu != 1280 {
			t.Errorf("%s: the client takes the path's MTU for %d", s, mtu)
		}
	}
}

func pathMTU(t *testing.T, h *lab.Host, to netip.Addr) (mtu int) {
	t.Helper()
	c, err := h.Dial(nil, "udp", netip.AddrPortFrom(to, 9).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rc, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	level, option := unix.IPPROTO_IP, unix.IP_MTU
	if to.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	ctlErr := rc.Control(func(fd uintptr) { mtu, err = unix.GetsockoptInt(int(fd), level, option) })
	if err := errors.Join(ctlErr, err); err != nil {
		t.Fatal(err)
	}
	return mtu
}

func TestClientNets(t *testing.T) {
	t.Parallel()
	l := lab.New(t, lab.ClientNet("192.168.7.1/24"), lab.ClientNet("10.9.8.7/8"), lab.ClientNet("fd77::1/64"))
	if err := l.Server.AnswerUDP(3478); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to string }{
		{"", "20.202.0.1:3478"},
		{"192.168.7.1", "20.202.0.1:3478"},
		{"10.9.8.7", "20.202.0.1:3478"},
		{"fd77::1", "[2603:1063::1]:3478"},
	} {
		d := &net.Dialer{Timeout: soon, LocalAddr: &net.UDPAddr{IP: net.ParseIP(tt.from)}}
		c, err := l.Client.Dial(d, "udp", tt.to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(soon)); err != nil {
			t.Fatal(err)
		}
		a, err := lab.Exchange(c, nil)
		if err != nil || tt.from != "" && a.Client.Addr() != addr(tt.from) {
			t.Errorf("from %q: %+v, %v", tt.from, a, err)
		}
	}
}

func TestNeighboursAreFoundAgain(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	if err := l.Server.AnswerUDP(3478); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, s := range []string{"20.202.0.1:3478", "[2603:1063::1]:3478"} {
			if _, err := l.Client.Ask("udp", netip.MustParseAddrPort(s), nil, soon); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
		for _, h := range []*lab.Host{l.Client, l.Firewall, l.Server} {
			if err := h.FlushNeighbours(); err != nil {
				t.Error(err)
			}
		}
	}
	// Neighbour discovery itself is at the firewall's mercy.
	rules(t, l.Firewall, "input", "icmpv6 type nd-neighbor-solicit drop")
	if err := l.Client.FlushNeighbours(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Client.Ask("udp", netip.MustParseAddrPort("[2603:1063::1]:3478"), nil, late); err == nil {
		t.Error("an answer without neighbour discovery")
	}
	if _, err := l.Client.Ask("udp", netip.MustParseAddrPort("20.202.0.1:3478"), nil, soon); err != nil {
		t.Error(err)
	}
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	out := l.Client.MustRun(t, "cat", "/proc/thread-self/net/dev")
	if !strings.Contains(out, "eth0:") {
		t.Errorf("a program in the client sees %q", out)
	}
	if out := l.Firewall.MustExec(t, "to be echoed", "cat"); out != "to be echoed" {
		t.Errorf("%q came back", out)
	}
	_, err := l.Server.Exec("", "sh", "-c", "echo this is why >&2; exit 3")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "this is why") {
		t.Errorf("a program that fails: %v", err)
	}
	if _, err := l.Server.Run("no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a program that is not there: %v", err)
	}

	cmd := exec.Command("sleep", "1000")
	stop, err := l.Client.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	stop()
	if cmd.ProcessState == nil {
		t.Error("the program was not awaited")
	}
}

func TestSysctl(t *testing.T) {
	t.Parallel()
	a, b := lab.New(t), lab.New(t)
	const name = "net.ipv4.ip_default_ttl"
	if err := a.Client.Sysctl(name, "77"); err != nil {
		t.Fatal(err)
	}
	for h, want := range map[*lab.Host]string{a.Client: "77", a.Firewall: "64", b.Client: "64"} {
		if got, err := h.ReadSysctl(name); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", h.Name(), got, err, want)
		}
	}
	if err := a.Client.Sysctl("net.ipv4.no_such_thing", "1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an unknown setting: %v", err)
	}
	if err := a.Client.Sysctl("kernel.hostname", "x"); err == nil {
		t.Error("a setting of the whole machine was accepted")
	}
}

// TestDoEndsTheTest has f end a test from inside a host: the thread must be
// home again for whoever runs on it next.
func TestDoEndsTheTest(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	home, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Client.Do(func() {
			l.Server.Do(runtime.Goexit) // as t.FailNow does
		})
		t.Error("the goroutine went on")
	}()
	<-ended
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			inside := ""
			l.Client.Do(func() { inside, _ = os.Readlink("/proc/thread-self/ns/net") })
			outside, err := os.Readlink("/proc/thread-self/ns/net")
			if err != nil || outside != home || inside == home || inside == "" {
				t.Errorf("outside in %s, %v, inside in %s; home is %s", outside, err, inside, home)
			}
		})
	}
	wg.Wait()
}

func TestManyLabsAtOnce(t *testing.T) {
	t.Parallel()
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l, in := lab.New(t), lab.NewInjector(t)
			if err := l.Server.AnswerUDP(3478); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				rules(t, in.Host(), "forward", "drop")
			}
			for range 20 {
				want := lab.Passed
				if i%2 == 0 {
					want = lab.Dropped
				}
				wantAll(t, decide(t, in, lab.UDP(addr("20.202.0.1"), 3478), lab.Connect(addr("2603:1063::1"), 443)), want)
				if _, err := l.Client.Ask("udp", netip.MustParseAddrPort("20.202.0.1:3478"), []byte{byte(i)}, soon); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestInjectorIsSharedSafely judges from several goroutines at once.
func TestInjectorIsSharedSafely(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	rules(t, in.Host(), "forward", "udp dport 7 drop")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				out, err := in.Decide([]lab.Packet{lab.UDP(addr("1.1.1.1"), 7), lab.UDP(addr("1.1.1.1"), 8)})
				if err != nil || out[0].Verdict != lab.Dropped || out[1].Verdict != lab.Passed {
					t.Errorf("%v, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestDecideRefuses(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	good := lab.UDP(addr("20.202.0.1"), 1)
	change := func(f func(*lab.Packet)) lab.Packet { p := good; f(&p); return p }
	for name, p := range map[string]lab.Packet{
		"no destination":      change(func(p *lab.Packet) { p.Dst = netip.Addr{} }),
		"loopback":            change(func(p *lab.Packet) { p.Dst = addr("127.0.0.1") }),
		"multicast":           change(func(p *lab.Packet) { p.Dst = addr("ff02::1") }),
		"mapped":              change(func(p *lab.Packet) { p.Dst = addr("::ffff:1.2.3.4") }),
		"families":            change(func(p *lab.Packet) { p.Src = addr("fd20::2") }),
		"to the firewall":     change(func(p *lab.Packet) { p.Dst = addr("10.20.0.1") }),
		"from the firewall":   change(func(p *lab.Packet) { p.Src = addr("10.20.0.1") }),
		"broadcast source":    change(func(p *lab.Packet) { p.Src = addr("255.255.255.255") }),
		"no such device":      change(func(p *lab.Packet) { p.In = "lan9" }),
		"outer, no source":    change(func(p *lab.Packet) { p.In = lab.WanName }),
		"size":                change(func(p *lab.Packet) { p.Size = 70000 }),
		"the other's ICMP":    change(func(p *lab.Packet) { p.Proto = lab.ProtoICMPv6 }),
		"a destination zoned": change(func(p *lab.Packet) { p.Dst = addr("fd20::9%lan0") }),
	} {
		if out, err := in.Decide([]lab.Packet{good, p}); err == nil {
			t.Errorf("%s: no error but %v", name, out)
		}
	}
	if out, err := in.Decide(nil); err != nil || len(out) != 0 {
		t.Errorf("no packets: %v, %v", out, err)
	}
}
