package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// sign is one error that was seen, with what its meaning depends on.
type sign struct {
	err *errqueue.Error
	// lag is the time since the last packet was sent.
	lag time.Duration
}

// ruling is a verdict with its reason.
type ruling struct {
	verdict  verifier.Verdict
	facts    fact // what the verdict stands on
	offender netip.Addr
	lag      time.Duration // of an error: since its packet was sent
	place    place         // where it came from, if a short packet showed it
	why      string        // a line of evidence
	// forbidden says that the error can only mean that somebody forbids it.
	forbidden bool
	own       string // the kind of this machine's own route that stops it
}

// judge says what one error shows about packets to target. It cannot say whether
// something nearer answers in the target's name, whether a router waited for a
// neighbour, or whether packets loop: see examine.
func (e *env) judge(s sign, target netip.Addr) ruling {
	x := s.err
	r := ruling{offender: x.Offender, lag: s.lag, why: fmt.Sprintf("%s from %s", x.Message(), x.Offender)}
	switch {
	case x.Cause == errqueue.TimedOut:
		return ruling{facts: silence, why: fmt.Sprintf("the system gave up after %s", brief(s.lag))}.settled()
	case x.Origin == errqueue.Local:
		return judgeLocal(x).settled()
	case x.Origin == errqueue.Unknown || !x.Offender.IsValid():
		return judgeUnknown(x).settled()
	case x.TimeExceeded():
		r.facts = expired
		return r.settled()
	}
	r.facts = anUnreachable | forWhole
	switch {
	case x.PortUnreachable():
		r.facts = anUnreachable | forPort
	case x.NoNeighbour():
		r.facts = anUnreachable | forNeighbour
	}
	r.forbidden = x.Prohibited() || x.PortUnreachable()
	switch {
	case x.Offender == target:
		r.facts |= fromTarget
		r.why += ", the target's own address"
	case e.isOwn(x.Offender):
		r.facts |= fromOwn
		r.why += ", which is this machine"
		if x.NoNeighbour() {
			r.why += ": a neighbour that does not answer, or a filter here"
			if s.lag >= e.timers.NoHostAfter {
				r.facts |= late
			}
		}
	default:
		r.facts |= fromOther
		if x.NoRoute() || x.NoNeighbour() {
			r.why += "; a router without a route says the same"
		}
		if x.NoNeighbour() && s.lag < e.timers.NoHostAfter {
			r.facts |= early
		}
	}
	return r.settled()
}

// settled returns r with the verdict that its facts allow.
func (r ruling) settled() ruling {
	r.verdict = conclude(r.facts)
	return r
}

// alike reports whether two errors say the same about the same sender.
func (r ruling) alike(o ruling) bool {
	return r.facts&^(early|late) == o.facts&^(early|late) && r.offender == o.offender
}

func judgeLocal(x *errqueue.Error) ruling {
	r := ruling{why: fmt.Sprintf("the system refuses to send: %v", x.Err)}
	switch x.Cause {
	case errqueue.Denied:
		r.facts = refusedHere
	case errqueue.NetUnreachable, errqueue.HostUnreachable:
		r.facts = noWayHere
	}
	return r
}

// judgeUnknown rules where the sender is not known: a TCP reset, or a system without
// an error queue.
func judgeUnknown(x *errqueue.Error) ruling {
	r := ruling{why: fmt.Sprintf("%v", x.Err)}
	if x.Cause == errqueue.Refused {
		r.facts = aRefusal
	}
	if x.Why != "" {
		r.why += "; " + x.Why
	}
	return r
}

// ownRoute looks closer at what this machine refused to send: a route of its own may
// stop it, or all of its ports may be in use, and the error reads like neither.
func (e *env) ownRoute(r ruling, x *errqueue.Error, prot string, to netip.AddrPort) ruling {
	if x.Origin != errqueue.Local {
		return r
	}
	routes, err := e.net.LookUp([]Flow{{To: to.Addr(), Protocol: prot, Port: to.Port()}})
	if err != nil {
		return r
	}
	switch l := routes[0]; {
	case l.Own != "":
		r.facts, r.own = noWayHere, l.Own
		r.why = fmt.Sprintf("a route of this machine's own, of type %s, stops it", l.Own)
	case r.verdict == verifier.NoRoute && l.Err == nil && x.NoAddress():
		r.facts = 0
		r.why = "this machine has a route, and no source address or port that is free for it"
	}
	return r.settled()
}

// isOwn reports whether a is an address of this machine.
func (e *env) isOwn(a netip.Addr) bool { return e.own[a] }

// outcomeOf is what a verdict means for a rule that allows. Silence is no failure,
// because a filter, a host that is not there, and a service that does not answer
// strangers look the same.
func outcomeOf(v verifier.Verdict) verifier.Outcome {
	switch {
	case v == verifier.Reachable:
		return verifier.Pass
	case v == verifier.NotProbed:
		return verifier.Unprobed
	case v.Firm():
		return verifier.Fail
	}
	return verifier.Undecided
}

// asError finds the error of the network in err.
func asError(err error) (*errqueue.Error, bool) {
	var x *errqueue.Error
	ok := errors.As(err, &x)
	return x, ok
}
