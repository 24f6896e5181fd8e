package lab_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// rules loads an nft rule set whose one chain hangs on the given hook.
func rules(t testing.TB, h *lab.Host, hook string, lines string) {
	t.Helper()
	need.Program(t, "nft")
	h.MustExec(t, fmt.Sprintf("flush ruleset\ntable inet t {\n chain c {\n type filter hook %s priority filter; policy accept;\n %s\n }\n}\n",
		hook, lines), "nft", "-f", "-")
}

func decide(t testing.TB, in *lab.Injector, packets ...lab.Packet) []lab.Outcome {
	t.Helper()
	out, err := in.Decide(packets)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(packets) {
		t.Fatalf("%d outcomes of %d packets", len(out), len(packets))
	}
	return out
}

// proceed is decide for packets of known connections.
func proceed(t testing.TB, in *lab.Injector, packets ...lab.Packet) []lab.Outcome {
	t.Helper()
	out, err := in.Continue(packets)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantAll(t testing.TB, out []lab.Outcome, want lab.Verdict) {
	t.Helper()
	for i, o := range out {
		if o.Verdict != want {
			t.Fatalf("packet %d of %d: %v (%+v), want %v", i, len(out), o.Verdict, o, want)
		}
	}
}

// everyKind is a packet of each kind to each of some addresses.
func everyKind(in string) []lab.Packet {
	var ps []lab.Packet
	for _, s := range []string{"20.202.0.1", "1.0.0.0", "255.255.255.254", "240.0.0.0", "223.255.255.255", "169.254.1.1",
		"10.255.255.255", "2603:1063::1", "::2", "fec0::", "ffff::", "2001:db8::", "fd99::1"} {
		a := addr(s)
		if !lab.Forwardable(a) {
			continue
		}
		ps = append(ps, lab.UDP(a, 3478), lab.Connect(a, 443), lab.Echo(a),
			lab.Packet{Dst: a, Proto: 47}, lab.Packet{Dst: a, Proto: 50}, lab.Packet{Dst: a, Proto: 132, DstPort: 5000},
			lab.Packet{Dst: a, Proto: lab.ProtoTCP, DstPort: 443, Flags: lab.ACK, Ack: 77})
	}
	for i := range ps {
		ps[i].In = in
	}
	return ps
}

func TestNothingLoadedPasses(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	for _, from := range []string{"", lab.Local} {
		packets := everyKind(from)
		for i, o := range decide(t, in, packets...) {
			p := packets[i]
			if o.Verdict != lab.Passed || o.Out != lab.WanName || o.Dst.Addr() != p.Dst || len(o.Bytes) == 0 {
				t.Errorf("%q: %v: %v by %q to %v", from, &p, o.Verdict, o.Out, o.Dst)
			}
		}
	}
}

func TestDropAndReject(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	tests := []struct {
		rule       string
		want       lab.Verdict
		typ4, typ6 uint8
	}{
		{"drop", lab.Dropped, 0, 0},
		{"reject with icmpx admin-prohibited", lab.Rejected, 3, 1},
		{"reject", lab.Rejected, 3, 1},
		{"ct state new,untracked,invalid drop", lab.Dropped, 0, 0},
		{"ct state established drop", lab.Passed, 0, 0},
	}
	for hook, from := range map[string]string{"forward": "", "output": lab.Local} {
		for _, tt := range tests {
			// A host whose rules stop the loopback gets no answer from its own reject.
			rules(t, in.Host(), hook, `oifname "lo" accept; `+tt.rule)
			packets := everyKind(from)
			out := decide(t, in, packets...)
			wantAll(t, out, tt.want)
			for i, o := range out {
				if tt.want != lab.Rejected {
					continue
				}
				typ := tt.typ6
				if packets[i].Dst.Is4() {
					typ = tt.typ4
				}
				device := lab.LanName
				if from == lab.Local {
					device = "lo"
				}
				if o.ICMPType != typ || o.Reset || o.Out != device {
					t.Errorf("%s, %s: packet %d: %+v", hook, tt.rule, i, o)
				}
			}
		}
	}
}

func TestTCPReset(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	for hook, from := range map[string]string{"forward": "", "output": lab.Local} {
		rules(t, in.Host(), hook, `oifname "lo" accept; meta l4proto tcp reject with tcp reset`)
		var packets []lab.Packet
		for i := range 600 {
			a := addr("20.202.0.0")
			if i%2 == 1 {
				a = addr("2603:1063::")
			}
			p := lab.Connect(a, 443)
			p.In, p.SrcPort = from, uint16(1000+i)
			switch i % 3 {
			case 1:
				p.Flags, p.Ack = lab.ACK, uint32(i)*7
			case 2:
				p.Seq, p.Size = 99, 100 // of the caller's choice, and with data
			}
			packets = append(packets, p)
		}
		for i, o := range decide(t, in, packets...) {
			if o.Verdict != lab.Rejected || !o.Reset || o.Src.Addr() != packets[i].Dst || o.Dst.Port() != packets[i].SrcPort {
				t.Fatalf("%s: packet %d (%v): %+v", hook, i, &packets[i], o)
			}
		}
	}
}

func TestRulesSeePackets(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t, lab.Lan("lan0", "10.20.0.1/16", "fd20::1/64"), lab.Lan("guest", "10.30.0.1/24"), lab.Wan("ppp0", 0))
	rules(t, in.Host(), "forward", `
		iifname "guest" oifname "ppp0" udp dport 1000 drop
		ip saddr 10.30.0.9 drop
		ip saddr 203.0.113.5 drop
		udp sport 50000-50019 ip dscp set ef
		udp sport 50000-50019 ip6 dscp set ef
		meta length > 1000 drop
		icmp type timestamp-request drop`)
	edit := func(p lab.Packet, f func(*lab.Packet)) lab.Packet { f(&p); return p }
	far, far6 := addr("20.202.0.1"), addr("2603:1063::1")
	tests := []struct {
		name string
		p    lab.Packet
		want lab.Verdict
		dscp uint8
	}{
		{"lan", lab.UDP(far, 1000), lab.Passed, 0},
		{"guest", edit(lab.UDP(far, 1000), func(p *lab.Packet) { p.In = "guest" }), lab.Dropped, 0},
		{"guest's other port", edit(lab.UDP(far, 1001), func(p *lab.Packet) { p.In = "guest" }), lab.Passed, 0},
		{"source", edit(lab.UDP(far, 7), func(p *lab.Packet) { p.Src = addr("10.30.0.9") }), lab.Dropped, 0},
		{"source of the outside", edit(lab.UDP(far, 7), func(p *lab.Packet) { p.Src = addr("203.0.113.5") }), lab.Dropped, 0},
		{"other source of the outside", edit(lab.UDP(far, 7), func(p *lab.Packet) { p.Src = addr("203.0.113.6") }), lab.Passed, 0},
		{"mark", edit(lab.UDP(far, 3479), func(p *lab.Packet) { p.SrcPort = 50019 }), lab.Passed, 46},
		{"mark, IPv6", edit(lab.UDP(far6, 3479), func(p *lab.Packet) { p.SrcPort = 50019 }), lab.Passed, 46},
		{"own mark kept", edit(lab.UDP(far, 3479), func(p *lab.Packet) { p.TOS = 34 << 2 }), lab.Passed, 34},
		{"own mark kept, IPv6", edit(lab.UDP(far6, 3479), func(p *lab.Packet) { p.TOS = 34 << 2 }), lab.Passed, 34},
		{"short", edit(lab.Connect(far, 443), func(p *lab.Packet) { p.Size = 1000 }), lab.Passed, 0},
		{"long", edit(lab.Connect(far, 443), func(p *lab.Packet) { p.Size = 1001 }), lab.Dropped, 0},
		{"ping", lab.Echo(far), lab.Passed, 0},
		{"timestamp", edit(lab.Echo(far), func(p *lab.Packet) { p.ICMPType = 13 }), lab.Dropped, 0},
	}
	var packets []lab.Packet
	for _, tt := range tests {
		packets = append(packets, tt.p)
	}
	for i, o := range decide(t, in, packets...) {
		if o.Verdict != tests[i].want || o.DSCP() != tests[i].dscp {
			t.Errorf("%s: %v, DSCP %d", tests[i].name, o.Verdict, o.DSCP())
		}
		if size := tests[i].p.Size; o.Verdict == lab.Passed && size > 0 && len(o.Bytes) != size {
			t.Errorf("%s: %d bytes came out", tests[i].name, len(o.Bytes))
		}
	}
}

