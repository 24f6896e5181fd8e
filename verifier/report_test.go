package verifier

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sampleReport(findings ...Finding) *Report {
	return &Report{Format: ReportFormat, Started: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), Finished: time.Date(2026, 11, 23, 9, 0, 41, 0, time.UTC),
		System: "linux/amd64", Vantage: Client, Plan: Source{Name: "policy.hcl"}, Findings: findings}
}

func finding(o Outcome, v Verdict) Finding {
	return Finding{Kind: STUN, Check: CheckReach, Outcome: o, Verdict: v, Host: "relay.example", Address: netip.MustParseAddr("20.202.0.1"), Family: "ipv4", Protocol: "udp", Port: 3478, Summary: "x"}
}

func TestReportTravels(t *testing.T) {
	t.Parallel()
	limit := 0.1
	f := finding(Fail, Filtered)
	f.Hop, f.HopAddr, f.Mapped = 2, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddrPort("192.0.2.1:5")
	f.Evidence, f.Place = []string{"a", "b"}, Place{"policy.hcl", 3, 1}
	f.Metrics, f.Series = []Metric{{"rtt_seconds", 0.02, &limit}}, []Series{{"rtt_seconds", [][2]float64{{0, 1}}}}
	want := sampleReport(f)
	var b bytes.Buffer
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadReport(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, equal); d != "" {
		t.Error(d)
	}
	if _, err := ReadReport(strings.NewReader(strings.Replace(b.String(), ReportFormat, "other/1", 1))); err == nil {
		t.Error("another format was accepted")
	}
	if _, err := ReadReport(strings.NewReader(strings.Replace(b.String(), `"kind"`, `"added_later": 1, "kind"`, 1))); err != nil {
		t.Errorf("a member of a later version: %v", err)
	}
}

func FuzzReadReport(f *testing.F) {
	var b bytes.Buffer
	if err := sampleReport(finding(Fail, Rejected)).WriteJSON(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadReport(bytes.NewReader(b))
		if err != nil {
			return
		}
		Compare(r, r)
		r.ExitCode()
		for i := range r.Findings {
			r.Findings[i].Words()
			r.Findings[i].Target()
		}
	})
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcomes []Outcome
		want     int
	}{
		{nil, 3}, {[]Outcome{Unprobed}, 3}, {[]Outcome{Pass}, 0}, {[]Outcome{Pass, Unprobed}, 0}, {[]Outcome{Warn}, 0},
		{[]Outcome{Pass, Undecided}, 3}, {[]Outcome{Pass, Undecided, Fail}, 1}, {[]Outcome{Fail}, 1},
	} {
		r := sampleReport()
		for _, o := range c.outcomes {
			r.Findings = append(r.Findings, finding(o, ""))
		}
		if got := r.ExitCode(); got != c.want {
			t.Errorf("%v: %d, want %d", c.outcomes, got, c.want)
		}
	}
}

// seenAs is a finding about public addresses.
func seenAs(public ...string) Finding {
	f := Finding{Kind: NAT, Check: CheckPublic, Outcome: Pass}
	for _, a := range public {
		f.Public = append(f.Public, netip.MustParseAddr(a))
	}
	return f
}

func TestCompare(t *testing.T) {
	t.Parallel()
	pass, fail := finding(Pass, Reachable), finding(Fail, Rejected)
	moved := pass
	moved.Address = netip.MustParseAddr("20.202.0.99")
	other := finding(Pass, Reachable)
	other.Port = 3479
	byOther := fail
	byOther.Offender = netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		name          string
		old, new      []Finding
		changes       int
		better, worse bool
	}{
		{"the same", []Finding{pass}, []Finding{pass}, 0, false, false},
		{"another address of the name", []Finding{pass}, []Finding{moved}, 0, false, false},
		{"broken", []Finding{pass}, []Finding{fail}, 1, false, true},
		{"mended", []Finding{fail}, []Finding{pass}, 1, true, false},
		{"one address of two is broken", []Finding{pass, moved}, []Finding{moved, fail}, 1, false, true},
		{"somebody else rejects", []Finding{fail}, []Finding{byOther}, 1, false, false},
		{"another way out", []Finding{seenAs("198.51.100.1")}, []Finding{seenAs("198.51.100.9")}, 1, false, false},
		{"one of a pool", []Finding{seenAs("198.51.100.1", "198.51.100.2")}, []Finding{seenAs("198.51.100.2", "198.51.100.3")}, 0, false, false},
		{"the way out did not show", []Finding{seenAs("198.51.100.1")}, []Finding{seenAs()}, 0, false, false},
		{"new", []Finding{pass}, []Finding{pass, other}, 1, false, false},
		{"gone", []Finding{pass, other}, []Finding{pass}, 1, false, false},
	} {
		got := Compare(sampleReport(c.old...), sampleReport(c.new...))
		if len(got) != c.changes {
			t.Errorf("%s: %d changes, want %d", c.name, len(got), c.changes)
			continue
		}
		if c.changes == 1 && (got[0].Better() != c.better || got[0].Worse() != c.worse) {
			t.Errorf("%s: better %v, worse %v", c.name, got[0].Better(), got[0].Worse())
		}
	}
}

