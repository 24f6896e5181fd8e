package reflector

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/testkit/need"
)

func testKey(tb testing.TB, fill byte) *Key {
	tb.Helper()
	secret := make([]byte, keySize)
	for i := range secret {
		secret[i] = byte(i)*7 + fill
	}
	k, err := ParseKey(base64.StdEncoding.EncodeToString(secret))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// bench is a reflector without sockets, and a client's requests.
type bench struct {
	tb   testing.TB
	s    *Server
	key  *Key
	from netip.AddrPort
}

func newBench(tb testing.TB, opt Options) *bench {
	key := testKey(tb, 1)
	return &bench{tb: tb, s: NewServer(key, opt), key: key, from: netip.MustParseAddrPort("192.0.2.7:5004")}
}

// ask gives a request to the reflector, and checks what has to hold for any answer.
func (b *bench) ask(p Packet, size int) (Packet, bool) {
	b.tb.Helper()
	request := make([]byte, size)
	p.encode(request, b.key)
	return b.give(request)
}

func (b *bench) give(request []byte) (Packet, bool) {
	b.tb.Helper()
	size := len(request)
	answer := b.s.answer(bytes.Clone(request), Peer{From: b.from}, nil, time.Now())
	if answer == nil {
		return Packet{}, false
	}
	if len(answer) > size {
		b.tb.Fatalf("%d bytes are answered with %d", size, len(answer))
	}
	got, err := decode(answer, b.key)
	if err != nil || got.Kind.request() {
		b.tb.Fatalf("the answer: %v, %+v", err, got)
	}
	return got, true
}

func (b *bench) open(session uint64) uint64 {
	b.tb.Helper()
	p, ok := b.ask(Packet{Kind: Hello, Session: session, Sent: time.Now().UnixNano()}, MinSize)
	if !ok || p.Kind != Welcome || p.Observed != b.from {
		b.tb.Fatalf("hello: %v %+v", ok, p)
	}
	return p.Cookie
}

func TestEchoAndTally(t *testing.T) {
	b := newBench(t, Options{})
	cookie := b.open(9)
	for i, n := range []uint32{0, 1, 3, 2, 5} {
		p, ok := b.ask(Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: n, Sent: 77}, 172)
		if !ok || p.Kind != Echoed || p.Sequence != n || p.Sent != 77 || p.Arrived != uint32(i+1) || p.Observed != b.from {
			t.Fatalf("echo %d: %+v", n, p)
		}
		if p.Received == 0 || p.Answered < p.Received {
			t.Errorf("received %d, answered %d", p.Received, p.Answered)
		}
		if n == 5 && p.Seen != 0b11110 { // 3, 2, 1, 0 and not 4
			t.Errorf("seen before 5: %b", p.Seen)
		}
	}
	b.ask(Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: 3}, 172)
	p, ok := b.ask(Packet{Kind: Tally, Session: 9, Cookie: cookie, Sequence: 70}, MinSize)
	if !ok || p.Kind != Tallied || p.Arrived != 5 || p.Duplicates != 1 || p.Pending != 0 {
		t.Errorf("tally: %v %+v", ok, p)
	}
	if p.Seen != seenBits(70, 0, 1, 2, 3, 5) {
		t.Errorf("seen before 70: %b", p.Seen)
	}
}

// seenBits are the bits that say of requests that they came before another.
func seenBits(before uint32, came ...uint32) (bits uint64) {
	for _, n := range came {
		if i := before - 1 - n; i < 64 {
			bits |= 1 << i
		}
	}
	return bits
}

