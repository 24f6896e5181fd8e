package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// An answer with the target's address need not come from the target: gateways answer
// STUN for it, proxies accept its connections, bridges refuse in its name. A packet
// whose time to live ends at a router on the way shows this: if it brings the same
// answer, something before the target sent it. Other ports of the target show how long
// the way is.

// shortest is how many hops are tried with such packets. With four sends of a request they
// are fewer than the ten datagrams that a port may get.
const shortest = 5

// A place is where on the way an answer came from: behind the last hop that packets
// passed, and before the next hop or at it.
type place struct {
	hop        int
	last, next netip.Addr
}

// hopKey is a short packet to a port.
type hopKey struct {
	port portOf
	hop  int
}

// examine looks closer at what came back, where that decides about the verdict.
func (e *env) examine(ctx context.Context, p portOf, r *ruling) {
	switch f := r.facts; {
	case f&anAnswer != 0, f&(anUnreachable|fromTarget) == anUnreachable|fromTarget, f&aRefusal != 0:
		e.locate(ctx, p, r)
	case f&(anUnreachable|fromOther|forNeighbour) == anUnreachable|fromOther|forNeighbour && f&early == 0:
		e.waited(ctx, p, r)
	case f&expired != 0:
		e.loops(ctx, p, r)
	}
	r.verdict = conclude(r.facts)
}

// locate finds out whether packets that end on the way bring the same answer.
func (e *env) locate(ctx context.Context, p portOf, r *ruling) {
	var all sync.WaitGroup
	answers := make([]hopAnswer, shortest)
	for i := range answers {
		all.Go(func() { answers[i] = e.short(ctx, p, i+1) })
	}
	all.Wait()
	at := slices.IndexFunc(answers, func(a hopAnswer) bool {
		if r.facts&anAnswer != 0 {
			return a.arrived
		}
		return a.err != nil && e.judge(sign{err: a.err}, p.to.Addr()).alike(*r)
	}) + 1
	// That nothing came back is an observation only where something was sent.
	if at == 0 && slices.ContainsFunc(answers, func(a hopAnswer) bool { return !a.sent }) {
		r.why += "; whether something nearer says the same was not asked: the run ended, or no more datagrams may be sent there"
		return
	}
	if at == 0 {
		r.facts |= notNear
		return
	}
	for _, other := range e.others(p, at) {
		a := e.short(ctx, other, at)
		if !a.router.IsValid() {
			continue
		}
		r.why += fmt.Sprintf("; packets that end at hop %d bring the same, and those to %s go on from %s there", at, other, a.router)
		for i := range at - 1 {
			mine, its := answers[i].router, e.short(ctx, other, i+1).router
			if mine == its && mine.IsValid() {
				continue
			}
			if r.why += ", by another way, as it seems"; its.IsValid() {
				r.facts |= notNear
			}
			return
		}
		r.facts |= near
		r.place = place{hop: at - 1, next: a.router}
		if at > 1 {
			r.place.last = answers[at-2].router
		}
		r.offender, r.forbidden = netip.Addr{}, true
		if at == 1 {
			r.offender = a.router
		}
		return
	}
	if gateway := e.gateway(p); at == 1 && gateway.IsValid() && gateway != p.to.Addr() {
		r.why += fmt.Sprintf("; packets that end at the first hop, %s, bring the same, so that it has the target's address, or speaks in its name", gateway)
		return
	}
	r.facts |= notNear
}

// short sends one packet that ends at a hop, once in a run.
func (e *env) short(ctx context.Context, p portOf, hop int) hopAnswer {
	return e.shorts.get(hopKey{p, hop}, func() hopAnswer { return e.hop(ctx, p, hop, true, e.timers.Hop) })
}

// maxOthers is how many ports one is compared with.
const maxOthers = 3

// others are ports of the same address that are asked anyway: those of TCP, and for the
// first hop also those of UDP, whose datagrams are sure to end there.
func (e *env) others(p portOf, hop int) []portOf {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []portOf
	for _, prot := range []string{"tcp", "udp"} {
		for _, o := range e.planned[p.to.Addr()] {
			if o != p && o.prot == prot && (prot == "tcp" || hop == 1) && len(list) < maxOthers {
				list = append(list, o)
			}
		}
	}
	return list
}

