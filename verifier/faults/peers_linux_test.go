package faults

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/impair"
	"sallyport/internal/testkit/need"
	"sallyport/verifier"
)

// peersPolicy asks a relay and a signalling host that real programs play: coturn has
// TURN over TCP on the port of UDP.
var peersPolicy = strings.NewReplacer(`udp = ["3478-3481"]`, `udp = ["3478", "3480"]`, "tcp = [443]\n}\nservice \"stun\"", "tcp = [3478]\n}\nservice \"stun\"",
	"  services = [service.stun]\n", "  services = [service.media]\n").Replace(policyText)

// TestRealPeers asks coturn and OpenSSL, with and without faults; what goes over the
// wire is valid STUN to tshark.
func TestRealPeers(t *testing.T) {
	t.Parallel()
	plans := map[bool][]byte{false: bundle(t, peersPolicy)}
	for _, r := range []faultCase{
		{name: "no fault"},
		{name: "a port dropped, and NAT", faults: []fault{masquerade, drops("", firewall, port(3480))}, wants: []want{is(port(3480), filtered)}, exit: 1},
		{name: "UDP rejected", faults: []fault{rejects("", firewall, which{host: "relay", prot: "udp", from: 3478, to: 3480}, "admin-prohibited", "admin-prohibited")},
			wants: []want{is(which{host: "relay", prot: "udp"}, isRejected)}, exit: 1},
		{name: "symmetric NAT, and loss", faults: []fault{randomNAT, link("", impair.Faults{Loss: 0.05}, impair.Faults{Loss: 0.05})},
			checks: outcomes{verifier.CheckMapping: verifier.Warn}},
		{name: "TLS interception", faults: []fault{intercepted}, wants: []want{is(signals, inconclusive)}, checks: outcomes{verifier.CheckCert: verifier.Fail}, exit: 1},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			real := does("", func(w *world) {
				w.peers = true
				// Interception redirects TCP 443, where signalling is and the relay is not.
				for i := range w.facts.stops {
					if w.facts.stops[i].when == atRedirect {
						w.facts.stops[i].which = signals
					}
				}
				w.coturn()
				w.openssl()
				wire := w.capture(w.tb)
				w.tb.Cleanup(func() { wire.check(w.tb) }) // before the network goes
			})
			r.faults = append(slices.Clone(r.faults), real)
			r.run(t, plans)
		})
	}
}

// coturn runs a relay on the server, at the addresses of both relays.
func (w *world) coturn() {
	w.tb.Helper()
	turnserver := need.Program(w.tb, "turnserver")
	dir := w.tb.TempDir()
	args := []string{"-n", "--listening-port", "3478", "--alt-listening-port", "3480", "--lt-cred-mech", "--user", "a:b", "--realm", "lab.example",
		"--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", "--pidfile", dir + "/pid", "--db", dir + "/db", "--min-port", "50000", "--max-port", "50100"}
	for _, a := range []netip.Addr{relay4, relay6, other4, other6} {
		w.Server.MustRun(w.tb, "ip", "addr", "replace", netip.PrefixFrom(a, a.BitLen()).String(), "dev", "lo")
		args = append(args, "--listening-ip", a.String(), "--aux-server", net.JoinHostPort(a.String(), "3480"))
		if a == relay4 || a == relay6 {
			args = append(args, "--relay-ip", a.String())
		}
	}
	w.program(turnserver, args...)
	for _, a := range []netip.Addr{relay4, relay6, other4, other6} {
		w.accepts(netip.AddrPortFrom(a, 3478))
		w.accepts(netip.AddrPortFrom(a, 3480))
	}
}

// openssl runs a TLS server on the server, in both families.
func (w *world) openssl() {
	w.tb.Helper()
	openssl := need.Program(w.tb, "openssl")
	cert, err := labCA().issue(signalName, time.Now().Add(time.Hour))
	if err != nil {
		w.tb.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		w.tb.Fatal(err)
	}
	file := filepath.Join(w.tb.TempDir(), "server.pem")
	pems := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, pems, 0o600); err != nil {
		w.tb.Fatal(err)
	}
	for _, a := range []netip.Addr{signal4, signal6} {
		at := netip.AddrPortFrom(a, 443)
		w.program(openssl, "s_server", "-accept", at.String(), "-cert", file, "-key", file, "-www", "-quiet")
		w.accepts(at)
	}
}

