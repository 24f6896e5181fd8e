package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/diag"
	"sallyport/ipranges"
)

// Caps is what a target can express, as data: it decides what Lower accepts and
// fills the capability matrix. A feature that is missing here is an error for a
// plan that needs it, never a silent weakening.
type Caps struct {
	Families  Families
	Verdicts  []Verdict // of rules
	Defaults  []Verdict // of the plan
	NoDeny    string    // why Defaults lacks Deny where another placement has it, as a clause
	Sources   bool      // rules may name source addresses
	Names     bool      // rules may go to host names
	Wildcards bool      // names may begin with a *
	OnlyNames bool      // rules go to host names, never to addresses
	Ports     bool      // rules may name protocols with ports; without, every protocol is meant
	ICMP      bool      // rules may name ICMP types
	Protocols bool      // rules may name other protocols
	// Unmatched are protocols that the target never finds in packets of a family, and
	// why, as a clause: a rule that names one would do nothing. Nobody writes to it.
	Unmatched map[ipranges.Family]map[Protocol]string
	Reject    bool
	Log       bool
	Ranges    bool // elements may be ranges; otherwise they are prefixes
	MaxRules  int  // 0: no limit known
	// NoBypass has the families for which the target has routes through the VPN and none
	// past it, each with the reason. Nobody writes to it.
	NoBypass map[ipranges.Family]string
	// RouteLimits bound a list of routes. RouteBytes counts one of them in the
	// target's own text, and is nil where no limit counts bytes.
	RouteLimits []RouteLimit
	RouteBytes  func(netip.Prefix) int
	// Complement is what the target writes as all other addresses. Limits count what is
	// written.
	Complement Complement
	// Unwritten are addresses that the target leaves out of what it writes for a list of
	// a direction, because its clients cannot have them there; a whole family is written
	// all the same. Nobody writes to it.
	Unwritten map[Verdict]ipranges.Set
	// MaxElements bounds the elements (ranges or prefixes, as Ranges says) of one
	// set and family; 0: no limit known.
	MaxElements int
}

// Complement says which lists a target writes as their opposite: those of Bypass where it
// can only say what enters the VPN, and so lists all other addresses. The zero value:
// every list is written as it is.
type Complement struct {
	Of       Verdict  // the direction of those lists
	Families Families // that are written so
}

// writesOpposite reports whether the target writes a list of direction v as all other
// addresses, in family f.
func (c *Caps) writesOpposite(v Verdict, f ipranges.Family) bool {
	return c.Complement.Of == v && c.Complement.Families.Has(f)
}

// Written is what the target writes in a family for a list of direction v: the list, or
// all other addresses, without those that it leaves out.
func (c *Caps) Written(v Verdict, f ipranges.Family, list ipranges.Set) ipranges.Set {
	out := c.meant(v, f, list)
	if out.Equal(ipranges.Full(f)) {
		return out
	}
	return out.Minus(c.Unwritten[v])
}

// meant is Written with what is left out. It is its own inverse.
func (c *Caps) meant(v Verdict, f ipranges.Family, list ipranges.Set) ipranges.Set {
	if c.writesOpposite(v, f) {
		return list.Complement(f)
	}
	return list.Only(f)
}

// RuleError says what a target cannot express, and in which rule.
type RuleError struct {
	Rule   string     // empty when it is the target as a whole
	Place  diag.Range // of the rule
	Option string     // the target's argument to blame where no rule is: "default", "families"
	Cause  string     // what the target cannot say
	Fix    string
}

func (e *RuleError) Error() string {
	if e.Rule == "" {
		return e.Cause
	}
	return fmt.Sprintf("rule %s: %s", e.Rule, e.Cause)
}

// Loss is what a lowered plan does otherwise than the plan it came from.
type Loss struct {
	Rule    string
	Place   diag.Range
	Dropped bool   // the rule is not rendered at all
	Reason  string // why, as a clause
	Price   *Price // what a list of routes costs that fits its target; nil for other losses
}

