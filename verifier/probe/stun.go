package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/pion/stun/v3"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// exchange is one UDP port being asked: a Binding with the retransmissions of RFC 8489
// section 6.2.1 and, once three of those went unanswered, an Allocate in turns with it,
// for relays that answer nothing else. Both keep their id, so that a late answer to an
// early request counts. Any valid answer decides, and so does the same error twice.
type exchange struct {
	e    *env
	to   netip.AddrPort
	conn UDPConn

	began  time.Time
	sends  []send
	sentAt []time.Time // when each request was sent
	sent   int         // those that this machine let pass
	errors int         // since the last request
	denied int         // sends that this machine refused, without one that it let pass
	signs  []sign
	strays int
	asked  map[stun.Method]int // requests that this machine sent
	got    map[stun.Method]int // answers to them, where one decided
	ruling ruling
	answer answer
	// answered of counted requests got an answer; methods that the relay never answers
	// are not counted.
	answered, counted int
	done              bool
}

// send is a request that is due.
type send struct {
	at      time.Duration // since the beginning
	method  stun.Method
	message []byte
}

// reached is the outcome of asking one port.
type reached struct {
	ruling
	evidence []string
	mapped   netip.AddrPort
	local    netip.AddrPort
	rtt      time.Duration // of a connection over TCP
	shook    time.Duration // of the TLS handshake that followed
	answer   answer        // over UDP
	tls      *tlsPeer      // of a port that was asked by TLS
	// undecided says that something did not happen, and that there was too little time for
	// it.
	undecided bool
	noHello   bool   // nothing came back for the client hello of TLS
	remedy    string // instead of the usual one
}

// allocates reports whether request n, from 0, is an Allocate, for relays that answer
// nothing else; the others are Bindings. There are seven requests, as in RFC 8489
// section 6.2.1. That leaves three of the ten datagrams that a relay and port may get
// for examine.
func allocates(n int) bool { return n == 3 || n == 5 }

func (e *env) stunSchedule(t verifier.Timers, binding, allocate transaction) []send {
	var list []send
	at, rto := time.Duration(0), t.RTO
	for n := range t.Rc {
		one := send{at, stun.MethodBinding, bindingRequest(binding)}
		if allocates(n) {
			one = send{at, stun.MethodAllocate, allocateRequest(allocate)}
		}
		list = append(list, one)
		at += rto
		rto *= 2
	}
	return list
}

func newTransaction() (id transaction) {
	rand.Read(id[:]) // documented never to fail
	return id
}

// stunUDP asks one UDP port.
func (e *env) stunUDP(ctx context.Context, to netip.AddrPort) reached {
	conn, err := e.net.DialUDP(ctx, to, errqueue.Options{})
	if err != nil {
		return e.dialFailed(err, to)
	}
	defer conn.Close()
	binding, allocate := newTransaction(), newTransaction()
	x := &exchange{e: e, to: to, conn: conn, began: time.Now(), asked: map[stun.Method]int{}, sends: e.stunSchedule(e.timers, binding, allocate)}
	x.run(ctx, binding, allocate)
	e.examine(ctx, portOf{"udp", to}, &x.ruling)
	return reached{ruling: x.ruling, mapped: x.answer.mapped, local: conn.LocalAddr(), evidence: x.evidence(), answer: x.answer}
}

