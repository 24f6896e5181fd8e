package errqueue

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of Linux's <linux/errqueue.h>, here so that the decoder and its tests build
// everywhere.
const (
	originLocal = 1
	originICMP  = 2
	originICMP6 = 3

	sizeExtendedErr = 16
	afInet          = 2
	afInet6         = 10
)

// decodeExtended reads the data of an IP_RECVERR or IPV6_RECVERR control message:
//
//	struct sock_extended_err {
//		u32 ee_errno; u8 ee_origin, ee_type, ee_code, ee_pad; u32 ee_info, ee_data;
//	};
//	struct sockaddr offender;	// sockaddr_in or sockaddr_in6
//
// in the machine's byte order but for the address. If the data is too short for the
// first part, ok is false. An offender that is cut off, or of another family, is left
// unknown.
func decodeExtended(b []byte) (errno uint32, e Error, ok bool) {
	if len(b) < sizeExtendedErr {
		return 0, Error{}, false
	}
	errno = binary.NativeEndian.Uint32(b)
	switch b[4] {
	case originLocal:
		e.Origin = Local
		return errno, e, true
	case originICMP:
		e.Origin = ICMP
	case originICMP6:
		e.Origin = ICMPv6
	default:
		return 0, Error{}, false // time stamps and zero-copy notices
	}
	e.Type, e.Code = b[5], b[6]
	if e.Offender = decodeAddress(b[sizeExtendedErr:]); !e.Offender.IsValid() {
		e.Why = "the kernel gave no address with the ICMP error"
	}
	return errno, e, true
}

// decodeAddress reads a sockaddr; the zero Addr is none.
func decodeAddress(b []byte) netip.Addr {
	const at4, at6 = 4, 8 // behind family and port, and in IPv6 the flow label
	if len(b) < 2 {
		return netip.Addr{}
	}
	switch binary.NativeEndian.Uint16(b) {
	case afInet:
		if len(b) >= at4+4 {
			return specified(netip.AddrFrom4([4]byte(b[at4:])))
		}
	case afInet6:
		if len(b) >= at6+16 {
			return specified(netip.AddrFrom16([16]byte(b[at6:])).Unmap())
		}
	}
	return netip.Addr{}
}

func specified(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
