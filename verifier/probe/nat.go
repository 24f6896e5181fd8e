package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v3"

	"sallyport/verifier"
)

// mapping is how one socket looks to one destination.
type mapping struct {
	to     netip.AddrPort
	mapped netip.AddrPort
}

// natTries is how often each destination is asked by the common socket.
const natTries = 3

// maxNAT is how many destinations are asked for each family.
const maxNAT = 8

// probeNAT compares how one socket is mapped towards several destinations, each of
// which answered before.
func probeNAT(ctx context.Context, e *env, _ target) []verifier.Finding {
	if !slices.ContainsFunc(e.plan.Probes, func(p verifier.Probe) bool { return p.Wants(verifier.NAT) }) {
		return nil
	}
	var mu sync.Mutex
	var list []verifier.Finding
	var all sync.WaitGroup
	for _, v4 := range []bool{true, false} {
		all.Go(func() {
			known := e.enough(ctx, v4)
			to := destinations(known, v4)
			if len(to) == 0 {
				return
			}
			found := e.natFamily(ctx, v4, to, known)
			mu.Lock()
			defer mu.Unlock()
			list = append(list, found...)
		})
	}
	all.Wait()
	if len(list) == 0 {
		f := verifier.Finding{Kind: verifier.NAT, Check: verifier.CheckMapping, Outcome: verifier.Unprobed, Verdict: verifier.NotProbed,
			Summary: "no STUN server answered, so nothing is known about NAT"}
		list = append(list, f)
	}
	return list
}

// enough waits until the answers of one of the families can be compared: a few round
// trips when two addresses and two ports answer at once, else until every port has been
// asked.
func (e *env) enough(ctx context.Context, v4 ...bool) []answered {
	sleep(ctx, 4*e.timers.RTO)
	known := e.asked.list()
	for _, v4 := range v4 {
		to := destinations(known, v4)
		if slices.ContainsFunc(to, func(a netip.AddrPort) bool { return a.Addr() != to[0].Addr() }) &&
			slices.ContainsFunc(to, func(a netip.AddrPort) bool { return a.Addr() == to[0].Addr() && a.Port() != to[0].Port() }) {
			return known
		}
	}
	e.asked.wait(ctx)
	return e.asked.list()
}

