package reflector

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Sizes of datagrams in bytes, without UDP and IP headers.
const (
	headerSize = 104
	macSize    = 16
	MinSize    = headerSize + macSize
	// MaxSize fits an Ethernet frame with IPv4. With IPv6 20 bytes less do.
	MaxSize = 1472
)

// version is the fourth byte of a datagram.
const version = 1

// Kind says what a datagram is for. See the package comment.
type Kind uint8

const (
	Hello Kind = iota + 1
	Welcome
	Echo
	Echoed
	Tally
	Tallied
	Later
	Delayed
	Refused
)

// request says whether a client sends the kind.
func (k Kind) request() bool { return k == Hello || k == Echo || k == Tally || k == Later }

// Reason is why a request was refused.
type Reason uint8

const (
	BadClock Reason = iota + 1
	BadSession
	Busy
	BadDelay
)

func (r Reason) String() string {
	switch r {
	case BadClock:
		return "the clocks are too far apart"
	case BadSession:
		return "the session is not known for this source address and port"
	case Busy:
		return "the reflector is busy"
	case BadDelay:
		return "the delay is longer than the reflector allows"
	}
	return "no reason that this version knows"
}

// Packet is a datagram's header. Times are ns since 1970.
type Packet struct {
	Kind     Kind
	Reason   Reason
	Session  uint64
	Cookie   uint64
	Sequence uint32
	Delay    uint32 // ms
	Sent     int64  // the client's clock
	Received int64  // the reflector's clock
	Answered int64  // the reflector's clock
	// Seen has bit i set when request Sequence-1-i arrived before this one.
	Seen       uint64
	Arrived    uint32 // echo requests of the session, without duplicates
	Duplicates uint32
	Declined   uint32 // arrived, but not answered for the rate limit
	Pending    uint32
	Observed   netip.AddrPort // the source that the reflector saw
	Extra      Extra          // of welcome and tallied
}

// Why a datagram is not accepted.
var (
	errSize   = errors.New("the datagram is too short or too long")
	errMagic  = errors.New("the datagram is not of this protocol and version")
	errMAC    = errors.New("the datagram is not authenticated with the key")
	errFields = errors.New("the datagram is authenticated, but its fields are not of this version")
)

// encode writes p over b, whose length is the datagram's, and signs it. Padding
// stays as it is in b.
func (p *Packet) encode(b []byte, key *Key) {
	copy(b, "SPR")
	b[3] = version
	b[4], b[5] = byte(p.Kind), byte(p.Reason)
	be := binary.BigEndian
	be.PutUint16(b[6:], 0)
	be.PutUint64(b[8:], p.Session)
	be.PutUint64(b[16:], p.Cookie)
	be.PutUint32(b[24:], p.Sequence)
	be.PutUint32(b[28:], p.Delay)
	be.PutUint64(b[32:], uint64(p.Sent))
	be.PutUint64(b[40:], uint64(p.Received))
	be.PutUint64(b[48:], uint64(p.Answered))
	be.PutUint64(b[56:], p.Seen)
	be.PutUint32(b[64:], p.Arrived)
	be.PutUint32(b[68:], p.Duplicates)
	be.PutUint32(b[72:], p.Declined)
	be.PutUint32(b[76:], p.Pending)
	var a [16]byte
	if p.Observed.IsValid() {
		a = p.Observed.Addr().As16()
	}
	copy(b[80:], a[:])
	be.PutUint16(b[96:], p.Observed.Port())
	clear(b[98:headerSize])
	body := b[:len(b)-macSize]
	mac := key.mac(body)
	copy(b[len(body):], mac[:])
}

// decode reads a datagram, whose content is hostile until its MAC is checked.
func decode(b []byte, key *Key) (Packet, error) {
	if len(b) < MinSize || len(b) > MaxSize {
		return Packet{}, errSize
	}
	if string(b[:3]) != "SPR" || b[3] != version {
		return Packet{}, errMagic
	}
	body := b[:len(b)-macSize]
	if !key.signed(body, b[len(body):]) {
		return Packet{}, errMAC
	}
	return parse(body)
}

// parse reads the header of an authenticated datagram.
func parse(b []byte) (Packet, error) {
	be := binary.BigEndian
	p := Packet{
		Kind: Kind(b[4]), Reason: Reason(b[5]),
		Session: be.Uint64(b[8:]), Cookie: be.Uint64(b[16:]),
		Sequence: be.Uint32(b[24:]), Delay: be.Uint32(b[28:]),
		Sent: int64(be.Uint64(b[32:])), Received: int64(be.Uint64(b[40:])), Answered: int64(be.Uint64(b[48:])),
		Seen: be.Uint64(b[56:]), Arrived: be.Uint32(b[64:]), Duplicates: be.Uint32(b[68:]),
		Declined: be.Uint32(b[72:]), Pending: be.Uint32(b[76:]),
	}
	addr, port := netip.AddrFrom16([16]byte(b[80:96])).Unmap(), be.Uint16(b[96:])
	if !addr.IsUnspecified() || port != 0 {
		p.Observed = netip.AddrPortFrom(addr, port)
	}
	if p.Kind == Tallied || p.Kind == Welcome {
		p.Extra = extra(b)
	}
	if p.Kind < Hello || p.Kind > Refused || (p.Kind == Refused) != (p.Reason != 0) {
		return Packet{}, errFields
	}
	if be.Uint16(b[6:]) != 0 || be.Uint16(b[98:]) != 0 || be.Uint32(b[100:]) != 0 {
		return Packet{}, errFields
	}
	return p, nil
}
