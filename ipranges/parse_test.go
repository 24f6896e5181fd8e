package ipranges

import (
	"net/netip"
	"strings"
	"testing"

	"go4.org/netipx"
)

func TestParseRange(t *testing.T) {
	for _, c := range []struct{ in, from, to string }{
		{"10.0.0.0/8", "10.0.0.0", "10.255.255.255"},
		{"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
		{"1.2.3.4", "1.2.3.4", "1.2.3.4"},
		{"1.2.3.4-1.2.3.4", "1.2.3.4", "1.2.3.4"},
		{"1.2.3.4-1.2.4.0", "1.2.3.4", "1.2.4.0"},
		{"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"2603:1063::/38", "2603:1063::", "2603:1063:3ff:ffff:ffff:ffff:ffff:ffff"},
		{"2A01:0::1-2a01::f", "2a01::1", "2a01::f"},
		{"64:ff9b::1.2.3.4", "64:ff9b::102:304", "64:ff9b::102:304"},
	} {
		r, err := ParseRange(c.in)
		if want := netipx.IPRangeFrom(netip.MustParseAddr(c.from), netip.MustParseAddr(c.to)); err != nil || r != want {
			t.Errorf("ParseRange(%q) = %v, %v; want %v", c.in, r, err, want)
		}
	}
}

func TestParseMistakes(t *testing.T) {
	long := strings.Repeat("9", 10000)
	for _, c := range []struct{ in, says string }{
		{"", "empty"},
		{"hello", `"hello"`},
		{"10.0.0.1/8", "10.0.0.0/8"},
		{"2603::1/32", "2603::/32"},
		{"10.0.0.0/33", `"10.0.0.0/33"`},
		{"10.0.0.0/08", `"10.0.0.0/08"`},
		{"10.0.0/8", `"10.0.0/8"`},
		{"010.0.0.0/8", `"010.0.0.0/8"`},
		{"10.0.0.0/", `"10.0.0.0/"`},
		{" 10.0.0.0/8", `" 10.0.0.0/8"`},
		{"1.2.3.4 - 1.2.3.5", `"1.2.3.4 - 1.2.3.5"`},
		{"1.2.3.4-1.2.3.5-1.2.3.6", "1.2.3.4-1.2.3.5-1.2.3.6"},
		{"1.2.3.5-1.2.3.4", "ends before it starts"},
		{"1.2.3.4-::1", "mixes IPv4 and IPv6"},
		{"::ffff:1.2.3.4", "IPv4-mapped"},
		{"::ffff:1.2.3.0/120", "IPv4-mapped"},
		{"fe80::1%eth0", "zone"},
		{"fe80::%" + long, "zone"},
		{"fe80::/10%eth0", `"fe80::/10%eth0"`},
		{long, `99"...`},
		{"1.2.3.4/\x00\x1b[2J", `\x00\x1b[2J`},
	} {
		r, err := ParseRange(c.in)
		if err == nil {
			t.Errorf("ParseRange(%.60q) = %v, want an error", c.in, r)
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, c.says) || len(msg) > 160 || strings.ContainsAny(msg, "\x00\x1b\n") {
			t.Errorf("ParseRange(%.60q) says %q, want it short, printable and with %q in it", c.in, msg, c.says)
		}
	}
}

// FuzzParsePrefix: exactly what net/netip takes is taken, but for host bits
// and IPv4-mapped addresses, and with the same value.
func FuzzParsePrefix(f *testing.F) {
	for _, s := range []string{
		"10.0.0.0/8", "255.255.255.255/32", "0.0.0.0/0", "1.2.3.4/31", "256.0.0.0/8", "1.256.0.0/16", "1.2.300.0/24", "1.2.3.999/32", "1.2.3.04/32", "1.2.00.0/24", "1.2.3.4567/32", "1.2.3/8", "01.2.3.4/32", "1.2.3.4/032",
		"::/0", "::1/128", "1::/16", "2603:1030:40c:2::/64", "1:2:3:4:5:6:7::/128", "1:2:3:4:5:6:7:8/128", "::2:3:4:5:6:7:8/128",
		"1::2::3/128", "12345::/16", ":::/8", "1:2:3:4:5:6:7:8:9/128", "64:ff9b::1.2.3.4/128", "::ffff:1.2.3.0/120", "fe80::%1/64",
		"::ffff:0:0/96", "1.2.3.4", "/", "", "1.2.3.4/+8", "1.2.3.4/8 ", "1:/8", ":1/8", "ABCD:EF::/32",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, wantErr := netip.ParsePrefix(s)
		ok := wantErr == nil && want == want.Masked() && (!want.Addr().Is4In6() || want.Bits() <= 96)
		got, err := ParsePrefix(s)
		if (err == nil) != ok || ok && got != want {
			t.Fatalf("ParsePrefix(%q) = %v, %v; netip says %v, %v", s, got, err, want, wantErr)
		}
		again, err2 := ParsePrefixBytes([]byte(s))
		if again != got || (err2 == nil) != ok {
			t.Fatalf("ParsePrefixBytes(%q) = %v, %v; ParsePrefix says %v, %v", s, again, err2, got, err)
		}
		if err == nil {
			if text := string(AppendPrefix(nil, got)); text != got.String() {
				t.Fatalf("%v is written %s", got, text)
			}
		} else if wantErr == nil && !want.Addr().Is4In6() && !strings.Contains(err.Error(), want.Masked().String()) {
			t.Fatalf("ParsePrefix(%q) says %q, without %v", s, err, want.Masked())
		}
	})
}

// FuzzParseRange: whatever is taken is a range that a set can hold, and what
// AppendRange writes of it reads back.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "1.2.3.4-1.2.3.9", "1.2.3.4", "::1-::2", "-", "1.2.3.4-", "::ffff:1.2.3.4-::1", "fe80::1%a-fe80::2%a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err != nil {
			if r != (netipx.IPRange{}) || len(err.Error()) > 400 {
				t.Fatalf("ParseRange(%q) = %v, %v", s, r, err)
			}
			return
		}
		set, err := FromRanges(r)
		if err != nil || !r.IsValid() || !set.ContainsRange(r) || set.NumRanges(FamilyOf(r.From())) != 1 {
			t.Fatalf("ParseRange(%q) = %v, as a set %v, %v", s, r, set, err)
		}
		text := AppendRange(nil, r)
		if back, err := ParseRange(string(text)); back != r || err != nil {
			t.Fatalf("%v is written %s and read %v, %v", r, text, back, err)
		}
	})
}

