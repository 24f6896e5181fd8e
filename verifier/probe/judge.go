package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// sign is one error that was seen, with what it depends on.
type sign struct {
	err *errqueue.Error
	// lag is the time since the last packet was sent.
	lag time.Duration
}

// ruling is a verdict with its reason.
type ruling struct {
	verdict  verifier.Verdict
	offender netip.Addr
	why      string // a line of evidence
	// forbidden says that the error can only mean that somebody forbids it.
	forbidden bool
	own       string // the kind of this machine's own route that stops it
}

// judge says what one error means for packets to target. It is the table of evidence:
//
//	not sent: no permission            denied locally
//	not sent: no route                 no route
//	port unreachable from the target   closed
//	host unreachable, late             no host, says the last router
//	ICMP from ourselves                denied locally
//	any other unreachable              rejected by its sender
//	TTL exceeded                       no route: a loop
//	a refusal without a sender         refused
func (e *env) judge(s sign, target netip.Addr) ruling {
	x := s.err
	r := ruling{offender: x.Offender, why: fmt.Sprintf("%s from %s", x.Message(), x.Offender)}
	switch {
	case x.Cause == errqueue.TimedOut:
		return ruling{verdict: verifier.Silent, why: fmt.Sprintf("the system gave up after %s", brief(s.lag))}
	case x.Origin == errqueue.Local:
		return judgeLocal(x)
	case x.Origin == errqueue.Unknown || !x.Offender.IsValid():
		return judgeUnknown(x)
	case x.TimeExceeded():
		r.verdict = verifier.NoRoute
		r.why += ": packets go round in a loop"
	case x.NoNeighbour() && s.lag >= e.timers.NoHostAfter:
		r.verdict = verifier.NoHost
		r.why += fmt.Sprintf(" %s after sending, as a router answers that looks for its neighbour in vain", brief(s.lag))
	case x.Offender == target && x.PortUnreachable():
		r.verdict = verifier.Closed
		r.why += ", the target itself"
	case e.isOwn(x.Offender) && x.NoNeighbour():
		r.verdict = verifier.Inconclusive
		r.why += ", which is this machine: a neighbour that does not answer, or a filter here"
	case e.isOwn(x.Offender):
		r.verdict = verifier.DeniedLocally
		r.why += ", which is this machine"
	default:
		r.verdict = verifier.Rejected
		r.forbidden = x.Prohibited() || x.PortUnreachable()
		if x.NoRoute() || x.NoNeighbour() {
			r.why += "; a router without a route says the same"
		}
	}
	return r
}

func judgeLocal(x *errqueue.Error) ruling {
	r := ruling{why: fmt.Sprintf("the system refuses to send: %v", x.Err)}
	switch x.Cause {
	case errqueue.Denied:
		r.verdict = verifier.DeniedLocally
	case errqueue.NetUnreachable, errqueue.HostUnreachable:
		r.verdict = verifier.NoRoute
	default:
		r.verdict = verifier.Inconclusive
	}
	return r
}

// judgeUnknown rules where the sender is not known: a TCP reset, or a system without
// an error queue.
func judgeUnknown(x *errqueue.Error) ruling {
	r := ruling{verdict: verifier.Inconclusive, why: fmt.Sprintf("%v", x.Err)}
	if x.Cause == errqueue.Refused {
		r.verdict = verifier.Refused
	}
	if x.Why != "" {
		r.why += "; " + x.Why
	}
	return r
}

// ownRoute looks closer at what this machine refused to send: a route of its own may
// stop it, or all of its ports may be in use, and neither is what the error reads like.
func (e *env) ownRoute(r ruling, x *errqueue.Error, prot string, to netip.AddrPort) ruling {
	if x.Origin != errqueue.Local {
		return r
	}
	leave, err := e.net.Leave([]Flow{{To: to.Addr(), Protocol: prot, Port: to.Port()}})
	if err != nil {
		return r
	}
	switch l := leave[0]; {
	case l.Own != "":
		r.verdict, r.own = verifier.NoRoute, l.Own
		r.why = fmt.Sprintf("a route of this machine's own, of type %s, stops it", l.Own)
	case r.verdict == verifier.NoRoute && l.Err == nil && x.NoAddress():
		r.verdict = verifier.Inconclusive
		r.why = "this machine has a route, and no source address or port that is free for it"
	}
	return r
}

// isOwn reports whether a is an address of this machine.
func (e *env) isOwn(a netip.Addr) bool { return e.own[a] }

// outcomeOf is what a verdict means for a rule that allows. Silence does not fail: it
// tells neither a filter from a host that is not there, nor from a service that does
// not answer strangers.
func outcomeOf(v verifier.Verdict) verifier.Outcome {
	switch {
	case v == verifier.Reachable:
		return verifier.Pass
	case v == verifier.NotProbed:
		return verifier.Skipped
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
