package reflector

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serveEnv makes the test binary a server, which a benchmark measures as a process.
const serveEnv = "SALLYPORT_TEST_SERVE"

const speedKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func init() { serveIfTold = serveByEnv }

// serveByEnv serves until it is killed, where the environment says so.
func serveByEnv() {
	switch what := os.Getenv(serveEnv); what {
	case "":
		return
	case "echo":
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			panic(err)
		}
		_ = c.SetReadBuffer(receiveBuffer)
		fmt.Println(c.LocalAddr())
		buf := make([]byte, MaxSize+1)
		for {
			if n, from, err := c.ReadFromUDPAddrPort(buf); err == nil {
				_, _ = c.WriteToUDPAddrPort(buf[:n], from)
			}
		}
	default:
		key, err := ParseKey(speedKey)
		if err != nil {
			panic(err)
		}
		sockets, err := Listen(what)
		if err != nil {
			panic(err)
		}
		fmt.Printf("127.0.0.1:%d\n", sockets[0].LocalAddr().Port())
		_ = NewServer(key, Options{PerSource: 1e9, Total: 1e9}).Serve(context.Background(), sockets...)
		os.Exit(0)
	}
}

// served is a server under measurement.
type served struct {
	cmd *exec.Cmd
	to  netip.AddrPort
}

func serve(b *testing.B, what string) *served {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	s := &served{cmd: exec.Command(exe)}
	s.cmd.Env = append(os.Environ(), serveEnv+"="+what, "GOMAXPROCS=1")
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	s.to = netip.MustParseAddrPort(strings.TrimSpace(line))
	return s
}

// used is the processor time of the process so far, to a hundredth of a second
// (proc(5): utime and stime).
func (s *served) used(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// flood has n datagrams answered, window of them at once, and returns the server's
// processor time for each. open makes the requests of a socket.
func (s *served) flood(b *testing.B, n, window int, open func(c *net.UDPConn) func(buf []byte, i uint32)) time.Duration {
	b.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.to))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadBuffer(1 << 22)
	request := open(c)
	before, answered := s.used(b), 0
	buf := make([]byte, 172)
	for i := uint32(0); answered < n; {
		for range window {
			request(buf, i)
			i++
			if _, err := c.Write(buf); err != nil {
				b.Fatal(err)
			}
		}
		for range window {
			if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Read(buf); err != nil {
				break // lost in a buffer
			}
			answered++
		}
	}
	return (s.used(b) - before) / time.Duration(answered)
}

// BenchmarkBesideEcho measures what an answer costs the reflector's process, the
// system's work for it included, beside a program that sends back what it gets. They
// take turns in one run, so that the ratio holds on a machine that is busy.
func BenchmarkBesideEcho(b *testing.B) {
	key, err := ParseKey(speedKey)
	if err != nil {
		b.Fatal(err)
	}
	bare := func(*net.UDPConn) func([]byte, uint32) {
		return func(buf []byte, i uint32) { binary.BigEndian.PutUint32(buf, i) }
	}
	train := func(c *net.UDPConn) func([]byte, uint32) {
		session, err := Open(context.Background(), c, key, nil)
		if err != nil {
			b.Fatal(err)
		}
		return func(buf []byte, i uint32) { session.Request(buf, Echo, i, 1, 0) }
	}
	echo, one, all := serve(b, "echo"), serve(b, "127.0.0.1:0"), serve(b, ":0")
	for _, load := range []struct {
		name         string
		turn, window int
	}{{"busy", 200_000, 256}, {"one by one", 50_000, 1}} {
		b.Run(load.name, func(b *testing.B) {
			var cost [3]time.Duration
			for b.Loop() {
				for i, took := range []time.Duration{echo.flood(b, load.turn, load.window, bare), one.flood(b, load.turn, load.window, train), all.flood(b, load.turn, load.window, train)} {
					if cost[i] == 0 || took < cost[i] {
						cost[i] = took
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(cost[0]), "echo-ns")
			b.ReportMetric(float64(cost[1]), "answer-ns")
			b.ReportMetric(float64(cost[2]), "answer-on-all-ns")
			b.ReportMetric(float64(cost[1])/float64(cost[0]), "ratio")
			b.ReportMetric(1e9/float64(cost[1]), "answers/s")
		})
	}
}
