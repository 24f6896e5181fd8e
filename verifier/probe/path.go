package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// A walk sends packets whose TTL ends at each router in turn and notes which routers
// answer. Two walks to one target, on a port that works and on one that is silent, show
// how far the silent one gets:
//
//	hop            1      2      3      4 = target
//	tcp/443        r1     r2     r3     answers
//	udp/3479       r1     r2     -      -
//	                         ^ filtered after hop 2, r2
//
// Routers limit how many ICMP errors they send, so that a hop that stays silent proves
// nothing by itself. What counts is a router that, in turns, answers for the working
// port each time and for the silent one never.

// maxHops is as far as walks go; real paths have fewer than 30 routers.
const maxHops = 32

// hopTries is how often a hop is asked that did not answer, and how many turns
// the last comparison takes.
const hopTries = 3

// walkWindow is how many hops are asked at once: the target gets at most so many
// datagrams of a walk, unless they are lost.
const walkWindow = 3

// portOf is one port of one address.
type portOf struct {
	prot string
	to   netip.AddrPort
}

func (p portOf) String() string { return fmt.Sprintf("%s/%d", p.prot, p.to.Port()) }

// walked is what a walk saw: routers by hop, the first at 1, and the hop of the target
// itself; 0 when the target did not answer.
type walked struct {
	routers map[int]netip.Addr
	target  int
}

// last is the farthest router that answered, or 0.
func (w walked) last() int {
	far := 0
	for hop := range w.routers {
		far = max(far, hop)
	}
	return far
}

// walker shares walks on working ports, and bounds how many walks run at once.
type walker struct {
	works memo[portOf, *walked]
	turn  chan struct{}
	mu    sync.Mutex
	good  map[netip.Addr]portOf // by address: a port that works, UDP before TCP
	all   []portOf              // every port that works
}

// like returns the ports of other addresses that work, of the same family and protocol;
// with samePort, only those with the same port number.
func (w *walker) like(p portOf, samePort bool) []portOf {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []portOf
	for _, o := range w.all {
		if o.prot == p.prot && o.to.Addr().Is4() == p.to.Addr().Is4() && o.to.Addr() != p.to.Addr() && (!samePort || o.to.Port() == p.to.Port()) {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b portOf) int { return a.to.Compare(b.to) })
	return list
}

// maxWalks is how many walks run at once: routers answer a few ICMP errors a second.
const maxWalks = 4

func (w *walker) working(a netip.Addr) (portOf, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.good[a]
	return p, ok
}

func (w *walker) learn(p portOf) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.all, p) {
		w.all = append(w.all, p)
	}
	if w.good == nil {
		w.good = map[netip.Addr]portOf{}
	}
	if have, ok := w.good[p.to.Addr()]; !ok || have.prot == "tcp" && p.prot == "udp" {
		w.good[p.to.Addr()] = p
	}
}

// traceSilent looks closer at ports that stayed silent: how far do packets get?
func (e *env) traceSilent(ctx context.Context, t target, found []verifier.Finding) []verifier.Finding {
	for i := range found {
		f := &found[i]
		if f.Check != verifier.CheckReach {
			continue
		}
		p := portOf{t.prot, t.dest()}
		switch f.Verdict {
		case verifier.Reachable:
			e.walks.learn(p)
		case verifier.Silent:
			if t.probe.Wants(verifier.Path) && e.runs(verifier.Path) {
				e.trace(ctx, f, p)
			}
		}
	}
	return found
}

// trace walks to a silent port and makes the finding more precise where the walk
// justifies it.
func (e *env) trace(ctx context.Context, f *verifier.Finding, silent portOf) {
	good, ok := e.walks.working(silent.to.Addr())
	if !ok {
		f.Note("how far packets get is not known: no other port of %s works, to compare with", silent.to.Addr())
		return
	}
	run := ctx
	ctx, cancel := context.WithTimeout(run, e.timers.Walks)
	defer cancel()
	select {
	case e.walks.turn <- struct{}{}:
		defer func() { <-e.walks.turn }()
	case <-ctx.Done():
		f.Note("how far packets get is not known: other walks took the time")
		return
	}
	ref := e.walkOnce(run, good)
	if ref.target == 0 && len(ref.routers) == 0 {
		f.Note("how far packets get is not known: no router answers on the way to %s, or this system does not tell", good)
		return
	}
	c := &comparison{e: e, f: f, good: good, silent: silent, ref: ref}
	f.Verdict = conclude(silence | c.facts(ctx, run))
	f.Summary = fmt.Sprintf("%s %s", f.Target(), f.Words())
	f.Outcome = outcomeOf(f.Verdict)
}

