package reflector

import (
	"encoding/binary"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// ControlSize is room for the address that was asked, and the traffic class.
const ControlSize = 128

// ReceiveMarks lets a socket tell the DSCP of what comes, for MarkOf. The error is
// errors.ErrUnsupported where the system cannot.
func ReceiveMarks(c *net.UDPConn, v6 bool) error {
	return withSocket(c, func(fd int) error {
		if v6 {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
	})
}

func withSocket(c *net.UDPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// parseControl reads control messages without allocating, as x/net does not (ip(7) and
// ipv6(7): IP_PKTINFO, IP_TOS, IPV6_PKTINFO, IPV6_TCLASS).
func parseControl(b []byte) (to netip.Addr, mark uint8, marked bool) {
	for len(b) >= unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		b = rest
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			to = netip.AddrFrom4([4]byte(data[8:12]))
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			to = netip.AddrFrom16([16]byte(data[:16])).Unmap()
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TOS && len(data) >= 1:
			mark, marked = data[0]>>2, true
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_TCLASS && len(data) >= 4:
			mark, marked = uint8(binary.NativeEndian.Uint32(data))>>2, true
		}
	}
	return to, mark, marked
}

// MarkOf is the DSCP in the control messages that came with a datagram.
func MarkOf(control []byte) (mark uint8, ok bool) {
	_, mark, ok = parseControl(control)
	return mark, ok
}

// makeControl names the source and the mark of an answer.
func makeControl(p Peer, v4 bool) []byte {
	var b []byte
	if p.To.IsValid() && v4 {
		b = (&ipv4.ControlMessage{Src: p.To.AsSlice()}).Marshal()
	} else if p.To.IsValid() {
		b = (&ipv6.ControlMessage{Src: p.To.AsSlice()}).Marshal()
	}
	if p.Mark == 0 {
		return b
	}
	level, typ := unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	if v4 {
		level, typ = unix.IPPROTO_IP, unix.IP_TOS
	}
	const size = 4 // an int
	one := make([]byte, unix.CmsgSpace(size))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&one[0]))
	h.Level, h.Type = int32(level), int32(typ)
	h.SetLen(unix.CmsgLen(size))
	binary.NativeEndian.PutUint32(one[unix.CmsgLen(0):], uint32(p.Mark)<<2)
	return append(b, one...)
}

// memDrops is the place of the drops in what SO_MEMINFO tells (linux/sock_diag.h:
// SK_MEMINFO_DROPS).
const memDrops = 8

// Dropped asks the system how many datagrams a socket had no room for, modulo 2^32;
// false where it does not tell.
func Dropped(c *net.UDPConn) (n uint32, ok bool) {
	err := withSocket(c, func(fd int) error {
		var info [memDrops + 1]uint32
		size := uint32(unsafe.Sizeof(info))
		// x/sys has no call for this option.
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno != 0 {
			return errno
		}
		n, ok = info[memDrops], size == uint32(unsafe.Sizeof(info))
		return nil
	})
	return n, ok && err == nil
}