// TestSilence is what must not be answered at all.
func TestSilence(t *testing.T) {
	b := newBench(t, Options{})
	cookie := b.open(9)
	good := make([]byte, 200)
	(&Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: 1}).encode(good, b.key)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if p, ok := b.give(bad); ok {
			t.Fatalf("a flipped bit in byte %d is answered: %+v", i, p)
		}
	}
	for _, n := range []int{0, 1, 4, MinSize - 1, MinSize, 199} {
		if _, ok := b.give(good[:n]); ok {
			t.Errorf("a datagram cut to %d bytes is answered", n)
		}
	}
	other := make([]byte, MinSize)
	(&Packet{Kind: Hello, Sent: time.Now().UnixNano()}).encode(other, testKey(t, 2))
	if _, ok := b.give(other); ok {
		t.Error("another key is answered")
	}
	for _, kind := range []Kind{Welcome, Echoed, Tallied, Delayed, 0, 10, 255} {
		if _, ok := b.ask(Packet{Kind: kind, Session: 9, Cookie: cookie, Sequence: 3}, MinSize); ok {
			t.Errorf("kind %d is answered", kind)
		}
	}
	long := make([]byte, MaxSize+1)
	(&Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: 4}).encode(long, b.key)
	if _, ok := b.give(long); ok {
		t.Error("an overlong datagram is answered")
	}
	from := b.from
	for _, s := range []string{"0.0.0.0:1", "224.0.0.1:5", "255.255.255.255:9", "[ff02::1]:7", "192.0.2.1:0"} {
		b.from = netip.MustParseAddrPort(s)
		if _, ok := b.ask(Packet{Kind: Hello, Session: 1, Sent: time.Now().UnixNano()}, MinSize); ok {
			t.Errorf("%s is answered", s)
		}
	}
	b.from = from
	// After all that, the good one is still good, once.
	if p, ok := b.give(good); !ok || p.Arrived != 1 {
		t.Errorf("the good request: %v %+v", ok, p)
	}
	if _, ok := b.give(good); ok {
		t.Error("a recorded request is answered again")
	}
	if c := b.s.Counters(); c.Stranger < 200 || c.Malformed != 7 || c.Repeated != 1 {
		t.Errorf("%+v", c)
	}
}

// TestRecordings replays datagrams from another address, later, and to a restarted
// reflector.
func TestRecordings(t *testing.T) {
	b := newBench(t, Options{})
	cookie := b.open(9)
	recorded := make([]byte, 400)
	(&Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: 1}).encode(recorded, b.key)
	home := b.from
	for _, elsewhere := range []string{"192.0.2.7:5005", "192.0.2.8:5004", "[2001:db8::1]:5004"} {
		b.from = netip.MustParseAddrPort(elsewhere)
		p, ok := b.give(recorded)
		if !ok || p.Kind != Refused || p.Reason != BadSession || p.Observed != b.from {
			t.Errorf("%s: %v %+v", elsewhere, ok, p)
		}
	}
	b.from = home
	again := newBench(t, Options{})
	if p, _ := again.give(recorded); p.Reason != BadSession {
		t.Errorf("after a restart: %+v", p)
	}
	// The cookie of a session that never was used expires.
	for _, c := range []struct {
		after time.Duration
		want  Reason
	}{{0, 0}, {cookiePeriod, 0}, {2*cookiePeriod - 1, 0}, {2 * cookiePeriod, BadSession}, {9 * cookiePeriod, BadSession}} {
		fresh := newBench(t, Options{})
		id := sessionID{5, fresh.from}
		value := fresh.s.cookie(id, 0)
		if _, reason := fresh.s.find(id, value, fresh.s.began.Add(c.after)); reason != c.want {
			t.Errorf("%v after: %v, want %v", c.after, reason, c.want)
		}
	}
}

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in time that goes by only where it is slept
		b := newBench(t, Options{Skew: time.Minute})
		for off, want := range map[time.Duration]Kind{
			0: Welcome, 59 * time.Second: Welcome, -59 * time.Second: Welcome,
			61 * time.Second: Refused, -61 * time.Second: Refused, 300 * 24 * time.Hour: Refused, -time.Duration(1 << 62): Refused,
		} {
			p, ok := b.ask(Packet{Kind: Hello, Session: 1, Sent: time.Now().Add(off).UnixNano()}, 500)
			if !ok || p.Kind != want {
				t.Errorf("a clock off by %v: %v %+v", off, ok, p)
			}
			if want == Refused && (p.Reason != BadClock || time.Since(time.Unix(0, p.Received)).Abs() > time.Minute) {
				t.Errorf("a clock off by %v: %+v", off, p)
			}
		}
	})
}