// TestConnections takes connections of each kind through a rule set that lets
// in only what belongs to them, with and without NAT.
func TestConnections(t *testing.T) {
	t.Parallel()
	for _, nat := range []string{"", `table inet n { chain p { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }`} {
		in := lab.NewInjector(t)
		const onlyNew = `ct state established,related accept
			iifname "lan0" ct state new accept
			drop`
		rules(t, in.Host(), "forward", onlyNew)
		in.Host().MustExec(t, nat, "nft", "-f", "-")
		far, far6 := addr("20.202.0.1"), addr("2603:1063::1")
		first := []lab.Packet{lab.UDP(far, 3478), lab.UDP(far6, 3478), lab.Connect(far, 443), lab.Connect(far6, 443), lab.Echo(far), lab.Echo(far6)}
		out := decide(t, in, first...)
		wantAll(t, out, lab.Passed)
		if nat != "" && out[0].Src.Addr() != addr("198.18.0.1") {
			t.Errorf("masqueraded to %v", out[0].Src)
		}
		replies, errors := followUps(t, out)

		// Without the state, replies are strangers.
		for _, ps := range [][]lab.Packet{replies, errors} {
			if err := in.Host().FlushConntrack(); err != nil {
				t.Fatal(err)
			}
			for i, o := range proceed(t, in, ps...) {
				// With NAT it is the firewall that was asked, and that has no such port.
				if o.Verdict == lab.Passed || nat == "" && o.Verdict != lab.Dropped {
					t.Errorf("NAT %q: %v: %v without a connection", nat, &ps[i], o.Verdict)
				}
			}
		}

		wantAll(t, decide(t, in, first...), lab.Passed)
		for _, ps := range [][]lab.Packet{replies, errors} {
			out := proceed(t, in, ps...)
			wantAll(t, out, lab.Passed)
			for i, o := range out {
				if o.Out != lab.LanName || o.Dst.Addr() != addr("10.20.0.2") && o.Dst.Addr() != addr("fd20::2") {
					t.Errorf("NAT %q: %v came out at %s for %v", nat, &ps[i], o.Out, o.Dst)
				}
			}
		}

		// The third packet of a TCP handshake, and data from outside after it.
		out = proceed(t, in, replies[2])
		for range 2 {
			next, err := out[0].Reply()
			if err != nil {
				t.Fatal(err)
			}
			out = proceed(t, in, next)
			wantAll(t, out, lab.Passed)
		}
	}
}

