package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/rules"
	"sallyport/rules/policy"
	"sallyport/verifier"
)

// VerifyPlan returns what a client verifies: the rules of the policy with their probes, and
// for each rendered list of routes whether its addresses must bypass the VPN or use it. The
// plan is complete: a machine needs neither the policy nor feeds to run it.
func (res *Result) VerifyPlan() *verifier.Plan {
	prog, req := res.Program, res.req
	p := &verifier.Plan{Format: verifier.PlanFormat, Source: verifier.Source{Name: prog.Name, PolicyHash: prog.Hash, Version: req.Version}}
	if req.Stamp {
		p.Source.Made = req.Now
	}
	for _, f := range prog.Feeds {
		p.Source.Feeds = append(p.Source.Feeds, strings.TrimSpace(f.Name+" "+f.Change))
	}
	names := setNames{plan: p, places: map[string]verifier.Place{}}
	for _, s := range prog.Sets {
		names.places[s.Name] = placeOf(s.Place)
	}
	for i := range prog.Rules {
		if r := &prog.Rules[i]; r.LeftOut == "" {
			p.Rules = append(p.Rules, verifyRule(r, &names))
		}
	}
	for _, pr := range prog.Probes {
		p.Probes = append(p.Probes, verifyProbe(pr))
	}
	if len(p.Probes) == 0 && req.Policy == "" {
		p.Probes = verifier.DefaultProbes()
	}
	for i := range res.Outputs {
		if way, ok := wayOf(&res.Outputs[i], &names); ok {
			p.Routes = append(p.Routes, way)
		}
	}
	return p
}

// setNames adds sets to a plan, each once.
type setNames struct {
	plan   *verifier.Plan
	places map[string]verifier.Place
}

func (n *setNames) add(name string, set ipranges.Set) string {
	base := name
	for i := 2; ; i++ {
		have := n.plan.SetNamed(name)
		switch {
		case have == nil:
			n.plan.Sets = append(n.plan.Sets, verifier.Set{Name: name, To: verifier.Ranges{Set: set}, Place: n.places[base]})
			return name
		case have.To.Equal(set):
			return name
		}
		name = fmt.Sprintf("%s_%d", base, i) // such as a list that its budget changed
	}
}

func verifyRule(r *policy.Rule, names *setNames) verifier.Rule {
	out := verifier.Rule{Name: r.Name, Deny: r.Verdict == rules.Deny, Services: servicesOf(r.Services), Place: placeOf(r.Place)}
	if !r.From.IsAny() {
		out.From = names.add(r.From.Name(), r.From.Set())
	}
	if r.To.IsAny() || r.To.ByName() { // the firewall decides by name, so any address may be right
		out.Any = true
		return out
	}
	out.Set = names.add(r.To.Name(), r.To.Set())
	return out
}

func verifyProbe(pr policy.Probe) verifier.Probe {
	out := verifier.Probe{Name: pr.Name, Host: pr.Host, Rule: pr.Rule, Services: servicesOf(pr.Services), Issuers: pr.Issuers, Place: placeOf(pr.Place)}
	for _, k := range pr.Kinds {
		out.Kinds = append(out.Kinds, verifier.Kind(k))
	}
	return out
}

func servicesOf(list []rules.Service) []verifier.Service {
	var out []verifier.Service
	for _, s := range list {
		if s.IsAny() {
			out = append(out, verifier.Service{Protocol: "any", To: 65535})
			continue
		}
		for _, m := range s.Matches() {
			one := verifier.Service{Protocol: strings.ToLower(m.Proto.String()), From: m.Lo, To: m.Hi}
			if !m.Proto.HasPorts() {
				one.From, one.To = 0, 65535
			}
			if !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	return out
}

// wayOf says whether the addresses of a list of routes must bypass the VPN or use it. The
// list is the rendered one, which its budget may have changed.
func wayOf(o *Output, names *setNames) (verifier.Way, bool) {
	list, ok := o.Plan.Routes()
	if !ok {
		return verifier.Way{}, false
	}
	way := verifier.Way{Name: o.Target.Name, Direction: verifier.Bypass, Place: placeOf(o.Target.Place)}
	if list.Way == rules.Tunnel {
		way.Direction = verifier.Tunnel
	}
	way.Set = names.add(list.Rule.To.Name(), list.Set)
	return way, true
}

func placeOf(r diag.Range) verifier.Place {
	if r.IsZero() {
		return verifier.Place{}
	}
	return verifier.Place{File: r.File, Line: r.Start.Line, Column: r.Start.Column}
}
