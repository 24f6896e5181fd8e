package probe

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"sallyport/verifier"
)

// Options are how a plan is run. The zero value is a default run on the machine's own
// network.
type Options struct {
	Network Network         // nil: System{}
	Timers  verifier.Timers // zero: verifier.DefaultTimers()
	// Kinds are the kinds to run; empty: all that the plan asks for.
	Kinds []verifier.Kind
	// Long adds what takes minutes: how long NAT mappings last.
	Long bool
	// Persist asks a reflector of the user's own whether a NAT mapping outlives a
	// silence. Without it, an unchanged mapping proves nothing: see the nat probe.
	Persist *Persister
	// Roots are the certificate authorities to trust; nil: the system's.
	Roots *x509.CertPool
	// Public are the authorities that browsers ship; nil: those of this version.
	Public *x509.CertPool
	// Progress is called with each finding as it is made, one call at a time. Outcomes
	// may still be softened when the whole run is known.
	Progress func(verifier.Finding)
	// Quiet waits until nothing else of the caller's uses the line. It is called before
	// round trips are measured.
	Quiet func(ctx context.Context)
	// RoundTrip is what the round trip to a relay has to stay under; 0: it is not judged.
	RoundTrip time.Duration
	// Proxy is the proxy for HTTPS that programs of this machine are told to use.
	Proxy string
	// Version is sallyport's own, for the report.
	Version string
}

// A Func is one kind of probe: it asks about a target and judges what came back. It
// returns when ctx is done, with what it knows then.
type Func func(ctx context.Context, e *env, t target) []verifier.Finding

// kinds are the probes by kind. Path is missing, because it is part of asking a port
// that stays silent, and Media, because package verifier/media does it.
var kinds = map[verifier.Kind]Func{
	verifier.DNS:   probeDNS,
	verifier.TCP:   probeTCP,
	verifier.TLS:   probeTLS,
	verifier.HTTP:  probeHTTP,
	verifier.HTTPS: probeHTTPS,
	verifier.STUN:  probeSTUN,
	verifier.NAT:   probeNAT,
	verifier.Route: probeRoute,
}

// Run verifies the plan, which must be valid and is not changed. It ends early, with
// what it knows, when ctx does.
func Run(ctx context.Context, plan *verifier.Plan, opt Options) *verifier.Report {
	e := newEnv(plan, opt)
	started := time.Now()
	var all sync.WaitGroup
	for i := range plan.Probes {
		pr := &plan.Probes[i]
		e.asked.wg.Add(1)
		all.Go(func() { e.host(ctx, pr) })
	}
	if e.runs(verifier.NAT) {
		all.Go(func() { e.report(kinds[verifier.NAT](ctx, e, target{})) })
	}
	for i := range plan.Routes {
		if e.runs(verifier.Route) {
			all.Go(func() { e.report(kinds[verifier.Route](ctx, e, target{way: &plan.Routes[i]})) })
		}
	}
	all.Wait()
	e.alone(ctx)
	if e.runs(verifier.STUN) {
		e.report(e.losses.finding())
	}
	e.coverage(ctx)
	plan.Control(e.findings)
	verifier.Soften(e.findings)
	slices.SortStableFunc(e.findings, func(a, b verifier.Finding) int { return cmp.Compare(e.sortKey(&a), e.sortKey(&b)) })
	machine, _ := os.Hostname() // the report does without it
	return &verifier.Report{Format: verifier.ReportFormat, Version: e.opt.Version, Started: started, Finished: time.Now(),
		System: runtime.GOOS + "/" + runtime.GOARCH, Machine: machine, Vantage: plan.Vantage, Plan: plan.Source,
		Findings: e.findings, Notes: e.notes}
}

