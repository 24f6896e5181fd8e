package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Protocol numbers (IANA) that a [Packet] has headers for. Packets of other
// protocols carry SrcPort and DstPort in the first four bytes after the IP
// header, as UDP-Lite and SCTP do, but are not valid packets of theirs.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
	// NoNextHeader stands in an extension header that nothing follows (RFC 8200,
	// section 4.7).
	NoNextHeader = 59
)

// TCP flags (RFC 9293, section 3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Local, as the device of a [Packet], says that the firewall itself sends it,
// which takes it through the output hook.
const Local = "local"

// A Packet is one IP packet to judge. It carries a number by which it is known
// when it comes out: in a TCP option, or behind the header of any other
// protocol. [UDP], [Connect] and [Echo] make the usual ones.
type Packet struct {
	In       string     // the device it enters, or Local; "": the first lan
	Src      netip.Addr // zero: an address behind In, or for Local the outer one
	Dst      netip.Addr
	Proto    uint8
	SrcPort  uint16 // the identifier, for an ICMP echo; 0: one that differs from packet to packet
	DstPort  uint16
	Flags    uint8  // TCP
	Seq      uint32 // TCP
	Ack      uint32 // TCP
	ICMPType uint8
	ICMPCode uint8
	TOS      uint8 // TOS byte or IPv6 traffic class: the DSCP times four
	Size     int   // bytes of the whole IP packet; less than the headers need: as few as possible

	quote []byte // the packet that an ICMP error is about
}

// UDP is a datagram to a port.
func UDP(dst netip.Addr, port uint16) Packet {
	return Packet{Dst: dst, Proto: ProtoUDP, DstPort: port}
}

// Connect is the first packet of a TCP connection to a port, a SYN.
func Connect(dst netip.Addr, port uint16) Packet {
	return Packet{Dst: dst, Proto: ProtoTCP, DstPort: port, Flags: SYN}
}

// Echo is an echo request of the family's ICMP.
func Echo(dst netip.Addr) Packet {
	if dst.Is4() {
		return Packet{Dst: dst, Proto: ProtoICMP, ICMPType: 8}
	}
	return Packet{Dst: dst, Proto: ProtoICMPv6, ICMPType: 128}
}

// OfProtocol is a packet of any protocol but the other family's ICMP. Behind an
// extension header of IPv6, and AH in both families, nothing follows.
func OfProtocol(dst netip.Addr, proto uint8) Packet {
	switch proto {
	case ProtoUDP:
		return UDP(dst, 3478)
	case ProtoTCP:
		return Connect(dst, 443)
	case ProtoICMP, ProtoICMPv6:
		return Echo(dst)
	case 51: // three words, two of them not counted (RFC 4302, section 2.2)
		return Packet{Dst: dst, Proto: proto, SrcPort: NoNextHeader<<8 | 1}
	case 0, 43, 44, 60: // eight bytes: options that are padding, no segments left, the only fragment
		return Packet{Dst: dst, Proto: proto, SrcPort: NoNextHeader << 8}
	}
	return Packet{Dst: dst, Proto: proto}
}

func (p *Packet) String() string {
	return fmt.Sprintf("in %s protocol %d %s > %s", p.In, p.Proto,
		netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort))
}

// Every packet carries this tag and then its number, big endian.
const (
	tagMagic = "spLb"
	tagLen   = 8
)

func appendTag(b []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, tagMagic...), id)
}

// validate reports what makes p no packet at all. Src must be set.
func (p *Packet) validate() error {
	switch {
	case !p.Src.IsValid() || !p.Dst.IsValid():
		return errors.New("no source or destination address")
	case p.Src.Is4In6() || p.Dst.Is4In6():
		return errors.New("an IPv4-mapped IPv6 address: unmap it")
	case p.Src.Is4() != p.Dst.Is4():
		return errors.New("source and destination of different families")
	case p.Src.Zone() != "" || p.Dst.Zone() != "":
		return errors.New("an address with a zone")
	case p.Proto == ProtoICMP && !p.Dst.Is4(), p.Proto == ProtoICMPv6 && p.Dst.Is4():
		return errors.New("the other family's ICMP")
	case p.Size > 65535:
		return fmt.Errorf("size %d does not fit into an IP packet", p.Size)
	}
	return nil
}

// appendTo appends the packet, known by id, to b. p must be valid.
func (p *Packet) appendTo(b []byte, id uint32) []byte {
	start := len(b)
	b = p.appendIP(b, id)
	l4 := len(b)
	b = p.appendTransport(b, id)
	for len(b)-start < p.Size {
		b = append(b, 0)
	}
	p.fillLengths(b[start:], l4-start)
	return b
}

