package faults

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/verifier"
)

// A state is what truly becomes of packets to a target.
type state string

const (
	open     state = "open"
	dropped  state = "dropped"  // without a word
	rejected state = "rejected" // by a router or host that says so
	reset    state = "reset"    // by a firewall in the target's name
	closed   state = "closed"   // by the target, where nobody listens
	absent   state = "absent"   // nobody has the address
	denied   state = "denied"   // by this machine
	noRoute  state = "no route" // from this machine
	loops    state = "loops"    // between routers
	impostor state = "impostor" // somebody else answers
	cut      state = "cut"      // short packets pass, long ones do not
)

// truth is what is true of a target.
type truth struct {
	state state
	hop   int        // dropped: after so many routers; nowhere when nobody can tell
	by    netip.Addr // rejected: by whom
}

// nowhere is the hop of what is dropped on the way back, or by the target itself.
const nowhere = -1

// A target is one port of one address that a plan asks.
type target struct {
	host string
	addr netip.Addr
	prot string
	port uint16
}

// Addresses of the hosts that the plans ask, and by the names of their probes.
var (
	relay4, relay6   = netip.MustParseAddr("20.202.0.1"), netip.MustParseAddr("2603:1063::1")
	other4, other6   = netip.MustParseAddr("20.202.9.9"), netip.MustParseAddr("2603:1063::9")
	signal4, signal6 = netip.MustParseAddr("52.112.7.7"), netip.MustParseAddr("2603:1062::7")

	hostAddrs = map[string][]netip.Addr{"relay": {relay4, relay6}, "other": {other4, other6}, "signal": {signal4, signal6}}
)

// Places on the way, in order; a router's is its hop as well.
const (
	client = iota
	firewall
	router
	server
)

// which chooses targets. What is zero chooses all.
type which struct {
	host     string
	addr     netip.Addr
	prot     string
	from, to uint16
	family   string
	own      bool // only the addresses that the hosts truly have
}

func (w which) has(t target) bool {
	return (!w.own || slices.Contains(hostAddrs[t.host], t.addr)) && (w.host == "" || w.host == t.host) && (!w.addr.IsValid() || w.addr == t.addr) && (w.prot == "" || w.prot == t.prot) &&
		(w.from == 0 || w.from <= t.port && t.port <= w.to) && (w.family == "" || w.family == verifier.FamilyOf(t.addr))
}

// A stop is where packets to, or from, targets end.
type stop struct {
	place int
	when  moment
	back  bool // it stops answers
	which which
	truth func(target) truth
}

// A moment is when a host stops a packet.
type moment int

const (
	atRedirect  moment = iota - 2 // before it looks for a route
	atRoute                       // as it looks for one
	atFilter                      // after that
	atNeighbour                   // as it looks for the next host
)

// NATs by what they do to the mappings of one socket.
type nat string

const (
	noNAT     nat = ""
	sameNAT   nat = "endpoint-independent"
	byAddress nat = "by address"
	symmetric nat = "by address and port"
	poolNAT   nat = "a pool"
)

// A resolverFact is what is true of a name server.
type resolverFact struct{ answers, knows, invents bool }

// A way is what is true of the routes of a family.
type way struct {
	vpn    bool           // there is a tunnel
	leaks  []netip.Prefix // go the wrong way
	routed bool
	moved  bool // hosts see us under the tunnel's address
}

// facts are what is true of a network.
type facts struct {
	stops     []stop
	names     map[string][]netip.Addr
	resolvers map[netip.AddrPort]resolverFact
	loses     bool          // the line loses packets
	delay     time.Duration // of the line, there and back, at least
	lost      bool          // programs do not resolve names, though a server knows them
	nat       nat
	several   bool          // a name leads to addresses by several ways out
	mapping   time.Duration // how long the NAT keeps a mapping of UDP; 0: longer than any run
	ways      map[string]way
}

// of is the truth of a target: the first stop on the way there, or else on the way
// back, decides.
func (f *facts) of(t target) truth {
	var first, last *stop
	for i := range f.stops {
		switch s := &f.stops[i]; {
		case !s.which.has(t):
		case !s.back && (first == nil || s.place < first.place || s.place == first.place && s.when < first.when):
			first = s
		case s.back && (last == nil || s.place > last.place):
			last = s
		}
	}
	if first == nil {
		first = last
	}
	if first == nil {
		return truth{state: open}
	}
	tr := first.truth(t)
	if f.ways[verifier.FamilyOf(t.addr)].moved { // the firewall speaks for itself with its address in the tunnel
		switch tr.by {
		case netip.MustParseAddr("10.20.0.1"):
			tr.by = netip.MustParseAddr("10.99.0.1")
		case netip.MustParseAddr("fd20::1"):
			tr.by = netip.MustParseAddr("fd99::1")
		}
	}
	return tr
}