func newEnv(plan *verifier.Plan, opt Options) *env {
	e := &env{plan: plan, opt: opt, net: opt.Network, timers: opt.Timers, budget: newBudget(opt.Long), own: map[netip.Addr]bool{}, planned: map[netip.Addr][]portOf{}}
	if e.net == nil {
		e.net = System{}
	}
	if e.timers.RTO == 0 {
		e.timers = verifier.DefaultTimers()
	}
	e.walks.turn = make(chan struct{}, maxWalks)
	e.lookups = sync.OnceValue(func() *names { n := e.nameSettings(); return &n })
	links, err := e.net.Interfaces()
	if err != nil {
		e.note(fmt.Sprintf("the machine's interfaces are not known (%v): what it rejects itself reads as rejected on the way", err))
	}
	e.links = links
	for _, l := range links {
		for _, a := range l.Addrs {
			e.own[a] = true
		}
	}
	if weak := weakness(); weak != "" {
		e.note(weak)
	}
	return e
}

// weakness says how this system's verdicts are weaker.
func weakness() string {
	if runtime.GOOS == "linux" {
		return ""
	}
	return fmt.Sprintf("%s does not tell who sent an ICMP error: a refusal by the target and one by a firewall read alike, and hops are not known; run on Linux for firmer verdicts", runtime.GOOS)
}

func (e *env) runs(k verifier.Kind) bool {
	return len(e.opt.Kinds) == 0 || slices.Contains(e.opt.Kinds, k)
}

// sortKey is a key that sorts findings in the order of the plan, not of time.
func (e *env) sortKey(f *verifier.Finding) string {
	at := slices.IndexFunc(e.plan.Probes, func(p verifier.Probe) bool { return p.Name == f.Probe })
	if at < 0 {
		at = len(e.plan.Probes)
	}
	kind := slices.Index(verifier.Kinds(), f.Kind)
	if kind < 0 {
		kind = len(verifier.Kinds())
	}
	return fmt.Sprintf("%05d %03d %s %s %05d %s %s", at, kind, f.Family, f.Protocol, f.Port, f.Address, f.Check)
}

// host runs the probes of one host: its name, and every port of every address at once.
func (e *env) host(ctx context.Context, pr *verifier.Probe) {
	base := target{probe: pr, rule: e.plan.RuleNamed(pr.Rule)}
	asks, left := e.plan.Asks(pr)
	for _, why := range left {
		f := base.finding(verifier.Coverage, verifier.CheckCovered)
		f.Outcome, f.Verdict, f.Summary = verifier.Unprobed, verifier.NotProbed, why
		e.report([]verifier.Finding{f})
	}
	var all sync.WaitGroup
	if !pr.IsAddress() && pr.Wants(verifier.DNS) && e.runs(verifier.DNS) {
		all.Go(func() { e.report(kinds[verifier.DNS](ctx, e, base)) })
	}
	addrs := e.addresses(ctx, pr)
	e.leftOut(ctx, base, len(addrs))
	if len(addrs) == 0 && len(asks) > 0 {
		f := base.finding(verifier.Coverage, verifier.CheckCovered)
		f.Outcome, f.Verdict, f.Summary = verifier.Unprobed, verifier.NotProbed, pr.Host+" has no address that could be probed"
		e.report([]verifier.Finding{f})
	}
	e.plans(addrs, asks)
	for _, a := range addrs {
		if !e.isSource(base, a, len(asks) > 0) {
			continue
		}
		for _, ask := range asks {
			if !e.runs(ask.Kind) {
				continue
			}
			t := base
			t.addr, t.prot, t.port = a, ask.Protocol, ask.Port
			e.asked.wg.Add(1)
			all.Go(func() {
				found := e.askPort(ctx, ask.Kind, t)
				e.asked.wg.Done()
				e.report(e.traceSilent(ctx, t, found))
			})
		}
	}
	e.asked.wg.Done() // every port of this host is counted now
	all.Wait()
}

// askPort runs one probe. Over TCP one attempt may follow another: all of them take no
// longer than a silence over UDP, which ends by itself.
func (e *env) askPort(ctx context.Context, k verifier.Kind, t target) []verifier.Finding {
	if t.prot == "tcp" {
		limited, cancel := context.WithTimeout(ctx, max(e.timers.Silence(), e.timers.Connect+e.timers.Handshake))
		defer cancel()
		ctx = limited
	}
	return kinds[k](ctx, e, t)
}

// maxAddresses is how many addresses of one name are asked, for each family. A name
// with more than that is a mistake, or an attack: relays have one to eight.
const maxAddresses = 32