// gateway is the first hop to a target; zero where there is none, or it is not known.
func (e *env) gateway(p portOf) netip.Addr {
	routes, err := e.net.LookUp([]Flow{{To: p.to.Addr(), Protocol: p.prot, Port: p.to.Port()}})
	if err != nil || routes[0].Err != nil {
		return netip.Addr{}
	}
	return routes[0].Gateway
}

// roundTrips are the round trip times that answers showed.
type roundTrips struct {
	mu sync.Mutex
	m  map[netip.Addr]time.Duration // by router; the shortest of a family under its unspecified address
}

func (p *roundTrips) learn(a netip.Addr, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.m == nil {
		p.m = map[netip.Addr]time.Duration{}
	}
	if have, ok := p.m[a]; !ok || took < have {
		p.m[a] = took
	}
}

func (p *roundTrips) of(a netip.Addr) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	took, ok := p.m[a]
	return took, ok
}

// anyOf is the address under which roundTrips keep the time of a whole family.
func anyOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// waited finds out whether a router took its time to look for a neighbour, or the line
// is slow: how long do packets to it and back take? For the first hop, what anything
// behind it takes is enough.
func (e *env) waited(ctx context.Context, p portOf, r *ruling) {
	e.findRouter(ctx, p, r)
	took, ok := e.rtts.of(r.offender)
	if !ok && e.gateway(p) == r.offender {
		took, ok = e.rtts.of(anyOf(r.offender))
	}
	switch {
	case !ok:
		r.why += fmt.Sprintf("; %s after sending, and how long a packet to %s takes is not known", brief(r.lag), r.offender)
	case r.lag-took >= e.timers.NoHostAfter:
		r.facts |= late
		r.why += fmt.Sprintf("; a packet to %s and back takes %s or less, and the rest of %s is how long a router waits for a neighbour that does not answer", r.offender, brief(took), brief(r.lag))
	default:
		r.facts |= early
		r.why += fmt.Sprintf("; a packet to %s and back takes %s", r.offender, brief(took))
	}
}

// findRouter walks until the router that sent an error shows how long packets to it take.
func (e *env) findRouter(ctx context.Context, p portOf, r *ruling) {
	for first := 1; first <= maxHops && ctx.Err() == nil; first += walkWindow {
		answers := make([]hopAnswer, walkWindow)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = e.hop(ctx, p, first+i, true, r.lag+e.timers.Hop) })
		}
		all.Wait()
		if slices.ContainsFunc(answers, func(a hopAnswer) bool { return a.router == r.offender }) ||
			!slices.ContainsFunc(answers, func(a hopAnswer) bool { return a.router.IsValid() }) {
			return
		}
	}
}

// loopHops is how many hops are searched for a loop: two rounds of four routers, and
// some routers before them.
const loopHops = 12

// loops finds out why the time to live of full packets runs out: they go round between
// routers, or one router sets it so low that the next is always the last.
func (e *env) loops(ctx context.Context, p portOf, r *ruling) {
	answers := make([]hopAnswer, loopHops)
	for first := 0; first < loopHops && ctx.Err() == nil; first += walkWindow {
		var all sync.WaitGroup
		for i := first; i < first+walkWindow; i++ {
			all.Go(func() { answers[i] = e.hop(ctx, p, i+1, true, e.timers.Hop) })
		}
		all.Wait()
	}
	var seen []netip.Addr
	last := netip.Addr{}
	run := 0 // how often the last router came in a row
	for _, a := range answers {
		if !a.router.IsValid() {
			continue
		}
		if a.router == last {
			run++
			continue
		}
		if slices.Contains(seen, a.router) {
			r.facts |= repeats
			r.why += fmt.Sprintf(": packets go round in a loop, by %s again after other routers", a.router)
			return
		}
		seen = append(seen, a.router)
		last, run = a.router, 1
	}
	if last == r.offender && run >= 3 {
		r.facts |= sticks
		r.why += ": their time to live runs out there however long it is, so a router before it sets it low"
		if n := len(seen); n > 1 {
			r.why += fmt.Sprintf("; that is %s, or what stands behind it", seen[n-2])
		}
	}
}
