package lab

import (
	"net/netip"
	"testing"
)

// unchecked judges packets without asking whether the kernel forwards them.
func unchecked(t *testing.T, in *Injector, packets []Packet) []Outcome {
	t.Helper()
	r := &run{in: in, losses: in.counters, packets: packets, out: make([]Outcome, len(packets))}
	todo := make([]int, len(packets))
	for i := range todo {
		todo[i] = i
		packets[i].In, packets[i].SrcPort = LanName, 5000
	}
	if lost, err := r.all(todo); err != nil || lost > 0 {
		t.Fatal(lost, err)
	}
	return r.out
}

// TestForwardable compares Forwardable with the kernel at both ends, and in
// the middle, of every IPv4 /8 and IPv6 /8, and around the special ranges.
func TestForwardable(t *testing.T) {
	t.Parallel()
	in := NewInjector(t)
	var addrs []netip.Addr
	for i := range 256 {
		b := byte(i)
		addrs = append(addrs, netip.AddrFrom4([4]byte{b}), netip.AddrFrom4([4]byte{b, 0, 0, 1}),
			netip.AddrFrom4([4]byte{b, 77, 1, 2}), netip.AddrFrom4([4]byte{b, 255, 255, 254}), netip.AddrFrom4([4]byte{b, 255, 255, 255}),
			netip.AddrFrom16([16]byte{0: b, 15: 9}), netip.AddrFrom16([16]byte{0: b, 1: 0x77}))
		last := [16]byte{b}
		for j := 1; j < 16; j++ {
			last[j] = 255
		}
		addrs = append(addrs, netip.AddrFrom16(last))
	}
	for _, s := range []string{"169.254.0.0", "169.254.1.1", "100.64.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.19.0.1",
		"172.16.0.0", "192.168.255.255", "::", "::1", "::2", "64:ff9b::1", "100::1", "2002:a00:1::", "2001::1", "3fff::1",
		"fe7f:ffff::", "fe80::", "fe80::1", "febf:ffff::1", "fec0::", "feff::1", "ff02::1", "ff0e::1"} {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	var to, from []Packet
	for _, a := range addrs {
		other := netip.MustParseAddr("20.202.0.1")
		if a.Is6() {
			other = netip.MustParseAddr("2603:1063::1")
		}
		if a.Is4In6() {
			continue
		}
		p := UDP(a, 3478)
		p.Src = in.firstLink(false).source[family(a)]
		to = append(to, p)
		p = UDP(other, 3478)
		p.Src = a
		from = append(from, p)
	}
	for i, o := range unchecked(t, in, to) {
		dst := to[i].Dst
		byVersion := dst.Is4() && dst.As4()[0] == 0 || dst == netip.IPv6Unspecified()
		if got := o.Verdict == Passed; got != Forwardable(dst) && !byVersion {
			t.Errorf("to %v: the kernel says %v, Forwardable %v", dst, o.Verdict, Forwardable(dst))
		}
	}
	for i, o := range unchecked(t, in, from) {
		if Forwardable(from[i].Src) && o.Verdict != Passed {
			t.Errorf("from %v: the kernel says %v, Forwardable %v", from[i].Src, o.Verdict, Forwardable(from[i].Src))
		}
	}
	if Forwardable(netip.Addr{}) || Forwardable(netip.MustParseAddr("::ffff:1.2.3.4")) {
		t.Error("an address that no packet has is forwardable")
	}
}

// TestFullQueue makes a device's queue too short for a group: packets are lost,
// and must be judged all the same.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	in := NewInjector(t)
	wan, err := in.host.nl.LinkByName(WanName)
	if err != nil {
		t.Fatal(err)
	}
	var packets []Packet
	for i := range 3000 {
		packets = append(packets, UDP(netip.MustParseAddr("20.202.0.1"), uint16(1+i)))
	}
	for _, length := range []int{200, 20, queueLen} {
		if err := in.host.nl.LinkSetTxQLen(wan, length); err != nil {
			t.Fatal(err)
		}
		out, err := in.Decide(packets)
		if err != nil {
			t.Fatalf("a queue of %d: %v", length, err)
		}
		for i, o := range out {
			if o.Verdict != Passed {
				t.Fatalf("a queue of %d: packet %d was %v", length, i, o.Verdict)
			}
		}
	}
}

// TestLossIsNoVerdict has the kernel tell of losses while packets are judged of
// which nothing comes out: only an attempt without a loss decides on them.
func TestLossIsNoVerdict(t *testing.T) {
	t.Parallel()
	in := NewInjector(t)
	for lossy, want := range map[int]Verdict{0: Dropped, 1: Dropped, attempts - 1: Dropped, attempts: Undecided} {
		packets := []Packet{UDP(netip.MustParseAddr("127.0.0.1"), 1), UDP(netip.MustParseAddr("20.202.0.1"), 1)}
		for i := range packets {
			packets[i].In, packets[i].Src = LanName, in.firstLink(false).source[0]
		}
		reads := 0
		told := func() (uint64, error) { // before and after each attempt
			reads++
			return uint64(min(reads/2, lossy)), nil
		}
		r := &run{in: in, losses: told, packets: packets, out: make([]Outcome, 2)}
		lost, err := r.all([]int{0, 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.out[0].Verdict; got != want || (lost == 0) != (want == Dropped) {
			t.Errorf("losses in %d attempts: %v, %d lost; want %v", lossy, got, lost, want)
		}
		if got := r.out[1].Verdict; got != Passed {
			t.Errorf("losses in %d attempts: a packet that came out was %v", lossy, got)
		}
	}
}

func TestConntrackLosses(t *testing.T) {
	t.Parallel()
	const table = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error\n" +
		"00000007  00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 0000000a 00000002 00000003 00000000\n" +
		"00000007  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000010 00000000 00000000\n"
	if n, err := parseConntrackLosses(table); n != 10+2+16 || err != nil {
		t.Errorf("%d lost, %v", n, err)
	}
	for _, bad := range []string{"", "entries found\n1 2\n", "drop insert_failed\n1\n", "drop insert_failed\n1 x\n"} {
		if n, err := parseConntrackLosses(bad); err == nil {
			t.Errorf("%q: %d lost, no error", bad, n)
		}
	}
}
