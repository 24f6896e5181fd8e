//go:build unix

package errqueue

import (
	"errors"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// classify says what an errno means; ok is false for an error that does not come from
// the network, such as a time-out.
func classify(err error) (Cause, bool) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Other, false
	}
	switch errno {
	case unix.ECONNREFUSED, unix.ECONNRESET, unix.ENOPROTOOPT:
		return Refused, true
	case unix.EHOSTUNREACH, unix.EHOSTDOWN:
		return HostUnreachable, true
	case unix.ENETUNREACH, unix.ENETDOWN, unix.EADDRNOTAVAIL, unix.EAFNOSUPPORT:
		return NetUnreachable, true
	case unix.EINVAL:
		return NetUnreachable, runtime.GOOS == "linux" // a blackhole route
	case unix.EPERM, unix.EACCES:
		return Denied, true
	case unix.EMSGSIZE:
		return TooBig, true
	case unix.ETIMEDOUT:
		return TimedOut, true
	case unix.EAGAIN, unix.EINTR:
		return Other, false
	}
	return Other, true
}

// NoAddress reports whether the system had no address, or no free port.
func (e *Error) NoAddress() bool { return errors.Is(e.Err, unix.EADDRNOTAVAIL) }

func setTTL(raw syscall.RawConn, v6 bool, ttl int) (err error) {
	if ctlErr := raw.Control(func(fd uintptr) { err = setTTLOn(int(fd), v6, ttl) }); ctlErr != nil {
		return ctlErr
	}
	return err
}

func setTTLOn(fd int, v6 bool, ttl int) error {
	if v6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, ttl)
}