// FuzzAppendAddr: addresses are written as net/netip writes them.
func FuzzAppendAddr(f *testing.F) {
	f.Add(uint64(0), uint64(0))
	f.Add(uint64(0), uint64(0xffff01020304))
	f.Add(uint64(0x2603103000000001), uint64(0x10000000000))
	f.Add(uint64(0x1000000000001), uint64(0x0001000000000000))
	f.Add(^uint64(0), ^uint64(0))
	f.Fuzz(func(t *testing.T, hi, lo uint64) {
		a6, a4 := word6{hi, lo}.addr(), word4(hi^lo).addr()
		for _, a := range []netip.Addr{a4, a6} {
			got := string(AppendRange([]byte("<"), netipx.IPRangeFrom(a, a)))
			if want := "<" + a.String(); got != want {
				t.Fatalf("%v is written %s", a, got)
			}
		}
	})
}

// TestAppendAddrZeros goes through every pattern of zero groups, on which the
// place of "::" depends, and every number of digits.
func TestAppendAddrZeros(t *testing.T) {
	for pattern := range 256 {
		for _, group := range []uint64{1, 0x20, 0x300, 0x4abc} {
			var a word6
			for g := range 8 {
				a.hi = a.hi<<16 | a.lo>>48
				a.lo <<= 16
				if pattern>>g&1 == 1 {
					a.lo |= group
				}
			}
			if got, want := string(appendAddr6(nil, a)), a.addr().String(); got != want {
				t.Fatalf("%v is written %s", want, got)
			}
		}
	}
	for n := range 256 {
		a := word4(n<<24 | n<<16 | n<<8 | n)
		if got, want := string(appendAddr4(nil, a)), a.addr().String(); got != want {
			t.Fatalf("%v is written %s", want, got)
		}
	}
}
