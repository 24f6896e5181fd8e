// Package errqueue opens UDP and TCP sockets that tell who sent an ICMP error.
//
// "Connection refused" has two senders: the target, where nobody listens, and a
// firewall that rejects. The errno is the same; only the address that the ICMP error
// came from tells them apart. Linux keeps it in the socket's error queue (IP_RECVERR,
// IPV6_RECVERR: ip(7), ipv6(7)), which takes no privileges. Elsewhere the same API
// works, and [Error.Why] says why the offender is unknown.
//
//	conn, err := errqueue.DialUDP(ctx, to, errqueue.Options{})
//	...
//	n, err := conn.Read(buf)       // an ICMP error ends Read as an *Error
package errqueue

import (
	"errors"
	"fmt"
	"net/netip"
)

// A Cause is what an errno means, the same on every system.
type Cause uint8

// The causes.
const (
	Other           Cause = iota
	Refused               // port or protocol unreachable, or a TCP reset
	HostUnreachable       // no such host, or forbidden: the code tells which
	NetUnreachable        // no route
	Denied                // not permitted: by a local filter, or administratively
	TimedOut              // the system gave up a connection that nobody answered
	TooBig                // packet too big: not an answer to whether it passes
)

// An Error is an ICMP error, or the local system's refusal to send.
type Error struct {
	Cause Cause
	// Origin says what Type and Code are.
	Origin     Origin
	Type, Code uint8
	Offender   netip.Addr // who sent the ICMP error; zero when it is not known
	Why        string     // why it is not known, as a clause
	Err        error      // the errno
}

// Origin is where an error comes from.
type Origin uint8

// The origins. Unknown is a system that does not tell, or an empty queue.
const (
	Unknown Origin = iota
	Local          // this machine, without ICMP
	ICMP           // ICMP for IPv4
	ICMPv6
)

func (e *Error) Error() string {
	if e.Offender.IsValid() {
		return fmt.Sprintf("%v (%s from %s)", e.Err, e.Message(), e.Offender)
	}
	return e.Err.Error()
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Err }

// Message names the ICMP message: "icmp 3/13, administratively prohibited".
func (e *Error) Message() string {
	var names map[[2]uint8]string
	word := "icmp"
	switch e.Origin {
	case ICMP:
		names = names4
	case ICMPv6:
		names, word = names6, "icmpv6"
	case Local:
		return "this machine"
	default:
		return "an unknown sender"
	}
	s := fmt.Sprintf("%s %d/%d", word, e.Type, e.Code)
	if name := names[[2]uint8{e.Type, e.Code}]; name != "" {
		s += ", " + name
	}
	return s
}

// names4 and names6 are from the IANA registries "ICMP Type Numbers" and "ICMPv6
// Parameters" (RFC 792, RFC 1122, RFC 1812, RFC 4443).
var names4 = map[[2]uint8]string{
	{3, 0}: "net unreachable", {3, 1}: "host unreachable", {3, 2}: "protocol unreachable",
	{3, 3}: "port unreachable", {3, 4}: "packet too big", {3, 6}: "net unknown", {3, 7}: "host unknown",
	{3, 9}: "net administratively prohibited", {3, 10}: "host administratively prohibited",
	{3, 13}: "administratively prohibited", {11, 0}: "time to live exceeded",
}

var names6 = map[[2]uint8]string{
	{1, 0}: "no route", {1, 1}: "administratively prohibited", {1, 2}: "beyond scope",
	{1, 3}: "address unreachable", {1, 4}: "port unreachable", {1, 5}: "source address failed policy",
	{1, 6}: "route rejected", {2, 0}: "packet too big", {3, 0}: "hop limit exceeded",
}

// TimeExceeded reports whether e is a router's answer to a TTL that ran out.
func (e *Error) TimeExceeded() bool {
	return e.Origin == ICMP && e.Type == 11 && e.Code == 0 || e.Origin == ICMPv6 && e.Type == 3 && e.Code == 0
}

// PortUnreachable reports whether e says that nobody listens on the port.
func (e *Error) PortUnreachable() bool {
	return e.Origin == ICMP && e.Type == 3 && e.Code == 3 || e.Origin == ICMPv6 && e.Type == 1 && e.Code == 4
}

// NoNeighbour reports whether e comes from a router that has no link-layer address for
// the target.
func (e *Error) NoNeighbour() bool {
	return e.Origin == ICMP && e.Type == 3 && e.Code == 1 || e.Origin == ICMPv6 && e.Type == 1 && e.Code == 3
}

// NoRoute reports whether e comes from a router that has no route.
func (e *Error) NoRoute() bool {
	return e.Origin == ICMP && e.Type == 3 && (e.Code == 0 || e.Code == 6) || e.Origin == ICMPv6 && e.Type == 1 && e.Code == 0
}

// Prohibited reports whether e can only mean that somebody forbids the packet.
func (e *Error) Prohibited() bool {
	return e.Origin == ICMP && e.Type == 3 && (e.Code == 9 || e.Code == 10 || e.Code == 13) ||
		e.Origin == ICMPv6 && e.Type == 1 && (e.Code == 1 || e.Code == 5 || e.Code == 6)
}

// Options are how a socket is opened. The zero value is an ordinary socket with its
// error queue read.
type Options struct {
	TTL       int    // of the packets; 0: the system's
	Interface string // send by this interface, past the routes; Linux only
	// NoQueue leaves the error queue unread, as on a system that has none.
	NoQueue bool
}

// ErrNoInterface means that the system cannot bind a socket to an interface.
var ErrNoInterface = errors.New("this system cannot bind a socket to an interface")

// wrap makes an Error of an errno without a queue entry; other errors, such as
// time-outs, are returned as they are.
func wrap(err error, why string) error {
	cause, ok := classify(err)
	if !ok {
		return err
	}
	return &Error{Cause: cause, Err: err, Why: why}
}

// networkFor names the network of a's family, so that an IPv4 address never ends in
// a socket for both.
func networkFor(protocol string, a netip.Addr) string {
	if a.Unmap().Is4() {
		return protocol + "4"
	}
	return protocol + "6"
}
