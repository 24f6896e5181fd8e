package probe

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/verifier"
)

// A lookup is what a program of this machine gets for a name.
type lookup struct {
	addrs  []netip.Addr
	from   string        // the hosts file, or a server
	waited time.Duration // for servers that do not answer, at least
	why    string        // when there are no addresses
	steps  []string      // how the lookup went
}

// asPrograms looks a name up as the C library does: the hosts file, then each name that
// the search list makes of it, each at the servers in order until one answers. by is
// what the servers said of the name itself.
func (e *env) asPrograms(ctx context.Context, host string, by []resolved) lookup {
	n := e.lookups()
	if addrs := n.Hosts[strings.ToLower(strings.TrimSuffix(host, "."))]; len(addrs) > 0 {
		return lookup{addrs: addrs, from: "the hosts file", steps: []string{"the hosts file names it"}}
	}
	if len(n.asked()) == 0 {
		return lookup{why: "no name server is known"}
	}
	var out lookup
	for _, name := range n.candidates(host) {
		said := by
		if name != strings.TrimSuffix(host, ".") {
			said = e.askServers(ctx, name)
		}
		one := n.inOrder(name, said)
		one.steps = append(out.steps, one.steps...)
		one.waited += out.waited
		out = one
		if len(out.addrs) > 0 {
			return out
		}
	}
	return out
}

// inOrder goes through the servers in their order, for both kinds of addresses. An
// answer is final, also if it says that the name does not exist; after a server
// failure, or silence, the next server is asked.
func (n *names) inOrder(name string, said []resolved) lookup {
	var out lookup
	var waits [2]time.Duration
	for i, typ := range []string{"A", "AAAA"} {
		end := "no server answers"
		for _, server := range n.asked() {
			q, ok := answerOf(said, server, i == 1)
			switch {
			case !ok:
				continue
			case !q.ok || q.took > n.Timeout:
				waits[i] += n.Timeout
				end = fmt.Sprintf("%s does not answer in time", server.Addr())
				out.steps = append(out.steps, fmt.Sprintf("%s %s: %s", name, typ, end))
				continue
			case q.answer.code != dnsmessage.RCodeSuccess && q.answer.code != dnsmessage.RCodeNameError:
				end = fmt.Sprintf("%s answers %s", server.Addr(), codeWord(q.answer.code))
				out.steps = append(out.steps, fmt.Sprintf("%s %s: %s", name, typ, end))
				continue
			}
			waits[i] += q.took
			out.steps = append(out.steps, fmt.Sprintf("%s %s: %s says %s", name, typ, server.Addr(), q.answer.describe()))
			out.addrs = append(out.addrs, q.answer.addrs...)
			if len(q.answer.addrs) > 0 {
				out.from = server.Addr().String()
			}
			end = ""
			if len(q.answer.addrs) == 0 {
				out.why = fmt.Sprintf("%s says that it has no address, and programs ask no other server then", server.Addr())
				if q.answer.code == dnsmessage.RCodeNameError {
					out.why = fmt.Sprintf("%s says that it does not exist, and programs ask no other server then", server.Addr())
				}
			}
			break
		}
		if end != "" {
			waits[i] *= time.Duration(max(n.Tries, 1))
			if i == 0 || out.why == "" {
				out.why = end
			}
		}
	}
	out.waited = max(waits[0], waits[1])
	return out
}

// answerOf is what a server said.
func answerOf(said []resolved, server netip.AddrPort, six bool) (queried, bool) {
	for i := range said {
		if said[i].server == server {
			if six {
				return said[i].aaa, true
			}
			return said[i].a, true
		}
	}
	return queried{}, false
}

// slowName is how long a lookup may take without a warning.
const slowName = time.Second

// judgePrograms judges what a program of this machine gets for a name. That decides,
// whatever single servers say.
func (e *env) judgePrograms(t target, res *resolution) verifier.Finding {
	f := t.finding(verifier.DNS, verifier.CheckPrograms)
	p := &res.programs
	f.Evidence = p.steps
	n := e.lookups()
	if more := len(n.Servers) - len(n.asked()); more > 0 {
		f.Note("programs ask the first %d name servers; %d more are named", len(n.asked()), more)
	}
	f.Metrics = []verifier.Metric{{Name: "lookup_seconds", Value: p.waited.Seconds()}}
	slow := n.Timeout / 5 // a second of the five that programs wait
	if slow == 0 {
		slow = slowName
	}
	switch {
	case len(p.addrs) == 0 && len(n.Servers) == 0:
		f.Outcome, f.Verdict = verifier.Fail, verifier.NotProbed
		f.Summary, f.Remedy = p.why, "give this machine a name server, or name one with --resolver"
	case len(p.addrs) == 0:
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("programs here do not resolve %s: %s", f.Host, p.why)
		f.Remedy = "see whether the name is spelled right, and which name servers this machine is given, in which order"
	case p.waited >= slow:
		f.Outcome = verifier.Warn
		f.Summary = fmt.Sprintf("programs here wait %s or more for %s", brief(p.waited), f.Host)
		f.Remedy = "repair or remove the name server that does not answer in time"
	default:
		f.Outcome = verifier.Pass
		f.Summary = fmt.Sprintf("programs here get %s of %s from %s", counted(len(p.addrs), "address"), f.Host, p.from)
	}
	return f
}

func counted(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ses", n, what)
}

// leadsNowhere reports whether a is what filters answer in place of an address: the
// unspecified one, this machine, or one that no packet is routed to.
func leadsNowhere(a netip.Addr) bool {
	return a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