// Lower adapts p to caps. It returns an equal plan, or one that differs from p
// by exactly the losses, or errors, one for each thing that cannot be said.
// It never lets more pass than p does.
func Lower(p *Plan, caps Caps) (*Plan, []Loss, []*RuleError) {
	out := *p
	out.Rules = nil
	out.Families = p.Families & caps.Families
	var losses []Loss
	errs := Unsupported(p, caps)
	if list, ok := p.Routes(); ok && !slices.Contains(caps.Verdicts, list.Way) {
		return nil, nil, errs
	}
	if !slices.Contains(caps.Defaults, p.Default) {
		errs = append(errs, noDefault(p, caps))
	}
	for i := range p.Rules {
		r := p.Rules[i]
		r.From, r.To = r.From.only(out.Families), r.To.only(out.Families)
		if reason := emptyReason(&p.Rules[i], &r, out.Families); reason != "" {
			losses = append(losses, Loss{Rule: r.Name, Place: r.Place, Dropped: true, Reason: reason})
			continue
		}
		errs = append(errs, unmatched(&r, out.Families, caps)...)
		out.Rules = append(out.Rules, r)
	}
	errs = append(errs, noBypass(&out, caps)...)
	errs = append(errs, overLimits(&out, caps)...)
	fitted := &out
	if len(errs) == 0 {
		var prices []Loss
		fitted, prices, errs = fit(&out, caps)
		losses = append(losses, prices...)
	}
	if len(errs) == 0 {
		errs = append(errs, overRoutes(fitted, caps)...)
	}
	if len(errs) == 0 && len(out.Rules) == 0 {
		errs = append(errs, &RuleError{Cause: "no rule is left for " + out.Families.String(),
			Fix: "give the target rules with such addresses, or remove it"})
	}
	if len(errs) > 0 {
		return nil, nil, errs
	}
	return fitted, losses, nil
}

// noDefault is the error of a target that cannot have p's default.
func noDefault(p *Plan, caps Caps) *RuleError {
	e := &RuleError{Option: "default", Cause: fmt.Sprintf("the target cannot have the default %q", p.Default), Fix: "choose another target"}
	if p.Default != Deny {
		return e
	}
	const lastRule = `end its rules with one that denies: action = "deny", to = any, services = any`
	if e.Fix = "leave default out, and what no rule decides is left to your own rules; or " + lastRule; caps.NoDeny != "" {
		e.Cause, e.Fix = e.Cause+": "+caps.NoDeny, `say placement = "standalone" for a chain that decides alone, or leave default out; or `+lastRule
	}
	return e
}

// Unsupported lists what p asks for and caps lack: its families, its direction, and the
// features of its rules. Each is an error whatever the rest of the plan is.
func Unsupported(p *Plan, caps Caps) []*RuleError {
	var errs []*RuleError
	if missing := p.Families &^ caps.Families; missing != 0 {
		errs = append(errs, &RuleError{
			Option: "families",
			Cause:  fmt.Sprintf("the target cannot hold %s addresses", missing),
			Fix:    fmt.Sprintf("say families = [%q] in the target to leave %s out on purpose", FamilyWord(p.Families&caps.Families), missing),
		})
	}
	if list, ok := p.Routes(); ok && !slices.Contains(caps.Verdicts, list.Way) {
		return append(errs, oneWay(list, caps))
	}
	for i := range p.Rules {
		errs = append(errs, unsupported(&p.Rules[i], caps)...)
	}
	return errs
}

// oneWay is the error for a list of routes in a direction that the target lacks.
func oneWay(list RouteList, caps Caps) *RuleError {
	if list.Way == Tunnel {
		return list.Refuse("the target lists what goes past the VPN only", "list that with bypass, or choose another target")
	}
	cause := "the target cannot route past the VPN"
	if why := caps.NoBypass[ipranges.IPv4]; why != "" {
		cause += ": " + why
	}
	return list.Refuse(cause, "list what goes through the VPN with include, or choose another target")
}

// unsupported lists the features of r that caps lack.
func unsupported(r *Rule, caps Caps) []*RuleError {
	var errs []*RuleError
	add := func(fix, cause string, args ...any) {
		errs = append(errs, &RuleError{Rule: r.Name, Place: r.Place, Cause: fmt.Sprintf(cause, args...), Fix: fix})
	}
	if !slices.Contains(caps.Verdicts, r.Verdict) {
		add("leave the rule out of this target", "the target cannot %s", r.Verdict)
	}
	if !r.From.IsAny() && !caps.Sources {
		add("leave the rule out of this target, or drop from", "the target cannot tell sources apart")
	}
	switch {
	case r.To.ByName():
		errs = append(errs, unsupportedNames(r, caps)...)
	case caps.OnlyNames:
		add("name the rules to host names: rules = [rule.NAME]", "the target is a list of host names, and the rule goes to addresses")
	}
	if r.Reject && !caps.Reject {
		add(`use action = "deny"`, "the target cannot answer what it denies")
	}
	if r.Log && !caps.Log {
		add("remove log = true", "the target cannot log")
	}
	if r.AnyService() {
		return errs
	}
	for _, m := range r.Matches() {
		switch {
		case m.Proto.IsICMP() && !caps.ICMP:
			add("leave the rule out of this target", "the target cannot match %s", m)
		case m.Proto.HasPorts() && !caps.Ports:
			add("leave the rule out of this target", "the target cannot match %s", m)
		case !m.Proto.IsICMP() && !m.Proto.HasPorts() && !caps.Protocols:
			add("leave the rule out of this target", "the target cannot match protocol %s", m.Proto)
		}
	}
	return errs
}