// targets are all that the plan asks, as names truly resolve in this network.
func (f *facts) targets(p *verifier.Plan) []target {
	var list []target
	for i := range p.Probes {
		pr := &p.Probes[i]
		asks, _ := p.Asks(pr)
		for _, a := range f.names[pr.Host] {
			for _, ask := range asks {
				list = append(list, target{pr.Name, a, ask.Protocol, ask.Port})
			}
		}
	}
	return list
}

// lie says how a finding contradicts the truth; "" when it does not.
func (f *facts) lie(x *verifier.Finding, p *verifier.Plan) string {
	switch x.Check {
	case verifier.CheckReach:
		return f.lieReach(x)
	case verifier.CheckCert:
		t := f.of(target{x.Probe, x.Address, x.Protocol, x.Port})
		return unless(x.Outcome != verifier.Pass || t.state == open, "a certificate of %s passes, and the target is %s", x.Host, t.state)
	case verifier.CheckPrograms:
		lost := f.lost || !slices.ContainsFunc(slices.Collect(maps.Values(f.resolvers)), func(r resolverFact) bool { return r.answers && r.knows })
		return unless(lost == (x.Outcome == verifier.Fail) || f.names[x.Host] != nil && !f.lost, "programs' lookup of %s is a %s, and it is lost: %v", x.Host, x.Outcome, lost)
	case verifier.CheckLoss:
		return unless(f.loses, "the line is said to be lossy (%s), and it is not", x.Summary)
	case verifier.CheckQuality:
		rtt := time.Duration(x.Metrics[0].Value * float64(time.Second))
		return unless(rtt >= f.delay, "a round trip of %s on a line of %s", rtt, f.delay)
	case verifier.CheckLink:
		gateway, tunnelled := netip.MustParseAddr("10.20.0.1"), f.ways[x.Family].vpn
		if x.Family == "ipv6" {
			gateway = netip.MustParseAddr("fd20::1")
		}
		return unless(tunnelled || x.Address == gateway && strings.Contains(x.Summary, "eth0"), "the first link is said to be: %s, at %s", x.Summary, x.Address)
	case verifier.CheckResolve, verifier.CheckRanges, verifier.CheckHijack:
		return f.lieNames(x, p)
	case verifier.CheckMapping, verifier.CheckPublic, verifier.CheckPersist:
		return f.lieNAT(x)
	case verifier.CheckWay, verifier.CheckEgress:
		return f.lieWay(x)
	case verifier.CheckTrain: // no fault of these networks is on the reflector's way
		return unless(x.Outcome != verifier.Fail, "a train fails: %s", x.Summary)
	}
	return ""
}

func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func (f *facts) lieReach(x *verifier.Finding) string {
	t := f.of(target{x.Probe, x.Address, x.Protocol, x.Port})
	fits := map[verifier.Verdict]bool{
		verifier.Reachable:     t.state == open,
		verifier.Rejected:      t.state == rejected && x.Offender == t.by,
		verifier.Intercepted:   t.state == impostor,
		verifier.Closed:        t.state == closed && x.Offender == x.Address,
		verifier.Refused:       t.state == reset || t.state == closed,
		verifier.NoHost:        t.state == absent,
		verifier.DeniedLocally: t.state == denied,
		verifier.NoRoute:       t.state == noRoute || t.state == loops,
		verifier.Filtered:      t.state == dropped && x.Hop == t.hop,
		verifier.Silent:        true, // claims nothing
		verifier.Inconclusive:  true,
		verifier.NotProbed:     x.Outcome == verifier.Unprobed,
	}
	switch ok, known := fits[x.Verdict]; {
	case !known || !ok:
		return fmt.Sprintf("%s is said to be %s, and it is %s by %v after hop %d", x.Target(), x.Words(), t.state, t.by, t.hop)
	case x.Outcome == verifier.Pass && t.state != open, x.Outcome == verifier.Fail && t.state == open:
		return fmt.Sprintf("%s is a %s, and it is %s", x.Target(), x.Outcome, t.state)
	}
	return ""
}