func (p *Packet) appendIP(b []byte, id uint32) []byte {
	const hopLimit = 64
	if p.Dst.Is4() {
		b = append(b, 0x45, p.TOS, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(id))
		b = append(b, 0x40, 0, hopLimit, p.Proto, 0, 0) // don't fragment
	} else {
		b = append(b, 0x60|p.TOS>>4, p.TOS<<4, 0, 0, 0, 0, p.Proto, hopLimit)
	}
	b = append(b, p.Src.AsSlice()...)
	return append(b, p.Dst.AsSlice()...)
}

func (p *Packet) appendTransport(b []byte, id uint32) []byte {
	switch p.Proto {
	case ProtoTCP:
		return p.appendTCP(b, id)
	case ProtoICMP, ProtoICMPv6:
		b = append(b, p.ICMPType, p.ICMPCode, 0, 0)
		if p.quote != nil {
			var announced uint32
			if icmpTooBig(p.Proto, p.ICMPType, p.ICMPCode) {
				announced = 1280 // RFC 1191 has the MTU in the last two of these bytes, RFC 4443 in all four
			}
			b = binary.BigEndian.AppendUint32(b, announced)
			return appendQuote(b, p.quote, id)
		}
		b = binary.BigEndian.AppendUint16(b, p.SrcPort) // echo identifier
		b = binary.BigEndian.AppendUint16(b, uint16(id))
	default:
		b = binary.BigEndian.AppendUint16(b, p.SrcPort)
		b = binary.BigEndian.AppendUint16(b, p.DstPort)
		b = append(b, 0, 0, 0, 0)
	}
	return appendTag(b, id)
}

// appendTCP appends a TCP header whose options hold the tag, under the number
// for experiments of RFC 4727, and for a SYN the segment size.
func (p *Packet) appendTCP(b []byte, id uint32) []byte {
	const maxSegment, experiment, noOperation = 2, 253, 1
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, p.SrcPort)
	b = binary.BigEndian.AppendUint16(b, p.DstPort)
	b = binary.BigEndian.AppendUint32(b, p.Seq)
	b = binary.BigEndian.AppendUint32(b, p.Ack)
	b = append(b, 0, p.Flags, 0xff, 0xff, 0, 0, 0, 0) // window 65,535
	if p.Flags&SYN != 0 {
		b = append(b, maxSegment, 4, 0x05, 0xb4) // 1,460 bytes
	}
	b = append(b, noOperation, noOperation, experiment, 2+tagLen)
	b = appendTag(b, id)
	b[start+12] = byte((len(b) - start) / 4 << 4)
	return b
}

// icmpTooBig says whether an ICMP error means "packet too big".
func icmpTooBig(proto, typ, code uint8) bool {
	return proto == ProtoICMP && typ == 3 && code == 4 || proto == ProtoICMPv6 && typ == 2
}

// appendQuote appends the packet that an ICMP error is about, with its tag
// changed to id so that the error is known by its own number.
func appendQuote(b, quote []byte, id uint32) []byte {
	start := len(b)
	b = append(b, quote...)
	if w, ok := parseIP(b[start:]); ok {
		if at, ok := w.tagAt(); ok {
			copy(b[start+at:], appendTag(nil, id))
		}
	}
	return b
}

// fillLengths sets the lengths and checksums of a packet whose transport
// header starts at l4.
func (p *Packet) fillLengths(b []byte, l4 int) {
	if p.Dst.Is4() {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[10:], ^sum(0, b[:l4]))
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-l4))
	}
	t := b[l4:]
	at := -1
	switch p.Proto {
	case ProtoTCP:
		at = 16
	case ProtoUDP:
		binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
		at = 6
	case ProtoICMP:
		binary.BigEndian.PutUint16(t[2:], ^sum(0, t))
		return
	case ProtoICMPv6:
		at = 2
	}
	if at < 0 {
		return
	}
	// The pseudo-header: addresses, protocol, length (RFC 9293, RFC 8200).
	addresses := 2 * p.Dst.BitLen() / 8
	pseudo := sum(uint32(p.Proto)+uint32(len(t)), b[l4-addresses:l4])
	c := ^sum(uint32(pseudo), t)
	if c == 0 && p.Proto == ProtoUDP {
		c = 0xffff // 0 would mean that there is no checksum
	}
	binary.BigEndian.PutUint16(t[at:], c)
}

// sum is the ones' complement sum of RFC 1071, started with s.
func sum(s uint32, b []byte) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}
