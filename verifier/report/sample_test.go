package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares what is written with testdata/NAME.
func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var b, again bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	if err := write(&again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("written twice, it differs")
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s differs; if it should, run with -update:\n%s", path, d)
	}
}

var began = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func empty() *verifier.Report {
	return &verifier.Report{
		Format: verifier.ReportFormat, Version: "1.0.0", Started: began, Finished: began.Add(40712 * time.Millisecond),
		System: "linux/amd64", Machine: "client-7", Vantage: verifier.Client,
		Plan: verifier.Source{Name: "policy.hcl", PolicyHash: "9f86d081884c7d659a2feaa0c55ad015", Version: "1.0.0", Feeds: []string{"azure change 398"}},
	}
}

// plan has the rules and sets of the sample.
func plan() *verifier.Plan {
	place := func(line int) verifier.Place { return verifier.Place{File: "policy.hcl", Line: line, Column: 1} }
	media := []verifier.Service{{Protocol: "udp", From: 3478, To: 3481}, {Protocol: "tcp", From: 443, To: 443}}
	return &verifier.Plan{
		Format: verifier.PlanFormat,
		Sets:   []verifier.Set{{Name: "acs_media", Place: place(3)}, {Name: "storage", Place: place(8)}, {Name: "guests", Place: place(11)}},
		Rules: []verifier.Rule{
			{Name: "calls", Set: "acs_media", Services: media, Place: place(14)},
			{Name: "no_guests", Set: "guests", Deny: true, Services: media, Place: place(20)},
			{Name: "files", Set: "storage", Services: media[1:], Place: place(26)},
		},
	}
}

