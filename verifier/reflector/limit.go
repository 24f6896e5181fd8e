package reflector

import (
	"container/list"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// limiter allows so many answers a second to a source prefix, and in all. It keeps
// the prefixes that were heard of last, a bounded number; one that is forgotten
// starts with a full burst, and is still held by the total. Not for concurrent use.
type limiter struct {
	total *rate.Limiter
	each  rate.Limit
	burst int
	max   int
	known map[netip.Prefix]*list.Element
	order *list.List // of *source, the one heard of last in front
}

type source struct {
	prefix netip.Prefix
	rate   *rate.Limiter
}

func newLimiter(each, total float64, max int) *limiter {
	return &limiter{
		total: rate.NewLimiter(rate.Limit(total), burstOf(total)),
		each:  rate.Limit(each), burst: burstOf(each),
		max: max, known: map[netip.Prefix]*list.Element{}, order: list.New(),
	}
}

// burstOf is what may come at once: a second's worth, and never nothing.
func burstOf(perSecond float64) int { return max(1, int(perSecond)) }

// prefixOf is what counts as one source: an IPv4 address, which may stand for an
// office behind a NAT, or the /64 of IPv6 that one host has to itself.
func prefixOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.WithZone("").Prefix(bits) // no error: both fit their family
	return p
}

func (l *limiter) allow(from netip.Addr, now time.Time) bool {
	p := prefixOf(from)
	e, ok := l.known[p]
	if ok {
		l.order.MoveToFront(e)
	} else {
		if l.order.Len() >= l.max {
			last := l.order.Back()
			l.order.Remove(last)
			delete(l.known, last.Value.(*source).prefix)
		}
		e = l.order.PushFront(&source{p, rate.NewLimiter(l.each, l.burst)})
		l.known[p] = e
	}
	return e.Value.(*source).rate.AllowN(now, 1) && l.total.AllowN(now, 1)
}
