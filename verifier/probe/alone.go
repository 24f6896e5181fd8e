package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v3"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// Round trips are measured at the end, one exchange at a time: an exchange beside the
// others of the run, or beside a train of media, also waits for those.

// An exchanged is one exchange with a port that answers.
type exchanged struct {
	port portOf
	took time.Duration
}

// alone measures the round trips of the ports that were reached. Twice the time of a
// query bounds all of them, so the ports of all addresses take turns: on a slow line
// each address gets one before any gets two.
func (e *env) alone(ctx context.Context) {
	ports := e.reachedPorts()
	if len(ports) == 0 {
		return
	}
	if e.opt.Quiet != nil {
		e.opt.Quiet(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, 2*e.timers.Query)
	defer cancel()
	var list []exchanged
	for _, p := range ports {
		if took, ok := e.exchangeOnce(limited, p); ok {
			list = append(list, exchanged{p, took})
		}
	}
	e.setRoundTrips(list)
	if e.runs(verifier.STUN) {
		e.report(e.quality(list))
	}
	if e.runs(verifier.Path) {
		e.report(e.firstLinks(ctx, list))
	}
}

// reachedPorts are the ports that were reached, in turns by address.
func (e *env) reachedPorts() []portOf {
	e.mu.Lock()
	defer e.mu.Unlock()
	of := map[netip.Addr][]portOf{}
	var addrs []netip.Addr
	for i := range e.findings {
		f := &e.findings[i]
		p := portOf{f.Protocol, netip.AddrPortFrom(f.Address, f.Port)}
		if f.Check != verifier.CheckReach || f.Verdict != verifier.Reachable || slices.Contains(of[f.Address], p) {
			continue
		}
		if of[f.Address] == nil {
			addrs = append(addrs, f.Address)
		}
		of[f.Address] = append(of[f.Address], p)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	var list []portOf
	for turn := 0; ; turn++ {
		before := len(list)
		for _, a := range addrs {
			if turn < len(of[a]) {
				list = append(list, of[a][turn])
			}
		}
		if len(list) == before {
			return list
		}
	}
}

// exchangeOnce is one exchange: a connection over TCP, over UDP a request of the kind
// that the port answered before.
func (e *env) exchangeOnce(ctx context.Context, p portOf) (time.Duration, bool) {
	known, _ := e.rtts.of(anyOf(p.to.Addr()))
	within, cancel := context.WithTimeout(ctx, max(e.timers.Query, 2*known))
	defer cancel()
	began := time.Now()
	if p.prot == "tcp" {
		conn, err := e.net.DialTCP(within, p.to, errqueue.Options{})
		if err != nil {
			return 0, false
		}
		conn.Close()
		return time.Since(began), true
	}
	method, ok := e.asked.method(p.to)
	if !ok || ctx.Err() != nil || !e.budget.take(p.to) {
		return 0, false
	}
	request := bindingRequest
	if method == stun.MethodAllocate {
		request = allocateRequest
	}
	began = time.Now()
	err := e.askOnce(within, p.to, 0, request)
	took := time.Since(began)
	if err == nil || ctx.Err() == nil { // an exchange that was cut short is no loss
		lost := 1
		if err == nil {
			lost = 0
		}
		e.losses.add(p, 1, lost)
	}
	return took, err == nil
}

// setRoundTrips notes the round trips at the findings of their ports. Over TCP a lost
// packet makes a connection look slow, so the shorter of two attempts counts.
func (e *env) setRoundTrips(list []exchanged) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.findings {
		f := &e.findings[i]
		at := slices.IndexFunc(list, func(x exchanged) bool {
			return f.Check == verifier.CheckReach && f.Verdict == verifier.Reachable && x.port == portOf{f.Protocol, netip.AddrPortFrom(f.Address, f.Port)}
		})
		if at < 0 {
			continue
		}
		took := list[at].took.Seconds()
		have := slices.IndexFunc(f.Metrics, func(m verifier.Metric) bool { return m.Name == verifier.MetricRTT })
		if have < 0 {
			f.Metrics = append(f.Metrics, verifier.Metric{Name: verifier.MetricRTT, Value: took})
		} else {
			f.Metrics[have].Value = min(f.Metrics[have].Value, took)
		}
	}
}

// quality sums up, for each relay, what its STUN exchanges show of the line. That is
// little, and the findings say so.
func (e *env) quality(list []exchanged) []verifier.Finding {
	of := map[netip.Addr][]time.Duration{}
	for _, x := range list {
		if x.port.prot == "udp" {
			of[x.port.to.Addr()] = append(of[x.port.to.Addr()], x.took)
		}
	}
	var out []verifier.Finding
	for a, times := range of {
		slices.Sort(times)
		f := e.aboutHost(a)
		f.Kind, f.Check, f.Outcome = verifier.STUN, verifier.CheckQuality, verifier.Pass
		median := times[len(times)/2]
		sent, lost := e.losses.of(a)
		f.Metrics = []verifier.Metric{{Name: verifier.MetricRTT, Value: median.Seconds()}, {Name: "sent_packets", Value: float64(sent)}, {Name: "lost_packets", Value: float64(lost)}}
		f.Summary = fmt.Sprintf("%s: round trip %s by STUN, %d of %d datagrams lost", f.Target(), brief(median), lost, sent)
		f.Note("%s, one at a time: %s to %s", exchanges(len(times)), brief(times[0]), brief(times[len(times)-1]))
		f.Note("this is a glimpse: jitter, and loss under the load of a call, show with a reflector of your own only")
		if limit := e.opt.RoundTrip; limit > 0 {
			seconds := limit.Seconds()
			f.Metrics[0].Limit = &seconds
			if times[0] >= limit {
				f.Outcome = verifier.Warn
				f.Summary += fmt.Sprintf(": calls want less than %s", brief(limit))
				f.Remedy = "look for a detour on the way, such as a VPN or a proxy far away; let media leave near the client"
			}
		}
		out = append(out, f)
	}
	return out
}

func exchanges(n int) string {
	if n == 1 {
		return "one exchange"
	}
	return fmt.Sprintf("%d exchanges", n)
}

// aboutHost begins a finding about an address that was asked.
func (e *env) aboutHost(a netip.Addr) verifier.Finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.findings {
		if f := &e.findings[i]; f.Check == verifier.CheckReach && f.Address == a {
			return verifier.Finding{Probe: f.Probe, Host: f.Host, Rule: f.Rule, Place: f.Place, Address: a}
		}
	}
	return verifier.Finding{Address: a}
}