// sample is a report with every kind of finding.
func sample() *verifier.Report {
	r, p := empty(), plan()
	relay := verifier.Finding{Probe: "relay", Host: "relay.example", Rule: "calls", Place: verifier.Place{File: "policy.hcl", Line: 32}}
	add := func(f verifier.Finding, o verifier.Outcome, v verifier.Verdict, summary string, evidence ...string) *verifier.Finding {
		f.Outcome, f.Verdict, f.Summary, f.Evidence = o, v, summary, evidence
		if f.Summary == "" {
			f.Summary = f.Target() + " " + f.Words()
		}
		p.Finish(&f)
		r.Findings = append(r.Findings, f)
		return &r.Findings[len(r.Findings)-1]
	}
	as := func(f verifier.Finding, k verifier.Kind, c verifier.Check) verifier.Finding {
		f.Kind, f.Check = k, c
		return f
	}
	at := func(f verifier.Finding, addr, protocol string, port uint16) verifier.Finding {
		f.Kind, f.Check = verifier.STUN, verifier.CheckReach
		f.Address, f.Protocol, f.Port = netip.MustParseAddr(addr), protocol, port
		return f
	}

	name := as(relay, verifier.DNS, verifier.CheckResolve)
	name.Resolver = "192.0.2.53:53"
	add(name, verifier.Pass, "", "relay.example has 3 addresses", "A: ok 20.202.0.1 20.202.0.2", "AAAA: ok 2603:1063::1")
	add(as(relay, verifier.DNS, verifier.CheckRanges), verifier.Pass, "", "3 of 3 addresses are in the ranges of rule calls")
	answered := []string{"sent once in 0s", "a valid answer to binding with our transaction id; it sees us as 198.51.100.7:40112"}
	for _, addr := range []string{"20.202.0.1", "20.202.0.2"} {
		add(at(relay, addr, "udp", 3478), verifier.Pass, verifier.Reachable, "", answered...).Metrics =
			[]verifier.Metric{{Name: "rtt_seconds", Value: 0.0234}}
		dropped := at(relay, addr, "udp", 3479)
		dropped.Hop, dropped.HopAddr = 3, netip.MustParseAddr("192.0.2.1")
		add(dropped, verifier.Fail, verifier.Filtered, "", "sent 10 times in 31.5s", "nothing came back", "packets to udp/3478 get to hop 5")
		add(at(relay, addr, "udp", 3480), verifier.Undecided, verifier.Silent, "", "sent 10 times in 31.5s", "nothing came back")
		add(at(relay, addr, "udp", 3481), verifier.Undecided, verifier.Silent, "", "sent 10 times in 31.5s", "nothing came back")
	}
	add(at(relay, "2603:1063::1", "udp", 3478), verifier.Warn, verifier.NoRoute, "", "the system refuses to send: network is unreachable", "reached over the other family, at 20.202.0.1")
	cert := at(relay, "20.202.0.1", "tcp", 443)
	cert.Kind = verifier.HTTPS
	add(cert, verifier.Fail, verifier.Inconclusive, "relay.example 20.202.0.1 tcp/443 answers, but not provably as the target", "TLS 1.3 finished, certificate issued by CN=Proxy,O=Example Corp")
	cert.Check = verifier.CheckCert
	add(cert, verifier.Fail, "", "issued by CN=Proxy,O=Example Corp, not by Microsoft Corporation: TLS is intercepted by a proxy that this machine trusts",
		"CN=relay.example, issued by CN=Proxy,O=Example Corp, until 2027-01-01").Remedy = "exempt this host from TLS inspection: rule calls (policy.hcl:14), set acs_media (policy.hcl:3)"
	guest := at(verifier.Finding{Probe: "guest", Host: "203.0.113.9", Rule: "no_guests"}, "203.0.113.9", "tcp", 443)
	guest.Kind, guest.Offender = verifier.TCP, netip.MustParseAddr("10.0.0.1")
	guest.Forbidden = true
	add(guest, verifier.Pass, verifier.Rejected, "", "admin prohibited from 10.0.0.1")
	add(verifier.Finding{Kind: verifier.Coverage, Check: verifier.CheckCovered, Rule: "files"}, verifier.Unprobed, verifier.NotProbed, "no host in the rule's ranges was probed").Remedy =
		"name a host of yours in a probe block with rule = rule.files"
	reflector := verifier.Finding{Probe: "reflector", Host: "reflect.example", Rule: "calls", Address: netip.MustParseAddr("20.202.9.9"), Protocol: "udp", Port: 7000}
	for _, f := range media.Judge(train(750), media.Client()).Findings(reflector) {
		p.Finish(&f)
		r.Findings = append(r.Findings, f)
	}
	add(verifier.Finding{Kind: verifier.DNS, Check: verifier.CheckHijack, Resolver: "192.0.2.53:53"}, verifier.Pass, "", "192.0.2.53 does not invent names", "sallyport-0011223344556677.invalid: NXDOMAIN")
	add(verifier.Finding{Kind: verifier.NAT, Check: verifier.CheckPersist, Family: "ipv4", Case: "35s"}, verifier.Warn, "", "a mapping does not outlive 35s without traffic", "towards 20.202.0.1:3478").Remedy =
		"raise the NAT's idle time for UDP to two minutes or more (RFC 4787 REQ-5)"
	add(verifier.Finding{Kind: verifier.Route, Check: verifier.CheckWay, Probe: "laptops", Set: "acs_media", Family: "ipv4", Place: verifier.Place{File: "policy.hcl", Line: 40}},
		verifier.Unprobed, verifier.NotProbed, "no VPN was found, so nothing shows about what bypasses it").Remedy = "connect the VPN, or name its interface with --vpn-interface"
	r.Notes = []string{"the machine's interfaces are not known (permission denied): what it rejects itself reads as rejected on the way"}
	return r
}