func followUps(t *testing.T, out []lab.Outcome) (replies, errors []lab.Packet) {
	t.Helper()
	for _, o := range out {
		r, err := o.Reply()
		if err != nil {
			t.Fatal(err)
		}
		from, typ, code := addr("192.0.2.77"), uint8(3), uint8(4)
		if r.Dst.Is6() {
			from, typ, code = addr("2001:db8::77"), 2, 0
		}
		e, err := o.ICMPError(from, typ, code)
		if err != nil {
			t.Fatal(err)
		}
		replies, errors = append(replies, r), append(errors, e)
	}
	return replies, errors
}

// TestEachPacketIsTheFirst sends the same connections over and over, forwards
// and backwards: none may be known from before.
func TestEachPacketIsTheFirst(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	rules(t, in.Host(), "forward", "ct state != new drop")
	var packets []lab.Packet
	for range 5 {
		for _, make := range []func(netip.Addr, uint16) lab.Packet{lab.UDP, lab.Connect} {
			p := make(addr("20.202.0.1"), 443)
			p.SrcPort, p.Src = 5000, addr("10.20.7.7")
			back := p
			back.In, back.Src, back.Dst, back.SrcPort, back.DstPort = lab.WanName, p.Dst, p.Src, p.DstPort, p.SrcPort
			packets = append(packets, p, p, back, p)
		}
	}
	for range 2 {
		wantAll(t, decide(t, in, packets...), lab.Passed)
	}
}