// TestRefusals replays hellos that are too old, and gets few answers, each of the least
// size.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in time that goes by only where it is slept
		b := newBench(t, Options{})
		request := make([]byte, 1000)
		(&Packet{Kind: Hello, Sent: 1}).encode(request, b.key)
		answers := 0
		for range 1000 {
			if answer := b.s.answer(bytes.Clone(request), Peer{From: b.from}, nil, time.Now()); answer != nil {
				answers++
				if len(answer) != MinSize {
					t.Fatalf("a refusal of %d bytes", len(answer))
				}
			}
		}
		if answers == 0 || answers > refusals+5 {
			t.Errorf("%d of 1000 recordings are answered", answers)
		}
		if c := b.s.Counters(); c.Refused != uint64(answers) || c.Refused+c.Unrefused != 1000 {
			t.Errorf("%+v", c)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in time that goes by only where it is slept
		b := newBench(t, Options{PerSource: 20, Total: 50})
		total := 0
		for i := range 5 {
			b.from = netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:5004", i+1))
			cookie := b.open(9)
			answered := 1
			for n := range uint32(100) {
				if _, ok := b.ask(Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: n}, MinSize); ok {
					answered++
				}
			}
			if answered > 25 {
				t.Errorf("%d answers to one source", answered)
			}
			total += answered
			// Another port of the same address is the same source.
			b.from = netip.AddrPortFrom(b.from.Addr(), 6000)
			if _, ok := b.ask(Packet{Kind: Hello, Session: 8, Sent: time.Now().UnixNano()}, MinSize); ok && answered >= 20 {
				t.Error("another port of the address gets past its limit")
			}
			if total > 40 {
				break
			}
		}
		if total > 65 {
			t.Errorf("%d answers in all", total)
		}
		if c := b.s.Counters(); c.RateLimit == 0 {
			t.Errorf("%+v", c)
		}
	})
}

// TestDeclinedIsTold: a client has to know that its packets arrived and were not
// answered, or it takes the rate limit for loss.
func TestDeclinedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in time that goes by only where it is slept
		b := newBench(t, Options{PerSource: 1000, Total: 10})
		cookie := b.open(9)
		for n := range uint32(50) {
			b.ask(Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: n}, MinSize)
		}
		time.Sleep(150 * time.Millisecond)
		p, ok := b.ask(Packet{Kind: Tally, Session: 9, Cookie: cookie, Sequence: 50}, MinSize)
		if !ok || p.Arrived != 50 || p.Declined < 35 || p.Seen != 1<<50-1 {
			t.Errorf("%v %+v", ok, p)
		}
	})
}

// TestMemory sends from more sources and sessions than there is room for.
func TestMemory(t *testing.T) {
	b := newBench(t, Options{Sources: 10, Sessions: 20, PerSource: 1e6, Total: 1e6})
	busy := 0
	for i := range 200 {
		b.from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 100), byte(i % 100)}), 5004)
		cookie := b.open(uint64(i))
		p, ok := b.ask(Packet{Kind: Echo, Session: uint64(i), Cookie: cookie}, MinSize)
		if ok && p.Reason == Busy {
			busy++
		}
		if len(b.s.limit.known) > 10 || b.s.limit.order.Len() != len(b.s.limit.known) || len(b.s.sessions) > 20 {
			t.Fatalf("%d limiters, %d sessions", len(b.s.limit.known), len(b.s.sessions))
		}
	}
	if busy == 0 || len(b.s.sessions) != 20 {
		t.Errorf("%d busy, %d sessions", busy, len(b.s.sessions))
	}
	// A session that was silent for long makes room.
	for _, one := range b.s.sessions {
		one.heard = one.heard.Add(-time.Hour)
	}
	b.s.swept = time.Time{}
	cookie := b.open(900)
	if p, ok := b.ask(Packet{Kind: Echo, Session: 900, Cookie: cookie}, MinSize); !ok || p.Kind != Echoed || len(b.s.sessions) != 1 {
		t.Errorf("%v %+v, %d sessions", ok, p, len(b.s.sessions))
	}
}