// walkOnce walks to a port that works, once in a run.
func (e *env) walkOnce(run context.Context, p portOf) *walked {
	return e.walks.works.get(p, func() *walked {
		ctx, cancel := context.WithTimeout(run, e.timers.Walks/2)
		defer cancel()
		return e.walkWorking(ctx, p)
	})
}

// walkWorking finds the routers to a target and its distance.
func (e *env) walkWorking(ctx context.Context, p portOf) *walked {
	w := &walked{routers: map[int]netip.Addr{}}
	for first := 1; first <= maxHops && w.target == 0 && ctx.Err() == nil; first += walkWindow {
		hops := make([]int, 0, walkWindow)
		for h := first; h < first+walkWindow; h++ {
			hops = append(hops, h)
		}
		e.ask(ctx, p, w, hops, 1, true)
	}
	var missing []int
	for h := 1; h < w.target; h++ {
		if !w.routers[h].IsValid() {
			missing = append(missing, h)
		}
	}
	e.ask(ctx, p, w, missing, hopTries-1, false)
	return w
}

// ask asks hops all at once and those that stay silent again, until each answered or
// was asked the given number of times. Where packets may arrive at the target they are
// charged to its budget.
func (e *env) ask(ctx context.Context, p portOf, w *walked, hops []int, times int, charge bool) {
	for range times {
		answers := make([]hopAnswer, len(hops))
		var all sync.WaitGroup
		for i, h := range hops {
			all.Go(func() { answers[i] = e.hop(ctx, p, h, charge, e.timers.Hop) })
		}
		all.Wait()
		var again []int
		for i, h := range hops {
			switch a := answers[i]; {
			case a.router.IsValid():
				w.routers[h] = a.router
			case a.arrived:
				if w.target == 0 || h < w.target {
					w.target = h
				}
			default:
				again = append(again, h)
			}
		}
		if hops = slices.DeleteFunc(again, func(h int) bool { return w.target != 0 && h >= w.target }); len(hops) == 0 || ctx.Err() != nil {
			return
		}
	}
}

// hopAnswer is what came back for one packet: a router's "TTL exceeded", or the
// target's own answer.
type hopAnswer struct {
	sent    bool // a packet went out, and there was the time to wait
	router  netip.Addr
	arrived bool
	err     *errqueue.Error // any other error that came back
	took    time.Duration
}

// hop sends one packet that ends at a hop. A datagram that is charged counts as one to
// the target unless a router shows that it ended there.
func (e *env) hop(ctx context.Context, p portOf, ttl int, charge bool, wait time.Duration) hopAnswer {
	charge = charge && p.prot == "udp"
	if charge && !e.budget.take(p.to) {
		return hopAnswer{}
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(outer, wait)
	defer cancel()
	began := time.Now()
	var err error
	if p.prot == "tcp" {
		err = e.hopTCP(ctx, p.to, ttl)
	} else {
		err = e.askOnce(ctx, p.to, ttl, bindingRequest)
	}
	took := time.Since(began)
	if err == nil {
		return hopAnswer{sent: true, arrived: true, took: took}
	}
	x, ok := asError(err)
	switch {
	case !ok:
		return hopAnswer{sent: outer.Err() == nil}
	case x.TimeExceeded():
		if charge {
			e.budget.giveBack(p.to)
		}
		e.rtts.learn(x.Offender, took)
		return hopAnswer{sent: true, router: x.Offender, took: took}
	}
	return hopAnswer{sent: true, err: x, took: took}
}

func (e *env) hopTCP(ctx context.Context, to netip.AddrPort, ttl int) error {
	conn, err := e.net.DialTCP(ctx, to, errqueue.Options{TTL: ttl})
	if err != nil {
		return err
	}
	return conn.Close()
}

// askOnce sends one STUN request and waits for its answer. A ttl of 0 is the system's.
func (e *env) askOnce(ctx context.Context, to netip.AddrPort, ttl int, request func(transaction) []byte) error {
	conn, err := e.net.DialUDP(ctx, to, errqueue.Options{TTL: ttl})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	id := newTransaction()
	if _, err := conn.Write(request(id)); err != nil {
		return err
	}
	buf := make([]byte, maxSTUN+1)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if a, err := readAnswer(buf[:n]); err == nil && a.id == id {
			return nil
		}
	}
}