// run sends the requests when they are due, and reads until an answer decides or the
// time is over.
func (x *exchange) run(ctx context.Context, binding, allocate transaction) {
	end := x.began.Add(x.e.timers.Silence())
	stop := context.AfterFunc(ctx, func() { _ = x.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, maxSTUN+1)
	for !x.done {
		for len(x.sends) > 0 && time.Since(x.began) >= x.sends[0].at && !x.done {
			x.send()
		}
		until := end
		if len(x.sends) > 0 {
			until = x.began.Add(x.sends[0].at)
		}
		if x.done {
			break
		}
		late := !time.Now().Before(end)
		if late { // read what has arrived already, even if this process is late
			until = time.Now().Add(x.e.timers.Hop / 10)
		}
		if err := x.conn.SetReadDeadline(until); err != nil || ctx.Err() != nil {
			break
		}
		n, err := x.conn.Read(buf)
		switch {
		case err == nil:
			x.received(buf[:n], binding, allocate)
		case errors.Is(err, os.ErrDeadlineExceeded):
			if late {
				x.done = true
			}
		default:
			x.failed(err)
		}
	}
	x.conclude(ctx)
	x.collect(ctx, binding, allocate)
}

// collect waits for the answers to the other requests, for as long as the first answer
// took. Of those that do not come, the request or the answer was lost.
func (x *exchange) collect(ctx context.Context, binding, allocate transaction) {
	if x.ruling.facts&anAnswer == 0 {
		return
	}
	x.got = map[stun.Method]int{x.answer.method: 1}
	took := min(time.Since(x.began), x.e.timers.Query)
	end := x.sentAt[len(x.sentAt)-1].Add(took + x.e.timers.Hop/10)
	buf := make([]byte, maxSTUN+1)
	for n := 1; n < x.sent && ctx.Err() == nil && x.conn.SetReadDeadline(end) == nil; {
		size, err := x.conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if a, bad := readAnswer(buf[:max(size, 0)]); err == nil && bad == nil && x.ours(a, binding, allocate) && x.got[a.method] < x.asked[a.method] {
			x.got[a.method]++
			n++
		}
	}
	// Some relays answer only one kind of request, even if the other arrives.
	for method, got := range x.got {
		x.e.losses.add(portOf{"udp", x.to}, x.asked[method], x.asked[method]-got)
		x.answered, x.counted = x.answered+got, x.counted+x.asked[method]
	}
}

func (x *exchange) ours(a answer, binding, allocate transaction) bool {
	return a.method == stun.MethodBinding && a.id == binding || a.method == stun.MethodAllocate && a.id == allocate
}

func (x *exchange) send() {
	next := x.sends[0]
	x.sends = x.sends[1:]
	if !x.e.budget.take(x.to) {
		return
	}
	x.sentAt = append(x.sentAt, time.Now())
	x.errors = 0
	if _, err := x.conn.Write(next.message); err != nil {
		x.failed(err)
		return
	}
	x.sent++
	x.asked[next.method]++
	x.denied = 0
}

func (x *exchange) received(b []byte, binding, allocate transaction) {
	a, err := readAnswer(b)
	if err != nil || !x.ours(a, binding, allocate) {
		x.strays++
		return
	}
	x.answer, x.done = a, true
	x.e.rtts.learn(anyOf(x.to.Addr()), time.Since(x.began))
	x.ruling = ruling{facts: anAnswer, why: a.describe()}
	if !plausible(a.mapped, x.to.Addr()) {
		x.ruling = ruling{why: a.describe() + ", which no target can see: something on the way answers, or changes answers"}
	}
	x.ruling = x.ruling.settled()
	if a.allocated {
		// This server allocates a relay without credentials: release it.
		_, _ = x.conn.Write(releaseRequest(newTransaction())) // it would expire by itself
	}
}

// plausible reports whether a target can see this machine under an address.
func plausible(mapped netip.AddrPort, target netip.Addr) bool {
	a := mapped.Addr()
	if !a.IsValid() {
		return true // it does not say
	}
	return mapped.Port() != 0 && !a.IsUnspecified() && !a.IsMulticast() && a.IsLoopback() == target.IsLoopback() && a.Is4() == target.Is4()
}

func (a answer) describe() string {
	method := "binding"
	if a.method == stun.MethodAllocate {
		method = "allocate"
	}
	s := fmt.Sprintf("a valid answer to %s with our transaction id", method)
	if !a.success {
		s += fmt.Sprintf(", error %d", a.code)
	}
	if a.mapped.IsValid() {
		s += fmt.Sprintf("; it sees us as %s", a.mapped)
	}
	if a.software != "" {
		s += fmt.Sprintf("; it calls itself %q", a.software)
	}
	return s
}

// failed notes an error of a read or write. One error proves little: a route may just
// have changed. The same error again decides.
func (x *exchange) failed(err error) {
	n, ok := asError(err)
	if !ok {
		x.done = true
		x.ruling = ruling{verdict: verifier.Inconclusive, why: fmt.Sprintf("the socket failed: %v", err)}
		return
	}
	if n.Cause == errqueue.TooBig {
		return
	}
	x.note(n)
	if n.Origin == errqueue.Local {
		x.denied++
		x.done = x.denied == 3 && x.sent == 0
		return
	}
	this := x.e.judge(x.signs[len(x.signs)-1], x.to.Addr())
	for _, earlier := range x.signs[:len(x.signs)-1] {
		that := x.e.judge(earlier, x.to.Addr())
		if that.alike(this) && x.sent >= 2 {
			x.done = true
		}
	}
}

// note keeps an error and how long after its request it came. The first error since the
// last request belongs to that request; further errors at the same time belong to
// earlier requests. They come from a router that kept several packets while it looked
// for its neighbour, so that the longest time holds for all of them.
func (x *exchange) note(n *errqueue.Error) {
	s := sign{err: n}
	if x.errors++; x.errors <= len(x.sentAt) {
		s.lag = time.Since(x.sentAt[len(x.sentAt)-x.errors])
	}
	for i := range x.signs {
		if x.errors > 1 && x.signs[i].err.NoNeighbour() && n.NoNeighbour() && x.signs[i].err.Offender == n.Offender {
			s.lag = max(s.lag, x.signs[i].lag)
			x.signs[i].lag = s.lag
		}
	}
	x.signs = append(x.signs, s)
}

// conclude decides on a verdict when no answer came.
func (x *exchange) conclude(ctx context.Context) {
	if x.ruling.why != "" {
		return
	}
	if x.sent > 0 { // the requests that were sent got no answer; refused ones decide nothing
		x.signs = slices.DeleteFunc(x.signs, func(s sign) bool { return s.err.Origin == errqueue.Local })
	}
	if len(x.signs) == 0 {
		x.ruling = ruling{facts: silence, why: "nothing came back"}.settled()
		if ctx.Err() != nil {
			x.ruling = ruling{verdict: verifier.Inconclusive, why: "the run was ended before the time for an answer was over"}
		}
		return
	}
	rulings := make([]ruling, len(x.signs))
	for i, s := range x.signs {
		rulings[i] = x.e.judge(s, x.to.Addr())
	}
	x.ruling = rulings[len(rulings)-1]
	for _, r := range rulings { // the longest time counts: see note
		if r.lag > x.ruling.lag {
			x.ruling = r
		}
	}
	for _, r := range rulings {
		if !r.alike(x.ruling) {
			x.ruling = ruling{verdict: verifier.Inconclusive, why: fmt.Sprintf("errors that do not agree: %s; %s", r.why, x.ruling.why)}
			return
		}
	}
}

func (x *exchange) evidence() []string {
	var list []string
	if x.sent == 1 {
		list = append(list, "sent once")
	} else if x.sent > 1 {
		list = append(list, fmt.Sprintf("sent %s in %s", times(x.sent), brief(x.sentAt[len(x.sentAt)-1].Sub(x.began))))
	}
	list = append(list, x.ruling.why)
	if x.answered < x.counted {
		list = append(list, fmt.Sprintf("%d of %d requests were answered", x.answered, x.counted))
	}
	if n := len(x.signs); n > 1 || n == 1 && x.ruling.verdict == verifier.Reachable {
		list = append(list, fmt.Sprintf("ICMP or local errors came %s", times(n)))
	}
	if x.strays > 0 {
		list = append(list, fmt.Sprintf("what is no answer to us came %s", times(x.strays)))
	}
	return list
}

// dialFailed is the verdict on a socket that could not be opened or connected.
func (e *env) dialFailed(err error, to netip.AddrPort) reached {
	if x, ok := asError(err); ok {
		r := e.ownRoute(e.judge(sign{err: x}, to.Addr()), x, "udp", to)
		return reached{ruling: r, evidence: []string{r.why}}
	}
	r := ruling{verdict: verifier.Inconclusive, why: fmt.Sprintf("no socket: %v", err)}
	return reached{ruling: r, evidence: []string{r.why}}
}
