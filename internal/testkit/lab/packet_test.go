package lab

import (
	"net/netip"
	"testing"
)

// samples is a packet of each kind for a pair of addresses, complete.
func samples(src, dst netip.Addr) []Packet {
	ps := []Packet{UDP(dst, 3478), Connect(dst, 443), Echo(dst),
		{Dst: dst, Proto: 47}, {Dst: dst, Proto: 132, DstPort: 5000},
		{Dst: dst, Proto: ProtoTCP, Flags: ACK | PSH, Seq: 7, Ack: 1 << 31, DstPort: 80, Size: 777},
		{Dst: dst, Proto: ProtoUDP, DstPort: 9, Size: 1500, TOS: 0xb8},
	}
	for i := range ps {
		ps[i].Src, ps[i].SrcPort = src, uint16(50000+i)
	}
	return ps
}

func bothFamilies() []Packet {
	return append(samples(netip.MustParseAddr("10.20.0.2"), netip.MustParseAddr("20.202.0.1")),
		samples(netip.MustParseAddr("fd20::2"), netip.MustParseAddr("2603:1063::1"))...)
}

func TestPacketIsKnownAgain(t *testing.T) {
	t.Parallel()
	for i, p := range bothFamilies() {
		id := uint32(0xfffffff0) + uint32(i)
		b := p.appendTo([]byte("before"), id)[len("before"):]
		w, ok := parseIP(b)
		if !ok {
			t.Fatalf("%v: no packet", &p)
		}
		if got := identify(w); got != (sighting{itself, id}) {
			t.Errorf("%v: identified as %+v, want number %d", &p, got, id)
		}
		src, dst := w.endpoints()
		if p.Proto == ProtoICMP || p.Proto == ProtoICMPv6 {
			p.DstPort = 0
		}
		if src != netip.AddrPortFrom(p.Src, p.SrcPort) || dst != netip.AddrPortFrom(p.Dst, p.DstPort) || w.tos != p.TOS {
			t.Errorf("%v: reads %v > %v, TOS %#x", &p, src, dst, w.tos)
		}
		if p.Size > 0 && len(b) != p.Size {
			t.Errorf("%v: %d bytes, want %d", &p, len(b), p.Size)
		}
	}
}

