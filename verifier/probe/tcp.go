package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pion/stun/v3"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// connect opens a TCP connection and judges a failure. TCP itself sends its first
// packet again when it is lost: at 1, 3, 7 and 15 seconds on Linux.
func (e *env) connect(ctx context.Context, to netip.AddrPort) (net.Conn, reached) {
	conn, r := e.connectOnce(ctx, to)
	if r.facts&anUnreachable != 0 && sleep(ctx, 2*e.timers.RTO) {
		// The error may come from a moment in which a route changed, or may be late because a
		// packet was lost. Programs do not notice that: TCP sends again after a second.
		var again reached
		conn, again = e.connectOnce(ctx, to)
		if conn != nil {
			again.evidence = append(again.evidence, "at the first attempt: "+r.why)
		}
		r = again
	}
	if conn == nil {
		e.examine(ctx, portOf{"tcp", to}, &r.ruling)
		r.evidence = []string{r.why}
	}
	return conn, r
}

func (e *env) connectOnce(ctx context.Context, to netip.AddrPort) (net.Conn, reached) {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, e.timers.Connect)
	defer cancel()
	conn, err := e.net.DialTCP(limited, to, errqueue.Options{})
	took := time.Since(began)
	if err == nil {
		return conn, reached{rtt: took, evidence: []string{fmt.Sprintf("a connection was accepted after %s", brief(took))}}
	}
	var r ruling
	switch x, ok := asError(err); {
	case ok:
		r = e.ownRoute(e.judge(sign{err: x, lag: took}, to.Addr()), x, "tcp", to)
		if r.verdict == verifier.Refused && x.Origin == errqueue.Unknown {
			r.why += "; a target where nobody listens and a firewall that resets in its name look the same"
		}
	case took < e.timers.Connect && (ctx.Err() != nil || limited.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)):
		r = ruling{verdict: verifier.Inconclusive, why: "the run was ended before the time for a connection was over"}
	case errors.Is(err, os.ErrDeadlineExceeded), limited.Err() != nil:
		r = ruling{facts: silence, why: fmt.Sprintf("no answer to a connection attempt of %s", brief(took))}.settled()
	default:
		r = ruling{verdict: verifier.Inconclusive, why: fmt.Sprintf("no connection: %v", err)}
	}
	return nil, reached{ruling: r, evidence: []string{r.why}}
}

// finish makes a finding of what asking a port showed.
func (e *env) finish(t target, k verifier.Kind, r reached) verifier.Finding {
	f := t.finding(k, verifier.CheckReach)
	f.Verdict, f.Offender, f.Mapped, f.Evidence = r.verdict, r.offender, r.mapped, r.evidence
	f.Outcome, f.Forbidden = outcomeOf(f.Verdict), r.forbidden
	f.Hop, f.HopAddr, f.NextHop = r.place.hop, r.place.last, r.place.next
	f.Summary = fmt.Sprintf("%s %s", f.Target(), f.Words())
	if r.own != "" {
		f.Summary = fmt.Sprintf("%s is stopped by a route of this machine's own, of type %s", f.Target(), r.own)
		f.Remedy = fmt.Sprintf("take the %s route to %s away (ip route), or ask whose it is: a VPN client's kill switch looks so", r.own, t.addr)
	}
	if r.rtt > 0 && r.verdict == verifier.Reachable {
		f.Metrics = []verifier.Metric{{Name: verifier.MetricRTT, Value: r.rtt.Seconds()}}
	}
	if r.shook > 0 {
		f.Metrics = append(f.Metrics, verifier.Metric{Name: "handshake_seconds", Value: r.shook.Seconds()})
	}
	return f
}

// probeTCP connects and no more. An accepted connection does not prove that the target
// is reached, because a transparent proxy accepts it as well. So this never says
// reachable.
func probeTCP(ctx context.Context, e *env, t target) []verifier.Finding {
	r := e.ports.get(portKey{verifier.TCP, "", "tcp", t.dest()}, func() reached {
		conn, r := e.connect(ctx, t.dest())
		if conn != nil {
			conn.Close()
			r.verdict = verifier.Inconclusive
			r.evidence = append(r.evidence, "a transparent proxy accepts connections, too, and nothing that only the target can say was asked")
		}
		return r
	})
	f := e.finish(t, verifier.TCP, r)
	if r.rtt > 0 {
		f.Outcome = verifier.Warn
		f.Summary = fmt.Sprintf("%s accepts a connection, perhaps by a proxy", f.Target())
		f.Remedy = "let a probe of kind tls or https ask this port, if it speaks TLS"
	}
	return []verifier.Finding{f}
}

