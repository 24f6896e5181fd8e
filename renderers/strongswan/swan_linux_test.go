package strongswan

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests load what is rendered into a charon of their own, beside an admin's
// connection whose tunnel wants everything, and look at the firewall at which packets
// come past the tunnel. The tunnel's other end does not exist: charon keeps what
// should enter it.

// swan is a client with charon and a firewall that notes what comes in the clear.
type swan struct {
	*lab.Lab
	dir string
}

// The tunnel of the admin, and what any VPN for IPv6 has to leave alone.
const tunnel = `connections {
  office {
    remote_addrs = 203.0.113.77
    local { auth = psk }
    remote { auth = psk }
    children {
      all {
        local_ts = 0.0.0.0/0,::/0
        remote_ts = 0.0.0.0/0,::/0
        start_action = trap
      }
    }
  }
  lan {
    remote_addrs = 127.0.0.1
    children {
      lan4 {
        local_ts = 0.0.0.0/0
        remote_ts = 10.20.0.0/16
        mode = pass
        start_action = trap
      }
      lan6 {
        local_ts = ::/0
        remote_ts = fd20::/16,fe80::/10,ff00::/8
        mode = pass
        start_action = trap
      }
    }
  }
}
`

const watch = `table inet seen {
  set four { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 200000; }
  set six { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 200000; }
  chain forward {
    type filter hook forward priority 0;
    add @four { ip daddr . ip protocol . th dport }
    add @six { ip6 daddr . ip6 nexthdr . th dport }
    drop
  }
}
`

// newSwan starts charon with the admin's connections. Everything of it is below a
// folder of its own.
func newSwan(t *testing.T, settings string) *swan {
	for _, p := range []string{"charon-systemd", "swanctl", "nft", "ip"} {
		need.Program(t, p)
	}
	s := &swan{Lab: lab.New(t), dir: t.TempDir()}
	s.write(t, "strongswan.conf", fmt.Sprintf(`charon-systemd {
  load_modular = yes
  journal { default = -1 }
  filelog { log { path = %[1]s/log
    default = 1
    flush_line = yes } }
  plugins {
    include /etc/strongswan.d/charon/*.conf
    vici { socket = unix://%[1]s/vici }
  }
  %[2]s
}
swanctl {
  load = pem
  socket = unix://%[1]s/vici
}
`, s.dir, settings))
	s.write(t, "swanctl.conf", tunnel+"include conf.d/*.conf\n")
	if err := os.Mkdir(filepath.Join(s.dir, "conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.write(t, "conf.d/admin.conf", "# swanctl wonders where conf.d is empty\n")
	cmd := exec.Command("charon-systemd")
	cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+s.dir+"/strongswan.conf")
	if _, err := s.Client.Start(cmd); err != nil {
		t.Fatal(err)
	}
	await.NoError(t, "charon", func() error {
		conn, err := net.Dial("unix", s.dir+"/vici")
		if err != nil {
			log, _ := os.ReadFile(s.dir + "/log")
			return fmt.Errorf("it does not start: %w:\n%s", err, log)
		}
		return conn.Close()
	})
	s.load(t, nil)
	s.Firewall.MustExec(t, watch, "nft", "-f", "-")
	return s
}

func (s *swan) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var loaded = regexp.MustCompile(`^(loaded connection '\w+'|successfully loaded \d+ connections?, \d+ unloaded)$`)

// load puts files, if any, into conf.d and runs the command of their page. What it
// says, and what charon logs, must be nothing that somebody should read.
func (s *swan) load(t *testing.T, files []renderers.File) {
	t.Helper()
	if len(files) > 0 {
		s.write(t, "conf.d/edge.conf", string(files[0].Data))
	}
	out := s.Client.MustRun(t, "env", "STRONGSWAN_CONF="+s.dir+"/strongswan.conf", "sh", "-c",
		"exec swanctl --load-conns --file "+s.dir+"/swanctl.conf 2>&1")
	for line := range strings.Lines(out) {
		if !loaded.MatchString(strings.TrimSpace(line)) {
			t.Errorf("swanctl says %q", line)
		}
	}
	log, err := os.ReadFile(s.dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		// The kernel tells charon of each of its own thousands of routes in table 220,
		// faster than it reads; it asks for routes when it needs them.
		if strings.Contains(line, "unable to receive from RT event socket No buffer space") {
			continue
		}
		for _, word := range []string{"failed", "ignored", "exceeds", "unable", "invalid", "error"} {
			if strings.Contains(line, word) && !strings.Contains(line, "feature") {
				t.Errorf("charon logs %q", line)
			}
		}
	}
}

// state is what charon put into the kernel.
func (s *swan) state(t *testing.T) string {
	t.Helper()
	return s.Client.MustRun(t, "ip", "xfrm", "policy") + s.Client.MustRun(t, "sh", "-c",
		"ip -4 route show table 220 2>/dev/null; ip -6 route show table 220 2>/dev/null; true")
}

// flow is a datagram, or the first segment of a connection, to an address.
type flow struct {
	to    netip.AddrPort
	proto rules.Protocol
}

func (f flow) String() string { return fmt.Sprintf("%s %s", f.to, f.proto) }

// sendSYN sends the first segment of a connection, for which nobody waits.
func sendSYN(t *testing.T, to netip.AddrPort) {
	t.Helper()
	domain, at := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())})
	if to.Addr().Is4() {
		domain, at = unix.AF_INET, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	// What the tunnel should carry fails.
	if err := unix.Connect(fd, at); err == nil {
		t.Fatalf("%s answers", to)
	}
}

