package report

import (
	"fmt"
	"strings"
	"time"

	"sallyport/verifier"
)

// outcomeWords are the outcomes for people. They tell outcomes apart without colour.
var outcomeWords = map[verifier.Outcome]string{
	verifier.Pass: "pass", verifier.Unprobed: "not probed", verifier.Warn: "warning",
	verifier.Undecided: "inconclusive", verifier.Fail: "fail",
}

func outcomeWord(o verifier.Outcome) string {
	if w := outcomeWords[o]; w != "" {
		return w
	}
	return clean(string(o))
}

func roleOf(o verifier.Outcome) Role {
	switch o {
	case verifier.Pass:
		return Good
	case verifier.Fail:
		return Bad
	}
	return Doubt
}

// checkWords are what is judged, for people; a kind's own name stands for
// verifier.CheckReach.
var checkWords = map[verifier.Check]string{
	verifier.CheckPrograms: "programs resolve", verifier.CheckResolve: "name resolves", verifier.CheckRanges: "name in ranges",
	verifier.CheckHijack: "invents no name", verifier.CheckAgree: "servers agree",
	verifier.CheckCert: "certificate", verifier.CheckLoss: "loss", verifier.CheckQuality: "quality by STUN", verifier.CheckLink: "first link", verifier.CheckMapping: "NAT mapping",
	verifier.CheckPublic: "public address", verifier.CheckPersist: "NAT lasts",
	verifier.CheckWay: "routes", verifier.CheckCounted: "counted", verifier.CheckEgress: "way out",
	verifier.CheckTrain: "media", verifier.CheckCovered: "covered",
}

// checkName says what a finding judges, in few words: "stun", "certificate", "media jitter".
func checkName(f *verifier.Finding) string {
	word := checkWords[f.Check]
	if word == "" {
		word = clean(string(f.Kind))
	}
	if f.Case != "" {
		word += " " + clean(strings.ReplaceAll(f.Case, "_", " "))
	}
	return word
}

// port is "udp/3478", or "" where there is none.
func port(f *verifier.Finding) string {
	if f.Protocol == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", clean(f.Protocol), f.Port)
}

// host is who a finding is about: the name or address that the plan has, else the
// address, else the name server.
func host(f *verifier.Finding) string {
	switch {
	case f.Host != "":
		return clean(f.Host)
	case f.Address.IsValid():
		return f.Address.String()
	}
	return clean(f.Resolver)
}

// about names a check in one line: "relay.example stun udp/3478 ipv4".
func about(f *verifier.Finding) string {
	parts := []string{host(f), checkName(f), port(f), clean(f.Family)}
	if f.Resolver != "" && f.Host != "" {
		parts = append(parts, "at "+clean(f.Resolver))
	}
	if f.Kind == verifier.Route && f.Probe != "" {
		parts = append(parts, "of "+clean(f.Probe))
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// seen is the verdict with who and where, what a train measured, or the summary of a
// check that has neither.
func seen(f *verifier.Finding) string {
	if f.Check == verifier.CheckTrain && len(f.Metrics) > 0 && f.Metrics[0].Limit != nil {
		m := f.Metrics[0]
		return m.Words() + ", limit " + m.LimitWords()
	}
	if f.Verdict == "" || f.Verdict == verifier.Inconclusive || f.Verdict == verifier.NotProbed {
		return strings.TrimPrefix(clean(f.Summary), host(f)+" ") // the host stands above
	}
	s := clean(f.Words())
	if m := metric(f, verifier.MetricRTT); m != nil && f.Check == verifier.CheckReach {
		s += ", " + m.Words()
	}
	return s
}

func metric(f *verifier.Finding, name string) *verifier.Metric {
	for i := range f.Metrics {
		if f.Metrics[i].Name == name {
			return &f.Metrics[i]
		}
	}
	return nil
}

// moment writes a time in UTC, so that reports of several machines can be compared.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// took is how long a run took, in seconds.
func took(r *verifier.Report) float64 { return max(0, r.Finished.Sub(r.Started).Seconds()) }

// subject says what was verified, from where: "policy.hcl (azure change 398)".
func subject(r *verifier.Report) string {
	s := clean(r.Plan.Name)
	if s == "" {
		s = "a policy without a name"
	}
	if len(r.Plan.Feeds) > 0 {
		var feeds []string
		for _, f := range r.Plan.Feeds {
			feeds = append(feeds, clean(f))
		}
		s += " (" + strings.Join(feeds, ", ") + ")"
	}
	return s
}

// vantage says where the machine stands.
func vantage(r *verifier.Report) string {
	switch r.Vantage {
	case verifier.Client:
		return "a client's place"
	case verifier.Edge:
		return "the network's edge"
	}
	return clean(string(r.Vantage))
}

// conclusion is what the exit code says, in a word and a sentence.
func conclusion(r *verifier.Report) (verifier.Outcome, string, string) {
	n := r.Counts()
	switch {
	case r.ExitCode() == 1:
		return verifier.Fail, "Failed", "Something that the policy asks for does not work from here, or not well enough."
	case r.ExitCode() == 0 && n[verifier.Unprobed] > 0:
		return verifier.Pass, "Passed", "Everything that was tried works; some of it was not tried."
	case r.ExitCode() == 0:
		return verifier.Pass, "Passed", "Everything that was tried works."
	case n[verifier.Pass]+n[verifier.Warn]+n[verifier.Undecided] == 0:
		return verifier.Undecided, "Inconclusive", "Nothing was tried, so nothing is known."
	}
	return verifier.Undecided, "Inconclusive", "Nothing is known to be broken, and some checks could not decide. This is no pass."
}

// countWords are the outcomes behind a number of findings.
var countWords = map[verifier.Outcome]string{
	verifier.Pass: "passed", verifier.Unprobed: "not probed", verifier.Undecided: "inconclusive", verifier.Fail: "failed",
}

// counted sums outcomes up, the worst first: "1 failed, 2 inconclusive, 11 passed".
func counted(n map[verifier.Outcome]int) string {
	var parts []string
	all := verifier.Outcomes()
	for i := len(all) - 1; i >= 0; i-- {
		switch n := n[all[i]]; {
		case n == 0:
		case all[i] == verifier.Warn:
			parts = append(parts, plural(n, "warning"))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, countWords[all[i]]))
		}
	}
	return strings.Join(parts, ", ")
}