// probeSTUN asks a port by STUN and TURN, over UDP or TCP.
func probeSTUN(ctx context.Context, e *env, t target) []verifier.Finding {
	key := portKey{verifier.STUN, "", t.prot, t.dest()}
	if t.prot == "tcp" {
		key.host = t.tlsKey(verifier.STUN).host // the port may turn out to speak TLS
		r := e.ports.get(key, func() reached { return e.stunTCP(ctx, t) })
		if r.facts&anAnswer != 0 {
			return []verifier.Finding{e.finish(t, verifier.STUN, r)}
		}
		list := e.finishTLS(t, verifier.STUN, r)
		if f := &list[0]; r.rtt > 0 && r.tls == nil && f.Outcome == verifier.Fail {
			f.Summary = fmt.Sprintf("%s accepts a connection, and then neither TURN nor TLS comes about", f.Target())
		}
		return list
	}
	r := e.ports.get(key, func() reached {
		r := e.stunUDP(ctx, t.dest())
		if r.verdict == verifier.Reachable {
			e.asked.add(answered{to: t.dest(), mapped: r.mapped, local: r.local, answer: r.answer, probe: t.probe})
		}
		return r
	})
	f := e.finish(t, verifier.STUN, r)
	if f.Verdict == verifier.Silent && t.port >= 3479 && t.port <= 3481 {
		f.Note("relays use 3479 to 3481 only where quality of service is switched on, so silence here says less than on 3478")
	}
	return []verifier.Finding{f}
}

// stunTCP asks for an allocation over TCP (RFC 8656 section 3.1): a relay's fallback.
// Where it is not understood, the port may speak TLS, which proves the target as well.
func (e *env) stunTCP(ctx context.Context, t target) reached {
	conn, r := e.connect(ctx, t.dest())
	if conn == nil {
		return r
	}
	a, err := e.allocateOver(ctx, conn)
	conn.Close()
	if err == nil {
		r.ruling = ruling{facts: anAnswer, why: a.describe()}.settled()
		e.examine(ctx, portOf{"tcp", t.dest()}, &r.ruling)
		r.mapped = a.mapped
		r.evidence = append(r.evidence, r.why)
		return r
	}
	r.evidence = append(r.evidence, fmt.Sprintf("no answer to allocate over TCP: %v", err))
	if ctx.Err() != nil { // there is no time left for TLS
		r.verdict, r.undecided = verifier.Inconclusive, true
		return r
	}
	over := e.ports.get(t.tlsKey(verifier.TLS), func() reached { return e.askTLS(ctx, t, false) })
	over.evidence = append(r.evidence, over.evidence...)
	return over
}

// allocateOver sends an Allocate over a stream and reads the answer. It sends nothing
// again, because TCP does. It leaves time for TLS, which the port may speak.
func (e *env) allocateOver(ctx context.Context, conn net.Conn) (answer, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(e.timers.Handshake / 3)); err != nil {
		return answer{}, err
	}
	id := newTransaction()
	if _, err := conn.Write(allocateRequest(id)); err != nil {
		return answer{}, err
	}
	a, err := readStream(conn)
	if err != nil {
		return answer{}, err
	}
	if a.id != id || a.method != stun.MethodAllocate {
		return answer{}, errNoAnswer
	}
	return a, nil
}

// readStream reads one message off a stream: its header says how long it is.
func readStream(conn net.Conn) (answer, error) {
	const header = 20
	b := make([]byte, header, maxSTUN)
	if _, err := io.ReadFull(conn, b); err != nil {
		return answer{}, err
	}
	if !stun.IsMessage(b) {
		return answer{}, errNoAnswer
	}
	n := header + int(b[2])<<8 + int(b[3])
	if n > maxSTUN {
		return answer{}, errNoAnswer
	}
	b = b[:n]
	if _, err := io.ReadFull(conn, b[header:]); err != nil {
		return answer{}, err
	}
	return readAnswer(b)
}
