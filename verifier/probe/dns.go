package probe

import (
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

// A resolution is what all name servers say of one name.
type resolution struct {
	by    []resolved
	addrs []netip.Addr // of the first server that has any: what a program here would use
}

// resolved is what one name server says of one name.
type resolved struct {
	server netip.AddrPort
	a, aaa queried
}

func (r *resolved) addrs() []netip.Addr {
	return append(slices.Clone(r.a.answer.addrs), r.aaa.answer.addrs...)
}

// resolvers are the system's name servers, then the plan's.
func (e *env) resolvers() []netip.AddrPort {
	list, err := e.net.Resolvers()
	if err != nil {
		e.note(fmt.Sprintf("the system's name servers are not known: %v", err))
	}
	for _, r := range e.plan.Resolvers {
		if r.Port() == 0 {
			r = netip.AddrPortFrom(r.Addr(), 53)
		}
		list = append(list, r)
	}
	var unique []netip.AddrPort
	for _, r := range list {
		if !slices.Contains(unique, r) {
			unique = append(unique, r)
		}
	}
	return unique
}

// resolve asks every name server for a name, once in a run.
func (e *env) resolve(ctx context.Context, host string) *resolution {
	return e.names.get(strings.ToLower(host), func() *resolution {
		servers := e.servers()
		res := &resolution{by: make([]resolved, len(servers))}
		var all sync.WaitGroup
		for i, s := range servers {
			res.by[i].server = s
			all.Go(func() { res.by[i].a = e.query(ctx, s, host, dnsmessage.TypeA) })
			all.Go(func() { res.by[i].aaa = e.query(ctx, s, host, dnsmessage.TypeAAAA) })
		}
		all.Wait()
		for i := range res.by {
			if res.addrs = res.by[i].addrs(); len(res.addrs) > 0 {
				break
			}
		}
		return res
	})
}

// probeDNS judges how a name resolves: at every name server, whether into the rule's
// ranges, whether servers agree, and whether they invent names.
func probeDNS(ctx context.Context, e *env, t target) []verifier.Finding {
	res := e.resolve(ctx, t.probe.Host)
	if len(res.by) == 0 {
		f := t.finding(verifier.DNS, verifier.CheckResolve)
		f.Outcome, f.Verdict = verifier.Fail, verifier.NotProbed
		f.Summary, f.Remedy = "no name server is known", "give this machine a name server, or name one with --resolver"
		return []verifier.Finding{f}
	}
	var list []verifier.Finding
	for i := range res.by {
		list = append(list, judgeResolved(t, &res.by[i], len(res.addrs) > 0))
	}
	list = append(list, e.judgeRanges(t, res)...)
	list = append(list, judgeAgreement(t, res)...)
	return append(list, e.hijackOnce(ctx)...)
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
		if i == maxAddresses {
			return fmt.Sprintf("%s and %d more", s, len(a.addrs)-i)
		}
		s += " " + addr.String()
	}
	return s
}

// judgeRanges finds addresses outside the rule's ranges, which the rule would not let
// pass.
func (e *env) judgeRanges(t target, res *resolution) []verifier.Finding {
	if t.rule == nil || t.rule.Any || t.rule.Deny {
		return nil
	}
	var list []verifier.Finding
	var inside, seen []netip.Addr
	for i := range res.by {
		for _, a := range res.by[i].addrs() {
			if slices.Contains(seen, a) {
				continue
			}
			seen = append(seen, a)
			if e.plan.Allows(t.rule, a) {
				inside = append(inside, a)
				continue
			}
			f := t.finding(verifier.DNS, verifier.CheckRanges)
			f.Address, f.Resolver, f.Outcome = a, res.by[i].server.String(), verifier.Fail
			f.Summary = fmt.Sprintf("%s resolves to %s, outside the ranges of rule %s: the firewall would stop it", f.Host, a, f.Rule)
			f.Remedy = fmt.Sprintf("find out whose address %s is: add its range to the set, or mend the name server", a)
			list = append(list, f)
		}
	}
	if len(inside) > 0 {
		f := t.finding(verifier.DNS, verifier.CheckRanges)
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%d of %d addresses are in the ranges of rule %s", len(inside), len(seen), f.Rule)
		list = append(list, f)
	}
	return list
}

// judgeAgreement compares servers. That they differ is usual for names that are
// answered by place, and worth knowing when a call uses another relay than the probe.
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
		f.Note("%s: %v", r.server, addrs[:min(len(addrs), maxAddresses)])
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

// hijackOnce asks every name server, once in a run, for a name that cannot exist.
func (e *env) hijackOnce(ctx context.Context) []verifier.Finding {
	var list []verifier.Finding
	e.hijack.Do(func() {
		servers := e.servers()
		list = make([]verifier.Finding, len(servers))
		var all sync.WaitGroup
		for i, s := range servers {
			all.Go(func() { list[i] = e.askImpossible(ctx, s) })
		}
		all.Wait()
	})
	return list
}

// askImpossible asks for a random name under "invalid", which RFC 6761 section 6.4
// keeps from ever existing.
func (e *env) askImpossible(ctx context.Context, server netip.AddrPort) verifier.Finding {
	var random [8]byte
	rand.Read(random[:]) // never fails, says its documentation
	name := "sallyport-" + hex.EncodeToString(random[:]) + ".invalid"
	f := verifier.Finding{Kind: verifier.DNS, Check: verifier.CheckHijack, Resolver: server.String()}
	q := e.query(ctx, server, name, dnsmessage.TypeA)
	switch {
	case !q.ok:
		f.Outcome, f.Verdict = verifier.Skipped, verifier.NotProbed
		f.Summary = fmt.Sprintf("%s does not answer, so whether it invents names is not known", server.Addr())
		f.Note("%s", q.ruling.why)
	case len(q.answer.addrs) > 0:
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("%s invents addresses for names that do not exist", server.Addr())
		f.Remedy = "use a name server that does not rewrite answers"
	case q.answer.code == dnsmessage.RCodeNameError, q.answer.code == dnsmessage.RCodeSuccess:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("%s does not invent names", server.Addr())
	default:
		f.Outcome, f.Verdict = verifier.Skipped, verifier.NotProbed
		f.Summary = fmt.Sprintf("%s refuses the question whether it invents names", server.Addr())
	}
	if q.ok {
		f.Note("%s: %s", name, q.answer.describe())
	}
	return f
}