func (w *world) program(name string, args ...string) {
	w.tb.Helper()
	cmd := exec.Command(name, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	stop, err := w.Server.Start(cmd)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() {
		stop()
		if w.tb.Failed() {
			w.tb.Logf("%s: %s", filepath.Base(name), log.String())
		}
	})
}

// accepts waits until the server itself is let in at an address of its own.
func (w *world) accepts(at netip.AddrPort) {
	w.tb.Helper()
	await.NoError(w.tb, "a server at "+at.String(), func() error {
		c, err := w.Server.Dial(nil, "tcp", at.String())
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// A capture is the frames of the client's link, as a file that Wireshark's tools read
// (https://wiki.wireshark.org/Development/LibpcapFileFormat).
type capture struct {
	file string
	stop func()
}

// capture begins to record.
func (w *world) capture(tb testing.TB) *capture {
	tb.Helper()
	need.Program(tb, "tshark")
	file, err := os.Create(filepath.Join(tb.TempDir(), "wire.pcap"))
	if err != nil {
		tb.Fatal(err)
	}
	var fd int
	w.Client.Do(func() {
		everything := int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL)))
		var link *net.Interface
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, everything); err != nil {
			return
		}
		if link, err = net.InterfaceByName("eth0"); err == nil {
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(everything), Ifindex: link.Index})
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	socket := os.NewFile(uintptr(fd), "packets")
	tb.Cleanup(func() { socket.Close() }) // also where nobody looks at it
	const ethernet = 1
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	head = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(head, 2), 4) // version
	for _, n := range []uint32{0, 0, 1 << 16, ethernet} {
		head = binary.LittleEndian.AppendUint32(head, n)
	}
	done := make(chan error, 1)
	go func() { done <- record(file, socket, head) }()
	c := &capture{file: file.Name()}
	c.stop = func() {
		socket.Close()
		if err := errors.Join(<-done, file.Close()); err != nil {
			tb.Error(err)
		}
	}
	return c
}

func record(file, socket *os.File, head []byte) error {
	if _, err := file.Write(head); err != nil {
		return err
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := socket.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		now := time.Now()
		var frame []byte
		for _, v := range []int64{now.Unix(), int64(now.Nanosecond() / 1000), int64(n), int64(n)} {
			frame = binary.LittleEndian.AppendUint32(frame, uint32(v))
		}
		if _, err := file.Write(append(frame, buf[:n]...)); err != nil {
			return err
		}
	}
}

// check lets tshark decode what was recorded: every packet from and to a relay is
// valid STUN, questions and answers are those that were meant, and no answer has an id
// that was not asked.
func (c *capture) check(t testing.TB) {
	t.Helper()
	c.stop()
	tshark := func(filter string, fields ...string) [][]string {
		args := []string{"-n", "-r", c.file, "-d", "udp.port==3480,stun", "-d", "tcp.port==3478,stun", "-d", "tcp.port==3480,stun", "-Y", filter, "-T", "fields"}
		for _, f := range fields {
			args = append(args, "-e", f)
		}
		cmd := exec.Command("tshark", args...)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("tshark: %v: %s", err, complaints.String())
		}
		var rows [][]string
		for line := range strings.Lines(string(out)) {
			rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		}
		return rows
	}
	if bad := tshark("(udp.port==3478 || udp.port==3480) && !icmp && !icmpv6 && (!stun || _ws.malformed)", "frame.number"); len(bad) > 0 {
		t.Errorf("frames %v are not valid STUN", bad)
	}
	if bad := tshark("stun && (_ws.malformed || _ws.expert.severity >= 0x600000)", "frame.number", "_ws.expert.message"); len(bad) > 0 {
		t.Errorf("frames %v: tshark complains", bad)
	}
	asked, kinds := map[string]bool{}, map[string]int{}
	for _, r := range tshark("stun && !icmp && !icmpv6", "stun.type", "stun.id", "stun.cookie", "stun.att.error") {
		typ, id := r[0], r[1]
		kinds[typ]++
		if r[2] != "2112a442" && r[2] != "0x2112a442" {
			t.Errorf("a message with cookie %s", r[2])
		}
		switch typ {
		case "0x0001", "0x0003":
			asked[id] = true
		default:
			if !asked[id] {
				t.Errorf("an answer %s to %s, which was not asked", typ, id)
			}
		}
	}
	if kinds["0x0001"] == 0 || kinds["0x0101"] == 0 || kinds["0x0003"] == 0 || kinds["0x0113"] == 0 {
		t.Errorf("messages by type: %v", kinds)
	}
}
