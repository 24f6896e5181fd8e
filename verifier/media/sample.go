package media

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/verifier/reflector"
)

// Fate is what became of a packet.
type Fate string

const (
	Answered     Fate = "answered"
	LostForward  Fate = "lost to the reflector"
	LostBackward Fate = "lost from the reflector"
	Lost         Fate = "lost"     // nobody knows where
	Unsent       Fate = "not sent" // by this machine: no loss of the path
)

// Sample is one packet of a train. Times are since the train began, or spans.
type Sample struct {
	Due     time.Duration // when it was to be sent
	Sent    time.Duration // when it was
	Fate    Fate
	Arrived time.Duration // when its answer came
	RTT     time.Duration // without the time inside the reflector
	// ReceivedThere and AnsweredThere are by the reflector's clock: only their
	// differences from those of other packets mean anything.
	ReceivedThere, AnsweredThere time.Duration
	OrderThere                   uint32 // place among the packets that the reflector got, from 1
	OrderHere                    uint32 // place among the answers that came, from 1
	Duplicates                   int    // further copies of the answer
}

// Train is what a measurement saw.
type Train struct {
	Began    time.Time
	Interval time.Duration
	Size     int // of each datagram, in bytes, without UDP and IP headers
	Samples  []Sample
	// Mapped are the sources that the reflector saw, in order, without repetitions:
	// more than one is a NAT that moved the session.
	Mapped []netip.AddrPort
	// What the reflector counted in the whole session. Counted is false if its last counts
	// did not come.
	Counted        bool
	ArrivedThere   uint32
	DuplicateThere uint32
	DeclinedThere  uint32          // not answered for its rate limit
	There          reflector.Extra // what else it knows at the end; Dropped is since the session began
	// DroppedHere is how many answers this machine's system had no room for.
	DroppedHere uint32
	// ClockError is how wrong this machine's clock may be; 0: unknown.
	ClockError time.Duration
	// Mark is the DSCP of the answers; Marked says that it is known.
	Mark          uint8
	Marked        bool
	Refused       []reflector.Reason // in order, without repetitions
	SendErrors    int                // packets that this machine would not send
	Skipped       int                // packets that were left out because the train was far behind
	LastSendError error
}

// Disturbed says why lost answers may be no loss of the path, or "".
func (t *Train) Disturbed() string {
	switch {
	case t.There.Dropped > 0:
		return fmt.Sprintf("the reflector is overloaded: its system had no room for %d packets, of this client's or of others'", t.There.Dropped)
	case t.DroppedHere > 0:
		return fmt.Sprintf("this machine is overloaded: its system had no room for %d answers", t.DroppedHere)
	case t.DeclinedThere > 0:
		return "the reflector held answers back for its rate limit"
	case len(t.Mapped) > 1:
		return "a NAT moved the session to another address or port, which the reflector does not answer"
	case len(t.Refused) > 0:
		return "the reflector refused packets: " + t.Refused[0].String()
	}
	return ""
}