// maxShown is how many of them a line of evidence lists.
const maxShown = 8

// addresses are those of the probe's host, which is a name or an address.
func (e *env) addresses(ctx context.Context, pr *verifier.Probe) []netip.Addr {
	if a, err := netip.ParseAddr(pr.Host); err == nil {
		return []netip.Addr{a}
	}
	n := map[bool]int{}
	var list []netip.Addr
	rule := e.plan.RuleNamed(pr.Rule)
	for _, a := range e.resolve(ctx, pr.Host).addrs {
		if leadsNowhere(a) && (rule == nil || !e.plan.Allows(rule, a)) {
			continue // no address of the host: see judgeRanges
		}
		if n[a.Is4()]++; n[a.Is4()] <= maxAddresses {
			list = append(list, a)
		}
	}
	return list
}

// plans notes which ports of addresses will be asked, before any is.
func (e *env) plans(addrs []netip.Addr, asks []verifier.Ask) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range addrs {
		for _, ask := range asks {
			p := portOf{ask.Protocol, netip.AddrPortFrom(a, ask.Port)}
			if e.runs(ask.Kind) && !slices.Contains(e.planned[a], p) {
				e.planned[a] = append(e.planned[a], p)
			}
		}
	}
}

// isSource reports whether the target's rule holds for packets from this machine. Where
// it does not, it adds a finding that says so: those packets show nothing about the
// rule.
func (e *env) isSource(base target, to netip.Addr, asked bool) bool {
	if base.rule == nil || base.rule.From == "" {
		return true
	}
	routes, err := e.net.LookUp([]Flow{{To: to}})
	if err != nil || routes[0].Err != nil || !routes[0].Source.IsValid() || e.plan.HoldsFor(base.rule, routes[0].Source) {
		return true
	}
	if asked {
		base.addr = to
		f := base.finding(verifier.Coverage, verifier.CheckCovered)
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary = fmt.Sprintf("this machine, %s, is not one of the sources of rule %s, so %s was not asked", routes[0].Source, base.rule.Name, to)
		f.Remedy = fmt.Sprintf("run it on a machine in set %s", base.rule.From)
		e.report([]verifier.Finding{f})
	}
	return false
}

// leftOut reports addresses that were not asked: the results of the others say nothing
// about them.
func (e *env) leftOut(ctx context.Context, base target, asked int) {
	if base.probe.IsAddress() {
		return
	}
	all := slices.DeleteFunc(slices.Clone(e.resolve(ctx, base.probe.Host).addrs), leadsNowhere)
	if len(all) <= asked {
		return
	}
	f := base.finding(verifier.Coverage, verifier.CheckCovered)
	f.Outcome, f.Verdict = verifier.Undecided, verifier.NotProbed
	f.Summary = fmt.Sprintf("%d of the %d addresses of %s were not asked", len(all)-asked, len(all), f.Host)
	f.Remedy = "name the addresses that matter in probes of their own"
	e.report([]verifier.Finding{f})
}

// coverage reports the rules that no probe stands for: they were not verified.
func (e *env) coverage(ctx context.Context) {
	if !e.runs(verifier.Coverage) {
		return
	}
	for i := range e.plan.Rules {
		r := &e.plan.Rules[i]
		inside := false
		for j := range e.findings {
			f := &e.findings[j]
			inside = inside || f.Rule == r.Name && f.Check == verifier.CheckReach && f.Address.IsValid() && e.allows(ctx, r, f.Address)
		}
		if inside {
			continue
		}
		if slices.ContainsFunc(e.findings, func(f verifier.Finding) bool { return f.Rule == r.Name && f.Kind == verifier.Coverage }) {
			continue // its probe says why
		}
		f := verifier.Finding{Kind: verifier.Coverage, Check: verifier.CheckCovered, Outcome: verifier.Unprobed,
			Verdict: verifier.NotProbed, Rule: r.Name, Place: r.Place,
			Summary: "no host in the rule's ranges was probed",
			Remedy:  fmt.Sprintf("name a host of yours in a probe block with rule = rule.%s", r.Name)}
		e.report([]verifier.Finding{f})
	}
}
