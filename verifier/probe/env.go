package probe

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v3"

	"sallyport/verifier"
)

// env is what the probes of one run share. Everything in it is safe for many goroutines.
type env struct {
	plan   *verifier.Plan
	opt    Options
	net    Network
	timers verifier.Timers
	budget *budget
	own    map[netip.Addr]bool // this machine's addresses
	links  []Interface

	lookups func() *names // how names are looked up, found once
	hijack  sync.Once
	dead    sync.Map // name servers that are known not to answer
	own64   sync.Once
	found64 []netip.Prefix
	names   memo[string, *resolution]
	ports   memo[portKey, reached]
	walks   walker
	rtts    roundTrips
	losses  losses
	shorts  memo[hopKey, hopAnswer]
	planned map[netip.Addr][]portOf // what is asked of each address; under mu
	asked   pending                 // UDP ports being asked

	mu       sync.Mutex
	findings []verifier.Finding
	notes    []string
}

type portKey struct {
	kind verifier.Kind
	host string // what a certificate must name; empty where names do not matter
	prot string
	to   netip.AddrPort
}

// target is what a probe function is asked about. Which fields are set depends on the
// kind: dns has no address; nat and route only what concerns the whole run.
type target struct {
	probe *verifier.Probe
	rule  *verifier.Rule
	addr  netip.Addr
	prot  string
	port  uint16
	way   *verifier.Way
}

func (t target) dest() netip.AddrPort { return netip.AddrPortFrom(t.addr, t.port) }

// finding begins a finding about t.
func (t target) finding(k verifier.Kind, c verifier.Check) verifier.Finding {
	f := verifier.Finding{Kind: k, Check: c, Address: t.addr, Protocol: t.prot, Port: t.port}
	if t.probe != nil {
		f.Probe, f.Host, f.Rule, f.Place = t.probe.Name, t.probe.Host, t.probe.Rule, t.probe.Place
	}
	return f
}

// report finishes findings, adds them to the report and passes them to Progress.
func (e *env) report(list []verifier.Finding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range list {
		e.plan.Finish(&list[i])
		e.findings = append(e.findings, list[i])
		if e.opt.Progress != nil {
			e.opt.Progress(list[i])
		}
	}
}

func (e *env) note(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes = append(e.notes, s)
}

// A memo computes each value once; all callers wait for the same result.
type memo[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]func() V
}

func (m *memo[K, V]) get(k K, f func() V) V {
	m.mu.Lock()
	if m.m == nil {
		m.m = map[K]func() V{}
	}
	once := m.m[k]
	if once == nil {
		once = sync.OnceValue(f)
		m.m[k] = once
	}
	m.mu.Unlock()
	return once()
}

// A budget counts the datagrams to each address and port.
type budget struct {
	limit int
	mu    sync.Mutex
	used  map[netip.AddrPort]int
}

// Limits of datagrams to one relay and port.
const (
	usualBudget = 10
	longBudget  = 100
)

func newBudget(long bool) *budget {
	b := &budget{limit: usualBudget, used: map[netip.AddrPort]int{}}
	if long {
		b.limit = longBudget
	}
	return b
}

// take reports whether one more datagram may go to an address and port.
func (b *budget) take(to netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used[to] >= b.limit {
		return false
	}
	b.used[to]++
	return true
}

// left reports whether take would.
func (b *budget) left(p portOf) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return p.prot != "udp" || b.used[p.to] < b.limit
}

// giveBack undoes take for a datagram that did not arrive.
func (b *budget) giveBack(to netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used[to]--
}

// pending collects the UDP ports that answered, for the probes that need them, and
// knows how many are still being asked.
type pending struct {
	mu    sync.Mutex
	wg    sync.WaitGroup
	known []answered
}

// answered is a UDP port that gave a valid answer.
type answered struct {
	to            netip.AddrPort
	mapped, local netip.AddrPort
	answer        answer
	probe         *verifier.Probe
}

func (p *pending) add(a answered) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = append(p.known, a)
}

func (p *pending) list() []answered {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]answered(nil), p.known...)
}

// method is the kind of request that a port answered. It is false for a port that
// allocates a relay without credentials: that is not asked for once more.
func (p *pending) method(to netip.AddrPort) (stun.Method, bool) {
	for _, a := range p.list() {
		if a.to == to {
			return a.answer.method, !a.answer.allocated
		}
	}
	return 0, false
}

// wait returns when every port has been asked, or ctx is done.
func (p *pending) wait(ctx context.Context) {
	all := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ctx.Done():
	}
}

// sleep waits for d, and reports whether ctx was still valid then.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
