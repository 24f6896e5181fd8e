package errqueue

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// classify says what a Winsock error means. A datagram that was answered with ICMP
// port unreachable ends the next read with WSAECONNRESET (Microsoft Learn, recvfrom,
// read 2026-11-23).
func classify(err error) (Cause, bool) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Other, false
	}
	switch errno {
	case windows.WSAECONNREFUSED, windows.WSAECONNRESET:
		return Refused, true
	case windows.WSAEHOSTUNREACH, windows.WSAEHOSTDOWN:
		return HostUnreachable, true
	case windows.WSAENETUNREACH, windows.WSAENETDOWN, windows.WSAEADDRNOTAVAIL, windows.WSAEAFNOSUPPORT, windows.WSAENETRESET:
		return NetUnreachable, true
	case windows.WSAEACCES:
		return Denied, true
	case windows.WSAEMSGSIZE:
		return TooBig, true
	case windows.WSAETIMEDOUT:
		return TimedOut, true
	case windows.WSAEWOULDBLOCK, windows.WSAEINTR:
		return Other, false
	}
	return Other, true
}

// NoAddress reports whether the system had no address, or no free port.
func (e *Error) NoAddress() bool { return errors.Is(e.Err, windows.WSAEADDRNOTAVAIL) }

func setTTL(raw syscall.RawConn, v6 bool, ttl int) (err error) {
	ctlErr := raw.Control(func(fd uintptr) {
		if v6 {
			err = windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IPV6, windows.IPV6_UNICAST_HOPS, ttl)
		} else {
			err = windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_IP, windows.IP_TTL, ttl)
		}
	})
	return errors.Join(ctlErr, err)
}
