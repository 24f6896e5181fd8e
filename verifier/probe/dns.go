package probe

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/verifier"
)

// A resolution is what a name leads to.
type resolution struct {
	by       []resolved   // what each name server says
	programs lookup       // what a program of this machine gets
	addrs    []netip.Addr // to be probed: those of programs, else of any server that has some
}

// resolved is what one name server says of one name.
type resolved struct {
	server netip.AddrPort
	a, aaa queried
}

func (r *resolved) addrs() []netip.Addr {
	return append(slices.Clone(r.a.answer.addrs), r.aaa.answer.addrs...)
}

// names are how this machine looks up names, with the servers of the plan.
type names struct {
	Stub
	all []netip.AddrPort
}

func (e *env) nameSettings() names {
	stub, err := e.net.Stub()
	if err != nil {
		e.note(fmt.Sprintf("how this machine looks up names is not known: %v", err))
	}
	n := names{Stub: stub}
	for _, r := range append(slices.Clone(stub.Servers), e.plan.Resolvers...) {
		if r.Port() == 0 {
			r = netip.AddrPortFrom(r.Addr(), 53)
		}
		if !slices.Contains(n.all, r) {
			n.all = append(n.all, r)
		}
	}
	return n
}

// resolve looks a name up, once in a run: at every name server, and as programs do.
func (e *env) resolve(ctx context.Context, host string) *resolution {
	return e.names.get(strings.ToLower(host), func() *resolution {
		res := &resolution{by: e.askServers(ctx, host)}
		res.programs = e.asPrograms(ctx, host, res.by)
		if res.addrs = res.programs.addrs; len(res.addrs) > 0 {
			return res
		}
		for i := range res.by {
			if res.addrs = res.by[i].addrs(); len(res.addrs) > 0 {
				break
			}
		}
		return res
	})
}

// askServers asks every name server for one name.
func (e *env) askServers(ctx context.Context, name string) []resolved {
	servers := e.lookups().all
	list := make([]resolved, len(servers))
	var all sync.WaitGroup
	for i, s := range servers {
		list[i].server = s
		all.Go(func() { list[i].a = e.query(ctx, s, name, dnsmessage.TypeA) })
		all.Go(func() { list[i].aaa = e.query(ctx, s, name, dnsmessage.TypeAAAA) })
	}
	all.Wait()
	return list
}

// probeDNS judges how a name resolves: for programs and at every name server, whether
// into the rule's ranges, whether servers agree, and whether they invent names.
func probeDNS(ctx context.Context, e *env, t target) []verifier.Finding {
	res := e.resolve(ctx, t.probe.Host)
	list := []verifier.Finding{e.judgePrograms(t, res)}
	for i := range res.by {
		if r := &res.by[i]; r.a.ok || r.aaa.ok || len(res.addrs) == 0 || e.firstDead(r.server) {
			list = append(list, judgeResolved(t, r, len(res.programs.addrs) > 0))
		}
	}
	list = append(list, e.judgeRanges(ctx, t, res)...)
	list = append(list, judgeAgreement(t, res)...)
	return append(list, e.hijackOnce(ctx)...)
}

// firstDead reports whether this is the first report of a server that does not answer:
// it is one fault, however many names it was asked for.
func (e *env) firstDead(server netip.AddrPort) bool {
	_, told := e.dead.LoadOrStore(server, true)
	return !told
}

// judgeResolved judges one server's answers. Where another server knows the name, one
// that does not is only worth a warning.
func judgeResolved(t target, r *resolved, known bool) verifier.Finding {
	f := t.finding(verifier.DNS, verifier.CheckResolve)
	f.Resolver = r.server.String()
	for _, q := range []struct {
		typ string
		queried
	}{{"A", r.a}, {"AAAA", r.aaa}} {
		if !q.ok {
			f.Note("%s: %s", q.typ, q.ruling.why)
			f.Verdict, f.Offender = q.ruling.verdict, q.ruling.offender
			continue
		}
		f.Note("%s: %s", q.typ, q.answer.describe())
	}
	if r.a.ok || r.aaa.ok {
		took := max(r.a.answered(), r.aaa.answered())
		f.Note("answered after %s", brief(took))
		f.Metrics = []verifier.Metric{{Name: "answer_seconds", Value: took.Seconds()}}
	}
	n := len(r.addrs())
	switch {
	case n > 0:
		f.Outcome, f.Verdict, f.Offender = verifier.Pass, "", netip.Addr{}
		f.Summary = fmt.Sprintf("%s has %d addresses", f.Host, n)
		if n == 1 {
			f.Summary = fmt.Sprintf("%s is %s", f.Host, r.addrs()[0])
		}
		return f
	case !r.a.ok && !r.aaa.ok:
		f.Summary = fmt.Sprintf("%s: the name server %s: %s", f.Host, r.server.Addr(), f.Words())
		f.Remedy = fmt.Sprintf("let DNS to %s pass, or use a name server that answers", r.server.Addr())
	case r.a.answer.code == dnsmessage.RCodeNameError:
		f.Summary = fmt.Sprintf("%s does not exist, says %s", f.Host, r.server.Addr())
		f.Remedy = "see whether the name is spelled right, and whether the name server filters it"
	case r.a.answer.code != dnsmessage.RCodeSuccess:
		f.Summary = fmt.Sprintf("%s: the name server %s answers %s", f.Host, r.server.Addr(), codeWord(r.a.answer.code))
		f.Remedy = "ask whoever runs the name server"
	default:
		f.Summary = fmt.Sprintf("%s has no address, says %s", f.Host, r.server.Addr())
		f.Remedy = "see whether the name is the right one, and whether the name server filters it"
	}
	f.Outcome = verifier.Fail
	if known {
		f.Outcome = verifier.Warn
	}
	return f
}