// clear sends what flows say from the client, and returns those that the firewall sees
// in the clear, as far as they have come to it.
func (s *swan) clear(t *testing.T, flows []flow) map[flow]bool {
	t.Helper()
	s.Firewall.MustRun(t, "nft", "flush", "set", "inet", "seen", "four")
	s.Firewall.MustRun(t, "nft", "flush", "set", "inet", "seen", "six")
	socket, err := s.Client.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, f := range flows {
		if f.proto == rules.TCP {
			s.Client.Do(func() { sendSYN(t, f.to) })
			continue
		}
		// What the tunnel should carry fails, or is kept.
		_, _ = socket.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(f.to))
	}
	seen := map[flow]bool{}
	text := s.Firewall.MustRun(t, "nft", "-n", "list", "set", "inet", "seen", "four") +
		s.Firewall.MustRun(t, "nft", "-n", "list", "set", "inet", "seen", "six")
	for _, m := range element.FindAllStringSubmatch(text, -1) {
		a, err := netip.ParseAddrPort(net.JoinHostPort(m[1], m[3]))
		if err != nil {
			t.Fatal(err)
		}
		proto, _ := rules.ProtocolNamed(m[2])
		seen[flow{a, proto}] = true
	}
	return seen
}

var element = regexp.MustCompile(`([0-9a-f:.]+) \. (\d+) \. (\d+)`)

// expect holds the client to p: what bypasses comes to the firewall, what is tunnelled
// does not. There must be some of both.
func (s *swan) expect(t *testing.T, p *rules.Plan, flows []flow) {
	t.Helper()
	want := map[flow]bool{}
	for _, f := range flows {
		v, _ := p.Decide(rules.Flow{Src: f.to.Addr(), Dst: f.to.Addr(), Proto: f.proto, Point: f.to.Port()})
		want[f] = v == rules.Bypass
	}
	got := map[flow]bool{}
	again := flows
	// A datagram may be under way, or lost for want of a neighbour's address.
	await.NoError(t, "what bypasses the tunnel", func() error {
		for f := range s.clear(t, again) {
			got[f] = true
		}
		again = nil
		for f, bypass := range want {
			if bypass && !got[f] {
				again = append(again, f)
			}
		}
		if len(again) > 0 {
			return fmt.Errorf("%d flows of %d do not come to the firewall, such as %v", len(again), len(want), again[0])
		}
		return nil
	})
	wrong, bypassed := 0, 0
	for f, bypass := range want {
		if bypass {
			bypassed++
		}
		if got[f] != bypass {
			if wrong++; wrong <= 5 {
				t.Errorf("%s: bypass by the plan is %v, and in the clear %v", f, bypass, got[f])
			}
		}
	}
	switch {
	case wrong > 0:
		t.Fatalf("%d of %d flows go the wrong way", wrong, len(want))
	case bypassed == 0 || bypassed == len(want):
		t.Fatalf("all of %d flows go one way: this test shows nothing", len(want))
	}
	t.Logf("%d flows, %d of them in the clear", len(want), bypassed)
}

func datagrams(set ipranges.Set, port uint16) []flow {
	var list []flow
	for _, a := range routecheck.Probes(set) {
		if !netip.MustParsePrefix("10.20.0.0/16").Contains(a) {
			list = append(list, flow{netip.AddrPortFrom(a, port), rules.UDP})
		}
	}
	return list
}

func (s *swan) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(s.dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func numPrefixes(s ipranges.Set) int {
	return s.NumPrefixes(ipranges.IPv4) + s.NumPrefixes(ipranges.IPv6)
}

// sorted is the policies and routes of a state in an order of their own: the kernel
// keeps that of their coming.
func sorted(state string) string {
	list := strings.Split(strings.ReplaceAll(state, "\n\t", " "), "\n")
	slices.Sort(list)
	return strings.Join(list, "\n")
}