func (f *facts) lieNames(x *verifier.Finding, p *verifier.Plan) string {
	at, err := netip.ParseAddrPort(x.Resolver)
	r, known := f.resolvers[at]
	if err == nil && !known {
		return fmt.Sprintf("a finding about %s, which nobody named", x.Resolver)
	}
	switch x.Check {
	case verifier.CheckResolve:
		works := r.answers && r.knows
		return unless(works == (x.Outcome == verifier.Pass), "%s at %s is a %s; it answers: %v, knows: %v", x.Host, x.Resolver, x.Outcome, r.answers, r.knows)
	case verifier.CheckHijack:
		says := map[verifier.Outcome]bool{verifier.Pass: r.answers && !r.invents, verifier.Fail: r.answers && r.invents, verifier.Unprobed: true}
		return unless(says[x.Outcome], "%s is a %s for inventing names; it does: %v", x.Resolver, x.Outcome, r.invents)
	}
	rule := p.RuleNamed(x.Rule)
	inside := func(a netip.Addr) bool { return p.Allows(rule, a) }
	if x.Outcome == verifier.Pass {
		return unless(slices.ContainsFunc(f.names[x.Host], inside), "%s has no address in the ranges, and passes", x.Host)
	}
	return unless(!inside(x.Address) && slices.Contains(f.names[x.Host], x.Address), "%s of %s is not outside the ranges", x.Address, x.Host)
}

func (f *facts) lieNAT(x *verifier.Finding) string {
	switch x.Check {
	case verifier.CheckMapping:
		says := map[verifier.Outcome]bool{verifier.Pass: f.nat == noNAT || f.nat == sameNAT, verifier.Warn: f.nat == byAddress || f.nat == symmetric,
			verifier.Undecided: true, verifier.Unprobed: true}
		if strings.Contains(x.Summary, "no NAT shows") && (f.nat != noNAT || f.ways[x.Family].moved) {
			return "it says that there is no NAT"
		}
		return unless(says[x.Outcome], "the mapping is a %s (%s), and the NAT is %q", x.Outcome, x.Summary, f.nat)
	case verifier.CheckPublic:
		return unless(x.Outcome != verifier.Warn || f.nat == poolNAT || f.several, "several public addresses (%s), and the NAT is %q", x.Summary, f.nat)
	}
	idle, err := time.ParseDuration(x.Case)
	lasts := f.mapping == 0 || f.nat == noNAT || idle < f.mapping
	says := map[verifier.Outcome]bool{verifier.Pass: lasts, verifier.Warn: !lasts, verifier.Fail: !lasts, verifier.Undecided: true}
	return unless(err == nil && says[x.Outcome], "a mapping after %s is a %s, and it lasts %s", x.Case, x.Outcome, f.mapping)
}

func (f *facts) lieWay(x *verifier.Finding) string {
	w := f.ways[x.Family]
	if x.Check == verifier.CheckEgress {
		says := map[verifier.Outcome]bool{verifier.Pass: !w.moved, verifier.Warn: w.moved, verifier.Unprobed: true}
		return unless(says[x.Outcome], "the way out is a %s, and the tunnel's address is seen: %v", x.Outcome, w.moved)
	}
	says := map[verifier.Outcome]bool{verifier.Pass: w.vpn && w.routed && len(w.leaks) == 0, verifier.Fail: w.vpn && w.routed && len(w.leaks) > 0,
		verifier.Warn: !w.routed, verifier.Unprobed: !w.vpn, verifier.Undecided: true}
	if x.Outcome == verifier.Fail && len(w.leaks) == 1 && !strings.Contains(x.Summary, w.leaks[0].String()) {
		return fmt.Sprintf("it does not name %s: %s", w.leaks[0], x.Summary)
	}
	return unless(says[x.Outcome], "the routes of %s are a %s (%s), and truly %+v", x.Family, x.Outcome, x.Summary, w)
}

// lieExit says how the exit code contradicts the truth; "" when it does not. It is to be
// 0 where all is well, and 1 where something is not. An address without a route is no loss where the host is reached by the other
// family.
func (f *facts) lieExit(code int, p *verifier.Plan) string {
	well := true
	targets := f.targets(p)
	for _, t := range targets {
		switch f.of(t).state {
		case open:
		case noRoute:
			well = well && slices.ContainsFunc(targets, func(o target) bool {
				return o.host == t.host && o.prot == t.prot && o.port == t.port && o.addr.Is4() != t.addr.Is4() && f.of(o).state == open
			})
		default:
			well = false
		}
	}
	resolves := len(f.resolvers) == 0
	for _, r := range f.resolvers {
		resolves = resolves || r.answers && r.knows
		well = well && !r.invents
	}
	well = well && resolves && !f.lost
	for _, w := range f.ways {
		well = well && len(w.leaks) == 0
	}
	for _, pr := range p.Probes {
		rule := p.RuleNamed(pr.Rule)
		well = well && !slices.ContainsFunc(f.names[pr.Host], func(a netip.Addr) bool { return !p.Allows(rule, a) })
	}
	if f.mapping > 0 && code == 1 {
		return ""
	}
	return unless(code == 3 || (code == 0) == well, "exit code %d, and all is well: %v", code, well)
}