func TestPrefixes(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := prefixOf(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// TestWindow compares with a set that forgets nothing.
func TestWindow(t *testing.T) {
	var s session
	came := map[uint32]bool{}
	var highest uint32
	n := uint32(0)
	for i := range 200_000 {
		switch i % 7 {
		case 0:
			n += uint32(i % 50)
		case 1:
			n -= min(n, uint32(i%1500))
		case 2:
			if i%997 == 2 {
				n += 5000
			}
		default:
			n++
		}
		old := highest >= windowSize && n <= highest-windowSize
		want := !came[n] && !old
		if got := s.fresh(n); got != want {
			t.Fatalf("step %d, number %d of %d: fresh is %v", i, n, highest, got)
		}
		came[n] = came[n] || want
		highest = max(highest, n)
		var seen uint64
		for k := range uint32(64) {
			if before := n - 1 - k; k < n && came[before] && highest-before < windowSize {
				seen |= 1 << k
			}
		}
		if got := s.seen(n); got != seen {
			t.Fatalf("step %d: seen before %d is %b, want %b", i, n, got, seen)
		}
	}
	var edge session
	for _, n := range []uint32{1<<32 - 1, 1<<32 - 2, 5} {
		if got := edge.fresh(n); got != (n != 5) {
			t.Errorf("%d at the end of numbers: %v", n, got)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "key")
	if err := NewKeyFile(name); err != nil {
		t.Fatal(err)
	}
	a, err := ReadKeyFile(name)
	if err != nil || len(a.secret) != 32 {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", a, a, a, a); strings.Count(text, "(a key)") != 4 {
		t.Errorf("a key prints as %s", text)
	}
	before, _ := os.ReadFile(name)
	if err := NewKeyFile(name); err == nil {
		t.Error("a key is written over")
	}
	after, _ := os.ReadFile(name)
	if !bytes.Equal(before, after) {
		t.Error("the key changed")
	}
	if err := NewKeyFile(filepath.Join(dir, "none", "key")); err == nil {
		t.Error("a folder that is missing is no error")
	}
	if runtime.GOOS != "windows" {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o666} {
			os.Chmod(name, mode)
			if _, err := ReadKeyFile(name); err == nil {
				t.Errorf("mode %o is taken", mode)
			}
		}
		os.Chmod(name, 0o400)
		if _, err := ReadKeyFile(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := ReadKeyFile(dir); err == nil {
		t.Error("a folder is taken for a key")
	}
	for _, bad := range []string{"", "secret", strings.Repeat("A", 44), base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcde")),
		base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("abc"), 30)), string(before) + string(before)} {
		if _, err := ParseKey(bad); err == nil || bad != "" && strings.Contains(err.Error(), strings.TrimSpace(bad)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestLoopback serves real sockets, of one address and of all, in both families.
func TestLoopback(t *testing.T) {
	for _, c := range []struct{ listen, to string }{
		{"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "::1"}, {":0", "127.0.0.1"}, {":0", "::1"},
		{":0", "127.0.0.9"}, // an answer from 127.0.0.1 would not reach a connected socket
	} {
		if runtime.GOOS != "linux" && c.to == "127.0.0.9" {
			continue // only Linux has all of 127.0.0.0/8
		}
		t.Run(c.listen+" "+c.to, func(t *testing.T) {
			key := testKey(t, 1)
			server := NewServer(key, Options{})
			sockets, err := Listen(c.listen)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- server.Serve(ctx, sockets...) }()
			port := sockets[0].LocalAddr().Port()
			conn, err := net.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(c.to), port).String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			s, err := Open(t.Context(), conn, key, []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if s.Observed() != conn.LocalAddr().(*net.UDPAddr).AddrPort() {
				t.Errorf("observed %v, is %v", s.Observed(), conn.LocalAddr())
			}
			got, err := s.Idle(t.Context(), 50*time.Millisecond)
			if err != nil || got.Persistence != Kept || got.Came != 3 {
				t.Errorf("%v %+v", err, got)
			}
			if _, err := Open(t.Context(), conn, testKey(t, 2), []time.Duration{20 * time.Millisecond, 20 * time.Millisecond}); !errors.Is(err, ErrNoAnswer) {
				t.Errorf("another key: %v", err)
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if c := server.Counters(); c.Sessions != 1 || c.Delayed != 3 || c.Stranger != 2 || c.SendErrors != 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestListenOnAnyPort: a port that the system chose for IPv4 may be taken for IPv6, and
// then another one is chosen. Of the ports that it chooses from, some are taken here.
func TestListenOnAnyPort(t *testing.T) {
	for range 500 {
		c, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6unspecified})
		need.Kernel(t, err)
		defer c.Close()
	}
	for range 300 {
		list, err := Listen(":0")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			s.Close()
		}
	}
}

func TestListenMistakes(t *testing.T) {
	for _, bad := range []string{"", "3478", "example.com:3478", "127.0.0.1", "127.0.0.1:99999", "203.0.113.77:0", "300.1.1.1:5"} {
		if s, err := Listen(bad); err == nil {
			t.Errorf("%q: %v", bad, s)
		}
	}
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s[0].Close()
	if _, err := Listen(s[0].LocalAddr().String()); err == nil {
		t.Error("a port is taken twice")
	}
	if all, err := Listen(fmt.Sprintf(":%d", s[0].LocalAddr().Port())); err == nil {
		t.Errorf("a port that is taken in one family: %v", all)
	}
}

// FuzzDecode reads anything, signed and not: nothing panics, and what is read is
// written again as it was.
func FuzzDecode(f *testing.F) {
	key := testKey(f, 1)
	for _, kind := range []Kind{Hello, Echo, Later, Refused} {
		b := make([]byte, MinSize)
		p := Packet{Kind: kind, Session: 1, Cookie: 2, Sequence: 3, Delay: 4, Sent: 5, Observed: netip.MustParseAddrPort("[2001:db8::1]:9")}
		if kind == Refused {
			p.Reason = Busy
		}
		p.encode(b, key)
		f.Add(b)
	}
	f.Add([]byte("SPR\x01"))
	server := NewServer(key, Options{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decode(b, key); err == nil && len(b) < MinSize {
			t.Fatal("too short, and read")
		}
		if len(b) < MinSize || len(b) > MaxSize {
			return
		}
		b = slices.Clone(b)
		copy(b, "SPR\x01")
		mac := key.mac(b[:len(b)-macSize])
		copy(b[len(b)-macSize:], mac[:])
		p, err := decode(b, key)
		if err == nil {
			again := slices.Clone(b)
			p.encode(again, key)
			if !bytes.Equal(b[:80], again[:80]) || p.Observed.IsValid() && !p.Observed.Addr().Is4() && !bytes.Equal(b, again) {
				t.Fatalf("%x is written again as %x", b, again)
			}
		}
		size := len(b)
		if answer := server.answer(b, Peer{From: netip.MustParseAddrPort("192.0.2.1:9")}, nil, time.Now()); len(answer) > size {
			t.Fatalf("%d bytes are answered with %d", size, len(answer))
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	bench := newBench(b, Options{PerSource: 1e9, Total: 1e9})
	cookie := bench.open(9)
	request := make([]byte, 172)
	n := uint32(0)
	for b.Loop() {
		(&Packet{Kind: Echo, Session: 9, Cookie: cookie, Sequence: n}).encode(request, bench.key)
		if bench.s.answer(request, Peer{From: bench.from}, nil, time.Now()) == nil {
			b.Fatal("no answer")
		}
		n++
	}
}

func BenchmarkStranger(b *testing.B) {
	bench := newBench(b, Options{})
	request := make([]byte, MaxSize)
	copy(request, "SPR\x01")
	for b.Loop() {
		bench.s.answer(request, Peer{From: bench.from}, nil, time.Now())
	}
}