func TestICMPErrorIsKnownAgain(t *testing.T) {
	t.Parallel()
	for _, p := range bothFamilies() {
		b := p.appendTo(nil, 5)
		o := Outcome{Verdict: Passed, Out: "wan0", Bytes: b}
		from := netip.MustParseAddr("192.0.2.1")
		if p.Dst.Is6() {
			from = netip.MustParseAddr("2001:db8::1")
		}
		e, err := o.ICMPError(from, 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		w, ok := parseIP(e.appendTo(nil, 6))
		if got := identify(w); !ok || got != (sighting{icmpError, 6}) {
			t.Errorf("an error about %v: %+v", &p, got)
		}
		if w.dst != p.Src || e.In != "wan0" {
			t.Errorf("an error about %v goes in %s to %v", &p, e.In, w.dst)
		}
		if w, _ := parseIP(b); identify(w).id != 5 {
			t.Errorf("%v: the outcome's own bytes were changed", &p)
		}
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	for _, p := range bothFamilies() {
		o := Outcome{Verdict: Passed, Out: "wan0", Bytes: p.appendTo(nil, 5)}
		w, _ := parseIP(o.Bytes)
		o.Src, o.Dst = w.endpoints()
		r, err := o.Reply()
		if err != nil {
			t.Fatal(err)
		}
		if r.In != "wan0" || r.Src != p.Dst || r.Dst != p.Src {
			t.Errorf("%v: reply %v", &p, &r)
		}
		switch {
		case p.Proto == ProtoTCP && p.Flags == SYN:
			if r.Flags != SYN|ACK || r.Ack != p.Seq+1 || r.DstPort != p.SrcPort {
				t.Errorf("%v: reply %+v", &p, r)
			}
		case p.Proto == ProtoTCP:
			// IP, TCP and the options take 52 bytes in IPv4 and 72 in IPv6.
			data := uint32(777 - 52)
			if p.Dst.Is6() {
				data -= 20
			}
			if r.Flags != ACK || r.Seq != p.Ack || r.Ack != p.Seq+data || p.sequenceLength() != data {
				t.Errorf("%v: reply %+v", &p, r)
			}
		}
		o.Verdict = Dropped
		if r, err := o.Reply(); err == nil {
			t.Errorf("a reply to a dropped packet: %v", &r)
		}
		if e, err := o.ICMPError(p.Dst, 3, 1); err == nil {
			t.Errorf("an error about a dropped packet: %v", &e)
		}
	}
}

// FuzzIdentify reads hostile packets: nothing may panic, and what is taken for
// a packet of ours must hold its number.
func FuzzIdentify(f *testing.F) {
	for i, p := range bothFamilies() {
		b := p.appendTo(nil, uint32(i))
		o := Outcome{Verdict: Passed, Bytes: b}
		e, err := o.ICMPError(p.Dst, 3, 4)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(e.appendTo(nil, 99))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o := Outcome{Verdict: Passed, Bytes: b}
		w, ok := parseIP(b)
		if !ok {
			if _, err := o.Reply(); err == nil {
				t.Error("a reply to no packet")
			}
			return
		}
		o.Src, o.Dst = w.endpoints()
		w.resets(&Packet{Proto: ProtoTCP, Src: w.dst, Dst: w.src})
		s := identify(w)
		if (s.kind == stranger || s.kind == reset) && s.id != 0 {
			t.Errorf("%+v", s)
		}
		for _, follow := range []func() (Packet, error){o.Reply, func() (Packet, error) { return o.ICMPError(w.dst, 3, 4) }} {
			p, err := follow()
			if err != nil || p.validate() != nil {
				continue
			}
			again, ok := parseIP(p.appendTo(nil, 1234))
			if !ok || again.src != p.Src || again.dst != p.Dst {
				t.Errorf("%v does not read back", &p)
			}
			if got := identify(again); p.quote == nil && got != (sighting{itself, 1234}) {
				t.Errorf("%v is identified as %+v", &p, got)
			}
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(append(answerLine(netip.MustParseAddrPort("20.202.0.1:3478"), netip.MustParseAddrPort("[fd20::2]:5")), "echo"...))
	f.Add([]byte("asked= client=\n"))
	f.Add([]byte("asked=1.2.3.4:5 client="))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAnswer(b)
		if err != nil {
			return
		}
		again, err := ParseAnswer(append(answerLine(a.Asked, a.Client), a.Echo...))
		if err != nil || again.Asked != a.Asked || again.Client != a.Client || string(again.Echo) != string(a.Echo) {
			t.Errorf("%q reads as %+v, and again as %+v, %v", b, a, again, err)
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]Option{
		"no prefix":   ClientNet("10.20.0.2"),
		"no room":     ClientNet("10.20.0.2/31"),
		"small MTU":   FarMTU(1279),
		"large MTU":   FarMTU(1501),
		"no room, v6": ClientNet("fd20::2/128"),
	} {
		if _, err := newLabConfig([]Option{opt}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, opts := range map[string][]InjectorOption{
		"no network":   {Lan("lan0")},
		"no prefix":    {Lan("lan0", "10.20.0.1")},
		"same name":    {Lan("a", "10.20.0.1/16"), Lan("a", "10.21.0.1/16")},
		"wan as lan":   {Lan("wan0", "10.20.0.1/16")},
		"loopback":     {Lan("lo", "10.20.0.1/16")},
		"local":        {Lan(Local, "10.20.0.1/16")},
		"long":         {Wan("sixteen-letters-", 0)},
		"empty":        {Wan("", 0)},
		"two outer":    {Wan("a", 0), Wan("b", 0)},
		"MTU":          {Wan("a", 100)},
		"a single one": {Lan("a", "10.20.0.1/32")},
	} {
		if _, err := newInjectorConfig(opts); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
