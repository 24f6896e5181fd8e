//go:build !linux

package reflector

import (
	"errors"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// ControlSize is room for the address that was asked.
const ControlSize = 128

// ReceiveMarks cannot be done here.
func ReceiveMarks(*net.UDPConn, bool) error { return errors.ErrUnsupported }

// parseControl reads the address that was asked.
func parseControl(b []byte) (to netip.Addr, mark uint8, marked bool) {
	var four ipv4.ControlMessage
	var six ipv6.ControlMessage
	if four.Parse(b) == nil {
		to, _ = netip.AddrFromSlice(four.Dst)
	}
	if !to.IsValid() && six.Parse(b) == nil {
		to, _ = netip.AddrFromSlice(six.Dst)
	}
	return to.Unmap(), 0, false
}

// MarkOf knows no mark here.
func MarkOf([]byte) (mark uint8, ok bool) { return 0, false }

// makeControl names the source of an answer.
func makeControl(p Peer, v4 bool) []byte {
	if !p.To.IsValid() {
		return nil
	}
	if v4 {
		return (&ipv4.ControlMessage{Src: p.To.AsSlice()}).Marshal()
	}
	return (&ipv6.ControlMessage{Src: p.To.AsSlice()}).Marshal()
}

// Dropped is not known here.
func Dropped(*net.UDPConn) (uint32, bool) { return 0, false }
