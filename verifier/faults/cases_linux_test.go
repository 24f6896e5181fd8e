package faults

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestMain lets more tests run at once than there are processors: they mostly wait.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("20"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// A want is the verdicts that targets may have.
type want struct {
	which which
	words []verifier.Verdict
}

func is(w which, words ...verifier.Verdict) want { return want{w, words} }

// outcomes are the worst outcomes of checks, over all findings.
type outcomes map[verifier.Check]verifier.Outcome

// A faultCase is faults, and what has to come of them. A target that no want has is
// to be reachable; of several wants the first counts.
type faultCase struct {
	name   string // empty: that of the faults
	faults []fault
	wants  []want
	checks outcomes
	// persist is what is to be said of silences, by their length: of mappings that a
	// reflector was asked about.
	persist map[time.Duration]verifier.Outcome
	exit    int
}

func (r faultCase) title() string {
	if r.name != "" {
		return r.name
	}
	s := ""
	for i, f := range r.faults {
		if i > 0 {
			s += " + "
		}
		s += f.name
	}
	return s
}

// bundles are the plans of the lab's policies, with a bypass list and without.
func bundles(tb testing.TB) map[bool][]byte {
	tb.Helper()
	_, withRoutes := thousand()
	return map[bool][]byte{false: bundle(tb, policyText), true: bundle(tb, withRoutes)}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	plans := bundles(t)
	rows := singles()
	if !testing.Short() {
		rows = append(rows, pairs()...)
	}
	if n := len(singles()); n < 40 {
		t.Errorf("%d faults", n)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.title()] {
			t.Errorf("two cases %q", r.title())
		}
		seen[r.title()] = true
		t.Run(r.title(), func(t *testing.T) {
			t.Parallel()
			if r.persist != nil {
				need.Time(t, "a NAT forgets after seconds")
			}
			r.run(t, plans)
		})
	}
}

// run tries a case.
func (r faultCase) run(t *testing.T, plans map[bool][]byte) {
	t.Helper()
	pace.Run(t, func(t testing.TB, _ pace.Scale) {
		w := newWorld(t, plans, r.faults...)
		report := w.verify()
		w.noLies(t, report)
		w.onlyNamed(t)
		for _, p := range r.judge(w, report) {
			t.Error(p)
		}
		if t.Failed() {
			explain(t, report)
		}
	})
}

// judge says what of a report is not as the case expects.
func (r faultCase) judge(w *world, report *verifier.Report) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, target := range w.facts.targets(w.plan) {
		words := []verifier.Verdict{verifier.Reachable}
		if at := slices.IndexFunc(r.wants, func(x want) bool { return x.which.has(target) }); at >= 0 {
			words = r.wants[at].words
		}
		f := finding(report, func(f *verifier.Finding) bool {
			return f.Check == verifier.CheckReach && f.Probe == target.host && f.Address == target.addr && f.Protocol == target.prot && f.Port == target.port
		})
		if f == nil {
			wrong("nothing was found about %+v", target)
		} else if !slices.Contains(words, f.Verdict) {
			wrong("%s %s, want %q: %q", f.Target(), f.Words(), words, f.Evidence)
		}
	}
	got := outcomes{}
	for _, f := range report.Findings {
		if f.Outcome.Worse(got[f.Check]) {
			got[f.Check] = f.Outcome
		}
	}
	for check, want := range r.checks {
		if got[check] != want {
			wrong("%s: %q, want %q", check, got[check], want)
		}
	}
	for idle, want := range r.persist {
		idle = pace.Of(w.tb).Times(idle)
		f := finding(report, func(f *verifier.Finding) bool {
			return f.Check == verifier.CheckPersist && f.Family == "ipv4" && f.Case == idle.String()
		})
		if f == nil || f.Outcome != want {
			wrong("a silence of %s: want %s", idle, want)
		}
	}
	// A line that loses may lose so much of a run that the run is lossy.
	loses := slices.ContainsFunc(r.faults, func(f fault) bool { return f.there != nil && (f.there.Loss > 0 || f.back.Loss > 0) })
	if code := report.ExitCode(); code != r.exit && !(loses && r.exit == 0 && code == 3) {
		wrong("exit code %d, want %d", code, r.exit)
	}
	return problems
}

// finding is the first that fits, or nil.
func finding(report *verifier.Report, fits func(f *verifier.Finding) bool) *verifier.Finding {
	for i := range report.Findings {
		if fits(&report.Findings[i]) {
			return &report.Findings[i]
		}
	}
	return nil
}