// unmatched lists the protocols of r that the target never finds in packets of a family
// that r speaks of. To render it for the other family alone would weaken it in silence.
func unmatched(r *Rule, fams Families, caps Caps) []*RuleError {
	if r.AnyService() {
		return nil
	}
	var errs []*RuleError
	for _, f := range fams.List() {
		if !r.From.Has(f) || !r.To.Has(f) {
			continue
		}
		var names []string
		why := ""
		for _, m := range r.Matches() {
			if reason := caps.Unmatched[f][m.Proto]; reason != "" && !slices.Contains(names, m.Proto.String()) {
				names, why = append(names, m.Proto.String()), reason
			}
		}
		if len(names) == 0 {
			continue
		}
		fix := "leave the rule out of this target, with rules = [rule.NAME]"
		for _, other := range fams.List() {
			if other != f && r.From.Has(other) && r.To.Has(other) {
				fix += fmt.Sprintf(", or say families = [%q] in the target if you mean %s alone", FamilyWord(Only(other)), other)
			}
		}
		errs = append(errs, &RuleError{Rule: r.Name, Place: r.Place, Fix: fix,
			Cause: fmt.Sprintf("the target never finds protocol %s in %s packets, so the rule would do nothing there: %s", strings.Join(names, ", "), f, why)})
	}
	return errs
}

// ExtensionHeaders are the protocol numbers that IPv6 has as extension headers (RFC
// 8200, section 4), but for AH, with what becomes of a rule that names them: packet
// filters look past them.
func ExtensionHeaders() map[Protocol]string {
	const why = "such a number is an extension header in IPv6, and packets are judged by the protocol behind it"
	return map[Protocol]string{0: why, 43: why, 44: why, 60: why}
}

// unsupportedNames refuses host names where the target filters addresses alone, and
// wildcards where it resolves names: nobody can resolve a wildcard.
func unsupportedNames(r *Rule, caps Caps) []*RuleError {
	if !caps.Names {
		return []*RuleError{{Rule: r.Name, Place: r.Place, Cause: "the target cannot match host names, only addresses",
			Fix: "leave the rule out of this target, with rules = [rule.NAME], or give the rule addresses"}}
	}
	i := slices.IndexFunc(r.To.Patterns(), Wildcard)
	if caps.Wildcards || i < 0 {
		return nil
	}
	return []*RuleError{{Rule: r.Name, Place: r.Place,
		Cause: fmt.Sprintf("the target resolves host names, and %s is none", r.To.Patterns()[i]),
		Fix:   "list the names themselves, or leave the rule out of this target with rules = [rule.NAME]"}}
}

// emptyReason says why lowered can match nothing, or "" if it can.
func emptyReason(full, lowered *Rule, fams Families) string {
	switch {
	case full.From.IsEmpty() || full.To.IsEmpty():
		return "its addresses are empty"
	case len(full.Matches()) == 0:
		return "its services are empty"
	}
	for _, f := range fams.List() {
		if lowered.From.Has(f) && lowered.To.Has(f) {
			return ""
		}
	}
	return fmt.Sprintf("its addresses hold no %s pair of source and destination", fams)
}

// noBypass refuses routes past the VPN in the families where there are none.
func noBypass(p *Plan, caps Caps) []*RuleError {
	list, ok := p.Routes()
	if !ok || list.Way != Bypass {
		return nil
	}
	var errs []*RuleError
	for _, f := range p.Families.List() {
		why, lacks := caps.NoBypass[f]
		if !lacks || !list.Set.Has(f) {
			continue
		}
		other := p.Families &^ Only(f)
		fix := fmt.Sprintf("say families = [%q] in the target to leave %s in the VPN on purpose", FamilyWord(other), f)
		if other == 0 {
			fix = "leave the target out, or list what goes through the VPN with include"
		}
		errs = append(errs, list.Refuse(fmt.Sprintf("the target cannot route %s past the VPN: %s", f, why), fix))
	}
	return errs
}

func overLimits(p *Plan, caps Caps) []*RuleError {
	var errs []*RuleError
	if caps.MaxRules > 0 && len(p.Rules) > caps.MaxRules {
		errs = append(errs, &RuleError{Cause: fmt.Sprintf("%d rules, and the target holds %d", len(p.Rules), caps.MaxRules),
			Fix: "choose fewer rules for it"})
	}
	if caps.MaxElements == 0 {
		return errs
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		for _, side := range []Addresses{r.From, r.To} {
			for _, f := range p.Families.List() {
				n := side.set.NumPrefixes(f)
				if caps.Ranges {
					n = side.set.NumRanges(f)
				}
				if n > caps.MaxElements {
					errs = append(errs, &RuleError{Rule: r.Name, Place: r.Place,
						Cause: fmt.Sprintf("%s has %d %s elements, and the target holds %d in a set", side.Name(), n, f, caps.MaxElements),
						Fix:   "narrow the set, or raise the target's limit if your device has room"})
				}
			}
		}
	}
	return errs
}