// train is a media train of n packets at 50 a second, around 40 ms, with a burst, some
// loss either way, and a stretch of congestion.
func train(n int) *media.Train {
	random := rand.New(rand.NewPCG(1, 2))
	t := &media.Train{Began: began, Interval: 20 * time.Millisecond, Size: 172, Counted: true}
	there, here := uint32(0), uint32(0)
	for i := range n {
		due := time.Duration(i) * t.Interval
		one := media.Sample{Due: due, Sent: due + 40*time.Microsecond, Fate: media.Answered}
		one.RTT = 38*time.Millisecond + time.Duration(random.IntN(4000))*time.Microsecond
		if i > n/2 && i < n/2+60 {
			one.RTT += time.Duration(60-abs(i-n/2-30)) * 2500 * time.Microsecond
		}
		switch {
		case i%97 == 50, i > n/2+20 && i < n/2+28:
			one.Fate = media.LostForward
		case i%211 == 100:
			one.Fate = media.LostBackward
		}
		if one.Fate != media.LostForward {
			there++
			one.OrderThere, one.ReceivedThere, one.AnsweredThere = there, one.Sent+one.RTT/2, one.Sent+one.RTT/2
		}
		if one.Fate == media.Answered {
			here++
			one.OrderHere, one.Arrived = here, one.Sent+one.RTT
		}
		t.Samples = append(t.Samples, one)
	}
	t.ArrivedThere = there
	return t
}

func abs(n int) int { return max(n, -n) }

// hostile are texts that try to leave their place in each format.
var hostile = []string{
	`</script><script>alert(1)</script>`, `</style></title></svg><img src=x onerror=alert(1)>`,
	`" onload="alert(1)`, `' x='`, `]]><x/>`, `<!-- -->`, `{{.}}`, `\"} 1` + "\nsallyport_verify_exit_code 0",
	"a\x00b\x1b[31mc\x07\u202egpj\u2066\u200b\ufeff\u0085\u2028", "\xff\xfe\xc0", `javascript:alert(1)`, `&lt;b&gt;`, "a\\\nb", "# HELP x y",
	`url(http://evil.example/)`, "| -- | ../../etc", "tab\there\r\nX-Injected: 1",
}

// hostileReport has a hostile text wherever a report has a text.
func hostileReport() *verifier.Report {
	all := fmt.Sprint(hostile)
	r := empty()
	r.Version, r.System, r.Machine, r.Vantage = all, all, all, verifier.Vantage(all)
	r.Plan = verifier.Source{Name: all, PolicyHash: all, Version: all, Feeds: hostile}
	r.Notes = hostile
	limit := 0.1
	for i, s := range hostile {
		for _, o := range append(verifier.Outcomes(), verifier.Outcome(s)) {
			for _, c := range []verifier.Check{verifier.CheckReach, verifier.CheckTrain, verifier.Check(s)} {
				r.Findings = append(r.Findings, verifier.Finding{
					Kind: verifier.Kind(s), Check: c, Outcome: o, Verdict: verifier.Verdict(s), Summary: s, Probe: s, Host: s, Family: s,
					Protocol: s, Port: uint16(i), Resolver: s, Case: s, Evidence: hostile, Remedy: s, Rule: s, Set: s,
					Place:   verifier.Place{File: s, Line: 1},
					Metrics: []verifier.Metric{{Name: s, Value: 1, Limit: &limit}, {Name: "rtt_seconds", Value: 0.05, Limit: &limit}},
					Series:  []verifier.Series{{Name: s, Points: [][2]float64{{0, 1}}}, {Name: "rtt_seconds", Points: [][2]float64{{0, 0.1}, {-1, 1e300}, {1e308, -5}, {1, 0.2}}}},
				})
			}
		}
	}
	return r
}

// odd are reports at the edge of what there can be.
func odd() map[string]*verifier.Report {
	nothing := empty()
	bare := &verifier.Report{Findings: []verifier.Finding{{}}}
	backwards := sample()
	backwards.Finished = backwards.Started.Add(-time.Hour)
	skipped := empty()
	skipped.Findings = []verifier.Finding{{Kind: verifier.STUN, Check: verifier.CheckReach, Outcome: verifier.Unprobed, Verdict: verifier.NotProbed}}
	return map[string]*verifier.Report{"no finding": nothing, "an empty finding": bare, "a clock set back": backwards, "nothing tried": skipped,
		"hostile": hostileReport(), "the zero value": {}}
}
