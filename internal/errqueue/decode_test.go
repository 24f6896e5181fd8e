package errqueue

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// extended builds the kernel's structure.
func extended(errno uint32, origin, typ, code uint8, sockaddr []byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, errno)
	b = append(b, origin, typ, code, 0)
	return append(append(b, make([]byte, 8)...), sockaddr...)
}

func sockaddr4(a string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, afInet)
	b = append(b, 0, 0)
	b = append(b, netip.MustParseAddr(a).AsSlice()...)
	return append(b, make([]byte, 8)...)
}

func sockaddr6(a string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, afInet6)
	b = append(b, make([]byte, 6)...)
	b = append(b, netip.MustParseAddr(a).AsSlice()...)
	return append(b, make([]byte, 4)...)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		data []byte
		want Error
		ok   bool
	}{
		{"port unreachable", extended(111, originICMP, 3, 3, sockaddr4("10.20.0.1")),
			Error{Origin: ICMP, Type: 3, Code: 3, Offender: netip.MustParseAddr("10.20.0.1")}, true},
		{"IPv6", extended(13, originICMP6, 1, 1, sockaddr6("fd20::1")),
			Error{Origin: ICMPv6, Type: 1, Code: 1, Offender: netip.MustParseAddr("fd20::1")}, true},
		{"mapped", extended(111, originICMP, 3, 3, sockaddr6("::ffff:10.20.0.1")),
			Error{Origin: ICMP, Type: 3, Code: 3, Offender: netip.MustParseAddr("10.20.0.1")}, true},
		{"local", extended(90, originLocal, 0, 0, nil), Error{Origin: Local}, true},
		{"no address", extended(111, originICMP, 3, 3, sockaddr4("0.0.0.0")), Error{Origin: ICMP, Type: 3, Code: 3}, true},
		{"address cut off", extended(111, originICMP, 3, 3, sockaddr4("10.0.0.1")[:7]), Error{Origin: ICMP, Type: 3, Code: 3}, true},
		{"time stamp", extended(42, 4, 0, 0, nil), Error{}, false},
		{"cut off", extended(111, originICMP, 3, 3, nil)[:15], Error{}, false},
		{"empty", nil, Error{}, false},
	} {
		_, got, ok := decodeExtended(c.data)
		if (got.Why != "") != (ok && !c.want.Offender.IsValid() && c.want.Origin != Local) {
			t.Errorf("%s: why is %q", c.name, got.Why)
		}
		got.Why = ""
		if ok != c.ok || got != c.want {
			t.Errorf("%s: %+v %v, want %+v %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func FuzzDecodeExtended(f *testing.F) {
	f.Add(extended(111, originICMP, 3, 3, sockaddr4("10.20.0.1")))
	f.Add(extended(13, originICMP6, 1, 1, sockaddr6("fe80::1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, e, ok := decodeExtended(b)
		if !ok && e != (Error{}) {
			t.Errorf("%+v is no error, but holds something", e)
		}
		if e.Offender.IsValid() && (e.Offender.IsUnspecified() || e.Offender.Is4In6()) {
			t.Errorf("offender %s", e.Offender)
		}
	})
}
