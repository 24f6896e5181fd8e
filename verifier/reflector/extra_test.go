package reflector

import (
	"context"
	"net"
	"testing"
	"time"
)

// TestExtra: who asks with more room gets more, and who does not, the bytes of before.
func TestExtra(t *testing.T) {
	b := newBench(t, Options{})
	cookie := b.open(9)
	ask := func(kind Kind, n uint32, size int) (Packet, []byte) {
		request := make([]byte, size)
		(&Packet{Kind: kind, Session: 9, Cookie: cookie, Sequence: n, Sent: time.Now().UnixNano()}).encode(request, b.key)
		answer := b.s.answer(request, Peer{From: b.from, Mark: 46, Marked: true}, nil, time.Now())
		p, err := decode(answer, b.key)
		if err != nil || len(answer) != size {
			t.Fatalf("%d bytes are answered with %d, %v", size, len(answer), err)
		}
		return p, answer
	}
	ask(Echo, 0, 172)
	long, _ := ask(Tally, 1, MinSize+ExtraSize)
	if e := long.Extra; !e.Marked || e.Mark != 46 || e.Clock > time.Second || e.Clock < -time.Second {
		t.Errorf("%+v", e)
	}
	short, raw := ask(Tally, 2, MinSize+ExtraSize-1)
	for _, c := range raw[headerSize : len(raw)-macSize] {
		if c != 0 || short.Extra != (Extra{}) {
			t.Fatalf("without room: %+v, %x", short.Extra, raw)
		}
	}
	welcome, _ := ask(Hello, 0, MinSize+ExtraSize)
	if welcome.Kind != Welcome || welcome.Extra.Dropped != 0 {
		t.Errorf("%+v", welcome)
	}
	s := Session{dropped: 1<<32 - 2}
	if n := s.Dropped(Extra{Dropped: 3}); n != 5 {
		t.Errorf("from 2^32-2 to 3 are %d", n)
	}
}

// TestPlainSocket: a socket that reads and sends one by one, as on Windows, serves as
// well.
func TestPlainSocket(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- NewServer(key, Options{}).Serve(ctx, plainSocket{c}) }()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(plainSocket{c}.LocalAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, err := Open(t.Context(), conn, key, nil)
	if err != nil || s.Observed() != unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort()) {
		t.Errorf("%v, %v", s, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