// TestLie checks lie and lieExit themselves: they have to find what is false.
func TestLie(t *testing.T) {
	t.Parallel()
	a, fw := netip.MustParseAddr("20.202.0.1"), netip.MustParseAddr("10.20.0.1")
	be := func(s truth) facts {
		return facts{stops: []stop{{place: firewall, which: which{host: "relay"}, truth: func(target) truth { return s }}}}
	}
	say := func(v verifier.Verdict, o verifier.Outcome, by netip.Addr, hop int) verifier.Finding {
		return verifier.Finding{Check: verifier.CheckReach, Verdict: v, Outcome: o, Probe: "relay", Address: a, Protocol: "udp", Port: 3478, Offender: by, Hop: hop}
	}
	for _, c := range []struct {
		facts facts
		x     verifier.Finding
		lies  bool
	}{
		{facts{}, say(verifier.Reachable, verifier.Pass, netip.Addr{}, 0), false},
		{facts{}, say(verifier.Rejected, verifier.Fail, fw, 0), true},
		{facts{}, say(verifier.Silent, verifier.Undecided, netip.Addr{}, 0), false},
		{facts{}, say(verifier.Silent, verifier.Fail, netip.Addr{}, 0), true},
		{be(truth{state: dropped, hop: 1}), say(verifier.Reachable, verifier.Pass, netip.Addr{}, 0), true},
		{be(truth{state: dropped, hop: 1}), say(verifier.Filtered, verifier.Fail, netip.Addr{}, 1), false},
		{be(truth{state: dropped, hop: 1}), say(verifier.Filtered, verifier.Fail, netip.Addr{}, 2), true},
		{be(truth{state: dropped, hop: nowhere}), say(verifier.Filtered, verifier.Fail, netip.Addr{}, 2), true},
		{be(truth{state: rejected, by: fw}), say(verifier.Rejected, verifier.Fail, fw, 0), false},
		{be(truth{state: rejected, by: fw}), say(verifier.Rejected, verifier.Fail, a, 0), true},
		{be(truth{state: rejected, by: fw}), say(verifier.Closed, verifier.Fail, a, 0), true},
		{be(truth{state: absent}), say(verifier.Closed, verifier.Fail, a, 0), true},
		{be(truth{state: closed}), say(verifier.Closed, verifier.Fail, a, 0), false},
		{be(truth{state: closed}), say(verifier.Inconclusive, verifier.Pass, a, 0), true},
		{be(truth{state: impostor}), say("sure", verifier.Undecided, a, 0), true},
		{facts{nat: symmetric}, verifier.Finding{Check: verifier.CheckMapping, Outcome: verifier.Pass}, true},
		{facts{nat: sameNAT}, verifier.Finding{Check: verifier.CheckMapping, Outcome: verifier.Pass, Summary: "no NAT shows: ..."}, true},
		{facts{nat: sameNAT}, verifier.Finding{Check: verifier.CheckPublic, Outcome: verifier.Warn}, true},
		{facts{nat: sameNAT, mapping: time.Second}, verifier.Finding{Check: verifier.CheckPersist, Outcome: verifier.Pass, Case: "2s"}, true},
		{facts{nat: sameNAT, mapping: time.Second}, verifier.Finding{Check: verifier.CheckPersist, Outcome: verifier.Warn, Case: "2s"}, false},
		{facts{ways: map[string]way{"ipv4": {vpn: true, routed: true}}}, verifier.Finding{Check: verifier.CheckWay, Outcome: verifier.Fail, Family: "ipv4"}, true},
		{facts{ways: map[string]way{"ipv4": {vpn: true, routed: true, leaks: []netip.Prefix{netip.PrefixFrom(a, 32)}}}}, verifier.Finding{Check: verifier.CheckWay, Outcome: verifier.Fail, Family: "ipv4", Summary: "another"}, true},
		{facts{}, verifier.Finding{Check: verifier.CheckEgress, Outcome: verifier.Warn}, true},
	} {
		if got := c.facts.lie(&c.x, &verifier.Plan{}); (got != "") != c.lies {
			t.Errorf("%+v: %q, want a lie: %v", c.x, got, c.lies)
		}
	}
	plan := &verifier.Plan{}
	for _, c := range []struct {
		facts facts
		code  int
		lies  bool
	}{
		{facts{}, 0, false}, {facts{}, 3, false}, {facts{}, 1, true},
		{facts{resolvers: map[netip.AddrPort]resolverFact{{}: {answers: true, knows: true, invents: true}}}, 0, true},
		{facts{ways: map[string]way{"ipv4": {leaks: make([]netip.Prefix, 1)}}}, 0, true},
	} {
		if got := c.facts.lieExit(c.code, plan); (got != "") != c.lies {
			t.Errorf("exit code %d: %q, want a lie: %v", c.code, got, c.lies)
		}
	}
}