func (a *dnsAnswer) describe() string {
	s := codeWord(a.code)
	for _, name := range a.chain {
		s += " CNAME " + printable(name)
	}
	for i, addr := range a.addrs {
		if i == maxShown {
			return fmt.Sprintf("%s and %d more", s, len(a.addrs)-i)
		}
		s += " " + addr.String()
	}
	return s
}

// judgeRanges finds addresses outside of the rule's ranges: the rule does not let them
// pass.
func (e *env) judgeRanges(ctx context.Context, t target, res *resolution) []verifier.Finding {
	if t.rule == nil || t.rule.Any || t.rule.Deny {
		return nil
	}
	var list []verifier.Finding
	var inside, seen []netip.Addr
	judge := func(a netip.Addr, server string) {
		if slices.Contains(seen, a) {
			return
		}
		seen = append(seen, a)
		if e.allows(ctx, t.rule, a) {
			inside = append(inside, a)
			return
		}
		f := t.finding(verifier.DNS, verifier.CheckRanges)
		f.Address, f.Resolver, f.Outcome = a, server, verifier.Fail
		f.Summary = fmt.Sprintf("%s resolves to %s, outside the ranges of rule %s: the firewall would stop it", f.Host, a, f.Rule)
		f.Remedy = fmt.Sprintf("find out whose address %s is: add its range to the set, or correct the name server", a)
		if leadsNowhere(a) {
			f.Summary = fmt.Sprintf("%s resolves to %s, which is no address of any host but this machine: the name is blocked", f.Host, a)
			f.Remedy = fmt.Sprintf("let the name server %s, or the filter on this machine, answer for %s", cmp.Or(server, "of this machine"), f.Host)
		}
		list = append(list, f)
	}
	for i := range res.by {
		for _, a := range res.by[i].addrs() {
			judge(a, res.by[i].server.String())
		}
	}
	for _, a := range res.programs.addrs {
		judge(a, "")
	}
	if len(inside) > 0 {
		f := t.finding(verifier.DNS, verifier.CheckRanges)
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%d of %d addresses are in the ranges of rule %s", len(inside), len(seen), f.Rule)
		for _, a := range inside {
			if four, ok := e.nat64(ctx, a); ok {
				f.Note("%s is %s behind a translator of IPv6 to IPv4 (NAT64)", a, four)
			}
		}
		list = append(list, f)
	}
	return list
}

// judgeAgreement compares servers. They usually differ for names whose answer depends
// on the place of the client, which is worth knowing when a call uses another relay
// than the probe.
func judgeAgreement(t target, res *resolution) []verifier.Finding {
	f := t.finding(verifier.DNS, verifier.CheckAgree)
	var sets [][]netip.Addr
	differ := false
	for i := range res.by {
		r := &res.by[i]
		addrs := r.addrs()
		if !r.a.ok || !r.aaa.ok || len(addrs) == 0 {
			continue
		}
		differ = differ || len(sets) > 0 && !slices.Equal(sets[0], addrs)
		sets = append(sets, addrs)
		f.Note("%s: %v", r.server, addrs[:min(len(addrs), maxShown)])
	}
	if len(sets) < 2 {
		return nil
	}
	f.Outcome = verifier.Pass
	f.Summary = fmt.Sprintf("%d name servers agree on %s", len(sets), f.Host)
	if differ {
		f.Summary = fmt.Sprintf("%d name servers give different addresses for %s, as is usual where answers depend on the place", len(sets), f.Host)
	}
	return []verifier.Finding{f}
}

// hijackOnce asks every name server, once in a run, for names that do not exist.
func (e *env) hijackOnce(ctx context.Context) []verifier.Finding {
	var list []verifier.Finding
	e.hijack.Do(func() {
		servers := e.lookups().all
		list = make([]verifier.Finding, len(servers))
		var all sync.WaitGroup
		for i, s := range servers {
			all.Go(func() { list[i] = e.askImpossible(ctx, s) })
		}
		all.Wait()
	})
	return list
}

// impossible returns random names that do not exist. A server has to ask other servers
// for them; it answers names under "invalid" by itself (RFC 6761 section 6.4), so that
// those show nothing about the servers behind it. Some rewrite only names that look
// like web sites.
func impossible() []string {
	var random [10]byte
	rand.Read(random[:]) // documented never to fail
	label := "sallyport-" + hex.EncodeToString(random[:])
	return []string{label + ".example.com", "www." + label + ".com"}
}

// askImpossible asks one server for names that do not exist.
func (e *env) askImpossible(ctx context.Context, server netip.AddrPort) verifier.Finding {
	f := verifier.Finding{Kind: verifier.DNS, Check: verifier.CheckHijack, Resolver: server.String()}
	answered := 0
	for _, name := range impossible() {
		q := e.query(ctx, server, name, dnsmessage.TypeA)
		if !q.ok {
			f.Note("%s: %s", name, q.ruling.why)
			break // once is enough: a server that is down is asked no more
		}
		f.Note("%s: %s", name, q.answer.describe())
		if len(q.answer.addrs) > 0 {
			f.Outcome = verifier.Fail
			f.Summary = fmt.Sprintf("%s invents addresses for names that do not exist", server.Addr())
			f.Remedy = "use a name server that does not rewrite answers"
			return f
		}
		if q.answer.code == dnsmessage.RCodeNameError || q.answer.code == dnsmessage.RCodeSuccess {
			answered++
		}
	}
	switch answered {
	case 0:
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary = fmt.Sprintf("%s does not say, so whether it invents names is not known", server.Addr())
	default:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%s does not invent names", server.Addr())
	}
	return f
}
