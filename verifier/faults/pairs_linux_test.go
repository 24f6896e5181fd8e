package faults

import (
	"os"
	"slices"
	"testing"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// pairs are faults two by two, where what is seen of one depends on the other.
func pairs() []faultCase {
	noMedia := drops("forward drop of UDP", firewall, calls)
	lossy := link("loss of 5 % each way", impair.Faults{Loss: 0.05}, impair.Faults{Loss: 0.05})
	slow := link("delay", impair.Faults{Delay: 6 * time.Millisecond}, impair.Faults{Delay: 6 * time.Millisecond})
	mixed := link("reordering and duplicates", impair.Faults{Reorder: 0.3, HoldBack: 10 * time.Millisecond, Duplicate: 0.3}, impair.Faults{Jitter: 5 * time.Millisecond, Duplicate: 0.3})
	one := drops("port 3479 dropped", firewall, port(3479))
	shut := rejects("port 3479 closed", server, port(3479), "port-unreachable", "port-unreachable")
	prohibited := rejects("reject", firewall, relay, "admin-prohibited", "admin-prohibited")
	far := rejects("reject at the last router", router, calls, "admin-prohibited", "admin-prohibited")
	six := which{family: "ipv6"}
	return []faultCase{
		// A line that loses, and something else: the something is found.
		{faults: []fault{one, lossy}, wants: []want{is(port(3479), filtered, silent)}, exit: 1},
		{faults: []fault{shut, lossy}, wants: []want{is(port(3479), isClosed)}, exit: 1},
		{faults: []fault{prohibited, lossy}, wants: []want{is(relay, isRejected)}, exit: 1},
		{faults: []fault{far, lossy}, wants: []want{is(calls, isRejected)}, exit: 1},
		{faults: []fault{randomNAT, lossy}, checks: outcomes{verifier.CheckMapping: verifier.Warn}},
		{faults: []fault{far, mixed}, wants: []want{is(calls, isRejected)}, exit: 1},
		{faults: []fault{shut, slow}, wants: []want{is(port(3479), isClosed)}, exit: 1},

		// Without ICMP a verdict is weaker, and never another.
		{faults: []fault{shut, noICMP}, wants: []want{is(port(3479), silent)}, exit: 3},
		{faults: []fault{prohibited, noICMP}, wants: []want{is(relay, silent)}, exit: 3},
		{faults: []fault{deadHost, noICMP}, wants: []want{is(other, silent)}, exit: 3},
		{faults: []fault{unreachableAt, noICMP}, wants: []want{is(other, silent)}, exit: 3},
		{faults: []fault{loop, noICMP}, wants: []want{is(other, silent)}, exit: 3},
		{faults: []fault{one, noICMP}, wants: []want{is(port(3479), silent)}, exit: 3},
		{faults: []fault{drops("local drop of UDP", client, calls), noICMP}, wants: []want{is(calls, deniedHere)}, exit: 1},
		{faults: []fault{resets("tcp-reset", webOnly), noICMP}, wants: []want{is(webOnly, refused)}, exit: 1},
		{faults: []fault{shut, slowICMP}, wants: []want{is(port(3479), isClosed)}, exit: 1},
		{faults: []fault{deadHost, slowICMP}, wants: []want{is(other, noHost)}, exit: 1},

		// Two filters: the first on the way speaks.
		{faults: []fault{drops("local drop of UDP", client, calls), noMedia}, wants: []want{is(calls, deniedHere)}, exit: 1},
		{faults: []fault{drops("local drop of UDP", client, calls), resets("tcp-reset", webOnly)}, wants: []want{is(calls, deniedHere), is(webOnly, refused)}, exit: 1},
		{faults: []fault{noMedia, resets("tcp-reset", webOnly)}, wants: []want{is(calls, silent), is(webOnly, refused)}, exit: 1},
		{faults: []fault{noMedia, drops("forward drop of TCP", firewall, webOnly)}, wants: []want{is(relay, silent)}, exit: 3},
		{faults: []fault{one, far}, wants: []want{is(port(3479), filtered), is(calls, isRejected)}, exit: 1},
		{faults: []fault{prohibited, shut}, wants: []want{is(relay, isRejected)}, exit: 1},
		{faults: []fault{one, drops("port 3481 dropped at the target", server, port(3481))}, wants: []want{is(port(3479), filtered), is(port(3481), silent)}, exit: 1},
		{faults: []fault{drops("forward drop of IPv6", firewall, six), one}, wants: []want{is(six, silent), is(port(3479), filtered)}, exit: 1},

		// NAT: who rejects is seen through it.
		{faults: []fault{masquerade, far}, wants: []want{is(calls, isRejected)}, exit: 1},
		{faults: []fault{masquerade, shut}, wants: []want{is(port(3479), isClosed)}, exit: 1},
		{faults: []fault{masquerade, one}, wants: []want{is(port(3479), filtered)}, exit: 1},
		{faults: []fault{randomNAT, one}, wants: []want{is(port(3479), filtered)}, checks: outcomes{verifier.CheckMapping: verifier.Warn}, exit: 1},
		{faults: []fault{pooled, shut}, wants: []want{is(port(3479), isClosed)}, checks: outcomes{verifier.CheckPublic: verifier.Warn}, exit: 1},
		{faults: []fault{randomNAT, remembers(1, 1150*time.Millisecond)}, persist: map[time.Duration]verifier.Outcome{1150 * time.Millisecond: verifier.Fail}, exit: 1},
		{faults: []fault{symmetrics, noIPv6}, wants: []want{is(six, withoutRoute)}, checks: outcomes{verifier.CheckMapping: verifier.Warn}},

		// One family only.
		{faults: []fault{noIPv6, noMedia}, wants: []want{is(six, withoutRoute), is(calls, filtered)}, exit: 1},
		{faults: []fault{noIPv6, intercepted}, wants: []want{is(six, withoutRoute), is(allTCP, inconclusive)}, checks: outcomes{verifier.CheckCert: verifier.Fail}, exit: 1},
		{faults: []fault{noIPv6, deadHost}, wants: []want{is(six, withoutRoute), is(other, noHost)}, exit: 1},
		{faults: []fault{noIPv6, drops("forward drop of IPv4 to signalling", firewall, only("ipv4", signals))}, wants: []want{is(six, withoutRoute), is(signals, silent)}, exit: 1},

		// A proxy's TCP shows nothing about a path.
		{faults: []fault{transparent, noMedia}, wants: []want{is(allTCP, inconclusive), is(calls, silent)}, exit: 1},
		{faults: []fault{intercepted, one}, wants: []want{is(allTCP, inconclusive), is(port(3479), filtered)}, exit: 1},
		{faults: []fault{trusted, noMedia}, wants: []want{is(allTCP, inconclusive), is(calls, silent)}, exit: 1},
		{faults: []fault{silentProxy, resets("tcp-reset", webOnly)}, wants: []want{is(allTCP, inconclusive)}, exit: 1},
		{faults: []fault{expired, lossy}, wants: []want{is(signals, inconclusive)}, checks: outcomes{verifier.CheckCert: verifier.Fail}, exit: 1},

		// Names.
		{faults: []fault{dnsOutside, drops("forward drop of a host", firewall, relay)}, wants: []want{is(which{addr: outside4}, reachable), is(relay, silent)},
			checks: outcomes{verifier.CheckRanges: verifier.Fail}, exit: 1},
		{faults: []fault{dnsInvents, one}, wants: []want{is(port(3479), filtered)}, checks: outcomes{verifier.CheckHijack: verifier.Fail}, exit: 1},
		{faults: []fault{dnsHijacked, noIPv6}, wants: []want{is(which{addr: portal4, prot: "udp"}, isClosed), is(which{addr: portal4}, inconclusive)}, exit: 1},
		{faults: []fault{secondDNS, prohibited}, wants: []want{is(relay, isRejected)}, exit: 1},

		// A tunnel, and something in it or beside it.
		{faults: []fault{goodVPN, one}, wants: []want{is(port(3479), filtered)}, checks: outcomes{verifier.CheckWay: verifier.Pass}, exit: 1},
		{faults: []fault{swallowed, prohibited}, wants: []want{is(relay, isRejected)}, checks: outcomes{verifier.CheckWay: verifier.Fail}, exit: 1},
		{faults: []fault{oneLeak, deadHost}, wants: []want{is(other, noHost)}, checks: outcomes{verifier.CheckWay: verifier.Fail}, exit: 1},
		{faults: []fault{swallowed, lossy}, checks: outcomes{verifier.CheckWay: verifier.Fail, verifier.CheckEgress: verifier.Warn}, exit: 1},
		{faults: []fault{only4VPN, noICMP}, checks: outcomes{verifier.CheckWay: verifier.Fail}, exit: 1},
	}
}

// TestAnyPair tries pairs of faults that nobody chose: no finding may contradict the
// truth, whatever it is. In the long run it tries all of them.
func TestAnyPair(t *testing.T) {
	t.Parallel()
	plans := bundles(t)
	list := alone()
	share := 40 // one pair of so many
	if testing.Short() {
		share = 160
	}
	tried := 0
	for i, a := range list {
		for j, b := range list[:i] {
			if slices.ContainsFunc(a.groups, func(g string) bool { return slices.Contains(b.groups, g) }) {
				continue
			}
			if os.Getenv("SALLYPORT_LONG") != "1" && (31*i+j)%share != 0 {
				continue
			}
			tried++
			t.Run(b.name+" + "+a.name, func(t *testing.T) {
				t.Parallel()
				pace.Run(t, func(t testing.TB, _ pace.Scale) {
					w := newWorld(t, plans, b, a)
					report := w.verify()
					w.noLies(t, report)
					w.onlyNamed(t)
					if t.Failed() {
						explain(t, report)
					}
				})
			})
		}
	}
	if tried < 1000/share {
		t.Errorf("only %d pairs", tried)
	}
}

// alone are the faults of all cases of one fault.
func alone() []fault {
	var list []fault
	for _, r := range singles() {
		if len(r.faults) == 1 {
			list = append(list, r.faults[0])
		}
	}
	return list
}
