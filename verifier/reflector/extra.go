package reflector

import (
	"encoding/binary"
	"time"
)

// ExtraSize is the room for Extra behind the header of welcome and tallied. It is padding
// to those who do not know it, and 0 from reflectors that do not.
const ExtraSize = 24

// Extra is what a reflector knows beside the counts of a session. It comes with welcome
// and tallied where the request has ExtraSize bytes of padding or more.
type Extra struct {
	// Dropped is how many datagrams, of anybody's, the reflector's system had no room for so
	// far, modulo 2^32.
	Dropped uint32
	// Mark is the DSCP of the session's last echo as it arrived. Marked says that it is known.
	Mark   uint8
	Marked bool
	// Clock is what to add to the reflector's times so that they are those of its wall
	// clock, and ClockError how wrong that may be, as the reflector's system says; 0: it is
	// not synchronized, or the system does not say.
	Clock, ClockError time.Duration
}

// put writes e over the padding of a datagram.
func (e *Extra) put(b []byte) {
	if len(b) < MinSize+ExtraSize {
		return
	}
	b = b[headerSize:]
	binary.BigEndian.PutUint32(b, e.Dropped)
	if e.Marked {
		b[4], b[5] = 1, e.Mark
	}
	binary.BigEndian.PutUint64(b[8:], uint64(e.Clock))
	binary.BigEndian.PutUint64(b[16:], uint64(e.ClockError))
}

// extra reads an Extra from a datagram without its MAC.
func extra(b []byte) Extra {
	if len(b) < headerSize+ExtraSize {
		return Extra{}
	}
	b = b[headerSize:]
	return Extra{
		Dropped: binary.BigEndian.Uint32(b), Marked: b[4]&1 != 0, Mark: b[5] & 63,
		Clock: time.Duration(binary.BigEndian.Uint64(b[8:])), ClockError: max(0, time.Duration(binary.BigEndian.Uint64(b[16:]))),
	}
}
