package verifier

import (
	"fmt"
	"slices"
	"strings"
)

// Finish fills in what the plan knows about a finding: the rule's set and place, and
// the remedy. For a rule that denies, it inverts the outcome. Call it once for each
// finding.
func (p *Plan) Finish(f *Finding) {
	if f.Family == "" && f.Address.IsValid() {
		f.Family = FamilyOf(f.Address)
	}
	r := p.RuleNamed(f.Rule)
	if r != nil {
		f.Set = r.Set
		if f.Place == (Place{}) {
			f.Place = r.Place
		}
		if r.Deny {
			denied(f)
		}
	}
	if f.Outcome != Fail && f.Outcome != Undecided && f.Outcome != Warn {
		return
	}
	if f.Remedy == "" {
		f.Remedy = remedy(f)
	}
	if where := p.where(f); f.Remedy != "" && where != "" {
		f.Remedy += ": " + where
	}
}

// denied judges a finding under a rule that denies. Its remedies never open anything.
func denied(f *Finding) {
	const look = "nothing, if the rule's firewall is known to deny it; else ask from where it must be denied, beside a target that answers"
	switch f.Check {
	case CheckReach:
	case CheckCovered:
		return
	default: // whether the name resolves, or who answers, is not what the rule asks
		if f.Outcome == Fail || f.Outcome == Undecided {
			f.Outcome, f.Remedy = Warn, "nothing: the rule denies it"
		}
		return
	}
	f.Remedy = look
	switch {
	case f.Verdict == Reachable, f.Verdict == Closed: // a port that the target itself calls closed was reached, too
		f.Outcome = Fail
		f.Summary += ", though the rule denies it"
		f.Remedy = "load the rules that deny it, and look for a rule before them that allows"
	case f.Verdict == DeniedLocally, f.Verdict == Filtered, f.Verdict == Rejected && f.Forbidden:
		f.Outcome = Pass
		f.Summary += ", as the rule asks: it denies"
	case f.Verdict == NotProbed:
	default:
		f.Outcome = Undecided
		f.Summary += "; the rule denies it, and nothing shows that it is the rule that does"
		f.Note("nothing tells a deny rule from a target that does not answer, or a network that does not work")
	}
}

// where names the rule, its set and the places of both: "rule calls, set acs_media
// (policy.hcl:14)".
func (p *Plan) where(f *Finding) string {
	if f.Rule == "" {
		return ""
	}
	s := "rule " + f.Rule
	if r := p.RuleNamed(f.Rule); r != nil && r.Place != (Place{}) {
		s += fmt.Sprintf(" (%s)", r.Place)
	}
	if set := p.SetNamed(f.Set); set != nil {
		s += ", set " + set.Name
		if set.Place != (Place{}) {
			s += fmt.Sprintf(" (%s)", set.Place)
		}
	}
	return s
}

// remedy is what to do about a finding, by its check and verdict. Checks whose probe
// knows better fill in Remedy themselves.
func remedy(f *Finding) string {
	if f.Check != CheckReach {
		return ""
	}
	packets := fmt.Sprintf("%s/%d to %s", f.Protocol, f.Port, orHost(f))
	switch f.Verdict {
	case Intercepted:
		return fmt.Sprintf("exempt %s from the proxy, portal or ALG at %s", packets, placeOf(f))
	case Rejected:
		if f.NextHop.IsValid() {
			return fmt.Sprintf("let %s pass at %s", packets, placeOf(f))
		}
		return fmt.Sprintf("let %s pass at %s", packets, f.Offender)
	case Filtered:
		return fmt.Sprintf("let %s pass at %s", packets, placeOf(f))
	case DeniedLocally:
		return fmt.Sprintf("let %s pass in this machine's own filter", packets)
	case Closed:
		return fmt.Sprintf("the way is open: ask whoever runs the target why nobody listens for %s", packets)
	case Refused:
		return fmt.Sprintf("see whether the target listens for %s; if it does, let it pass at the firewall that resets it", packets)
	case NoHost:
		return fmt.Sprintf("see whether %s is the right address, and up", orHost(f))
	case NoRoute:
		return fmt.Sprintf("give a route for %s", orHost(f))
	case Silent:
		return fmt.Sprintf("let %s pass, and its answers", packets)
	}
	return ""
}

func orHost(f *Finding) string {
	if f.Address.IsValid() {
		return f.Address.String()
	}
	return f.Host
}

// placeOf names the machines of which one stops packets: the last hop that they passed,
// the next, which may drop what comes in before it looks at the time to live, and what
// may stand between.
func placeOf(f *Finding) string {
	next := fmt.Sprintf("hop %d", f.Hop+1)
	if f.NextHop.IsValid() {
		next += fmt.Sprintf(" (%s)", f.NextHop)
	}
	if f.Hop == 0 {
		return next + ", or at what stands before it"
	}
	last := fmt.Sprintf("hop %d", f.Hop)
	if f.HopAddr.IsValid() {
		last += fmt.Sprintf(" (%s)", f.HopAddr)
	}
	return fmt.Sprintf("%s, at %s, or at what stands between them", last, next)
}

// Control lets a rule that denies pass where a router says that it has no route, or that
// nobody is there, if the network is shown to work: something was reached by the same
// family. Call it when all findings are there.
func (p *Plan) Control(findings []Finding) {
	works := map[string]bool{}
	for i := range findings {
		f := &findings[i]
		works[f.Family] = works[f.Family] || f.Check == CheckReach && f.Verdict == Reachable
	}
	for i := range findings {
		f := &findings[i]
		r := p.RuleNamed(f.Rule)
		if r == nil || !r.Deny || f.Check != CheckReach || f.Verdict != Rejected || f.Outcome != Undecided || !works[f.Family] {
			continue
		}
		f.Outcome, f.Remedy = Pass, ""
		f.Summary, _, _ = strings.Cut(f.Summary, "; the rule denies it")
		f.Summary += ", as the rule asks: it denies"
		f.Note("other targets are reached, so that it is no broken network")
	}
}

// Soften turns a failure into a warning where it does not matter: this machine has no
// route to an address of a host whose same port was reached over the other family.
// Call it when all findings are there.
func Soften(findings []Finding) {
	for i := range findings {
		f := &findings[i]
		if f.Verdict != NoRoute || f.Offender.IsValid() || f.Outcome != Fail || f.Host == "" {
			continue
		}
		other := slices.IndexFunc(findings, func(o Finding) bool {
			return o.Verdict == Reachable && o.Outcome == Pass && o.Host == f.Host && o.Probe == f.Probe &&
				o.Kind == f.Kind && o.Protocol == f.Protocol && o.Port == f.Port && o.Family != f.Family
		})
		if other >= 0 {
			f.Outcome = Warn
			f.Note("reached over the other family, at %s", findings[other].Address)
		}
	}
}