// destinations picks what to compare: first two ports of one address, then other
// addresses.
func destinations(known []answered, v4 bool) []netip.AddrPort {
	var all []netip.AddrPort
	for _, a := range known {
		if a.to.Addr().Is4() == v4 && a.probe.Wants(verifier.NAT) && a.mapped.IsValid() && !slices.Contains(all, a.to) {
			all = append(all, a.to)
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	count := map[netip.Addr]int{}
	var list []netip.AddrPort
	for _, a := range all {
		count[a.Addr()]++
	}
	// An address with several ports comes first, with two of them.
	slices.SortStableFunc(all, func(a, b netip.AddrPort) int { return min(count[b.Addr()], 2) - min(count[a.Addr()], 2) })
	taken := map[netip.Addr]int{}
	for _, a := range all {
		if taken[a.Addr()]++; taken[a.Addr()] <= 2 && len(list) < maxNAT {
			list = append(list, a)
		}
	}
	return list
}

func (e *env) natFamily(ctx context.Context, v4 bool, to []netip.AddrPort, known []answered) []verifier.Finding {
	seen, local, err := e.mappings(ctx, to)
	f := verifier.Finding{Kind: verifier.NAT, Check: verifier.CheckMapping, Family: verifier.FamilyOf(to[0].Addr())}
	if err != nil {
		f.Outcome, f.Verdict = verifier.Undecided, verifier.Inconclusive
		f.Summary = fmt.Sprintf("the NAT could not be looked at: %v", err)
		return []verifier.Finding{f}
	}
	for _, m := range seen {
		f.Note("%s sees us as %s", m.to, m.mapped)
	}
	classify(&f, seen, local, e.own)
	if f.Outcome == verifier.Unprobed && slices.ContainsFunc(e.plan.Probes, func(p verifier.Probe) bool { return slices.Contains(p.Kinds, verifier.NAT) }) {
		f.Outcome, f.Verdict = verifier.Undecided, verifier.Inconclusive // the policy asks for it
	}
	list := []verifier.Finding{f, publicOf(f.Family, seen, known, v4)}
	if e.opt.Long {
		list = append(list, e.persistence(ctx, to)...)
	}
	return list
}

// mappings asks every destination from one socket, a few times each.
func (e *env) mappings(ctx context.Context, to []netip.AddrPort) (seen []mapping, local netip.AddrPort, err error) {
	conn, err := e.net.ListenUDP(ctx, to[0].Addr())
	if err != nil {
		return nil, local, err
	}
	defer conn.Close()
	local = conn.LocalAddr()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	ids, got := map[transaction]netip.AddrPort{}, map[netip.AddrPort]netip.AddrPort{}
	buf := make([]byte, maxSTUN+1)
	for range natTries {
		for _, dest := range to {
			if got[dest].IsValid() || !e.budget.take(dest) {
				continue
			}
			id := newTransaction()
			ids[id] = dest
			_, _ = conn.WriteTo(bindingRequest(id), dest) // a refusal shows as a missing answer
		}
		if err := conn.SetReadDeadline(time.Now().Add(e.timers.Query)); err != nil || ctx.Err() != nil {
			break
		}
		for len(got) < len(to) {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			a, err := readAnswer(buf[:n])
			if err == nil && ids[a.id] == from && a.method == stun.MethodBinding && a.mapped.IsValid() {
				got[from] = a.mapped
			}
		}
	}
	asked := map[netip.AddrPort]int{}
	for _, dest := range ids {
		asked[dest]++
	}
	for _, dest := range to {
		if got[dest].IsValid() {
			e.losses.add(portOf{"udp", dest}, asked[dest], asked[dest]-1)
			seen = append(seen, mapping{dest, got[dest]})
		}
	}
	return seen, local, nil
}

// classify names the mapping behaviour (RFC 4787 section 4.1, RFC 5780 section 4.3) as
// far as the answers show it.
func classify(f *verifier.Finding, seen []mapping, local netip.AddrPort, own map[netip.Addr]bool) {
	otherPort := pairs(seen, func(a, b mapping) bool { return a.to.Addr() == b.to.Addr() })
	otherAddr := pairs(seen, func(a, b mapping) bool { return a.to.Addr() != b.to.Addr() })
	same := func(list [][2]mapping) bool {
		return !slices.ContainsFunc(list, func(p [2]mapping) bool { return p[0].mapped != p[1].mapped })
	}
	ips := publicAddrs(seen)
	undecided := func(format string, args ...any) {
		f.Outcome, f.Verdict = verifier.Undecided, verifier.Inconclusive
		f.Summary = fmt.Sprintf(format, args...)
	}
	switch {
	case len(seen) > 0 && len(ips) == 1 && own[ips[0]] && allPort(seen, local.Port()):
		f.Outcome, f.Summary = verifier.Pass, "no NAT shows: the target sees this machine's own address and port"
		if ips[0].IsPrivate() && !slices.ContainsFunc(seen, func(m mapping) bool { return m.to.Addr().IsPrivate() }) {
			f.Note("%s is a private address: where targets are beyond a NAT, it changes what they tell (an ALG)", ips[0])
		}
	case len(seen) == 0:
		undecided("no destination answered one socket, and comparing takes two")
	case len(seen) < 2:
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary = "how mappings depend on the destination was not probed: it needs two destinations, and one answered"
	case len(ips) > 1:
		undecided("destinations see different addresses of this machine (%s): a NAT with a pool, or ways out that differ; the kind of NAT does not show", joined(ips))
	case len(otherPort) > 0 && !same(otherPort):
		f.Outcome = verifier.Warn
		f.Summary = "the mapping depends on the destination's port and address (symmetric NAT)"
		f.Remedy = "calls work by way of a relay; for direct media between peers use endpoint-independent mapping"
	case len(otherAddr) > 0 && !same(otherAddr):
		f.Outcome = verifier.Warn
		f.Summary = "the mapping depends on the destination's address"
		if len(otherPort) == 0 {
			f.Summary += ", and perhaps on its port"
		}
		f.Remedy = "calls work by way of a relay; for direct media between peers use endpoint-independent mapping"
	case len(otherAddr) == 0:
		f.Outcome, f.Verdict = verifier.Unprobed, verifier.NotProbed
		f.Summary = fmt.Sprintf("the mapping is the same for %d ports of one address; how it depends on the address was not probed: it needs two that answer", len(seen))
	default:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("the mapping is the same for %d destinations (endpoint-independent, as far as they show)", len(seen))
		if allPort(seen, local.Port()) {
			f.Note("the NAT keeps our port %d: one that depends on the destination looks the same until two clients want the same port", local.Port())
		}
	}
}

func pairs(seen []mapping, ok func(a, b mapping) bool) [][2]mapping {
	var list [][2]mapping
	for i := range seen {
		for j := range i {
			if ok(seen[i], seen[j]) {
				list = append(list, [2]mapping{seen[j], seen[i]})
			}
		}
	}
	return list
}

func allPort(seen []mapping, port uint16) bool {
	return !slices.ContainsFunc(seen, func(m mapping) bool { return m.mapped.Port() != port })
}

func publicAddrs(seen []mapping) []netip.Addr {
	var list []netip.Addr
	for _, m := range seen {
		if !slices.Contains(list, m.mapped.Addr()) {
			list = append(list, m.mapped.Addr())
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

func joined(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

// publicOf counts the public addresses over all sockets of the run. A single address
// does not show that there is no pool: a NAT may give each client one of many
// addresses.
func publicOf(family string, seen []mapping, known []answered, v4 bool) verifier.Finding {
	all := slices.Clone(seen)
	for _, k := range known {
		if k.to.Addr().Is4() == v4 && k.mapped.IsValid() {
			all = append(all, mapping{k.to, k.mapped})
		}
	}
	ips := publicAddrs(all)
	f := verifier.Finding{Kind: verifier.NAT, Check: verifier.CheckPublic, Family: family, Outcome: verifier.Pass}
	f.Public = ips
	f.Summary = fmt.Sprintf("%d sockets are seen under one public address, %s", len(all), joined(ips))
	f.Note("how many addresses a NAT has in all does not show from one client")
	if len(ips) > 1 {
		f.Outcome = verifier.Warn
		f.Summary = fmt.Sprintf("our sockets are seen under %d public addresses: %s", len(ips), joined(ips))
		f.Remedy = "pair addresses in the NAT (RFC 4787 REQ-2), so that one client keeps one public address"
	}
	return f
}
