package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// A Verdict is what the firewall did with a packet.
type Verdict int

// The verdicts.
const (
	Undecided Verdict = iota // not judged; never in an answer without an error
	Passed                   // it came out
	Dropped                  // nothing came out
	Rejected                 // an ICMP error or a TCP reset came out instead
	TooBig                   // an ICMP "packet too big" came out instead, or a Local sender was told so
)

func (v Verdict) String() string {
	switch v {
	case Undecided:
		return "undecided"
	case Passed:
		return "passed"
	case Dropped:
		return "dropped"
	case Rejected:
		return "rejected"
	case TooBig:
		return "too big"
	}
	return fmt.Sprintf("Verdict(%d)", int(v))
}

// An Outcome is what came of a packet. A packet that the firewall keeps for
// itself, because a rule redirects it, counts as dropped: nothing came out.
type Outcome struct {
	Verdict Verdict

	// What came out, the packet or the answer to it. All zero when it was
	// dropped.
	Out      string         // the device; "lo" for an answer to a Local packet
	Src, Dst netip.AddrPort // after NAT; the source of an answer is who rejects
	TOS      uint8          // TOS byte or IPv6 traffic class
	ICMPType uint8          // of an ICMP error
	ICMPCode uint8
	Reset    bool   // the answer is a TCP reset
	Bytes    []byte // the whole IP packet; the caller's own
}

// DSCP is the differentiated services code point of what came out (RFC 2474).
func (o *Outcome) DSCP() uint8 { return o.TOS >> 2 }

// Reply makes the packet with which the peer of a packet that passed answers:
// a datagram back, an echo reply, for a SYN its SYN and ACK, for any other TCP
// packet its ACK. Give it to [Injector.Continue], which keeps the state of
// connections; a reply to a reply goes on with the connection.
func (o *Outcome) Reply() (Packet, error) {
	w, ok := parseIP(o.Bytes)
	if o.Verdict != Passed || !ok {
		return Packet{}, fmt.Errorf("no reply to a packet that was %v", o.Verdict)
	}
	p := Packet{In: o.Out, Src: w.dst, Dst: w.src, Proto: w.proto, SrcPort: o.Dst.Port(), DstPort: o.Src.Port()}
	switch p.Proto {
	case ProtoTCP:
		t, ok := w.tcp()
		if !ok {
			return Packet{}, errors.New("no reply: the TCP header is cut short")
		}
		return p.replyTCP(t), nil
	case ProtoICMP, ProtoICMPv6:
		typ, _, _ := w.icmp()
		switch {
		case p.Proto == ProtoICMP && typ == 8:
			p.ICMPType = 0
		case p.Proto == ProtoICMPv6 && typ == 128:
			p.ICMPType = 129
		default:
			return Packet{}, fmt.Errorf("no reply to ICMP type %d", typ)
		}
		p.SrcPort, p.DstPort = o.Src.Port(), 0 // the identifier stays
	}
	return p, nil
}

// replyTCP completes p as the answer to the segment t.
func (p Packet) replyTCP(t []byte) Packet {
	flags, data := t[13], len(t)-int(t[12]>>4)*4
	p.Ack = binary.BigEndian.Uint32(t[4:]) + uint32(max(0, data))
	if flags&(SYN|FIN) != 0 {
		p.Ack++
	}
	p.Flags = ACK
	if flags&(SYN|ACK) == SYN {
		p.Flags |= SYN
	} else {
		p.Seq = binary.BigEndian.Uint32(t[8:])
	}
	return p
}

// ICMPError makes the ICMP error that a router at from would send about a packet
// that passed, such as type 3 code 4 (IPv6: type 2) for one that is too big
// further on. Give it to [Injector.Continue]. It passes when it comes out.
func (o *Outcome) ICMPError(from netip.Addr, icmpType, icmpCode uint8) (Packet, error) {
	w, ok := parseIP(o.Bytes)
	if o.Verdict != Passed || !ok {
		return Packet{}, fmt.Errorf("no ICMP error about a packet that was %v", o.Verdict)
	}
	const most = 400 // bytes quoted: the headers and the tag, and the whole error below every MTU
	p := Packet{In: o.Out, Src: from, Dst: w.src, Proto: ProtoICMP, ICMPType: icmpType, ICMPCode: icmpCode,
		quote: o.Bytes[:min(len(o.Bytes), most)]}
	if w.src.Is6() {
		p.Proto = ProtoICMPv6
	}
	return p, nil
}
