package media

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"sallyport/internal/testkit/impair"
	"sallyport/verifier/reflector"
)

// startReflector runs a reflector on loopback, and returns its address.
func startReflector(tb testing.TB, listen string, opt reflector.Options) netip.AddrPort {
	tb.Helper()
	sockets, err := reflector.Listen(listen)
	if err != nil {
		tb.Fatal(err)
	}
	server := reflector.NewServer(key, opt)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, sockets...) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	return sockets[0].LocalAddr()
}

// brisk is the client's limits and a train at 1/10 of the time: 500 packets a second for
// 1.5 s. Latency and jitter are what they are.
func brisk() (Limits, Options) {
	l := Client()
	l.Window, l.BurstWindow = l.Window/10, l.BurstWindow/10
	return l, Options{Rate: 500, Duration: 1500 * time.Millisecond, Linger: 200 * time.Millisecond}
}

// busy says that this machine had something else to do during a train.
func busy(r Assessment) bool { return !r.TimerOK || r.Stats.Late.P99 > 5*time.Millisecond }

// tosOf is the mark of what a socket sends.
func tosOf(c *net.UDPConn) (int, error) {
	if c.RemoteAddr().(*net.UDPAddr).IP.To4() != nil {
		return ipv4.NewConn(c).TOS()
	}
	return ipv6.NewConn(c).TrafficClass()
}

// TestLoopback sends real trains in both families, marked and not.
func TestLoopback(t *testing.T) {
	for _, c := range []struct {
		listen string
		dscp   int
	}{{"127.0.0.1:0", 0}, {"127.0.0.1:0", Marks["EF"]}, {"[::1]:0", Marks["AF41"]}} {
		t.Run(fmt.Sprint(c.listen, " ", c.dscp), func(t *testing.T) {
			t.Parallel()
			conn, err := Dial(t.Context(), startReflector(t, c.listen, reflector.Options{PerSource: 2000}), DialOptions{DSCP: c.dscp})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if tos, err := tosOf(conn.UDPConn); err != nil || tos != c.dscp<<2 {
				t.Errorf("marked with %d, want %d, %v", tos, c.dscp<<2, err)
			}
			limits, opt := brisk()
			told := 0
			opt.Progress = func(sent, answered, of int) { told = sent }
			train, err := Measure(t.Context(), conn, key, opt)
			if err != nil {
				t.Fatal(err)
			}
			if m, ok := conn.Mark(); runtime.GOOS == "linux" && (!ok || int(m) != c.dscp || !train.There.Marked || int(train.There.Mark) != c.dscp || int(train.Mark) != c.dscp) {
				t.Errorf("marks: %d here, %+v there, want %d", m, train.There, c.dscp)
			}
			r := Judge(train, limits)
			for m, got := range outcomesOf(r) {
				// A busy machine may make anything inconclusive, and nothing fail.
				if got == fail || !busy(r) && got != pass && m != Reordering {
					t.Errorf("%s is %s%s", m, got, explain(r))
				}
			}
			if told != 750 {
				t.Errorf("progress says %d", told)
			}
			t.Logf("late: median %v, 99th %v; round trip: median %v, 95th %v", r.Stats.Late.Median, r.Stats.Late.P99, r.Stats.RTT.Median, r.Stats.RTT.P95)
		})
	}
}

// TestForwarder does the same through faults in user space.
func TestForwarder(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name              string
		forward, backward impair.Faults
		must              outcomes
	}{
		{"loss", impair.Faults{Loss: 0.08}, impair.Faults{}, outcomes{LossRate: fail, BurstLoss: fail, RoundTrip: pass}},
		{"bursts back", impair.Faults{}, impair.Faults{Loss: 0.08, Burst: 5}, outcomes{LossRate: fail, BurstLoss: fail, RoundTrip: pass}},
		{"delay", impair.Faults{Delay: 70 * ms}, impair.Faults{Delay: 70 * ms}, outcomes{RoundTrip: fail, OneWay: fail, LossRate: pass}},
		{"jitter and reordering", impair.Faults{Reorder: 0.5, HoldBack: 120 * ms}, impair.Faults{}, outcomes{Jittering: fail, Reordering: fail, LossRate: pass}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			forwarder, err := impair.Forward(netip.MustParseAddr("127.0.0.1"), startReflector(t, "127.0.0.1:0", reflector.Options{PerSource: 2000}), impair.NewPath(c.forward, 5), impair.NewPath(c.backward, 6))
			if err != nil {
				t.Fatal(err)
			}
			defer forwarder.Close()
			conn, err := Dial(t.Context(), forwarder.Addr(), DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			limits, opt := brisk()
			train, err := Measure(t.Context(), conn, key, opt)
			if err != nil {
				t.Fatal(err)
			}
			r := Judge(train, limits)
			for m, got := range outcomesOf(r) {
				want, ok := c.must[m]
				// On a machine that is too busy to send on time, less can be said.
				if ok && got != want && !(busy(r) && got == undecided) {
					t.Errorf("%s is %s%s", m, got, explain(r))
				}
			}
		})
	}
}

// TestNobodyThere: a port that is closed, and one that says nothing.
func TestNobodyThere(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, to := range []net.Addr{silent.LocalAddr(), closed.LocalAddr()} {
		conn, err := Dial(t.Context(), to.(*net.UDPAddr).AddrPort(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := Measure(t.Context(), conn, key, Options{Waits: []time.Duration{30 * time.Millisecond, 30 * time.Millisecond}}); !errors.Is(err, reflector.ErrNoAnswer) {
			t.Errorf("%v: %v", to, err)
		}
	}
	if _, err := Dial(t.Context(), netip.MustParseAddrPort("127.0.0.1:9"), DialOptions{DSCP: 64}); err == nil {
		t.Error("DSCP 64 is taken")
	}
}

// BenchmarkTimer is a train of 50 packets a second over loopback: how late it is, which
// on an idle machine is to be under 1 ms at the median.
func BenchmarkTimer(b *testing.B) {
	conn, err := Dial(context.Background(), startReflector(b, "127.0.0.1:0", reflector.Options{}), DialOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	var all []time.Duration
	for b.Loop() {
		train, err := Measure(context.Background(), conn, key, Options{Duration: 5 * time.Second, Linger: 100 * time.Millisecond})
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range train.Samples {
			all = append(all, s.Sent-s.Due)
		}
	}
	s := summarize(all)
	b.ReportMetric(float64(s.Median)/1e3, "median-µs")
	b.ReportMetric(float64(s.P99)/1e3, "99th-µs")
	b.ReportMetric(float64(s.Max)/1e3, "max-µs")
}