// noLies fails the test if a finding, or the exit code, contradicts the truth.
func (w *world) noLies(t testing.TB, report *verifier.Report) {
	t.Helper()
	for i := range report.Findings {
		f := &report.Findings[i]
		if lie := w.facts.lie(f, w.plan); lie != "" {
			t.Errorf("a lie: %s: %q", lie, f.Evidence)
		}
		if f.Outcome == verifier.Fail && (f.Remedy == "" || f.Summary == "") {
			t.Errorf("a failure without remedy or summary: %+v", f)
		}
	}
	if lie := w.facts.lieExit(report.ExitCode(), w.plan); lie != "" {
		t.Errorf("a lie: %s", lie)
	}
}

func explain(t testing.TB, report *verifier.Report) {
	t.Helper()
	for _, f := range report.Findings {
		if f.Outcome != verifier.Pass {
			t.Logf("%s %s: %s: %s %q", f.Kind, f.Check, f.Outcome, f.Summary, f.Evidence)
		}
	}
}

// Verdicts, for short.
const (
	reachable    = verifier.Reachable
	filtered     = verifier.Filtered
	silent       = verifier.Silent
	isClosed     = verifier.Closed
	isRejected   = verifier.Rejected
	refused      = verifier.Refused
	noHost       = verifier.NoHost
	deniedHere   = verifier.DeniedLocally
	withoutRoute = verifier.NoRoute
	inconclusive = verifier.Inconclusive
)