func TestCompareShowsTheWorstFirst(t *testing.T) {
	t.Parallel()
	port := func(f Finding, p uint16) Finding { f.Port = p; return f }
	pass, fail := finding(Pass, Reachable), finding(Fail, Rejected)
	got := Compare(sampleReport(port(fail, 1), port(pass, 2)), sampleReport(port(pass, 1), port(fail, 2), port(pass, 3)))
	if len(got) != 3 || !got[0].Worse() || !got[1].Better() || got[2].Before != nil {
		t.Errorf("%+v", got)
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	p := samplePlan()
	for _, v := range []Verdict{Rejected, Closed, Refused, NoHost, DeniedLocally, NoRoute, Silent, Filtered} {
		f := finding(Fail, v)
		f.Rule, f.Offender = "calls", netip.MustParseAddr("10.0.0.1")
		p.Finish(&f)
		if !strings.Contains(f.Remedy, "rule calls (policy.hcl:14), set acs_media (policy.hcl:3)") {
			t.Errorf("%s: %q", v, f.Remedy)
		}
		if f.Set != "acs_media" || f.Place.Line != 14 {
			t.Errorf("%s: set %q, place %v", v, f.Set, f.Place)
		}
	}
}

func TestDenyTurnsTheMeaningRound(t *testing.T) {
	t.Parallel()
	p := samplePlan()
	p.Rules[0].Deny = true
	for v, want := range map[Verdict]Outcome{Reachable: Fail, Rejected: Undecided, DeniedLocally: Pass, Filtered: Pass, NoRoute: Undecided,
		Silent: Undecided, Closed: Fail, Refused: Undecided, NoHost: Undecided, Inconclusive: Undecided} {
		f := finding(Pass, v)
		f.Rule = "calls"
		if p.Finish(&f); f.Outcome != want {
			t.Errorf("%s: %s, want %s", v, f.Outcome, want)
		}
		if strings.Contains(f.Remedy, "pass") || !strings.Contains(f.Summary, "denies it") && !strings.Contains(f.Summary, "it denies") {
			t.Errorf("%s: %q, %q", v, f.Summary, f.Remedy)
		}
	}
}

// TestControl: that a router has no route shows a deny rule only where the network works.
func TestControl(t *testing.T) {
	t.Parallel()
	p := samplePlan()
	p.Rules[0].Deny = true
	for _, c := range []struct {
		forbidden, other bool
		want             Outcome
	}{{true, false, Pass}, {false, false, Undecided}, {false, true, Pass}} {
		f := finding(Fail, Rejected)
		f.Rule, f.Forbidden = "calls", c.forbidden
		p.Finish(&f)
		o := finding(Pass, Reachable)
		o.Rule = ""
		list := []Finding{f, o}
		if !c.other {
			list = list[:1]
		}
		if p.Control(list); list[0].Outcome != c.want {
			t.Errorf("%+v: %s, %s", c, list[0].Outcome, list[0].Summary)
		}
	}
}

func TestSoften(t *testing.T) {
	t.Parallel()
	v6 := finding(Fail, NoRoute)
	v6.Address, v6.Family = netip.MustParseAddr("2603:1063::1"), "ipv6"
	list := []Finding{finding(Pass, Reachable), v6}
	if Soften(list); list[1].Outcome != Warn {
		t.Errorf("%s", list[1].Outcome)
	}
	alone := []Finding{v6}
	if Soften(alone); alone[0].Outcome != Fail {
		t.Errorf("%s", alone[0].Outcome)
	}
	rejected := v6
	rejected.Verdict = Rejected
	both := []Finding{finding(Pass, Reachable), rejected}
	if Soften(both); both[1].Outcome != Fail {
		t.Errorf("%s", both[1].Outcome)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	f := finding(Fail, Rejected)
	f.Offender = netip.MustParseAddr("10.0.0.1")
	g := finding(Fail, Filtered)
	g.Hop, g.HopAddr = 3, netip.MustParseAddr("192.0.2.1")
	for want, f := range map[string]Finding{"rejected by 10.0.0.1": f, "filtered after hop 3, 192.0.2.1": g, "filtered at the first hop, or before it": finding(Fail, Filtered), "silent": finding(Undecided, Silent)} {
		if got := f.Words(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, v := range []Verdict{Reachable, Rejected, Closed, Refused, NoHost, DeniedLocally, NoRoute, Silent, Filtered, Inconclusive, NotProbed} {
		if verdictWords[v] == "" {
			t.Errorf("%s has no words", v)
		}
	}
}
