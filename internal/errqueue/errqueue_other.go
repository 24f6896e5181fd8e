//go:build !linux

package errqueue

import (
	"runtime"
	"syscall"
)

const (
	haveQueue   = false
	noQueueHere = runtime.GOOS + " does not tell a program who sent an ICMP error"
)

func prepare(raw syscall.RawConn, v6, _ bool, o Options) error {
	if o.Interface != "" {
		return ErrNoInterface
	}
	if o.TTL > 0 {
		return setTTL(raw, v6, o.TTL)
	}
	return nil
}

func (c *UDPConn) readQueued(b []byte) (int, error) { return c.conn.Read(b) }

func (c *UDPConn) takeError() (*Error, bool) { return nil, false }

type keptSocket struct{}

func (*keptSocket) keep(syscall.RawConn) error    { return nil }
func (*keptSocket) takeError(bool) (*Error, bool) { return nil, false }
func (*keptSocket) close()                        {}
