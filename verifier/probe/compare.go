package probe

import (
	"context"

	"sallyport/verifier"
)

// A comparison is of a silent port with one that works.
type comparison struct {
	e            *env
	f            *verifier.Finding
	good, silent portOf
	ref          *walked
}

// facts are what the comparison shows. A datagram to the silent port is charged to the
// budget unless a router shows that it ended on the way: the way to this port may be
// shorter.
func (c *comparison) facts(ctx, run context.Context) fact {
	f, same := c.f, sameWay
	last := place{}
	next := 0
	for hop := 1; hop < c.end() && next == 0; hop++ {
		its := c.ref.routers[hop]
		if !its.IsValid() {
			continue // no router answers there for the port that works
		}
		a := c.e.hop(ctx, c.silent, hop, true, c.e.timers.Hop)
		switch {
		case a.router.IsValid():
			last = place{hop: hop, last: a.router}
			if a.router != its {
				same = 0
				f.Note("hop %d is %s for %s, and %s for %s: they go different ways", hop, a.router, c.silent, its, c.good)
			}
		case a.arrived, a.err != nil:
			f.Note("a packet that ends at hop %d gets an answer", hop)
			return 0
		default:
			next = hop
		}
	}
	f.Hop, f.HopAddr = last.hop, last.last
	if last.hop > 0 {
		f.Note("packets to %s get as far as hop %d, %s", c.silent, last.hop, last.last)
	} else {
		f.Note("no router answers for packets to %s", c.silent)
	}
	if next == 0 {
		f.Note("beyond it, only the target itself answers for %s: it may be deaf on this port, or a filter may stand before it", c.good)
		return 0
	}
	heard := c.heard(run, last.hop)
	if same == 0 || heard == 0 || !c.inTurns(ctx, next) {
		return 0
	}
	f.NextHop = c.ref.routers[next]
	f.Note("hop %d, %s, answers for %s each time, and never for %s", next, c.ref.routers[next], c.good, c.silent)
	return same | heard | reference | neverThere
}

// end is the hop of the target, or the one behind the last router.
func (c *comparison) end() int {
	if c.ref.target != 0 {
		return c.ref.target
	}
	return c.ref.last() + 1
}

// inTurns asks for both ports at a hop, until the silent one has been asked three times.
func (c *comparison) inTurns(ctx context.Context, hop int) bool {
	for try := range hopTries {
		if ctx.Err() != nil {
			c.f.Note("the comparison with %s at hop %d did not end in time", c.good, hop)
			return false
		}
		if try > 0 { // the first time was before
			if !c.e.budget.left(c.silent) {
				c.f.Note("no more than %d datagrams are sent to a port, so hop %d was not asked again", c.e.budget.limit, hop)
				return false
			}
			if a := c.e.hop(ctx, c.silent, hop, true, c.e.timers.Hop); a.router.IsValid() || a.arrived || a.err != nil {
				c.f.Note("at a second look hop %d answers for it as well", hop)
				return false
			}
		}
		if a := c.e.hop(ctx, c.good, hop, false, c.e.timers.Hop); !a.router.IsValid() {
			c.f.Note("hop %d does not answer each time for %s either, so that its silence shows nothing", hop, c.good)
			return false
		}
	}
	return true
}

// heard returns heardBeyond where routers beyond a hop answer for the same protocol and
// port of another address. Networks choose ways by port, and not all routers answer.
// Where the port works for no address, another port of the protocol is used.
func (c *comparison) heard(run context.Context, hop int) fact {
	w := &c.e.walks
	if alike := w.like(c.silent, true); len(alike) > 0 {
		p := alike[0]
		if c.e.walkOnce(run, p).last() > hop {
			return heardBeyond
		}
		c.f.Note("to %s the same port works, and no router beyond hop %d answers for it: silence there shows nothing", p.to.Addr(), hop)
		return 0
	}
	if c.good.prot == c.silent.prot {
		return heardBeyond // by the port that works
	}
	if others := w.like(c.silent, false); len(others) > 0 {
		if c.e.walkOnce(run, others[0]).last() > hop {
			return heardBeyond
		}
		return 0
	}
	return heardBeyond // nothing of the protocol works at other addresses: it is stopped for all of them
}
