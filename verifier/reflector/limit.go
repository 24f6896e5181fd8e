package reflector

import (
	"container/list"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// limiter limits the answers a second to each source prefix, and in total. It remembers
// a bounded number of prefixes, those that sent last. A forgotten prefix starts again
// with a full burst, and the total still limits it. Not for concurrent use.
type limiter struct {
	total *rate.Limiter
	each  rate.Limit
	burst int
	max   int
	known map[netip.Prefix]*list.Element
	order *list.List // of *source, the one that sent last in front
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

// burstOf is how many answers may go out at once: those of a second, and at least one.
func burstOf(perSecond float64) int { return max(1, int(perSecond)) }

// prefixOf is what counts as one source: an IPv4 address, which may stand for an office
// behind a NAT, or an IPv6 /64, which a single host may have.
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
