package errqueue

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	haveQueue   = true
	noQueueHere = "the error queue is not read"
)

// prepare sets the options of a socket that is not connected yet.
func prepare(raw syscall.RawConn, v6, queue bool, o Options) error {
	var err error
	ctlErr := raw.Control(func(fd uintptr) {
		level, recvErr := unix.IPPROTO_IP, unix.IP_RECVERR
		if v6 {
			level, recvErr = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
		}
		if queue {
			err = unix.SetsockoptInt(int(fd), level, recvErr, 1)
		}
		if err == nil && o.TTL > 0 {
			err = setTTLOn(int(fd), v6, o.TTL)
		}
		if err == nil && o.Interface != "" {
			if err = unix.BindToDevice(int(fd), o.Interface); err != nil {
				err = fmt.Errorf("interface %s: %w", o.Interface, err)
			}
		}
	})
	return errors.Join(ctlErr, err)
}

// readQueued reads a datagram or, when there is none, the error queue. The poller
// wakes a reader for both.
func (c *UDPConn) readQueued(b []byte) (n int, err error) {
	rawErr := c.raw.Read(func(fd uintptr) bool {
		n, _, err = unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT)
		if err == nil {
			return true
		}
		// A pending error is reported once by errno, and is in the queue as well.
		if e, ok := readQueue(int(fd), c.v6); ok {
			err = e
			return true
		}
		if err == unix.EAGAIN || err == unix.EINTR {
			return false
		}
		err = wrap(os.NewSyscallError("recvfrom", err), "the error queue is empty")
		return true
	})
	if rawErr != nil {
		// The deadline, a closed socket, or a poller that saw nothing but an error.
		if e, ok := c.takeError(); ok {
			return 0, e
		}
		return 0, rawErr
	}
	return max(n, 0), err
}

// takeError reads the queue without waiting.
func (c *UDPConn) takeError() (e *Error, ok bool) {
	if err := c.raw.Control(func(fd uintptr) { e, ok = readQueue(int(fd), c.v6) }); err != nil {
		return nil, false
	}
	return e, ok
}

// readQueue takes the first ICMP or local error off a socket's queue.
func readQueue(fd int, v6 bool) (*Error, bool) {
	payload, oob := make([]byte, 64), make([]byte, 512)
	for {
		_, oobn, _, _, err := unix.Recvmsg(fd, payload, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, false
		}
		if e, ok := decodeControl(oob[:oobn], v6); ok {
			return e, true
		}
	}
}

// decodeControl finds the extended error among control messages.
func decodeControl(oob []byte, v6 bool) (*Error, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, false
	}
	level, typ := int32(unix.SOL_IP), int32(unix.IP_RECVERR)
	if v6 {
		level, typ = unix.SOL_IPV6, unix.IPV6_RECVERR
	}
	for _, m := range messages {
		if m.Header.Level != level || m.Header.Type != typ {
			continue
		}
		if errno, e, ok := decodeExtended(m.Data); ok {
			e.Err = unix.Errno(errno)
			e.Cause, _ = classify(e.Err)
			return &e, true
		}
	}
	return nil, false
}

// A keptSocket is a second descriptor of a socket that is being connected. The dialer
// closes its own when the connection fails, and the queue would go with it.
type keptSocket struct{ fd int }

func (k *keptSocket) keep(raw syscall.RawConn) error {
	var err error
	ctlErr := raw.Control(func(fd uintptr) {
		k.close()
		k.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
	})
	return errors.Join(ctlErr, err)
}

func (k *keptSocket) takeError(v6 bool) (*Error, bool) {
	if k.fd <= 0 {
		return nil, false
	}
	return readQueue(k.fd, v6)
}

func (k *keptSocket) close() {
	if k.fd > 0 {
		_ = unix.Close(k.fd) // nothing else uses this descriptor
		k.fd = 0
	}
}
