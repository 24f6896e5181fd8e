package lab

import (
	"encoding/binary"
	"net/netip"
)

// wire is a view of an IP packet without extension headers.
type wire struct {
	src, dst netip.Addr
	proto    uint8
	tos      uint8
	l4       int    // where the transport header starts in b
	b        []byte // the whole packet
}

// parseIP reads the header of a packet, which may be cut short behind it, as
// in the quote of an ICMP error.
func parseIP(b []byte) (wire, bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		w := wire{proto: b[9], tos: b[1], l4: int(b[0]&15) * 4, b: b}
		w.src = netip.AddrFrom4([4]byte(b[12:]))
		w.dst = netip.AddrFrom4([4]byte(b[16:]))
		return w, w.l4 >= 20 && w.l4 <= len(b)
	case len(b) >= 40 && b[0]>>4 == 6:
		w := wire{proto: b[6], tos: b[0]<<4 | b[1]>>4, l4: 40, b: b}
		w.src = netip.AddrFrom16([16]byte(b[8:]))
		w.dst = netip.AddrFrom16([16]byte(b[24:]))
		return w, true
	}
	return wire{}, false
}

// ports returns the ports; the identifier of an ICMP echo is its source port.
func (w wire) ports() (src, dst uint16) {
	t := w.b[w.l4:]
	switch {
	case w.proto == ProtoICMP || w.proto == ProtoICMPv6:
		if len(t) >= 8 {
			src = binary.BigEndian.Uint16(t[4:])
		}
	case len(t) >= 4:
		src, dst = binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
	}
	return src, dst
}

func (w wire) endpoints() (src, dst netip.AddrPort) {
	sp, dp := w.ports()
	return netip.AddrPortFrom(w.src, sp), netip.AddrPortFrom(w.dst, dp)
}

// icmp returns the type and code of an ICMP packet.
func (w wire) icmp() (typ, code uint8, ok bool) {
	t := w.b[w.l4:]
	if w.proto != ProtoICMP && w.proto != ProtoICMPv6 || len(t) < 8 {
		return 0, 0, false
	}
	return t[0], t[1], true
}

// quoted returns the packet that w, an ICMP error, is about.
func (w wire) quoted() (wire, bool) {
	typ, _, ok := w.icmp()
	if !ok {
		return wire{}, false
	}
	if w.proto == ProtoICMP {
		switch typ {
		case 3, 4, 5, 11, 12: // RFC 792: the types that quote a packet
		default:
			return wire{}, false
		}
	} else if typ >= 128 { // RFC 4443: errors are below
		return wire{}, false
	}
	return parseIP(w.b[w.l4+8:])
}

// tcp returns the fixed part of a TCP header.
func (w wire) tcp() (t []byte, ok bool) {
	t = w.b[w.l4:]
	return t, w.proto == ProtoTCP && len(t) >= 20
}

// tagAt returns where in w the tag starts.
func (w wire) tagAt() (int, bool) {
	at := w.l4 + 8
	if w.proto == ProtoTCP {
		at = w.tcpTagAt()
	}
	if at < 0 || len(w.b) < at+tagLen || string(w.b[at:at+len(tagMagic)]) != tagMagic {
		return 0, false
	}
	return at, true
}

// tcpTagAt looks for the option that holds the tag; -1: there is none.
func (w wire) tcpTagAt() int {
	t, ok := w.tcp()
	if !ok {
		return -1
	}
	end := min(int(t[12]>>4)*4, len(t))
	for i := 20; i < end; {
		switch kind := t[i]; {
		case kind == 0:
			return -1
		case kind == 1:
			i++
			continue
		case i+1 >= end || t[i+1] < 2:
			return -1
		case kind == 253 && t[i+1] == 2+tagLen:
			return w.l4 + i + 2
		}
		i += int(t[i+1])
	}
	return -1
}

// id returns the number of one of our packets.
func (w wire) id() (uint32, bool) {
	at, ok := w.tagAt()
	if !ok {
		return 0, false
	}
	return binary.BigEndian.Uint32(w.b[at+len(tagMagic):]), true
}

// A sighting is what a packet that came out of the firewall says about one
// that went in.
type sighting struct {
	kind sightingKind
	id   uint32 // not for resets
}

type sightingKind int

const (
	stranger  sightingKind = iota // nothing about any of our packets
	itself                        // the packet itself
	icmpError                     // an ICMP error about it
	reset                         // a TCP reset, which has no room for the number
)

func identify(w wire) sighting {
	if q, ok := w.quoted(); ok {
		if id, ok := q.id(); ok {
			return sighting{icmpError, id}
		}
		return sighting{}
	}
	if id, ok := w.id(); ok {
		return sighting{itself, id}
	}
	if t, ok := w.tcp(); ok && t[13]&RST != 0 {
		return sighting{kind: reset}
	}
	return sighting{}
}

// resets says whether w, a TCP reset, answers p (RFC 9293, section 3.5.2): it
// starts where p's acknowledgement says, or else acknowledges all of p.
func (w wire) resets(p *Packet) bool {
	t, ok := w.tcp()
	if !ok || p.Proto != ProtoTCP || w.src != p.Dst || w.dst != p.Src {
		return false
	}
	if src, dst := w.ports(); src != p.DstPort || dst != p.SrcPort {
		return false
	}
	if p.Flags&ACK != 0 {
		return binary.BigEndian.Uint32(t[4:]) == p.Ack
	}
	return t[13]&ACK != 0 && binary.BigEndian.Uint32(t[8:])-p.Seq == p.sequenceLength()
}

// sequenceLength is how far p moves TCP's sequence number on.
func (p *Packet) sequenceLength() uint32 {
	n := uint32(0)
	if p.Flags&SYN != 0 {
		n++
	}
	if p.Flags&FIN != 0 {
		n++
	}
	headers := 20 + 20 + 12
	if p.Dst.Is6() {
		headers += 20
	}
	if p.Flags&SYN != 0 {
		headers += 4
	}
	return n + uint32(max(0, p.Size-headers))
}