// TestChecksums has connection tracking, which checks them, judge packets of
// every small size.
func TestChecksums(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	rules(t, in.Host(), "forward", "ct state invalid drop")
	var packets []lab.Packet
	for _, s := range []string{"20.202.0.1", "2603:1063::1"} {
		a := addr(s)
		for size := range 150 {
			for _, p := range []lab.Packet{lab.UDP(a, 3478), lab.Connect(a, 443), lab.Echo(a)} {
				p.Size, p.TOS = size, uint8(size)&^3
				packets = append(packets, p)
			}
		}
	}
	wantAll(t, decide(t, in, packets...), lab.Passed)
}

func TestTooBig(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t, lab.Wan("wan0", 1300))
	var packets []lab.Packet
	for _, a := range []string{"20.202.0.1", "2603:1063::1"} {
		for _, size := range []int{1300, 1301, 1500} {
			for _, from := range []string{"", lab.Local} {
				p := lab.UDP(addr(a), 3478)
				p.Size, p.In = size, from
				packets = append(packets, p)
			}
		}
	}
	for i, o := range decide(t, in, packets...) {
		want := lab.Passed
		if packets[i].Size > 1300 {
			want = lab.TooBig
		}
		if o.Verdict != want {
			t.Errorf("%d bytes from %q to %v: %v", packets[i].Size, packets[i].In, packets[i].Dst, o.Verdict)
		}
	}
}

func TestManyRejects(t *testing.T) {
	t.Parallel()
	in := lab.NewInjector(t)
	rules(t, in.Host(), "forward", "reject with icmpx admin-prohibited")
	var packets []lab.Packet
	for i := range 6000 {
		a := addr("2603:1063::1")
		if i%2 == 0 {
			a = addr("20.202.0.1")
		}
		packets = append(packets, lab.UDP(a, uint16(1+i)))
	}
	wantAll(t, decide(t, in, packets...), lab.Rejected)
}

// TestSpeed judges as many packets as all boundaries of a cloud's ranges give,
// with and without connection tracking.
func TestSpeed(t *testing.T) {
	in := lab.NewInjector(t)
	var packets []lab.Packet
	for i := range 20000 {
		var p lab.Packet
		a := netip.AddrFrom4([4]byte{20, byte(i >> 10), byte(i >> 2), 1})
		if i%2 == 1 {
			a = netip.AddrFrom16([16]byte{0x26, 3, 0x10, byte(i >> 10), byte(i >> 2), 15: 1})
		}
		if i%6 < 4 {
			p = lab.UDP(a, uint16(3477+i%6))
		} else {
			p = lab.Connect(a, 443)
		}
		packets = append(packets, p)
	}
	for _, tt := range []struct{ name, rule string }{
		{"no rules", ""},
		{"stateless", "ip daddr 20.0.0.0/9 udp dport 3478-3480 accept; ip6 daddr 2603:1000::/24 udp dport 3478-3480 accept; tcp dport 443 accept; drop"},
		{"stateful", "ct state established accept; udp dport 3478-3480 accept; tcp dport 443 accept; drop"},
	} {
		if tt.rule != "" {
			rules(t, in.Host(), "forward", tt.rule)
		}
		for range 3 {
			start := time.Now()
			out := decide(t, in, packets...)
			t.Logf("%s: %d packets in %v", tt.name, len(packets), time.Since(start).Round(100*time.Microsecond))
			for i, o := range out {
				want := lab.Passed
				if tt.rule != "" && packets[i].DstPort == 3477 {
					want = lab.Dropped
				}
				if o.Verdict != want || want == lab.Passed && o.Dst.Addr() != packets[i].Dst {
					t.Fatalf("%s: packet %d (%v): %v", tt.name, i, &packets[i], o.Verdict)
				}
			}
		}
	}
}