// singles are the faults alone.
func singles() []faultCase {
	list := []faultCase{
		{name: "no fault", checks: outcomes{verifier.CheckMapping: verifier.Pass, verifier.CheckPublic: verifier.Pass, verifier.CheckHijack: verifier.Pass, verifier.CheckRanges: verifier.Pass}},

		// On this machine.
		{faults: []fault{drops("local drop of UDP", client, calls)}, wants: []want{is(calls, deniedHere)}, exit: 1},
		{faults: []fault{drops("local drop of TCP", client, webOnly)}, wants: []want{is(webOnly, filtered)}, exit: 1},
		{faults: []fault{rejects("local reject", client, relay, "port-unreachable", "port-unreachable")}, wants: []want{is(relay, deniedHere)}, exit: 1},
		{faults: []fault{noRoutes}, wants: []want{is(which{}, withoutRoute)}, exit: 1},
		{faults: []fault{noIPv6}, wants: []want{is(which{family: "ipv6"}, withoutRoute)}, checks: outcomes{verifier.CheckReach: verifier.Warn}},

		// Filters that say nothing.
		{faults: []fault{drops("forward drop of UDP", firewall, calls)}, wants: []want{is(calls, filtered)}, exit: 1},
		{faults: []fault{drops("forward drop of TCP", firewall, webOnly)}, wants: []want{is(webOnly, filtered)}, exit: 1},
		{faults: []fault{drops("forward drop of a host", firewall, relay)}, wants: []want{is(relay, silent)}, exit: 3},
		{faults: []fault{drops("forward drop of IPv6", firewall, which{family: "ipv6"})}, wants: []want{is(which{family: "ipv6"}, silent)}, exit: 3},
		{faults: []fault{drops("drop at the last router", router, calls)}, wants: []want{is(calls, silent)}, exit: 3},
		{faults: []fault{drops("a deaf target", server, calls)}, wants: []want{is(calls, silent)}, exit: 3},
		{faults: []fault{dropsAnswers("answers are dropped", firewall, calls)}, wants: []want{is(calls, silent)}, exit: 3},
		{faults: []fault{blackhole}, wants: []want{is(other, silent)}, exit: 3},

		// Ends of the way.
		{faults: []fault{deadHost}, wants: []want{is(other, noHost)}, exit: 1},
		{faults: []fault{unreachableAt}, wants: []want{is(other, isRejected)}, exit: 1},
		{faults: []fault{loop}, wants: []want{is(other, withoutRoute)}, exit: 1},
		{faults: []fault{resets("tcp-reset", webOnly)}, wants: []want{is(webOnly, refused)}, exit: 1},
		{faults: []fault{resets("tcp-reset of signalling", signals)}, wants: []want{is(signals, refused)}, exit: 1},

		// Who answered?
		{faults: []fault{deadProxy}, wants: []want{is(calls, isRejected)}, exit: 1},
		{faults: []fault{gatewaySTUN}, wants: []want{is(calls, verifier.Intercepted)}, exit: 1},
		{faults: []fault{lowTTL}, wants: []want{is(other, isRejected)}, exit: 1},
		{faults: []fault{ingress}, wants: []want{is(calls, filtered)}, exit: 1},

		// Names.
		{faults: []fault{dnsDown}, checks: outcomes{verifier.CheckResolve: verifier.Fail, verifier.CheckHijack: verifier.Unprobed}, exit: 1},
		{faults: []fault{dnsRejected}, checks: outcomes{verifier.CheckResolve: verifier.Fail}, exit: 1},
		{faults: []fault{dnsFails}, checks: outcomes{verifier.CheckResolve: verifier.Fail}, exit: 1},
		{faults: []fault{dnsEmpty}, checks: outcomes{verifier.CheckResolve: verifier.Fail, verifier.CheckHijack: verifier.Pass}, exit: 1},
		{faults: []fault{dnsInvents}, checks: outcomes{verifier.CheckHijack: verifier.Fail, verifier.CheckRanges: verifier.Pass}, exit: 1},
		{faults: []fault{dnsHijacked}, wants: []want{is(which{addr: portal4, prot: "udp"}, isClosed), is(which{addr: portal4}, inconclusive)},
			checks: outcomes{verifier.CheckHijack: verifier.Fail, verifier.CheckRanges: verifier.Fail, verifier.CheckCert: verifier.Fail}, exit: 1},
		{faults: []fault{dnsOutside}, checks: outcomes{verifier.CheckRanges: verifier.Fail, verifier.CheckReach: verifier.Pass}, exit: 1},
		{faults: []fault{firstDenies}, checks: outcomes{verifier.CheckPrograms: verifier.Fail}, exit: 1},
		{faults: []fault{fourthDNS}, checks: outcomes{verifier.CheckPrograms: verifier.Fail}, exit: 1},
		{faults: []fault{secondDNS}, checks: outcomes{verifier.CheckResolve: verifier.Warn}},

		// Somebody between.
		{faults: []fault{intercepted}, wants: []want{is(allTCP, inconclusive)}, checks: outcomes{verifier.CheckCert: verifier.Fail}, exit: 1},
		{faults: []fault{trusted}, wants: []want{is(allTCP, inconclusive)}, checks: outcomes{verifier.CheckCert: verifier.Fail}, exit: 1},
		{faults: []fault{transparent}, wants: []want{is(allTCP, inconclusive)}, checks: outcomes{verifier.CheckReach: verifier.Fail}, exit: 1},
		{faults: []fault{silentProxy}, wants: []want{is(allTCP, inconclusive)}, checks: outcomes{verifier.CheckReach: verifier.Fail}, exit: 1},
		{faults: []fault{expired}, wants: []want{is(signals, inconclusive)}, checks: outcomes{verifier.CheckCert: verifier.Fail}, exit: 1},
		{faults: []fault{noBinding}, checks: outcomes{verifier.CheckReach: verifier.Pass, verifier.CheckMapping: verifier.Unprobed}},
		{faults: []fault{longCut}, wants: []want{is(signals, inconclusive)}, checks: outcomes{verifier.CheckReach: verifier.Fail}, exit: 1},

		// NAT.
		{faults: []fault{masquerade}, checks: outcomes{verifier.CheckMapping: verifier.Pass, verifier.CheckPublic: verifier.Pass}},
		{faults: []fault{symmetrics}, checks: outcomes{verifier.CheckMapping: verifier.Warn}},
		{faults: []fault{randomNAT}, checks: outcomes{verifier.CheckMapping: verifier.Warn}},
		{faults: []fault{addressNAT}, checks: outcomes{verifier.CheckMapping: verifier.Warn}},
		{faults: []fault{pooled}, checks: outcomes{verifier.CheckMapping: verifier.Undecided, verifier.CheckPublic: verifier.Warn}, exit: 3},

		{faults: []fault{masquerade, remembers(4)}, exit: 3, // of IPv6, which has no reflector, nobody knows
			persist: map[time.Duration]verifier.Outcome{time.Second: verifier.Pass, 2600 * time.Millisecond: verifier.Pass,
				4600 * time.Millisecond: verifier.Warn, 7 * time.Second: verifier.Warn}},
		{faults: []fault{masquerade, remembers(1, 1150*time.Millisecond)}, exit: 1,
			persist: map[time.Duration]verifier.Outcome{1150 * time.Millisecond: verifier.Fail}},

		// Lines that lose, delay and mix: no verdict on reachability changes.
		{faults: []fault{link("loss of 0.5 %", impair.Faults{Loss: 0.005}, impair.Faults{})}},
		{faults: []fault{link("loss of 5 % each way", impair.Faults{Loss: 0.05}, impair.Faults{Loss: 0.05})}},
		{faults: []fault{link("loss of 5 % in bursts", impair.Faults{Loss: 0.05, Burst: 4}, impair.Faults{})}},
		{faults: []fault{link("loss of 20 %", impair.Faults{Loss: 0.2}, impair.Faults{})}},
		{faults: []fault{link("loss of 20 % in bursts", impair.Faults{}, impair.Faults{Loss: 0.2, Burst: 6})}},
		{faults: []fault{link("loss of 40 % each way", impair.Faults{Loss: 0.4}, impair.Faults{Loss: 0.4})}, wants: []want{is(which{prot: "udp"}, reachable, silent)},
			checks: outcomes{verifier.CheckLoss: verifier.Undecided}, exit: 3},
		{faults: []fault{link("delay", impair.Faults{Delay: 6 * time.Millisecond}, impair.Faults{Delay: 6 * time.Millisecond})}},
		{faults: []fault{link("jitter", impair.Faults{Jitter: 8 * time.Millisecond}, impair.Faults{Jitter: 8 * time.Millisecond})}},
		{faults: []fault{link("reordering", impair.Faults{Reorder: 0.3, HoldBack: 10 * time.Millisecond}, impair.Faults{Reorder: 0.3, HoldBack: 10 * time.Millisecond})}},
		{faults: []fault{link("duplicates", impair.Faults{Duplicate: 0.5}, impair.Faults{Duplicate: 0.5})}},

		// ICMP itself.
		{faults: []fault{noICMP}},
		{faults: []fault{slowICMP}},

		// Routes.
		{faults: []fault{goodVPN}, checks: outcomes{verifier.CheckWay: verifier.Pass, verifier.CheckEgress: verifier.Pass}},
		{faults: []fault{swallowed}, checks: outcomes{verifier.CheckWay: verifier.Fail, verifier.CheckEgress: verifier.Warn}, exit: 1},
		{faults: []fault{deafTunnel}, wants: []want{is(allUDP, filtered, silent)}, checks: outcomes{verifier.CheckWay: verifier.Fail}, exit: 1},
		{faults: []fault{oneLeak}, checks: outcomes{verifier.CheckWay: verifier.Fail, verifier.CheckEgress: verifier.Pass}, exit: 1},
		{faults: []fault{narrow}, checks: outcomes{verifier.CheckWay: verifier.Fail}, exit: 1},
		{faults: []fault{byRule}, checks: outcomes{verifier.CheckWay: verifier.Fail}, exit: 1},
		{faults: []fault{only4VPN}, checks: outcomes{verifier.CheckWay: verifier.Fail, verifier.CheckEgress: verifier.Warn}, exit: 1},
	}
	for p := uint16(3478); p <= 3481; p++ {
		list = append(list,
			faultCase{faults: []fault{drops(fmt.Sprintf("port %d dropped", p), firewall, port(p))}, wants: []want{is(port(p), filtered)}, exit: 1},
			faultCase{faults: []fault{rejects(fmt.Sprintf("port %d closed", p), server, port(p), "port-unreachable", "port-unreachable")}, wants: []want{is(port(p), isClosed)}, exit: 1})
	}
	for _, code := range codes {
		list = append(list, faultCase{faults: []fault{rejects("reject with "+code[0]+", "+code[1], firewall, relay, code[0], code[1])}, wants: []want{is(relay, isRejected)}, exit: 1})
	}
	return append(list,
		faultCase{faults: []fault{rejects("reject at the last router", router, relay, "admin-prohibited", "admin-prohibited")}, wants: []want{is(relay, isRejected)}, exit: 1},
		faultCase{faults: []fault{rejects("reject by the target's own filter", server, relay, "admin-prohibited", "admin-prohibited")}, wants: []want{is(relay, isRejected)}, exit: 1})
}

// codes are the ICMP codes that a filter can reject with (nft(8)), of both families.
var codes = [][2]string{
	{"net-unreachable", "no-route"}, {"host-unreachable", "addr-unreachable"}, {"prot-unreachable", "policy-fail"}, {"port-unreachable", "port-unreachable"},
	{"net-prohibited", "reject-route"}, {"host-prohibited", "admin-prohibited"}, {"admin-prohibited", "no-route"},
}
