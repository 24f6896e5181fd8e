package probe

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// A Persister asks a reflector of the user's own whether a NAT mapping outlives a
// silence: see package verifier/reflector, whose sessions do. Only a datagram that
// arrives from outside after the silence, without a new request, can show it. The same
// mapping before and after does not show it, because many NATs choose the same port
// again.
type Persister struct {
	Reflector netip.AddrPort
	// Outlives keeps conn, which is connected to the reflector, silent for idle.
	// decided is false when the path itself failed.
	Outlives func(ctx context.Context, conn UDPConn, idle time.Duration) (kept, decided bool, evidence string, err error)
}

// persistence finds out which idle times mappings outlive, each with a socket of its
// own, all at once.
func (e *env) persistence(ctx context.Context, to []netip.AddrPort) []verifier.Finding {
	list := make([]verifier.Finding, len(e.timers.Idle))
	var all sync.WaitGroup
	for i, idle := range e.timers.Idle {
		all.Go(func() {
			if p := e.opt.Persist; p != nil && p.Reflector.Addr().Is4() == to[0].Addr().Is4() {
				list[i] = e.outlives(ctx, p, idle)
			} else {
				list[i] = e.sameAfter(ctx, to[0], idle)
			}
		})
	}
	all.Wait()
	return list
}

func idleFinding(to netip.AddrPort, idle time.Duration) verifier.Finding {
	f := verifier.Finding{Kind: verifier.NAT, Check: verifier.CheckPersist, Family: verifier.FamilyOf(to.Addr()), Case: idle.String()}
	f.Note("towards %s", to)
	f.Metrics = []verifier.Metric{{Name: "idle_seconds", Value: idle.Seconds()}}
	return f
}

// neededIdle is the silence that a mapping must outlive: RFC 4787 REQ-5 asks for two
// minutes at least, and clients of calls send more often than each 30 s.
const neededIdle = 30 * time.Second

func (e *env) outlives(ctx context.Context, p *Persister, idle time.Duration) verifier.Finding {
	f := idleFinding(p.Reflector, idle)
	kept, decided, evidence, err := e.outlivesOnce(ctx, p, idle)
	if evidence != "" {
		f.Note("%s", evidence)
	}
	if err == nil && decided && !kept {
		// The path may have been broken just when the silence ended. A mapping that is too
		// short ends each time, so that one success is enough to show that it lasts.
		kept, decided, evidence, err = e.outlivesOnce(ctx, p, idle)
		f.Note("once more: %s", cmp.Or(evidence, "that could not be asked"))
	}
	switch {
	case err != nil || !decided:
		f.Outcome, f.Verdict = verifier.Undecided, verifier.Inconclusive
		f.Summary = fmt.Sprintf("whether a mapping outlives %s is not known", brief(idle))
		if err != nil {
			f.Note("%v", err)
		}
	case kept:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("a mapping outlives %s without traffic", brief(idle))
	default:
		f.Outcome = e.shortOutcome(idle)
		f.Summary = fmt.Sprintf("a mapping does not outlive %s without traffic", brief(idle))
		f.Remedy = "raise the NAT's idle time for UDP to two minutes or more (RFC 4787 REQ-5)"
	}
	return f
}

func (e *env) outlivesOnce(ctx context.Context, p *Persister, idle time.Duration) (kept, decided bool, evidence string, err error) {
	conn, err := e.net.DialUDP(ctx, p.Reflector, errqueue.Options{})
	if err != nil {
		return false, false, "", err
	}
	defer conn.Close()
	return p.Outlives(ctx, conn, idle)
}

// shortOutcome is what a mapping that ended means: a failure below 30 s; above, a
// warning, because clients that keep sending do not notice it.
func (e *env) shortOutcome(idle time.Duration) verifier.Outcome {
	scale := float64(e.timers.RTO) / float64(verifier.DefaultTimers().RTO)
	if float64(idle) <= scale*float64(neededIdle) {
		return verifier.Fail
	}
	return verifier.Warn
}

// sameAfter asks a STUN server before and after a silence. Another mapping shows that
// the first is gone; the same shows nothing.
func (e *env) sameAfter(ctx context.Context, to netip.AddrPort, idle time.Duration) verifier.Finding {
	f := idleFinding(to, idle)
	f.Outcome, f.Verdict = verifier.Undecided, verifier.Inconclusive
	f.Summary = fmt.Sprintf("whether a mapping outlives %s is not known", brief(idle))
	conn, err := e.net.DialUDP(ctx, to, errqueue.Options{})
	if err != nil {
		f.Note("%v", err)
		return f
	}
	defer conn.Close()
	before, ok1 := e.mappedNow(ctx, conn, to)
	if !ok1 || !sleep(ctx, idle) {
		f.Note("the server did not answer")
		return f
	}
	after, ok2 := e.mappedNow(ctx, conn, to)
	switch {
	case !ok2:
		f.Note("the server did not answer after the silence")
	case before != after:
		f.Outcome, f.Verdict = e.shortOutcome(idle), ""
		f.Summary = fmt.Sprintf("a mapping does not outlive %s without traffic: %s became %s", brief(idle), before, after)
		f.Remedy = "raise the NAT's idle time for UDP to two minutes or more (RFC 4787 REQ-5)"
	default:
		f.Note("%s before and after: a NAT that keeps ports gives the same mapping again after the first has ended", before)
		f.Remedy = "run a reflector of your own outside (sallyport reflect) and name it with --reflector"
	}
	return f
}

// mappedNow asks for the mapping of a connected socket.
func (e *env) mappedNow(ctx context.Context, conn UDPConn, to netip.AddrPort) (netip.AddrPort, bool) {
	buf := make([]byte, maxSTUN+1)
	ids := map[transaction]bool{}
	for range natTries {
		if ctx.Err() != nil || !e.budget.take(to) {
			break
		}
		id := newTransaction()
		ids[id] = true
		_, _ = conn.Write(bindingRequest(id)) // a refusal shows as a missing answer
		if conn.SetReadDeadline(time.Now().Add(e.timers.Query)) != nil {
			break
		}
		for {
			n, err := conn.Read(buf)
			if err != nil {
				break
			}
			if a, err := readAnswer(buf[:n]); err == nil && ids[a.id] && a.mapped.IsValid() {
				return a.mapped, true
			}
		}
	}
	return netip.AddrPort{}, false
}
